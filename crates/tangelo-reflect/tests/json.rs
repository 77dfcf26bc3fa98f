//! JSON to messages and back, and what is said of JSON that is none.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod protos;

use std::sync::LazyLock;

use bytes::Bytes;
use serde_json::{Value, json};
use tangelo_reflect::{
    JsonError, JsonOptions, MAX_DEPTH, MAX_JSON, MAX_MESSAGE, MessageDescriptor, body_to_json,
    json_to_body, value_to_body,
};

static REQUEST: LazyLock<MessageDescriptor> = LazyLock::new(|| {
    let source = "syntax = \"proto3\";\nimport \"krpcext.proto\";\nimport \"google/protobuf/any.proto\";\n\
        import \"google/protobuf/struct.proto\";\nimport \"google/protobuf/timestamp.proto\";\npackage p;\n\
        enum Color { RED = 0; BLUE = 1; }\n\
        message User { string userName = 1; int32 age = 2; string nick_name = 3; repeated User friends = 4; User best = 5; }\n\
        message Empty {}\n\
        message Req { int32 retCode = 1; int64 total = 2; Color color = 3; bytes data = 4; repeated User users = 5;\n\
          map<string, int32> counts = 6; google.protobuf.Timestamp at = 7; google.protobuf.Struct free = 8;\n\
          google.protobuf.Any any = 9; optional bool sure = 10; Empty empty = 11; oneof one { string a = 12; string b = 13; }\n\
          uint32 small = 14; double part = 15; map<int32, User> byId = 16; repeated Color colors = 17; }\n\
        message Res { int32 retCode = 1; }\n\
        service A { option (krpc.serviceId) = 100; rpc call(Req) returns (Res) { option (krpc.msgId) = 1; } }\n";
    let dir = protos::dir("json");
    let compiled = protos::compiled(&dir, &[("a.proto", source)]);
    compiled.pool().service(100).unwrap().methods[0]
        .input
        .clone()
});

fn body(json: &Value) -> Bytes {
    json_to_body(&REQUEST, &json.to_string()).unwrap()
}

fn text(body: &[u8], options: JsonOptions) -> Value {
    serde_json::from_str(&body_to_json(&REQUEST, body, options).unwrap()).unwrap()
}

/// What both ways of reading say of JSON that is not the message.
fn refused(json: &Value) -> String {
    let error = json_to_body(&REQUEST, &json.to_string())
        .unwrap_err()
        .to_string();
    assert_eq!(
        value_to_body(&REQUEST, json).unwrap_err().to_string(),
        error
    );
    error
}

#[test]
fn what_is_read_is_written_again_with_the_names_of_the_proto_file() {
    let json = json!({
        "retCode": -5, "total": "9007199254740993", "color": "BLUE", "data": "AAE=",
        "users": [{ "userName": "a", "nick_name": "b", "friends": [{ "age": 3 }] }],
        "counts": { "x": 1 }, "at": "2026-01-02T03:04:05Z", "free": { "k": [1.0, null, { "l": "m" }] },
        "any": { "@type": "type.googleapis.com/p.User", "age": 7 }, "sure": false, "empty": {}, "a": "",
        "byId": { "-3": { "age": 1 } }, "part": 0.5, "colors": ["RED", "BLUE"],
    });
    assert_eq!(text(&body(&json), JsonOptions::default()), json);
    assert_eq!(value_to_body(&REQUEST, &json).unwrap(), body(&json));
}

#[test]
fn names_may_be_those_of_the_proto_file_or_lower_camel_case() {
    let as_written = json!({ "users": [{ "nick_name": "n" }] });
    assert_eq!(
        body(&json!({ "users": [{ "nickName": "n" }] })),
        body(&as_written)
    );
}

#[test]
fn other_forms_of_a_value_are_taken_too() {
    let usual = body(&json!({ "total": "5", "color": "BLUE", "data": "-_8=", "small": 3 }));
    let other = json!({ "total": 5, "color": 1, "data": "+/8=", "small": "3", "users": null });
    assert_eq!(body(&other), usual);
}

#[test]
fn options_write_defaults_and_numbers() {
    let bytes = body(&json!({ "total": "5", "color": "BLUE" }));
    let plain = JsonOptions::default();
    assert_eq!(
        text(&bytes, plain),
        json!({ "total": "5", "color": "BLUE" })
    );
    let numbers = JsonOptions {
        int64_numbers: true,
        enum_numbers: true,
        ..plain
    };
    assert_eq!(text(&bytes, numbers), json!({ "total": 5, "color": 1 }));
    let all = text(
        &[],
        JsonOptions {
            defaults: true,
            ..plain
        },
    );
    assert_eq!(all["retCode"], 0);
    // Whether it was set can be told, so it is not made up.
    assert!(all.get("sure").is_none() && all.get("empty").is_none());
}

