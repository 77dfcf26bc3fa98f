//! What a client is answered when there is no reply: the codes, and the log line.

use std::{borrow::Cow, fmt};

use serde_json::json;
use tangelo_rpc::{Code, Reply, Status};
use tangelo_wire::pomelo::json;

use crate::BindError;

/// The code a client is told for a status.
pub(crate) fn client_code(code: Code) -> u16 {
    match code {
        Code::DECODE_REQ_ERROR => 400,
        Code::NOT_FOUND => 404,
        Code::FLOW_LIMIT => 429,
        Code::CONNECTION_BROKEN => 502,
        Code::NO_CONNECTION | Code::SEND_FAILED | Code::SERVER_SHUTDOWN | Code::QUEUE_FULL => 503,
        Code::RPC_TIMEOUT | Code::QUEUE_TIMEOUT => 504,
        BindError::TAKEN => 409,
        _ => 500,
    }
}

/// The body of a response. Stock clients take an empty one for an error, so it never is.
pub(crate) fn body(outcome: &Result<Reply, Status>) -> Cow<'_, [u8]> {
    match outcome {
        Ok(reply) if reply.body.is_empty() => Cow::Borrowed(b"{}"),
        Ok(reply) => Cow::Borrowed(&reply.body),
        Err(status) => {
            let answer = json!({ "code": client_code(status.code()), "msg": status.message() });
            json::to_vec(&answer).map_or(Cow::Borrowed(br#"{"code":500}"#), Cow::Owned)
        }
    }
}

/// A route in a log line, whatever bytes it has.
pub(crate) struct Shown<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(formatter)
    }
}
