//! A message takes one bounded, masked part of a line, whatever is in it.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod proto;

use std::collections::HashMap;

use prost_reflect::{DynamicMessage, MapKey, MessageDescriptor, Value};
use proto::{descriptor, list, message, text, within};
use tangelo_reflect::log_text::{Formatter, Json, MAX_TEXT, Options, Simple, formatter};

const LOGIN: &str = "
    message LoginReq { string userName = 1; string password = 2; }
    message LoginRes { int32 retCode = 1; string retMsg = 2; string userId = 3; }";

const ORDER: &str = "
    message Order {
        int64 id = 1; string note = 2; bytes raw = 3; Item best = 4; repeated Item items = 5;
        repeated string tags = 6; map<string, string> words = 7; map<int32, Item> shelf = 8;
        double price = 9; bool paid = 10; Colour colour = 11; optional int32 floor = 12; repeated bytes parts = 13;
        map<string, bytes> blobs = 14; float weight = 15; uint64 total = 16;
    }
    message Item { string name = 1; int32 retCode = 2; Maker maker = 3; repeated int32 sizes = 4; bytes raw = 5; map<string, string> words = 6; }
    message Maker { string name = 1; string password = 2; }
    enum Colour { RED = 0; GREEN = 1; }";

fn order() -> MessageDescriptor {
    descriptor(ORDER, "Order")
}

fn simple(message: &DynamicMessage, options: &Options) -> String {
    let mut out = String::new();
    Simple.format(message, options, &mut out);
    out
}

fn json(message: &DynamicMessage, options: &Options) -> String {
    let mut out = String::new();
    Json.format(message, options, &mut out);
    out
}

fn masking(names: &[&str]) -> Options {
    Options {
        mask_fields: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Options::default()
    }
}

fn words<const N: usize>(entries: [(&str, &str); N]) -> Value {
    let entry = |(key, value): (&str, &str)| (MapKey::String(key.to_owned()), text(value));
    Value::Map(entries.into_iter().map(entry).collect::<HashMap<_, _>>())
}

/// Each name stands with the value, at every depth there is.
fn secrets(descriptor: &MessageDescriptor) -> DynamicMessage {
    let item = descriptor.get_field_by_name("best").unwrap().kind();
    let item = item.as_message().unwrap().clone();
    let maker = || {
        within(
            &item,
            "maker",
            [("name", text("m")), ("password", text("SECRET"))],
        )
    };
    let one = || {
        let words = words([("password", "SECRET")]);
        Value::Message(message(
            &item,
            [("name", text("i")), ("maker", maker()), ("words", words)],
        ))
    };
    message(
        descriptor,
        [
            ("note", text("SECRET")),
            ("best", one()),
            ("items", list([one(), one()])),
            ("words", words([("password", "SECRET")])),
            (
                "shelf",
                Value::Map(HashMap::from([(MapKey::I32(1), one())])),
            ),
        ],
    )
}

#[test]
fn the_line_of_a_krpc_server_is_reproduced() {
    let req = descriptor(LOGIN, "LoginReq");
    let res = descriptor(LOGIN, "LoginRes");
    let req = message(&req, [("userName", text("abc")), ("password", text("mmm"))]);
    let ret_msg = [("retMsg", text("u=abc,p=mmm")), ("userId", text("u1"))];
    let res = message(&res, ret_msg);
    let options = Options::default();
    let mut line = "1067".to_owned();
    for body in [&req, &res] {
        line.push_str(",   ");
        Simple.format(body, &options, &mut line);
    }
    assert_eq!(
        line,
        "1067,   userName:abc^password:mmm,   retMsg:u=abc,p=mmm^userId:u1"
    );
}

#[test]
fn the_code_has_its_own_place_in_the_line() {
    let res = descriptor(LOGIN, "LoginRes");
    let res = message(
        &res,
        [("retCode", Value::I32(-100_001)), ("userId", text("u1"))],
    );
    assert_eq!(simple(&res, &Options::default()), "userId:u1");
    assert_eq!(
        json(&res, &Options::default()),
        r#"{"retCode":-100001,"userId":"u1"}"#
    );
}

