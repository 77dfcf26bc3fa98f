//! Paths of urls as the document has them.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::route::{Step, Url};

/// What stands in a path as it is written.
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// A path, part for part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path(pub(super) Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    /// Behind the last segment.
    Verb(String),
    Variable {
        /// In the document.
        name: String,
        /// The field that it fills, or is a part of, with dots.
        field: Option<String>,
        /// Whether it is all that the field has.
        is_whole: bool,
        /// Whether it may have several segments.
        is_rest: bool,
    },
}

impl Path {
    pub(super) fn of(url: &Url) -> Self {
        match url.template() {
            None => Self(url.path.split('/').skip(1).map(segment).collect()),
            Some(_) => Self::of_template(url),
        }
    }

    fn of_template(url: &Url) -> Self {
        let Some(template) = url.template() else {
            return Self(Vec::new());
        };
        let mut unnamed = 0;
        let part = |(at, step): (usize, &Step)| {
            if let Step::Word(word) = step {
                return Part::Text(word.clone());
            }
            let mut variables = template.variables().iter();
            let variable = variables.find(|it| (it.from..it.to).contains(&at));
            let steps = template.steps();
            let holes = variable.map_or(1, |it| {
                let steps = steps.get(it.from..it.to).unwrap_or_default();
                steps
                    .iter()
                    .filter(|step| !matches!(step, Step::Word(_)))
                    .count()
            });
            let name = match variable {
                Some(variable) if holes == 1 => plain(&variable.name),
                Some(variable) => {
                    let before = steps.get(variable.from..at).unwrap_or_default();
                    let holes = before.iter().filter(|step| !matches!(step, Step::Word(_)));
                    format!("{}_{}", plain(&variable.name), holes.count() + 1)
                }
                None => {
                    unnamed += 1;
                    format!("segment_{unnamed}")
                }
            };
            Part::Variable {
                name,
                field: variable.map(|it| it.name.clone()),
                is_whole: variable.is_some_and(|it| it.to - it.from == 1),
                is_rest: *step == Step::Rest,
            }
        };
        let mut parts: Vec<_> = template.steps().iter().enumerate().map(part).collect();
        if let Some(verb) = template.verb() {
            parts.push(Part::Verb(verb.to_owned()));
        }
        Self(parts)
    }

    /// The names of its variables, in their order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(_) | Part::Verb(_) => None,
            Part::Variable { name, .. } => Some(name.as_str()),
        })
    }

    /// Whether it says this field, or a part of it.
    pub(super) fn fills(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|part| matches!(part, Part::Variable { field: Some(field), .. } if field == name))
    }

    /// Calls its variables by these names: paths that differ in those only are one.
    pub(super) fn rename(&mut self, names: &[String]) {
        let variables = self.0.iter_mut().filter_map(|part| match part {
            Part::Text(_) | Part::Verb(_) => None,
            Part::Variable { name, .. } => Some(name),
        });
        for (name, new) in variables.zip(names) {
            name.clone_from(new);
        }
    }

    /// `/users/{userId}`
    pub(super) fn text(&self) -> String {
        self.written(|name| format!("{{{name}}}"))
    }

    /// The same for all paths that differ in names of variables only.
    pub(super) fn shape(&self) -> String {
        self.written(|_| "{}".to_owned())
    }

    fn written(&self, variable: impl Fn(&str) -> String) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Verb(word) => {
                    text.push(':');
                    text.extend(utf8_percent_encode(word, ENCODED));
                }
                Part::Text(word) => {
                    text.push('/');
                    text.extend(utf8_percent_encode(word, ENCODED));
                }
                Part::Variable { name, .. } => {
                    text.push('/');
                    text.push_str(&variable(name));
                }
            }
        }
        text
    }
}

/// A name without dots: in a path's names tools take those for something of their own.
fn plain(name: &str) -> String {
    name.replace('.', "_")
}

fn segment(text: &str) -> Part {
    match text
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
    {
        None => Part::Text(text.to_owned()),
        Some(name) => Part::Variable {
            name: name.to_owned(),
            field: Some(name.to_owned()),
            is_whole: true,
            is_rest: false,
        },
    }
}
