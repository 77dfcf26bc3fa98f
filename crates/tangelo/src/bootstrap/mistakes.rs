//! What is wrong with an application's settings, all of it at once.

use std::fmt;

/// What is wrong with an application's settings, all of it at once: each with the file, the line and
/// the key where it has them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Mistakes(Vec<String>);

impl Mistakes {
    pub(crate) fn one(mistake: impl Into<String>) -> Self {
        Self(vec![mistake.into()])
    }

    pub(crate) fn add(&mut self, mistake: impl Into<String>) {
        self.0.push(mistake.into());
    }

    /// The mistakes, each on a line of its own.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0[..] {
            [one] => formatter.write_str(one),
            all => write!(formatter, "{} mistakes:\n  {}", all.len(), all.join("\n  ")),
        }
    }
}

/// As it reads: `main` shows errors in this form.
impl fmt::Debug for Mistakes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl std::error::Error for Mistakes {}
