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
        let expected = match kind {
            Kind::Bytes if reading.base64 => "bytes in base64".to_owned(),
            kind => words::expected(kind),
        };
        Self::new(format!("expected {expected}, found {found}"))
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

/// What was found, without saying what may be a secret.
impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("a string"),
            // As long as somebody may write one.
            Self::Number(token) => f.write_str(token.get(..40).unwrap_or(token)),
            Self::Bool(value) => value.fmt(f),
        }
    }
}
