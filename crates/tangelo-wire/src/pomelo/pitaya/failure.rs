//! How clients of Pitaya's are told of a failure.

use std::collections::BTreeMap;

use bytes::{BufMut, BytesMut};
use serde::Serialize;
use serde_json::{Map, Value};

use super::Serializer;
use crate::{pomelo::json, varint};

/// What is told where nobody says more.
const FAILED: &str = "PIT-500";
/// The codes of a server that Pitaya has, or would have, under a name of its own.
const NAMED: [i64; 7] = [400, 404, 429, 500, 502, 503, 504];

/// Pitaya's `Error`.
#[derive(Debug, Serialize)]
struct Failure {
    code: String,
    msg: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
}

/// An answer that tells of a failure, `{"code":404,"msg":"..."}`, as clients of Pitaya's read it:
/// `{"code":"PIT-404","msg":"..."}`, or the same as protobuf.
///
/// A code of the application's is its number in decimal digits, or its text; what else the answer has goes
/// to `metadata`, where all values are text: others are there as JSON. Nothing is lost but types.
pub fn failure(serializer: Serializer, answer: &[u8]) -> Vec<u8> {
    let failure = match json::from_slice(answer) {
        Ok(Value::Object(members)) => Failure::of(members),
        Ok(Value::Null) | Err(_) => Failure::with(None),
        Ok(other) => Failure::with(Some(other)),
    };
    match serializer {
        Serializer::Json => json::to_vec(&failure).unwrap_or_default(),
        Serializer::Protobuf => failure.to_protobuf(),
    }
}

impl Failure {
    fn of(mut members: Map<String, Value>) -> Self {
        let code = match members.remove("code") {
            Some(Value::String(code)) => code,
            Some(Value::Number(code)) => match code.as_i64() {
                Some(named) if NAMED.contains(&named) => format!("PIT-{named}"),
                _ => code.to_string(),
            },
            _ => FAILED.to_owned(),
        };
        let msg = members.remove("msg").map(text).unwrap_or_default();
        // An answer that is written for Pitaya's clients has it already.
        let metadata = match members.remove("metadata") {
            Some(Value::Object(metadata)) => metadata,
            Some(other) => Map::from_iter([("metadata".to_owned(), other)]),
            None => Map::new(),
        };
        let metadata = members.into_iter().chain(metadata);
        Self {
            code,
            msg,
            metadata: metadata.map(|(key, value)| (key, text(value))).collect(),
        }
    }

    /// Of an answer that is no object.
    fn with(body: Option<Value>) -> Self {
        let body = body.map(|body| ("body".to_owned(), text(body)));
        Self {
            code: FAILED.to_owned(),
            msg: String::new(),
            metadata: body.into_iter().collect(),
        }
    }

    /// `{ string code = 1; string msg = 2; map<string, string> metadata = 3; }`
    fn to_protobuf(&self) -> Vec<u8> {
        let mut out = BytesMut::new();
        put(1, self.code.as_bytes(), &mut out);
        put(2, self.msg.as_bytes(), &mut out);
        for (key, value) in &self.metadata {
            let mut entry = BytesMut::new();
            put(1, key.as_bytes(), &mut entry);
            put(2, value.as_bytes(), &mut entry);
            // One of an empty key and an empty value is there all the same.
            put_always(3, &entry, &mut out);
        }
        out.into()
    }
}

/// A field of text; that of no bytes is left out.
fn put(field: u64, bytes: &[u8], out: &mut BytesMut) {
    if !bytes.is_empty() {
        put_always(field, bytes, out);
    }
}

fn put_always(field: u64, bytes: &[u8], out: &mut BytesMut) {
    const LENGTH_DELIMITED: u64 = 2;
    varint::write(field << 3 | LENGTH_DELIMITED, out);
    varint::write(bytes.len() as u64, out);
    out.put_slice(bytes);
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(answer: &str) -> String {
        String::from_utf8(failure(Serializer::Json, answer.as_bytes())).expect("text")
    }

    #[test]
    fn codes_of_the_server_have_pitayas_names_and_others_stay() {
        for code in NAMED {
            let answer = format!(r#"{{"code":{code},"msg":"no"}}"#);
            assert_eq!(
                told(&answer),
                format!(r#"{{"code":"PIT-{code}","msg":"no"}}"#)
            );
        }
        for (answer, failure) in [
            (r#"{"code":777}"#, r#"{"code":"777","msg":""}"#),
            (r#"{"code":-1}"#, r#"{"code":"-1","msg":""}"#),
            (r#"{"code":"GAME-1"}"#, r#"{"code":"GAME-1","msg":""}"#),
            (r#"{"msg":"m"}"#, r#"{"code":"PIT-500","msg":"m"}"#),
            (r#"{"code":null}"#, r#"{"code":"PIT-500","msg":""}"#),
        ] {
            assert_eq!(told(answer), failure);
        }
    }

    #[test]
    fn what_else_an_answer_has_is_metadata() {
        for (answer, failure) in [
            (
                r#"{"code":500,"msg":7,"b":"x","a":[1,"y"]}"#,
                r#"{"code":"PIT-500","msg":"7","metadata":{"a":"[1,\"y\"]","b":"x"}}"#,
            ),
            (
                r#"{"code":"E","msg":"m","metadata":{"k":"v","n":1}}"#,
                r#"{"code":"E","msg":"m","metadata":{"k":"v","n":"1"}}"#,
            ),
            (
                r#"{"code":"E","metadata":1}"#,
                r#"{"code":"E","msg":"","metadata":{"metadata":"1"}}"#,
            ),
            (
                "[1]",
                r#"{"code":"PIT-500","msg":"","metadata":{"body":"[1]"}}"#,
            ),
            ("null", r#"{"code":"PIT-500","msg":""}"#),
            ("no json", r#"{"code":"PIT-500","msg":""}"#),
            ("", r#"{"code":"PIT-500","msg":""}"#),
        ] {
            assert_eq!(told(answer), failure);
        }
    }

    #[test]
    fn as_protobuf_it_is_the_message_error_with_what_is_empty_left_out() {
        let answer = br#"{"code":404,"msg":"no","k":"v"}"#;
        let expected = b"\x0a\x07PIT-404\x12\x02no\x1a\x06\x0a\x01k\x12\x01v";
        assert_eq!(failure(Serializer::Protobuf, answer), expected);
        let expected = b"\x0a\x07PIT-500";
        assert_eq!(failure(Serializer::Protobuf, b"{}"), expected);
    }
}