#[test]
fn formatters_have_krpcs_names() {
    let res = descriptor(LOGIN, "LoginRes");
    let res = message(&res, [("userId", text("u1"))]);
    for (name, text) in [
        ("simple", "userId:u1"),
        ("json", r#"{"userId":"u1"}"#),
        ("jackson", r#"{"userId":"u1"}"#),
    ] {
        let mut out = String::new();
        formatter(name)
            .unwrap()
            .format(&res, &Options::default(), &mut out);
        assert_eq!(out, text);
    }
    assert!(formatter("xml").is_none());
}

#[test]
fn values_are_written_as_krpc_writes_them() {
    let order = message(
        &order(),
        [
            ("id", Value::I64(i64::MIN)),
            ("price", Value::F64(1.0)),
            ("paid", Value::Bool(true)),
            ("colour", Value::EnumNumber(1)),
            ("floor", Value::I32(0)),
            ("weight", Value::F32(f32::NAN)),
            ("total", Value::U64(u64::MAX)),
        ],
    );
    let options = Options::default();
    assert_eq!(
        simple(&order, &options),
        "id:-9223372036854775808^price:1.0^paid:true^colour:1^floor:0^weight:NaN^total:18446744073709551615"
    );
    assert_eq!(
        json(&order, &options),
        r#"{"id":-9223372036854775808,"price":1.0,"paid":true,"colour":1,"floor":0,"weight":"NaN","total":18446744073709551615}"#
    );
}

#[test]
fn bytes_are_left_out() {
    let order = message(
        &order(),
        [
            ("id", Value::I64(1)),
            ("raw", Value::Bytes(b"raw".as_slice().into())),
            ("parts", list([Value::Bytes(b"raw".as_slice().into())])),
            (
                "blobs",
                Value::Map(HashMap::from([(
                    MapKey::String("k".to_owned()),
                    Value::Bytes(b"raw".as_slice().into()),
                )])),
            ),
        ],
    );
    let options = Options::default();
    assert_eq!(
        simple(&order, &options),
        "id:1^partsSize:1^blobsSize:1^blobs:{key:k}"
    );
    assert_eq!(json(&order, &options), r#"{"id":1}"#);
    let options = masking(&["raw", "parts"]);
    assert_eq!(
        json(&order, &options),
        r#"{"id":1,"raw":"***","parts":"***"}"#
    );
}

#[test]
fn a_message_in_the_message_is_in_braces_and_what_is_deeper_is_left_out() {
    let descriptor = order();
    let best = descriptor.get_field_by_name("best").unwrap().kind();
    let item = best.as_message().unwrap();
    let maker = within(item, "maker", [("name", text("m"))]);
    let best = message(
        item,
        [
            ("name", text("apple")),
            ("retCode", Value::I32(7)),
            ("maker", maker),
            ("sizes", list([Value::I32(3), Value::I32(4)])),
            ("words", words([("a", "b")])),
        ],
    );
    let order = message(
        &descriptor,
        [
            ("id", Value::I64(1)),
            ("best", Value::Message(best)),
            ("paid", Value::Bool(true)),
        ],
    );
    let options = Options::default();
    assert_eq!(
        simple(&order, &options),
        "id:1^best:{name:apple,sizesSize:2,sizes:3,wordsSize:1}^paid:true"
    );
    assert_eq!(
        json(&order, &options),
        r#"{"id":1,"best":{"name":"apple","retCode":7,"maker":{"name":"m"},"sizes":[3],"words":{"a":"b"}},"paid":true}"#
    );
}

#[test]
fn of_repeated_fields_there_are_the_size_and_the_first_elements() {
    let order = message(
        &order(),
        [
            ("tags", list([text("a"), text("b"), text("c")])),
            ("words", words([("c", "3"), ("a", "1"), ("b", "2")])),
        ],
    );
    let of = |max| Options {
        max_repeated_size_to_log: max,
        ..Options::default()
    };
    assert_eq!(simple(&order, &of(0)), "tagsSize:3^wordsSize:3");
    assert_eq!(
        simple(&order, &of(1)),
        "tagsSize:3^tags:a^wordsSize:3^words:{key:a,value:1}"
    );
    assert_eq!(
        simple(&order, &of(2)),
        "tagsSize:3^tags:a^tags:b^wordsSize:3^words:{key:a,value:1}^words:{key:b,value:2}"
    );
    assert_eq!(json(&order, &of(0)), r#"{"tags":[],"words":{}}"#);
    assert_eq!(
        json(&order, &of(2)),
        r#"{"tags":["a","b"],"words":{"a":"1","b":"2"}}"#
    );
    assert_eq!(
        json(&order, &of(9)),
        r#"{"tags":["a","b","c"],"words":{"a":"1","b":"2","c":"3"}}"#
    );
}

#[test]
fn nothing_a_peer_sends_makes_a_new_part_or_a_new_line() {
    let descriptor = order();
    let evil = "a^b,   c,      d\r\ne\u{1b}[0m\u{85}f\u{2028}\"\\,\t\t\tg\u{202e}h\u{200b}\u{feff}i\u{e0041}";
    let order = message(
        &descriptor,
        [("note", text(evil)), ("words", words([(",   k^\n", evil)]))],
    );
    let simple = simple(&order, &Options::default());
    assert!(
        simple.starts_with("note:a b,c,d  e [0m f \"\\,g h  i ^wordsSize:1^words:{key:,k  ,value:"),
        "{simple}"
    );
    let json = json(&order, &Options::default());
    for line in [&simple, &json] {
        assert!(!line.contains(",   "), "{line}");
        assert!(
            !line.contains(tangelo_reflect::log_text::is_unseen),
            "{line}"
        );
    }
    let read: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        read["note"],
        "a^b,c,d\r\ne\u{1b}[0m\u{85}f\u{2028}\"\\,\t\t\tg\u{202e}h\u{200b}\u{feff}i\u{e0041}"
    );
}

#[test]
fn a_string_is_cut_after_the_characters_that_are_logged() {
    let of = |note: &str| message(&order(), [("note", text(note))]);
    let options = Options {
        max_field_size_to_log: 3,
        ..Options::default()
    };
    assert_eq!(
        simple(&of("\u{4e2d}\u{6587}a"), &options),
        "note:\u{4e2d}\u{6587}a"
    );
    assert_eq!(
        simple(&of("\u{4e2d}\u{6587}ab"), &options),
        "note:\u{4e2d}\u{6587}a..."
    );
    assert_eq!(
        json(&of("\u{4e2d}\u{6587}a"), &options),
        "{\"note\":\"\u{4e2d}\u{6587}a\"}"
    );
    assert_eq!(json(&of("\"\"\"\""), &options), r#"{"note":"\"\"\"..."}"#);
    let by_default = simple(&of(&"a".repeat(501)), &Options::default());
    assert_eq!(by_default, format!("note:{}...", "a".repeat(500)));
}

#[test]
fn defaults_are_logged_if_wanted() {
    let descriptor = descriptor(
        "message Req { string a = 1; int32 b = 2; repeated int32 c = 3; map<string, int32> d = 4; optional int32 e = 5; Req f = 6; bytes g = 7; }",
        "Req",
    );
    let empty = message(&descriptor, []);
    assert_eq!(simple(&empty, &Options::default()), "");
    assert_eq!(json(&empty, &Options::default()), "{}");
    let options = Options {
        print_default: true,
        ..Options::default()
    };
    assert_eq!(simple(&empty, &options), "a:^b:0^cSize:0^dSize:0");
    assert_eq!(json(&empty, &options), r#"{"a":"","b":0,"c":[],"d":{}}"#);
}

#[test]
fn what_is_masked_is_masked_at_every_depth() {
    let descriptor = order();
    let order = secrets(&descriptor);
    let masked = Options {
        max_repeated_size_to_log: 2,
        ..masking(&["note", "password"])
    };
    let open = Options {
        mask_fields: Default::default(),
        ..masked
    };
    assert_eq!(
        json(&order, &open).matches("SECRET").count(),
        10,
        "the test sees them all"
    );
    let json = json(&order, &masked);
    assert!(!json.contains("SECRET"), "{json}");
    assert_eq!(json.matches(r#""password":"***""#).count(), 9, "{json}");
    assert_eq!(
        simple(&order, &masked),
        "note:***^best:{name:i,wordsSize:1}^itemsSize:2^items:{name:i,wordsSize:1}^items:{name:i,wordsSize:1}\
         ^wordsSize:1^words:{key:password,value:***}^shelfSize:1^shelf:{key:1}"
    );
}

#[test]
fn a_masked_message_or_list_shows_nothing_at_all() {
    let order = secrets(&order());
    let options = masking(&["note", "best", "items", "words", "shelf"]);
    let all = "note:***^best:***^items:***^words:***^shelf:***";
    assert_eq!(simple(&order, &options), all);
    let all = r#"{"note":"***","best":"***","items":"***","words":"***","shelf":"***"}"#;
    assert_eq!(json(&order, &options), all);
}

#[test]
fn a_message_takes_no_more_than_its_share_of_the_line() {
    let descriptor = order();
    let options = Options {
        max_repeated_size_to_log: usize::MAX,
        max_field_size_to_log: usize::MAX,
        ..Options::default()
    };
    let of = |size: usize| {
        message(
            &descriptor,
            [
                ("note", text(&"a".repeat(size))),
                ("paid", Value::Bool(true)),
            ],
        )
    };
    let whole = simple(&of(MAX_TEXT - "note:^paid:true".len()), &options);
    assert!(whole.len() == MAX_TEXT && whole.ends_with("^paid:true"));
    let cut = simple(&of(MAX_TEXT - "note:^paid:true".len() + 1), &options);
    assert!(cut.len() == MAX_TEXT + 3 && cut.ends_with("^paid:tru..."));
    assert!(json(&of(MAX_TEXT), &options).ends_with("aaa..."));

    let many = vec![text("tag"); MAX_TEXT];
    let many = message(&descriptor, [("tags", Value::List(many))]);
    assert_eq!(simple(&many, &options).len(), MAX_TEXT + 3);
    assert_eq!(json(&many, &options).len(), MAX_TEXT + 3);
}
