//! Paths of `google.api.http`: `/v1/{name=shelves/*/books/*}:archive`.

use super::PathVariables;

/// Such a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    /// Segment for segment.
    steps: Vec<Step>,
    verb: Option<String>,
    variables: Vec<Variable>,
}

/// One segment, or with `**` all that follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// As it is written.
    Word(String),
    /// `*`: whatever stands there.
    One,
    /// `**`: any number of segments, maybe none; the last of the path.
    Rest,
}

/// A field that the path fills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    /// Its name, with dots where it is within messages: `book.name`.
    pub(crate) name: String,
    /// Its first segment.
    pub(crate) from: usize,
    /// Behind its last one.
    pub(crate) to: usize,
}

impl Template {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it, or not supported.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let path = text.strip_prefix('/').ok_or("does not begin with /")?;
        let (path, verb) = verb(path);
        if let Some(verb) = verb {
            word(verb)?;
        }
        let mut template = Self {
            steps: Vec::new(),
            verb: verb.map(str::to_owned),
            variables: Vec::new(),
        };
        for piece in pieces(path)? {
            template.piece(piece)?;
        }
        let last = template.steps.len() - 1;
        if template.steps.iter().take(last).any(|it| *it == Step::Rest) {
            return Err("has `**` before its end, which is not supported".to_owned());
        }
        if template.verb.is_some() && template.steps.ends_with(&[Step::Rest]) {
            return Err("has a verb behind `**`, which is not supported".to_owned());
        }
        Ok(template)
    }

    fn piece(&mut self, piece: &str) -> Result<(), String> {
        let inside = piece
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        let Some(inside) = inside else {
            self.steps.push(step(piece)?);
            return Ok(());
        };
        let (name, path) = inside.split_once('=').unwrap_or((inside, "*"));
        let is_name = |name: &str| {
            let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            !name.is_empty() && name.chars().all(is_letter)
        };
        if !name.split('.').all(is_name) {
            return Err(format!("`{name}` is no name of a field"));
        }
        if self.variables.iter().any(|known| known.name == name) {
            return Err(format!("has the variable {{{name}}} twice"));
        }
        let from = self.steps.len();
        for piece in path.split('/') {
            self.steps.push(step(piece)?);
        }
        self.variables.push(Variable {
            name: name.to_owned(),
            from,
            to: self.steps.len(),
        });
        Ok(())
    }

    /// The segments.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What stands behind the last `:`.
    pub(crate) fn verb(&self) -> Option<&str> {
        self.verb.as_deref()
    }

    /// The fields that the path fills.
    pub(crate) fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The paths to look for: one, or with `**` two, as that may stand for nothing.
    pub(super) fn patterns(&self) -> Vec<String> {
        let all = self.pattern(&self.steps, |number| number.to_string());
        match self.steps.split_last() {
            Some((Step::Rest, before)) => {
                let without = self.pattern(before, |number| number.to_string());
                vec![without, all]
            }
            _ => vec![all],
        }
    }

    /// What is the same for two that are open for the same paths; for each of [`patterns`](Self::patterns).
    pub(super) fn shapes(&self) -> Vec<String> {
        let all = self.pattern(&self.steps, |_| String::new());
        match self.steps.split_last() {
            Some((Step::Rest, before)) => vec![self.pattern(before, |_| String::new()), all],
            _ => vec![all],
        }
    }

    fn pattern(&self, steps: &[Step], name: impl Fn(usize) -> String) -> String {
        let mut pattern = String::new();
        for (number, step) in steps.iter().enumerate() {
            pattern.push('/');
            match step {
                Step::Word(word) => pattern.push_str(word),
                Step::One => pattern.push_str(&format!("{{{}}}", name(number))),
                Step::Rest => pattern.push_str(&format!("{{*{}}}", name(number))),
            }
        }
        if pattern.is_empty() {
            pattern.push('/');
        }
        if let Some(verb) = &self.verb {
            pattern.push(':');
            pattern.push_str(verb);
        }
        pattern
    }

    /// What a path has for the variables. In one of several segments a `/` that the client encoded is `%2F`, so that it
    /// borders none; `**` takes what it finds. `None`: there are empty segments in it.
    pub(crate) fn values(&self, found: &PathVariables<'_>) -> Option<Vec<(String, String)>> {
        let mut values = Vec::with_capacity(self.variables.len());
        for variable in &self.variables {
            let steps = self.steps.iter().enumerate();
            let steps = steps.take(variable.to).skip(variable.from);
            let is_one = variable.to - variable.from == 1;
            let mut value = String::new();
            for (number, step) in steps {
                let text = || found.get(&number.to_string());
                let text = match step {
                    Step::Word(word) => word.clone(),
                    Step::One if is_one => text()?.to_owned(),
                    Step::One => text()?.replace('/', "%2F"),
                    Step::Rest => match text() {
                        Some(rest) if rest.split('/').any(str::is_empty) => return None,
                        Some(rest) => rest.to_owned(),
                        None => continue,
                    },
                };
                if !value.is_empty() {
                    value.push('/');
                }
                value.push_str(&text);
            }
            if !value.is_empty() {
                values.push((variable.name.clone(), value));
            }
        }
        Some(values)
    }
}

