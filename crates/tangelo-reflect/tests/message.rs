//! Fields of an encoded message, read and added where they lie.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod protos;

use std::sync::LazyLock;

use bytes::Bytes;
use serde_json::json;
use tangelo_reflect::{
    JsonOptions, MessageDescriptor, body_to_json,
    message::{field_text, fill_text, int32, string},
    value_to_body,
};

static RESPONSE: LazyLock<MessageDescriptor> = LazyLock::new(|| {
    let source = "syntax = \"proto3\";\nimport \"krpcext.proto\";\n\
        enum Color { RED = 0; BLUE = 1; }\n\
        message Req {}\n\
        message Res { int32 retCode = 1; string retMsg = 20; int64 i64 = 3; uint32 u32 = 4; uint64 u64 = 5;\n\
          sint32 s32 = 6; sint64 s64 = 7; fixed32 f32 = 8; fixed64 f64 = 9; sfixed32 sf32 = 10; sfixed64 sf64 = 11;\n\
          bool yes = 12; Color color = 13; bytes raw = 14; float single = 15; double twice = 16; Req req = 17;\n\
          repeated int32 list = 18; map<string, string> map = 19; optional string maybe = 21; }\n\
        service A { option (krpc.serviceId) = 100; rpc call(Req) returns (Res) { option (krpc.msgId) = 1; } }\n";
    let compiled = protos::compiled(&protos::dir("message"), &[("a.proto", source)]);
    compiled.pool().service(100).unwrap().methods[0]
        .output
        .clone()
});

fn of(json: &serde_json::Value) -> Bytes {
    value_to_body(&RESPONSE, json).unwrap()
}

fn text_of(body: &[u8], field: &str) -> Option<String> {
    field_text(body, &RESPONSE.get_field_by_name(field).unwrap())
}

#[test]
fn numbers_and_strings_are_read_by_their_field() {
    let body =
        of(&json!({ "retCode": -2_147_483_648, "retMsg": "no", "req": {}, "f32": 7, "f64": "8" }));
    assert_eq!(int32(&body, 1), Ok(Some(i32::MIN)));
    assert_eq!(string(&body, 20), Ok(Some("no")));
    for absent in [2, 21] {
        assert_eq!(
            (int32(&body, absent), string(&body, absent)),
            (Ok(None), Ok(None))
        );
    }
    // A field of another form is none of ours.
    assert_eq!((int32(&body, 20), string(&body, 1)), (Ok(None), Ok(None)));
    assert_eq!((int32(&[], 1), string(&[], 20)), (Ok(None), Ok(None)));
}

#[test]
fn of_several_the_last_counts() {
    let twice = [
        of(&json!({ "retCode": 1, "retMsg": "a" })),
        of(&json!({ "retCode": 2, "retMsg": "b" })),
    ]
    .concat();
    assert_eq!(
        (int32(&twice, 1), string(&twice, 20)),
        (Ok(Some(2)), Ok(Some("b")))
    );
    assert_eq!(text_of(&twice, "retCode").as_deref(), Some("2"));
}

#[test]
fn groups_of_old_messages_are_passed_over() {
    // Field 30 as a group, with a retCode of its own within it.
    let body = [
        &[0xf3, 0x01, 0x08, 0x05, 0xf4, 0x01][..],
        &of(&json!({ "retCode": 3 })),
    ]
    .concat();
    assert_eq!(int32(&body, 1), Ok(Some(3)));
    let unended = body.get(..4).unwrap();
    assert!(int32(unended, 1).is_err());
    let nested = [0xf3, 0x01].repeat(100_000);
    assert!(int32(&nested, 1).is_err());
}

#[test]
fn a_message_cut_off_anywhere_is_an_error_or_ends_between_fields() {
    let body = of(&json!({ "retCode": 300, "retMsg": "abc", "f32": 1, "f64": "1" }));
    // Where its four fields end; they stand in the order of their numbers.
    let ends = [0, 3, 8, 17, 23];
    assert_eq!(body.len(), 23);
    for length in 0..=body.len() {
        let part = body.get(..length).unwrap();
        let whole = int32(part, 1).is_ok();
        assert_eq!(whole, ends.contains(&length), "{length}");
        assert_eq!(string(part, 20).is_ok(), whole);
    }
    for bytes in [&[0x00, 0x01][..], &[0x0f], &[0xa2, 0x01, 0x01, 0xff]] {
        assert!(string(bytes, 20).is_err(), "{bytes:?}");
    }
}

#[test]
fn a_text_is_filled_in_whatever_was_there() {
    for json in [
        json!({}),
        json!({ "retCode": -1 }),
        json!({ "retCode": -1, "retMsg": "before" }),
    ] {
        let body = of(&json);
        // Once with the body's memory to itself, once shared.
        let kept = body.clone();
        let shared = fill_text(body, 20, "some words");
        let own = fill_text(of(&json), 20, "some words");
        assert_eq!(shared, own);
        assert_eq!(kept, shared.slice(..kept.len()));
        let text = body_to_json(&RESPONSE, &own, JsonOptions::default()).unwrap();
        assert!(text.contains("\"retMsg\":\"some words\""), "{text}");
    }
    let long = "x".repeat(70_000);
    assert_eq!(
        string(
            &fill_text(Bytes::new(), (1 << 29) - 1, &long),
            (1 << 29) - 1
        ),
        Ok(Some(&*long))
    );
}

#[test]
fn every_scalar_has_a_text() {
    let body = of(&json!({
        "retCode": -5, "retMsg": "words", "i64": "-9223372036854775808", "u32": 4_294_967_295_u32,
        "u64": "18446744073709551615", "s32": i32::MIN, "s64": "-9223372036854775808", "f32": 1, "f64": "2",
        "sf32": -3, "sf64": "-4", "yes": true, "color": 7, "raw": "AAE=", "single": 0.1, "twice": -1.5, "req": {},
        "list": [1], "map": { "a": "b" }, "maybe": "",
    }));
    for (field, text) in [
        ("retCode", Some("-5")),
        ("retMsg", Some("words")),
        ("i64", Some("-9223372036854775808")),
        ("u32", Some("4294967295")),
        ("u64", Some("18446744073709551615")),
        ("s32", Some("-2147483648")),
        ("s64", Some("-9223372036854775808")),
        ("f32", Some("1")),
        ("f64", Some("2")),
        ("sf32", Some("-3")),
        ("sf64", Some("-4")),
        ("yes", Some("true")),
        ("color", Some("7")),
        ("single", Some("0.1")),
        ("twice", Some("-1.5")),
        ("maybe", Some("")),
        ("raw", None),
        ("req", None),
        ("list", None),
        ("map", None),
    ] {
        assert_eq!(text_of(&body, field).as_deref(), text, "{field}");
    }
}

#[test]
fn what_is_not_there_has_its_default_unless_that_can_be_told() {
    for (field, text) in [
        ("retCode", Some("0")),
        ("retMsg", Some("")),
        ("yes", Some("false")),
        ("color", Some("0")),
        ("twice", Some("0")),
        ("maybe", None),
        ("req", None),
    ] {
        assert_eq!(text_of(&[], field).as_deref(), text, "{field}");
    }
    assert_eq!(text_of(&[0x0a], "retCode"), None);
}