#[test]
fn mistakes_name_their_field_and_what_belongs_there() {
    let users = |users: Value| json!({ "users": users });
    for (json, words) in [
        (
            users(json!([{}, {}, { "age": "x" }])),
            "users[2].age: expected int32, found a string",
        ),
        (
            users(json!([{ "age": 3_000_000_000_u32 }])),
            "users[0].age: expected int32, found 3000000000",
        ),
        (
            users(json!([{ "age": 1.5 }])),
            "users[0].age: expected int32, found 1.5",
        ),
        (
            users(json!([{ "friends": [{ "userName": 5 }] }])),
            "users[0].friends[0].userName: expected string, found 5",
        ),
        (
            users(json!({})),
            "users: expected a list of p.User, found an object",
        ),
        (
            users(json!([5])),
            "users[0]: expected an object (p.User), found 5",
        ),
        (
            users(json!([null])),
            "users[0]: expected an object (p.User), found null",
        ),
        (json!({ "small": -1 }), "small: expected uint32, found -1"),
        (
            json!({ "total": "1.5" }),
            "total: expected int64, found a string",
        ),
        (
            json!({ "total": true }),
            "total: expected int64, found true",
        ),
        (
            json!({ "sure": "true" }),
            "sure: expected bool, found a string",
        ),
        (
            json!({ "data": "%" }),
            "data: expected bytes in base64, found a string",
        ),
        (
            json!({ "color": "PINK" }),
            "color: expected one of RED, BLUE, found a string",
        ),
        (
            json!({ "color": "1" }),
            "color: expected one of RED, BLUE, found a string",
        ),
        (
            json!({ "counts": { "x": "y" } }),
            "counts.x: expected int32, found a string",
        ),
        (
            json!({ "counts": [1] }),
            "counts: expected an object with values of int32, found a list",
        ),
        (
            json!({ "byId": { "7": { "age": [] } } }),
            "byId.7.age: expected int32, found a list",
        ),
        (
            json!([]),
            "the body: expected an object (p.Req), found a list",
        ),
    ] {
        assert_eq!(refused(&json), words);
    }
    for (json, start) in [
        (
            json!({ "at": "yesterday" }),
            "at: expected google.protobuf.Timestamp: ",
        ),
        (json!({ "byId": { "x": {} } }), "byId: "),
        (
            json!({ "any": { "@type": "x/p.None" } }),
            "any: expected google.protobuf.Any: message 'p.None' not found",
        ),
        (
            json!({ "a": "", "b": "" }),
            "the body: multiple fields provided for oneof 'one'",
        ),
    ] {
        let error = refused(&json);
        assert!(error.starts_with(start), "{error}");
    }
}

#[test]
fn a_field_that_is_not_known_is_named_beside_those_that_are() {
    let known = "no such field; p.User has userName, age, nick_name, friends, best";
    assert_eq!(
        refused(&json!({ "users": [{}, { "username": "x" }] })),
        format!("users[1].username: {known}")
    );
    assert_eq!(
        refused(&json!({ "empty": { "x": 1 } })),
        "empty.x: no such field; p.Empty has none"
    );
    let error = refused(&json!({ ("x\n".repeat(100)): 1 }));
    assert!(
        error.starts_with("x\\nx\\n")
            && error.contains("...: no such field")
            && !error.contains('\n'),
        "{error}"
    );
}

#[test]
fn a_text_that_is_no_json_is_told_with_its_place() {
    for json in [
        "",
        "{",
        "{\"retCode\": 1} x",
        "{\"retCode\": 01}",
        "{retCode: 1}",
    ] {
        let error = json_to_body(&REQUEST, json).unwrap_err();
        assert!(matches!(error, JsonError::Syntax(_)), "{error:?}");
        assert!(error.to_string().contains("line 1 column"), "{error}");
    }
}

#[test]
fn json_nests_to_the_limit_and_no_deeper() {
    let free = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(
            "{{\"retCode\": 0, \"users\": [{{\"userName\": \"[{{\\\"[\"}}], \"free\": {{\"k\": {open}{close}}}}}"
        )
    };
    // The body and Struct are two levels.
    for (levels, fits) in [
        (MAX_DEPTH - 2, true),
        (MAX_DEPTH - 1, false),
        (200_000, false),
    ] {
        let json = free(levels);
        let result = json_to_body(&REQUEST, &json);
        assert_eq!(
            matches!(result, Err(JsonError::TooDeep)),
            !fits,
            "{result:?}"
        );
        if levels < 120 {
            let value: Value = serde_json::from_str(&json).unwrap();
            let result = value_to_body(&REQUEST, &value);
            assert_eq!(
                matches!(result, Err(JsonError::TooDeep)),
                !fits,
                "{result:?}"
            );
        }
    }
}

