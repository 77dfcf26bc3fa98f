//! What handlers fail with.

use std::{borrow::Cow, fmt};

use tangelo_rpc::{Code, Status};

use crate::BindError;

/// What a handler fails with. Anything that is an error becomes one with `?`; the client is told a
/// code and, from a [`Status`], its words; what else is known goes to the log.
pub struct Error(Status);

/// What a handler returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failure (code 500 to the client) with words for the log.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self(Status::from(Code::BUSINESS_ERROR).with_cause(reason.into()))
    }

    /// What led to it, for the log; one line.
    pub(crate) fn why(&self) -> String {
        let shown = self.0.reason().to_string();
        // That it is a failure says nothing where something else is known.
        let failure = format!("{}: ", Status::from(Code::BUSINESS_ERROR));
        match shown.strip_prefix(&failure) {
            Some(cause) => cause.to_owned(),
            None => shown,
        }
    }

    /// As what the caller is told.
    pub fn into_status(self) -> Status {
        self.0
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let boxed: Box<dyn std::error::Error + Send + Sync> = Box::new(error);
        let boxed = match boxed.downcast::<Status>() {
            Ok(status) => return Self(*status),
            Err(other) => other,
        };
        Self(match boxed.downcast::<BindError>() {
            Ok(error) => Status::from(*error),
            Err(other) => Status::from(Code::BUSINESS_ERROR).with_cause(other),
        })
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
