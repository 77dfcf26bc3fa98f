//! What handlers and filters fail with.

use std::{borrow::Cow, fmt, sync::Arc};

use serde::Serialize;
use serde_json::Value;
use tangelo_rpc::{Code, Status};

use crate::{
    BindError,
    answer::{FAILED, client_code, client_words},
};

/// What a handler or filter fails with. Anything that is an error becomes one with `?`; the client is
/// told a code and, from a [`Status`], its words; what else is known goes to the log.
///
/// A [`Status`] that a call ended with is passed on where its code is the application's. What the framework
/// says of a call (nobody there, not found, lost) is not so of the request that made it: that fails with
/// [`Code::BUSINESS_ERROR`], or [`Code::RPC_TIMEOUT`] if the call took too long, and the log has the reason.
/// A [`Status`] that is made here is told as it is.
///
/// It may carry the body that the client is told: Pomelo's `next(err, resp, opts)`. It is sent as it is,
/// but for the code that is added to an object without one; unless an error handler says otherwise.
#[derive(Clone)]
pub struct Error(Status);

/// What a handler returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failure (code 500 to the client) with words for the log.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self(Status::from(Code::BUSINESS_ERROR).with_cause(reason.into()))
    }

    /// Adds the body that the client is told. One that is no JSON is left out, and the log tells why.
    #[must_use]
    pub fn with_body(self, body: impl Serialize) -> Self {
        match serde_json::to_value(body) {
            Ok(body) => self.carrying(|carried| carried.body = Some(body)),
            Err(error) => Self(self.0.with_cause(error)),
        }
    }

    /// Adds what is said beside the body to the push scheduler; see
    /// [`IntoReply::with_options`](crate::IntoReply::with_options).
    #[must_use]
    pub fn with_options(self, options: impl Into<Value>) -> Self {
        let options = Arc::new(options.into());
        self.carrying(|carried| carried.options = Some(options))
    }

    /// The code a client is told; 500 unless it is a [`Status`] that says otherwise.
    pub fn code(&self) -> i32 {
        match is_of_a_call_alone(&self.0) {
            true => client_code(Code::BUSINESS_ERROR),
            false => client_code(self.0.code()),
        }
    }

    /// The words a client is told.
    pub fn message(&self) -> &str {
        match is_of_a_call_alone(&self.0) {
            true => FAILED,
            false => client_words(&self.0),
        }
    }

    /// The body it carries for the client, as it was given.
    pub fn body(&self) -> Option<&Value> {
        carried(&self.0)?.body.as_ref()
    }

    /// What it carries for the push scheduler.
    pub fn options(&self) -> Option<&Value> {
        carried(&self.0)?.options.as_deref()
    }

    /// The status it was made of; its code tells what became of a call.
    pub fn as_status(&self) -> &Status {
        &self.0
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

    /// The same, out of it.
    pub fn into_status(self) -> Status {
        self.0
    }

    /// As what the caller is told.
    pub(crate) fn into_answer(self) -> Status {
        match is_of_a_call_alone(&self.0) {
            true => Status::from(Code::BUSINESS_ERROR).with_cause(self.0),
            false => self.0,
        }
    }

    /// It is told as it is.
    pub(crate) fn of(status: Status) -> Self {
        Self(status)
    }

    fn carrying(self, change: impl FnOnce(&mut Carried)) -> Self {
        let status = self.into_answer();
        let mut carried = carried(&status).cloned().unwrap_or_else(|| Carried {
            body: None,
            options: None,
            reason: status.clone(),
        });
        change(&mut carried);
        Self(status.with_cause(carried))
    }
}

/// What a status carries beside code and words. It travels as the status's cause, so that it goes
/// wherever a status does.
#[derive(Clone, Debug)]
pub(crate) struct Carried {
    pub(crate) body: Option<Value>,
    pub(crate) options: Option<Arc<Value>>,
    /// The status as it was without; the log sees what had led to it.
    reason: Status,
}

/// What a status carries, if anything.
pub(crate) fn carried(status: &Status) -> Option<&Carried> {
    std::error::Error::source(status)?.downcast_ref()
}

impl fmt::Display for Carried {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::error::Error::source(&self.reason) {
            Some(cause) => fmt::Display::fmt(cause, formatter),
            None => formatter.write_str("with a body of its own"),
        }
    }
}

impl std::error::Error for Carried {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.reason)?.source()
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

/// Whether it says of a call what is not so of the request that made it.
fn is_of_a_call_alone(status: &Status) -> bool {
    let code = status.code();
    status.is_of_call() && code.is_frameworks() && code != Code::RPC_TIMEOUT
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_an_error_carries_goes_with_its_status_and_the_log_sees_why() {
        let status = Status::new(777, "sold out").with_cause("no tickets");
        let error = Error::from(status)
            .with_body(json!({ "left": 0 }))
            .with_options(json!({ "urgent": true }));
        let error = Error::of(error.into_status());
        assert_eq!(error.body(), Some(&json!({ "left": 0 })));
        assert_eq!(error.options(), Some(&json!({ "urgent": true })));
        assert_eq!((error.code(), error.message()), (777, "sold out"));
        let reason = error.as_status().reason().to_string();
        assert_eq!(reason, "sold out (777): no tickets");
    }

    #[test]
    fn what_a_call_met_with_stays_in_the_log_and_its_owner_can_look_at_it() {
        let error = Error::from(Status::from(Code::NO_CONNECTION).of_call());
        assert_eq!(error.as_status().code(), Code::NO_CONNECTION);
        assert_eq!((error.code(), error.message()), (500, "the server failed"));
        for error in [error.clone(), error.with_body(json!({ "x": 1 }))] {
            let status = error.into_answer();
            assert_eq!(status.code(), Code::BUSINESS_ERROR);
            let reason = status.reason().to_string();
            assert_eq!(reason, "business exception (-620): no connection (-600)");
        }
        for own in [Status::new(777, "sold out"), Code::RPC_TIMEOUT.into()] {
            let told = Error::from(own.clone().of_call()).into_answer();
            assert_eq!((told.code(), told.message()), (own.code(), own.message()));
        }
    }

    #[test]
    fn a_body_that_is_no_json_is_left_out_and_the_log_tells() {
        let no_json = std::collections::HashMap::from([((1, 2), 3)]);
        let error = Error::new("lost").with_body(no_json);
        assert_eq!((error.body(), error.code()), (None, 500));
        assert!(error.as_status().reason().to_string().contains("key must"));
    }
}
