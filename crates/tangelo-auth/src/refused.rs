//! Why a token does not count.

use std::fmt;

/// Why a token does not count: what its owner is told, and what the log is told beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    code: i32,
    message: String,
    reason: Option<String>,
}

impl Refused {
    /// The code of a token that is nobody's, or does not count any more.
    pub const UNAUTHORIZED: i32 = 401;

    /// A code and words for whoever showed it.
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            reason: None,
        }
    }

    /// Code 401, and words for whoever showed it.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(Self::UNAUTHORIZED, message)
    }

    /// What the log is told beside them.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// The code whoever showed it is told.
    pub fn code(&self) -> i32 {
        self.code
    }

    /// The words.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the log is told beside them, if anything.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.message, self.code)?;
        match &self.reason {
            Some(reason) => write!(formatter, ": {reason}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refused {}
