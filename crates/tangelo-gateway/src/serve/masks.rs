//! What nobody may read in a log.

use std::{borrow::Cow, collections::BTreeSet};

use percent_encoding::percent_decode_str;

use super::access_log::shown;
use crate::route::{Step, Url};

/// Names of parameters whose values nobody may read in a log.
#[derive(Clone, Debug, Default)]
pub(super) struct Masks(BTreeSet<String>);

impl Masks {
    pub(super) fn add(&mut self, name: &str) {
        self.0.insert(plain(name));
    }

    /// Whether this is one of the names, or has one of them as its part: `user.password`. A name has two spellings
    /// in JSON, `pass_word` and `passWord`; so neither case nor underscores count.
    pub(super) fn masks(&self, name: &str) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let mut parts = name.split('.').chain([name]);
        parts.any(|part| self.0.contains(&plain(part)))
    }

    /// A query with the values of these names replaced by `***`, however the names are encoded. What is long is cut.
    pub(super) fn query<'a>(&self, query: &'a str) -> Cow<'a, str> {
        let name_of = |pair: &str| {
            let name = pair.split('=').next().unwrap_or_default();
            let name = name.replace('+', " ");
            percent_decode_str(&name).decode_utf8_lossy().into_owned()
        };
        let is_masked = |pair: &str| !self.0.is_empty() && self.masks(&name_of(pair));
        if !query.split(['&', ';']).any(is_masked) {
            return shown(query);
        }
        let mut text = String::with_capacity(query.len());
        for (at, pair) in query.split(['&', ';']).enumerate() {
            if at > 0 {
                text.push('&');
            }
            match pair.split_once('=') {
                Some((name, _)) if is_masked(pair) => {
                    text.push_str(name);
                    text.push_str("=***");
                }
                _ => text.push_str(pair),
            }
        }
        Cow::Owned(shown(&text).into_owned())
    }

    /// How a url's path begins before a variable whose value is masked; none if there is no such variable.
    pub(super) fn beginning(&self, url: &Url) -> Option<Beginning> {
        let segments: Vec<_> = match url.template() {
            Some(template) => {
                let mut variables = template.variables().iter();
                let first = variables.find(|it| self.masks(&it.name))?;
                let steps = template.steps().iter().take(first.from);
                let word = |step: &Step| match step {
                    Step::Word(word) => Some(word.clone()),
                    Step::One | Step::Rest => None,
                };
                steps.map(word).collect()
            }
            None => {
                let variable = |segment: &str| {
                    let name = segment.strip_prefix('{')?.strip_suffix('}')?;
                    Some(name.to_owned())
                };
                let segments: Vec<_> = url.path.split('/').skip(1).collect();
                let is_masked =
                    |segment: &&str| variable(segment).is_some_and(|it| self.masks(&it));
                let first = segments.iter().position(is_masked)?;
                let before = segments.into_iter().take(first);
                let word = |segment: &str| match variable(segment) {
                    None => Some(segment.to_owned()),
                    Some(_) => None,
                };
                before.map(word).collect()
            }
        };
        Some(Beginning(segments))
    }
}

fn plain(name: &str) -> String {
    name.replace('_', "").to_ascii_lowercase()
}

/// The segments before one that is masked; none is for whatever stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Beginning(Vec<Option<String>>);

/// Most segments of a path that are looked at.
const SEGMENTS: usize = 64;

impl Beginning {
    fn is_of(&self, segments: &[&str]) -> bool {
        let mut pairs = self.0.iter().zip(segments);
        segments.len() > self.0.len()
            && pairs.all(|(known, segment)| {
                let known = known.as_deref();
                known.is_none_or(|known| known.eq_ignore_ascii_case(segment))
            })
    }

    /// `/reset/***`
    fn written(&self) -> String {
        let mut text = String::new();
        for segment in &self.0 {
            text.push('/');
            text.push_str(segment.as_deref().unwrap_or("*"));
        }
        text.push_str("/***");
        text
    }
}

/// A path that is for no url, which may still be meant for one of these: with another method, another host or with
/// what stands in no path. None if there is nothing to be masked in it.
///
/// It is read as generously as any server could.
pub(super) fn masked(beginnings: &[Beginning], path: &str) -> Option<String> {
    if beginnings.is_empty() {
        return None;
    }
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let segments = decoded.split(['/', '\\']);
    let segments: Vec<_> = segments
        .filter(|segment| !matches!(*segment, "" | "." | ".."))
        .take(SEGMENTS + 1)
        .collect();
    if segments.len() > SEGMENTS {
        return Some("/***".to_owned());
    }
    (0..segments.len()).find_map(|from| {
        let rest = segments.get(from..).unwrap_or_default();
        let found = beginnings.iter().filter(|it| it.is_of(rest));
        let longest = found.max_by_key(|it| it.0.len());
        longest.map(|it| shown(&it.written()).into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks(names: &[&str]) -> Masks {
        let mut masks = Masks::default();
        names.iter().for_each(|name| masks.add(name));
        masks
    }

    #[test]
    fn the_values_of_these_names_are_masked_however_the_names_are_encoded() {
        let masks = masks(&["password", "pass word", "access_key"]);
        for (query, line) in [
            ("userName=a&password=b", "userName=a&password=***"),
            ("password=b&password=c", "password=***&password=***"),
            ("pass%77ord=b", "pass%77ord=***"),
            ("pass+word=b;x=1", "pass+word=***&x=1"),
            (
                "inner.password=b&inner.name=c",
                "inner.password=***&inner.name=c",
            ),
            (
                "a.b.password=b&password.value=c",
                "a.b.password=***&password.value=***",
            ),
            ("accessKey=b&access_key=c", "accessKey=***&access_key=***"),
            ("password", "password"),
            ("passwords=b", "passwords=b"),
            ("a=password", "a=password"),
            ("", ""),
        ] {
            assert_eq!(masks.query(query), line);
        }
    }

    #[test]
    fn a_path_for_no_url_is_masked_if_it_may_be_meant_for_one_with_something_to_mask() {
        let masks = masks(&["token", "password"]);
        let urls = [
            "/reset/{token}",
            "/users/{id}/key/{password}",
            "/users/{id}",
        ];
        let beginnings = urls.map(|path| masks.beginning(&Url::new(path)));
        assert_eq!(beginnings[2], None);
        let beginnings: Vec<_> = beginnings.into_iter().flatten().collect();
        for (path, line) in [
            ("/reset/secret", Some("/reset/***")),
            ("/reset/secret%00", Some("/reset/***")),
            ("/reset/secret/more", Some("/reset/***")),
            ("//reset//secret", Some("/reset/***")),
            ("/a/../reset/secret", Some("/reset/***")),
            ("/a/..%2Freset%5Csecret", Some("/reset/***")),
            ("/RESET/secret", Some("/reset/***")),
            ("/r%65set/secret", Some("/reset/***")),
            ("/users/7/key/secret", Some("/users/*/key/***")),
            ("/users/7/keys/7", None),
            ("/reset", None),
            ("/reset/", None),
            ("/", None),
        ] {
            assert_eq!(masked(&beginnings, path).as_deref(), line, "{path}");
        }
        let long = "/a".repeat(SEGMENTS + 1);
        assert_eq!(masked(&beginnings, &long).as_deref(), Some("/***"));
        assert_eq!(masked(&[], &long), None);
        let all = [masks.beginning(&Url::new("/{token}")).unwrap()];
        assert_eq!(masked(&all, "/secret%00").as_deref(), Some("/***"));
    }
}
