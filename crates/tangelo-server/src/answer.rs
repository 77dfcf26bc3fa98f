//! What a client is answered when there is no reply: the codes, and the log line.

use std::{borrow::Cow, fmt};

use serde_json::{Value, json};
use tangelo_rpc::{Code, Reply, Status};
use tangelo_wire::pomelo::json;

use crate::error::carried;

/// The code a client is told for a status: the application's own as it is.
pub(crate) fn client_code(code: Code) -> i32 {
    match code {
        Code::DECODE_REQ_ERROR => 400,
        Code::NOT_FOUND => 404,
        Code::FLOW_LIMIT | Code::DIST_FLOW_LIMIT => 429,
        Code::CONNECTION_BROKEN => 502,
        Code::NO_CONNECTION | Code::SEND_FAILED | Code::SERVER_SHUTDOWN | Code::QUEUE_FULL => 503,
        Code::RPC_TIMEOUT | Code::QUEUE_TIMEOUT => 504,
        Code(0) => 500,
        code if code.is_frameworks() => 500,
        Code(own) => own,
    }
}

/// What a client is told of a failure that nobody has words for.
pub(crate) const FAILED: &str = "the server failed";

/// The words a client is told for a status: those it has, or where it has but its code's, words for players.
pub(crate) fn client_words(status: &Status) -> &str {
    let code = status.code();
    if !code.is_frameworks() || status.message() != code.text() {
        return status.message();
    }
    match client_code(code) {
        400 => "the server does not understand this request",
        404 => "there is no such thing here",
        429 => "too many requests",
        502 => "the connection to the game was lost",
        503 => "the server cannot take this now",
        504 => "the server took too long",
        _ => FAILED,
    }
}

/// The body of a response. Stock clients take an empty one for an error, so it never is.
pub(crate) fn body(outcome: &Result<Reply, Status>) -> Cow<'_, [u8]> {
    match outcome {
        Ok(reply) => Cow::Borrowed(of_reply(&reply.body)),
        Err(status) => {
            json::to_vec(&told(status)).map_or(Cow::Borrowed(br#"{"code":500}"#), Cow::Owned)
        }
    }
}

/// The body of a reply, as a client reads it.
#[inline]
pub(crate) fn of_reply(body: &[u8]) -> &[u8] {
    match body {
        b"" => b"{}",
        body => body,
    }
}

/// What a client is told of a failure: the body it carries, which has its code if it has room for one;
/// else code and words.
fn told(status: &Status) -> Value {
    let code = client_code(status.code());
    match carried(status).and_then(|carried| carried.body.clone()) {
        Some(Value::Object(mut body)) => {
            body.entry("code").or_insert_with(|| code.into());
            Value::Object(body)
        }
        Some(body) => body,
        None => json!({ "code": code, "msg": client_words(status) }),
    }
}

/// A route in a log line, whatever bytes it has.
pub(crate) struct Shown<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    fn said(error: Error) -> Value {
        serde_json::from_slice(&body(&Err(error.into_status()))).unwrap()
    }

    #[test]
    fn the_codes_of_the_framework_become_those_of_the_page_and_others_stay() {
        for (code, told) in [
            (Code::DECODE_REQ_ERROR, 400),
            (Code::NOT_FOUND, 404),
            (Code::FLOW_LIMIT, 429),
            (Code::DIST_FLOW_LIMIT, 429),
            (Code::BUSINESS_ERROR, 500),
            (Code::EXEC_EXCEPTION, 500),
            (Code(0), 500),
            (Code::CONNECTION_BROKEN, 502),
            (Code::QUEUE_FULL, 503),
            (Code::RPC_TIMEOUT, 504),
            (Code(777), 777),
            (Code(-100_001), -100_001),
        ] {
            assert_eq!(client_code(code), told, "{code:?}");
        }
    }

    #[test]
    fn words_for_players_stand_in_for_those_of_a_code_and_for_no_others() {
        for (status, words) in [
            (Code::BUSINESS_ERROR.into(), "the server failed"),
            (Code::DECODE_RES_ERROR.into(), "the server failed"),
            (Code(-650).into(), "the server failed"),
            (Code::FLOW_LIMIT.into(), "too many requests"),
            (Code::RPC_TIMEOUT.into(), "the server took too long"),
            (Status::new(Code::BUSINESS_ERROR, "night"), "night"),
            (Status::new(777, "sold out"), "sold out"),
            (Status::new(777, ""), ""),
        ] {
            assert_eq!(client_words(&status), words, "{status}");
        }
    }

    #[test]
    fn a_body_that_an_error_carries_is_told_with_a_code() {
        let failed = || Error::new("for the log");
        assert_eq!(
            said(failed()),
            json!({ "code": 500, "msg": "the server failed" })
        );
        assert_eq!(
            said(failed().with_body(json!({ "x": 1 }))),
            json!({ "x": 1, "code": 500 })
        );
        let own = json!({ "code": 777, "x": 1 });
        assert_eq!(said(failed().with_body(&own)), own);
        let status = Error::from(Status::new(42, "no")).with_body(json!({ "x": 1 }));
        assert_eq!(said(status), json!({ "x": 1, "code": 42 }));
        assert_eq!(said(failed().with_body([1, 2])), json!([1, 2]));
    }
}