#[test]
fn a_mistake_at_the_deepest_level_is_explained() {
    let levels = MAX_DEPTH - 2;
    let mut json = json!({ "age": "x" });
    for _ in 0..levels {
        json = json!({ "best": json });
    }
    let error = refused(
        &json!({ "users": json!([]), "empty": json!({}), "byId": { "1": json["best"]["best"].clone() } }),
    );
    assert!(
        error.ends_with("best.age: expected int32, found a string"),
        "{error}"
    );
}

#[test]
fn a_value_that_nests_deeper_than_any_stack_is_an_error() {
    let mut json = json!(1);
    for _ in 0..2_000 {
        json = Value::Array(vec![json]);
    }
    assert!(matches!(
        value_to_body(&REQUEST, &json),
        Err(JsonError::TooDeep)
    ));
}

#[test]
fn json_at_the_limit_of_length_is_read_and_one_byte_more_is_not() {
    let mut json = "{}".to_owned();
    json.push_str(&" ".repeat(MAX_JSON - json.len()));
    assert!(json_to_body(&REQUEST, &json).unwrap().is_empty());
    json.push(' ');
    assert!(matches!(
        json_to_body(&REQUEST, &json),
        Err(JsonError::TooLong)
    ));
}

/// An Any of a message with an Any, and so on.
fn nested_any(levels: usize) -> Vec<u8> {
    // retCode = 1
    let mut body = vec![8, 1];
    for _ in 0..levels {
        let mut any = b"\x0a\x07x/p.Req\x12".to_vec();
        prost::encoding::encode_varint(body.len() as u64, &mut any);
        any.extend(&body);
        body = vec![0x4a];
        prost::encoding::encode_varint(any.len() as u64, &mut body);
        body.extend(any);
    }
    body
}

#[test]
fn messages_within_any_are_written_to_the_limit_and_no_deeper() {
    let options = JsonOptions::default();
    // The body is one level.
    let deepest = nested_any(MAX_DEPTH - 1);
    let json = body_to_json(&REQUEST, &deepest, options).unwrap();
    assert_eq!(json_to_body(&REQUEST, &json).unwrap(), deepest);
    // With the type last, what stands before it is kept until it is known.
    let mut last = "{\"retCode\":1,\"@type\":\"x/p.Req\"}".to_owned();
    for _ in 1..MAX_DEPTH - 1 {
        last = format!("{{\"any\":{last},\"@type\":\"x/p.Req\"}}");
    }
    assert_eq!(
        json_to_body(&REQUEST, &format!("{{\"any\":{last}}}")).unwrap(),
        deepest
    );
    for levels in [MAX_DEPTH, 20_000] {
        let result = body_to_json(&REQUEST, &nested_any(levels), options);
        assert!(matches!(result, Err(JsonError::TooDeep)), "{result:?}");
    }
}

#[test]
fn a_message_at_the_limit_of_length_is_written_and_one_byte_more_is_not() {
    // A string of that many bytes, and what JSON adds to it.
    let message = |length: usize| {
        let mut body = vec![0x62];
        prost::encoding::encode_varint(length as u64, &mut body);
        body.resize(body.len() + length, b'x');
        body
    };
    let around = "{\"a\":\"\"}".len();
    let options = JsonOptions::default();
    let json = body_to_json(&REQUEST, &message(MAX_JSON - around), options).unwrap();
    assert_eq!(json.len(), MAX_JSON);
    let longer = body_to_json(&REQUEST, &message(MAX_JSON - around + 1), options);
    assert!(matches!(longer, Err(JsonError::TooLong)), "{longer:?}");

    let mut unknown = message(MAX_MESSAGE - 5);
    // Field 100, which the message does not have.
    unknown.splice(0..1, [0xa2, 0x06]);
    unknown.truncate(MAX_MESSAGE);
    assert_eq!(unknown.len(), MAX_MESSAGE);
    assert!(!matches!(
        body_to_json(&REQUEST, &unknown, options),
        Err(JsonError::TooLong)
    ));
    unknown.push(0);
    assert!(matches!(
        body_to_json(&REQUEST, &unknown, options),
        Err(JsonError::TooLong)
    ));
}

#[test]
fn bytes_that_are_not_the_message_are_named_for_it() {
    let error = body_to_json(&REQUEST, b"\x0a\xff", JsonOptions::default()).unwrap_err();
    assert!(error.to_string().starts_with("no p.Req: "), "{error}");
    let unknown = nested_any(1)
        .iter()
        .map(|byte| if *byte == b'q' { b'x' } else { *byte })
        .collect::<Vec<_>>();
    let error = body_to_json(&REQUEST, &unknown, JsonOptions::default()).unwrap_err();
    assert!(error.to_string().contains("p.Rex"), "{error}");
}
