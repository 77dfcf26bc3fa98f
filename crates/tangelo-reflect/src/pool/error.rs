//! What is wrong with definitions.

use std::fmt;

/// Why a file or a service is not in a [`Pool`](crate::Pool).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A directory or a file cannot be read.
    #[error("{place}: {source}")]
    Io {
        /// Its path.
        place: String,
        /// Why.
        source: std::io::Error,
    },
    /// A set is none, or a file of it cannot be linked.
    #[error("{place}: {problem}")]
    File {
        /// The set; in brackets the file within it, where that is not clear.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// A service lacks what krpc needs of it.
    #[error("{place}: {name}: {problem}")]
    Definition {
        /// The set; in brackets the file within it, where that is not clear; then the line, where that is known.
        place: String,
        /// Service, or service and method.
        name: String,
        /// What is wrong, and what to write.
        problem: String,
    },
}

/// All that is wrong: one line each.
///
/// What is not named here has been loaded.
#[derive(Debug)]
pub struct LoadErrors(Vec<LoadError>);

impl LoadErrors {
    /// `Err` if there are any.
    pub(super) fn check(errors: Vec<LoadError>) -> Result<(), Self> {
        if errors.is_empty() {
            Ok(())
        } else {
            Err(Self(errors))
        }
    }

    /// One after the other; there is at least one.
    pub fn iter(&self) -> impl Iterator<Item = &LoadError> {
        self.0.iter()
    }
}

impl fmt::Display for LoadErrors {
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

impl std::error::Error for LoadErrors {}
