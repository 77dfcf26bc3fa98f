//! Where a route is written, and what is wrong with it.

use std::{fmt, sync::Arc};

/// A line of a file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Place {
    /// Which of the files it is: 0 is the first that was read.
    number: usize,
    /// The line, from 1.
    pub line: usize,
    /// The file's path, as it was given.
    pub file: Arc<str>,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{words}", Before(.place))]
#[non_exhaustive]
pub struct RouteError {
    /// The line that is wrong; none where the route comes from code.
    pub place: Option<Place>,
    /// The element that is wrong, and why.
    pub words: String,
}

/// All that is wrong with the routes: one line each, in the order of the files and their lines. What
/// comes from code is last.
#[derive(Clone, PartialEq, Eq)]
pub struct RouteErrors(Vec<RouteError>);

impl Place {
    pub(super) fn new(number: usize, file: &Arc<str>, line: usize) -> Self {
        let file = Arc::clone(file);
        Self { number, line, file }
    }
}

impl RouteError {
    pub(super) fn new(place: Option<&Place>, words: impl Into<String>) -> Self {
        Self {
            place: place.cloned(),
            words: words.into(),
        }
    }
}

impl RouteErrors {
    /// `Err` if there are any.
    pub(super) fn check(mut errors: Vec<RouteError>) -> Result<(), Self> {
        if errors.is_empty() {
            return Ok(());
        }
        let key = |error: &RouteError| (error.place.is_none(), error.place.clone());
        errors.sort_by_cached_key(key);
        Err(Self(errors))
    }

    /// One after the other; there is at least one.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &RouteError> {
        self.0.iter()
    }
}

struct Before<'a>(&'a Option<Place>);

impl fmt::Display for Before<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(place) => write!(formatter, "{place}: "),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file, self.line)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl fmt::Display for RouteErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            if at > 0 {
                writeln!(formatter)?;
            }
            write!(formatter, "{error}")?;
        }
        Ok(())
    }
}

/// As it reads: `main` shows errors in this form.
impl fmt::Debug for RouteErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl std::error::Error for RouteErrors {}