/// A path and the verb behind it: what follows the last `:` of the last segment, outside braces.
fn verb(path: &str) -> (&str, Option<&str>) {
    let tail = path.rfind(['/', '}']).map_or(0, |at| at + 1);
    let colon = path.get(tail..).and_then(|tail| tail.rfind(':'));
    match colon.and_then(|colon| Some((path.get(..tail + colon)?, path.get(tail + colon + 1..)?))) {
        Some((path, verb)) => (path, Some(verb)),
        None => (path, None),
    }
}

/// The segments of a path; what stands in braces is one.
fn pieces(path: &str) -> Result<Vec<&str>, String> {
    let (mut pieces, mut from, mut open) = (Vec::new(), 0, false);
    for (at, letter) in path.char_indices() {
        match letter {
            '{' if open => return Err("has a variable within a variable".to_owned()),
            '{' => open = true,
            '}' if !open => return Err("has a } without its {".to_owned()),
            '}' => open = false,
            '/' if !open => {
                pieces.extend(path.get(from..at));
                from = at + 1;
            }
            _ => {}
        }
    }
    if open {
        return Err("has a { without its }".to_owned());
    }
    pieces.extend(path.get(from..));
    Ok(pieces)
}

fn step(piece: &str) -> Result<Step, String> {
    match piece {
        "*" => Ok(Step::One),
        "**" => Ok(Step::Rest),
        other => word(other).map(|()| Step::Word(other.to_owned())),
    }
}

/// Whether a segment is one that a request can have.
fn word(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("has an empty segment".to_owned());
    }
    let is_other = |letter: char| "{}*?#%\\".contains(letter) || letter.is_control();
    if matches!(text, "." | "..") || text.contains(is_other) {
        return Err(format!("has the segment `{}`", text.escape_debug()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn a_path_is_looked_for_by_its_patterns() {
        for (text, patterns) in [
            ("/v1/messages", vec!["/v1/messages"]),
            ("/v1/messages/{id}", vec!["/v1/messages/{2}"]),
            (
                "/v1/{name=shelves/*/books/*}",
                vec!["/v1/shelves/{2}/books/{4}"],
            ),
            ("/v1/*/b/{c}", vec!["/v1/{1}/b/{3}"]),
            ("/v1/{a.b=x/**}", vec!["/v1/x", "/v1/x/{*2}"]),
            ("/**", vec!["/", "/{*0}"]),
            ("/v1/{id}:archive", vec!["/v1/{1}:archive"]),
            ("/v1/all:count", vec!["/v1/all:count"]),
            ("/v1/{a=x/*}:go", vec!["/v1/x/{2}:go"]),
            ("/v1/a:b/c", vec!["/v1/a:b/c"]),
        ] {
            assert_eq!(
                Template::parse(text).unwrap().patterns(),
                patterns,
                "{text}"
            );
        }
    }

    #[test]
    fn what_cannot_be_looked_for_is_told() {
        for (text, told) in [
            ("v1", "begin with /"),
            ("/", "empty segment"),
            ("/a//b", "empty segment"),
            ("/a/", "empty segment"),
            ("/a/{b", "without its }"),
            ("/a/b}", "without its {"),
            ("/a/{b={c}}", "within a variable"),
            ("/a/{b=}", "empty segment"),
            ("/a/{}", "no name"),
            ("/a/{b..c}", "no name"),
            ("/a/{b}/{b}", "twice"),
            ("/a/**/b", "before its end"),
            ("/a/{b=**}/c", "before its end"),
            ("/a/{b=**}:go", "behind `**`"),
            ("/a/x*", "`x*`"),
            ("/a/x{b}", "`x{b}`"),
            ("/a/{b}:", "empty segment"),
            ("/a/../b", "`..`"),
            ("/a%20b", "`a%20b`"),
        ] {
            let error = Template::parse(text).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn a_variable_has_all_its_segments() {
        let values = |text: &str, found: &[(&'static str, &'static str)]| {
            let found = found
                .iter()
                .map(|(name, value)| (*name, Cow::Borrowed(*value)));
            let values = Template::parse(text).unwrap().values(&found.collect())?;
            let shown = values.iter().map(|(name, value)| format!("{name}={value}"));
            Some(shown.collect::<Vec<_>>().join(" "))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(values("/v1/{id}", &[("1", "a/b")]), some("id=a/b"));
        assert_eq!(
            values("/v1/{n=s/*/b/*}", &[("2", "x"), ("4", "y/z")]),
            some("n=s/x/b/y%2Fz")
        );
        assert_eq!(values("/v1/{n=f/**}", &[("2", "a/b")]), some("n=f/a/b"));
        assert_eq!(values("/v1/{n=f/**}", &[]), some("n=f"));
        assert_eq!(values("/v1/{n=**}", &[]), some(""));
        assert_eq!(values("/v1/{n=**}", &[("1", "a//b")]), None);
        assert_eq!(
            values("/{a}/{b.c}", &[("0", "1"), ("1", "2")]),
            some("a=1 b.c=2")
        );
    }
}
