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

/// The body of a response. Stock clients take an empty one for an error, so it never is.
pub(crate) fn body(outcome: &Result<Reply, Status>) -> Cow<'_, [u8]> {
    match outcome {
        Ok(reply) if reply.body.is_empty() => Cow::Borrowed(b"{}"),
        Ok(reply) => Cow::Borrowed(&reply.body),
        Err(status) => {
            json::to_vec(&told(status)).map_or(Cow::Borrowed(br#"{"code":500}"#), Cow::Owned)
        }
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
        None => json!({ "code": code, "msg": status.message() }),
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
    fn a_body_that_an_error_carries_is_told_with_a_code() {
        let failed = || Error::new("for the log");
        assert_eq!(
            said(failed()),
            json!({ "code": 500, "msg": "business exception" })
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
