//! Messages as ProtoBuf.js has them in JSON.

#![allow(clippy::unwrap_used, reason = "every function here belongs to a test")]

use serde_json::{Value, json};
use tangelo_reflect::protobuf_js::{BodyError, MAX_BODY, ProtobufJs};

/// As `proto2js` writes it.
const MESSAGES: &str = r#"{"package": "connector.entryHandler", "syntax": "proto2", "options": {},
    "messages": [
        {"name": "entry", "syntax": "proto2", "fields": [
            {"rule": "required", "options": {}, "type": "string", "name": "uid", "id": 1},
            {"rule": "optional", "type": "int32", "name": "level", "id": 2, "options": {"default": 1}},
            {"rule": "repeated", "options": {"packed": true}, "type": "sint32", "name": "list", "id": 3},
            {"rule": "repeated", "options": {}, "type": "Item", "name": "items", "id": 4},
            {"rule": "optional", "options": {}, "type": "Colour", "name": "colour", "id": 5},
            {"rule": "map", "options": {}, "keytype": "string", "type": "int64", "name": "of", "id": 6},
            {"rule": "optional", "options": {}, "type": "bytes", "name": "raw", "id": 7, "oneof": "either"},
            {"rule": "optional", "options": {}, "type": "bool", "name": "yes", "id": 8, "oneof": "either"}],
         "oneofs": {"either": [7, 8]},
         "messages": [{"name": "Item", "fields": [{"rule": "required", "type": "uint64", "name": "id", "id": 1}]}]}],
    "enums": [{"name": "Colour", "values": [{"name": "RED", "id": 1}, {"name": "BLUE", "id": 2}]}]}"#;

fn entry() -> (ProtobufJs, u32) {
    let messages = ProtobufJs::parse(MESSAGES).unwrap();
    let number = messages.number("connector.entryHandler.entry").unwrap();
    (messages, number)
}

#[test]
fn bodies_are_googles_protobuf() {
    let (messages, entry) = entry();
    assert!(messages.number("entry").is_none());
    let value = json!({"uid": "u", "level": -1, "list": [-1, 1], "items": [{"id": 300}], "colour": 2,
        "of": {"a": 9_007_199_254_740_993i64}, "raw": "/w=="});
    let body = messages
        .to_body(entry, value.to_string().as_bytes())
        .unwrap();
    assert_eq!(
        body,
        b"\x0a\x01u\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x1a\x02\x01\x02\x22\x03\x08\xac\x02\x28\x02\x32\x0c\x0a\x01a\x10\x81\x80\x80\x80\x80\x80\x80\x10\x3a\x01\xff"[..]
    );
    let json = messages.to_json(entry, &body).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value);
}

#[test]
fn what_is_required_has_to_be_there_at_any_depth() {
    let (messages, entry) = entry();
    let refused = |json: &str| {
        messages
            .to_body(entry, json.as_bytes())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(refused("{}"), "`uid` is required and not there");
    assert_eq!(
        refused(r#"{"uid":"u","items":[{"id":1},{}]}"#),
        "`items.id` is required and not there"
    );
    assert_eq!(refused("[]"), "no JSON object");
    assert!(refused(r#"{"uid":"u","more":1}"#).contains("more"));
    assert!(refused(r#"{"uid":1}"#).contains("uid"));
    let fits = messages.to_body_what_fits(entry, br#"{"level":5,"more":1,"list":"no"}"#);
    assert_eq!(fits.unwrap(), b"\x10\x05"[..]);
}

#[test]
fn what_is_not_the_message_is_refused() {
    let (messages, entry) = entry();
    for body in [
        &b"\x0a\x05u"[..],
        &b"\x0a"[..],
        b"\xff\xff",
        b"\x0a\x01\xff",
    ] {
        assert!(messages.to_json(entry, body).is_err(), "{body:?}");
    }
    assert!(messages.to_json(99, b"").is_err());
    let padded = |length: usize| {
        // A key and three bytes of length.
        let text = vec![b'x'; length - 4];
        let [low, middle, high] = [0, 7, 14].map(|bits| (text.len() >> bits) as u8);
        let head = vec![0x0a, low | 0x80, middle | 0x80, high];
        [head, text].concat()
    };
    assert!(messages.to_json(entry, &padded(MAX_BODY)).is_ok());
    let longer = messages.to_json(entry, &padded(MAX_BODY + 1));
    assert!(matches!(longer, Err(BodyError::TooLong)));
}

#[test]
fn routes_may_be_messages_within_messages() {
    let nested = r#"{"package": null, "messages": [{"name": "onMove", "fields": []},
        {"name": "a", "messages": [{"name": "b", "messages": [{"name": "c", "fields": []}]}]}]}"#;
    let messages = ProtobufJs::parse(nested).unwrap();
    for name in ["onMove", "a", "a.b", "a.b.c"] {
        assert!(messages.number(name).is_some(), "{name}");
    }
}

#[test]
fn what_is_not_there_is_told() {
    for (json, problem) in [
        ("[", "no messages of ProtoBuf.js: EOF"),
        (r#"{"imports": ["x"]}"#, "imports: say all in one file"),
        (
            r#"{"messages": [{"ref": "A", "fields": []}]}"#,
            "extend A: say its fields",
        ),
        (
            r#"{"messages": [{"name": "A", "isGroup": true}]}"#,
            "A: groups are not there",
        ),
        (
            r#"{"messages": [{"name": "A", "fields": [{"rule": "any", "type": "bool", "name": "x", "id": 1}]}]}"#,
            "x: there is no rule `any`",
        ),
        (
            r#"{"messages": [{"name": "A", "fields": [{"rule": "optional", "type": "B", "name": "x", "id": 1}]}]}"#,
            "B",
        ),
        (
            r#"{"messages": [{"name": "A", "fields": [{"rule": "optional", "type": "bool", "name": "x", "id": 0}]}]}"#,
            "0",
        ),
    ] {
        let error = ProtobufJs::parse(json).unwrap_err().to_string();
        assert!(error.contains(problem), "{json}: {error}");
    }
}
