//! Whether a client has a file already, or wants none but the one it knows.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Which state of a file it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// With its quotes.
    pub(super) tag: String,
    /// To the second.
    pub(super) modified: Option<SystemTime>,
}

/// What is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The file, or a part if the client asks for one.
    Send,
    /// The whole file: a part would be one of another.
    SendWhole,
    /// The client has it: 304.
    NotModified,
    /// It is not what the client wants: 412.
    Failed,
}

impl Version {
    pub(super) fn new(modified: Option<SystemTime>, length: u64, coding: &str) -> Self {
        let since = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let nanoseconds = since.map_or(0, |since| since.as_nanos());
        let dash = if coding.is_empty() { "" } else { "-" };
        Self {
            tag: format!("\"{nanoseconds:x}-{length:x}{dash}{coding}\""),
            modified: since.map(|since| UNIX_EPOCH + Duration::from_secs(since.as_secs())),
        }
    }

    /// What a client's headers say of it, in the order of RFC 9110, section 13.2.2.
    pub(super) fn check(&self, headers: &HeaderMap) -> Verdict {
        if headers.contains_key(header::IF_MATCH) {
            if !self.is_among(headers, &header::IF_MATCH, Comparison::Strong) {
                return Verdict::Failed;
            }
        } else if let (Some(since), Some(modified)) =
            (date(headers, &header::IF_UNMODIFIED_SINCE), self.modified)
            && modified > since
        {
            return Verdict::Failed;
        }
        if headers.contains_key(header::IF_NONE_MATCH) {
            if self.is_among(headers, &header::IF_NONE_MATCH, Comparison::Weak) {
                return Verdict::NotModified;
            }
        } else if let (Some(since), Some(modified)) =
            (date(headers, &header::IF_MODIFIED_SINCE), self.modified)
            && modified <= since
        {
            return Verdict::NotModified;
        }
        match headers.get(header::IF_RANGE) {
            Some(known) if !self.is(known) => Verdict::SendWhole,
            _ => Verdict::Send,
        }
    }

    fn is_among(&self, headers: &HeaderMap, name: &HeaderName, comparison: Comparison) -> bool {
        let mut values = headers.get_all(name).iter();
        values.any(|value| {
            let value = value.to_str().unwrap_or_default().trim();
            value == "*"
                || tags(value).any(|(is_weak, tag)| {
                    tag == self.tag && (comparison == Comparison::Weak || !is_weak)
                })
        })
    }

    /// Whether `If-Range` knows it: by its tag, or by its very time.
    fn is(&self, known: &HeaderValue) -> bool {
        let known = known.to_str().unwrap_or_default().trim();
        let time = httpdate::parse_http_date(known).ok();
        known == self.tag || (time.is_some() && time == self.modified)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// The tags of a list, each with its quotes and whether it is weak. What is none ends it.
fn tags(list: &str) -> impl Iterator<Item = (bool, &str)> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let is_weak = rest.starts_with("W/");
        let tag = rest.strip_prefix("W/").unwrap_or(rest);
        let end = tag.strip_prefix('"')?.find('"')? + 2;
        let (tag, behind) = tag.split_at_checked(end)?;
        rest = behind;
        Some((is_weak, tag))
    })
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::{Verdict::*, *};

    const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn verdict(headers: &[(&'static str, &str)]) -> Verdict {
        let version = Version {
            tag: "\"a-1\"".to_owned(),
            modified: httpdate::parse_http_date(THEN).ok(),
        };
        let headers = headers.iter();
        let headers = headers.map(|(name, value)| {
            let value = HeaderValue::from_str(value).unwrap();
            (HeaderName::from_static(name), value)
        });
        version.check(&headers.collect())
    }

    #[test]
    fn a_client_that_has_it_is_told_so() {
        for (value, said) in [
            ("\"a-1\"", NotModified),
            ("W/\"a-1\"", NotModified),
            ("\"x\", W/\"y\",\"a-1\"", NotModified),
            ("\"x,\", \"a-1\"", NotModified),
            ("*", NotModified),
            ("\"x\"", Send),
            ("a-1", Send),
            ("\"a-1", Send),
            ("", Send),
        ] {
            assert_eq!(verdict(&[("if-none-match", value)]), said, "{value}");
        }
        for (value, said) in [
            (THEN, NotModified),
            (LATER, NotModified),
            (BEFORE, Send),
            ("yesterday", Send),
        ] {
            assert_eq!(verdict(&[("if-modified-since", value)]), said, "{value}");
        }
        // The tag knows better than the time.
        let both = [("if-none-match", "\"x\""), ("if-modified-since", LATER)];
        assert_eq!(verdict(&both), Send);
    }

    #[test]
    fn a_client_that_wants_another_has_none() {
        for (name, value, said) in [
            ("if-match", "\"a-1\"", Send),
            ("if-match", "*", Send),
            ("if-match", "W/\"a-1\"", Failed),
            ("if-match", "\"x\"", Failed),
            ("if-unmodified-since", THEN, Send),
            ("if-unmodified-since", BEFORE, Failed),
            ("if-unmodified-since", "yesterday", Send),
        ] {
            assert_eq!(verdict(&[(name, value)]), said, "{name}: {value}");
        }
    }

    #[test]
    fn a_part_is_sent_of_what_the_client_has_the_rest_of() {
        for (value, said) in [
            ("\"a-1\"", Send),
            (THEN, Send),
            ("W/\"a-1\"", SendWhole),
            ("\"x\"", SendWhole),
            (LATER, SendWhole),
            (BEFORE, SendWhole),
            ("", SendWhole),
        ] {
            assert_eq!(verdict(&[("if-range", value)]), said, "{value}");
        }
    }

    #[test]
    fn a_version_is_of_a_time_a_length_and_a_coding() {
        let time = UNIX_EPOCH + Duration::from_nanos(1_500_000_001);
        let version = Version::new(Some(time), 16, "");
        assert_eq!(version.tag, "\"59682f01-10\"");
        assert_eq!(version.modified, Some(UNIX_EPOCH + Duration::from_secs(1)));
        assert_eq!(Version::new(Some(time), 16, "br").tag, "\"59682f01-10-br\"");
        assert_eq!(Version::new(None, 0, "").tag, "\"0-0\"");
    }
}
