//! The way to a mistake, collected on the way back from it.

use std::fmt;

use prost_reflect::Kind;
use tangelo_reflect::words;

use super::scalar::{Reading, Said};
use crate::mapping::BadParameter;

/// A mistake, and where it is.
#[derive(Debug)]
pub(super) struct Fault {
    /// The innermost first.
    steps: Vec<Step>,
    words: String,
}

#[derive(Debug)]
enum Step {
    Name(Box<str>),
    Index(usize),
}

impl Fault {
    pub(super) fn new(words: String) -> Self {
        Self {
            steps: Vec::new(),
            words,
        }
    }

    pub(super) fn unfit(kind: &Kind, reading: Reading, found: impl fmt::Display) -> Self {
        let expected = expected(kind, reading);
        Self::new(format!("expected {expected}, found {found}"))
    }

    /// Of a map.
    pub(super) fn unfit_key(kind: &Kind, reading: Reading, key: &str) -> Self {
        let expected = expected(kind, reading);
        Self::new(format!("its name is to be {expected}")).within(key)
    }

    #[must_use]
    pub(super) fn within(mut self, name: &str) -> Self {
        self.name(name);
        self
    }

    pub(super) fn name(&mut self, name: &str) {
        self.steps.push(Step::Name(name.into()));
    }

    pub(super) fn index(&mut self, index: usize) {
        self.steps.push(Step::Index(index));
    }
}

fn expected(kind: &Kind, reading: Reading) -> String {
    match kind {
        Kind::Bytes if reading.base64 => "bytes in base64".to_owned(),
        kind => words::expected(kind),
    }
}

impl From<Fault> for BadParameter {
    fn from(fault: Fault) -> Self {
        let mut path = String::new();
        for step in fault.steps.iter().rev() {
            match step {
                Step::Name(name) => words::push_name(&mut path, name),
                Step::Index(index) => path.push_str(&format!("[{index}]")),
            }
        }
        if path.is_empty() {
            path.push_str("the body");
        }
        Self {
            path,
            words: fault.words,
        }
    }
}

/// Characters of a text that a mistake repeats.
const MAX_TEXT: usize = 40;

impl Said<'_> {
    /// What was found. Whose it is not is not told what the session or a plugin has said.
    pub(super) fn shown(&self, kind: &Kind, reading: Reading) -> String {
        match self {
            Self::Text(text) if reading.shows && !matches!(kind, Kind::Bytes) => {
                let mut shown: String = text.chars().take(MAX_TEXT).collect();
                if shown.len() < text.len() {
                    shown.push_str("...");
                }
                format!("{shown:?}")
            }
            Self::Text(_) => "a string".to_owned(),
            // As long as somebody may write one.
            Self::Number(token) => token.get(..MAX_TEXT).unwrap_or(token).to_owned(),
            Self::Bool(value) => value.to_string(),
        }
    }
}
