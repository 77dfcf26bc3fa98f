//! Pomelo's protobuf: what its own encoders wrote is read, and written again to the byte.

#![allow(clippy::unwrap_used, reason = "every function here belongs to a test")]

mod vectors;

use bytes::BytesMut;
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Map, Value, json};
use tangelo_wire::pomelo::protobuf::{
    DecodeError, Definitions, Dialect, EncodeError, MAX_DEPTH, MAX_JSON, MAX_TAG, ProtoField,
    ProtoMessage, ProtoRule,
};
use vectors::Vector;

fn definitions(json: &str) -> Definitions {
    in_dialect(json, Dialect::Pomelo)
}

fn in_dialect(json: &str, dialect: Dialect) -> Definitions {
    let (definitions, problems) = Definitions::new(&ProtoMessage::parse(json).unwrap(), dialect);
    assert!(problems.is_empty(), "{json}: {problems:?}");
    definitions
}

fn problems(json: &str) -> Vec<String> {
    let (_, problems) = Definitions::new(&ProtoMessage::parse(json).unwrap(), Dialect::Pomelo);
    problems.iter().map(ToString::to_string).collect()
}

fn decoded(definitions: &Definitions, bytes: &[u8]) -> Result<Value, DecodeError> {
    let json = definitions.decode(definitions.of("r").unwrap(), bytes)?;
    Ok(serde_json::from_slice(&json).expect("JSON that can be read"))
}

fn encoded(definitions: &Definitions, json: &str) -> Result<Vec<u8>, EncodeError> {
    definitions.encode(definitions.of("r").unwrap(), json.as_bytes())
}

#[test]
fn every_body_is_read_and_written_as_pomelo_does() {
    for vector in vectors::protobuf() {
        let Vector { name, verdict, .. } = vector;
        let definitions = definitions(vector.text("definitions"));
        let means = |key| serde_json::from_str::<Value>(vector.text(key)).unwrap();
        let read = || decoded(&definitions, &vector.bytes());
        let written = || encoded(&definitions, vector.text("json"));
        match verdict {
            "same" => {
                assert_eq!(read().expect(name), means("json"), "{name}");
                assert_eq!(written().expect(name), vector.bytes(), "{name}");
            }
            "read" => assert_eq!(read().expect(name), means("json"), "{name}"),
            "written" => {
                assert_eq!(written().expect(name), vector.bytes(), "{name}");
                assert_eq!(read().expect(name), means("decoded"), "{name}");
            }
            "refused" => assert_eq!(read().expect_err(name).to_string(), vector.text("error")),
            "unfit" => assert_eq!(written().expect_err(name).to_string(), vector.text("error")),
            verdict => panic!("{name}: {verdict}"),
        }
    }
}

#[test]
fn a_client_is_told_definitions_in_the_parsed_form() {
    let told = definitions(
        r#"{"onPos": {"required uInt32 x": 10, "message Item": {"required sInt32 v": 1}, "repeated Item items": 2}}"#,
    );
    assert_eq!(
        told.describe(),
        r#"{"onPos":{"x":{"option":"required","type":"uInt32","tag":10},"items":{"option":"repeated","type":"Item","tag":2},"__messages":{"Item":{"v":{"option":"required","type":"sInt32","tag":1},"__messages":{},"__tags":{"1":"v"}}},"__tags":{"2":"items","10":"x"}}}"#
    );
}

#[test]
fn a_shared_message_may_hold_itself() {
    let tree = definitions(
        r#"{"message Tree": {"optional uInt32 v": 1, "repeated Tree of": 2}, "r": {"optional Tree t": 1}}"#,
    );
    let value = json!({"t": {"v": 1, "of": [{"v": 2}, {"of": [{"v": 3}]}]}});
    let bytes = encoded(&tree, &value.to_string()).unwrap();
    assert_eq!(decoded(&tree, &bytes).unwrap(), value);
    let told: Value = serde_json::from_str(&tree.describe()).unwrap();
    assert_eq!(told["message Tree"]["of"]["type"], "Tree");
}

#[test]
fn messages_may_lie_32_deep_within_each_other_and_no_deeper() {
    let tree =
        definitions(r#"{"message Tree": {"optional Tree t": 1}, "r": {"optional Tree t": 1}}"#);
    let deep = |depth: usize| {
        let (mut json, mut bytes) = ("{}".to_owned(), Vec::new());
        for _ in 1..depth {
            json = format!("{{\"t\":{json}}}");
            let mut outer = vec![0x0a];
            outer.push(u8::try_from(bytes.len()).unwrap());
            outer.extend(bytes);
            bytes = outer;
        }
        (json, bytes)
    };
    let (json, bytes) = deep(MAX_DEPTH);
    assert_eq!(encoded(&tree, &json).unwrap(), bytes);
    assert!(decoded(&tree, &bytes).is_ok());
    let (json, bytes) = deep(MAX_DEPTH + 1);
    assert_eq!(encoded(&tree, &json), Err(EncodeError::TooDeep));
    assert_eq!(decoded(&tree, &bytes), Err(DecodeError::TooDeep));
}

#[test]
fn definitions_may_lie_32_deep_within_each_other_and_no_deeper() {
    let deep = |depth: usize| {
        let mut message = ProtoMessage::new("M");
        for _ in 2..depth {
            let mut outer = ProtoMessage::new("M");
            outer
                .fields
                .push(ProtoField::new(ProtoRule::Optional, "M", "m", 1));
            outer.messages.push(message);
            message = outer;
        }
        let mut route = ProtoMessage::new("r");
        route
            .fields
            .push(ProtoField::new(ProtoRule::Optional, "M", "m", 1));
        route.messages.push(message);
        Definitions::new(&[route], Dialect::Pomelo)
    };
    let (definitions, problems) = deep(MAX_DEPTH);
    assert!(definitions.of("r").is_some() && problems.is_empty());
    let (definitions, problems) = deep(MAX_DEPTH + 1);
    assert!(definitions.of("r").is_none());
    assert_eq!(
        problems[0].to_string(),
        "r: more than 32 messages within each other"
    );
}

#[test]
fn a_body_may_become_16_mib_of_json_and_no_more() {
    let long = "n".repeat(1 << 14);
    let definitions = definitions(&format!(
        r#"{{"r": {{"message M": {{"optional uInt32 {long}": 1}}, "repeated M m": 1}}}}"#
    ));
    let bodies = |count: usize| [0x0a, 2, 0x08, 1].repeat(count);
    // Each is its name, two quotes, two braces, a colon and a digit, and most a comma.
    let most = MAX_JSON / (long.len() + 7);
    let json = definitions.decode(definitions.of("r").unwrap(), &bodies(most));
    assert!(json.unwrap().len() > MAX_JSON - 2 * long.len());
    assert_eq!(
        decoded(&definitions, &bodies(most + 1)),
        Err(DecodeError::TooLong)
    );
}

#[test]
fn what_is_wrong_with_a_definition_leaves_its_route_out_and_no_other() {
    let json = r#"{"a": {"required there x": 1}, "b": {"required uInt32 x": 1, "optional string y": 1},
        "c": {"required uInt32 x": 1, "optional string x": 2}, "d": {"optional uInt32 __tags": 1},
        "e": {"message In": {"optional nobody x": 1}, "optional In in": 1},
        "message S": {"optional nobody x": 1}, "f": {"optional S s": 1}, "r": {"required uInt32 x": 1}, "r": {}}"#;
    assert_eq!(
        problems(json),
        [
            "a: `x`: there is no type or message `there`",
            "b: `y`: number 1 is taken",
            "c: `x`: the name is taken",
            "d: `__tags`: the name is taken",
            "e: `x`: there is no type or message `nobody`",
            "f: `x`: there is no type or message `nobody`",
            "r: defined twice; the first counts",
        ]
    );
    let (left, _) = Definitions::new(&ProtoMessage::parse(json).unwrap(), Dialect::Pomelo);
    let told: Value = serde_json::from_str(&left.describe()).unwrap();
    assert_eq!(told.as_object().unwrap().keys().collect::<Vec<_>>(), ["r"]);
    assert_eq!(encoded(&left, r#"{"x":1}"#).unwrap(), [8, 1][..]);
}

#[test]
fn a_message_of_another_is_not_known_within_its_neighbours() {
    let told = problems(
        r#"{"r": {"message A": {"optional uInt32 x": 1}, "message B": {"optional A a": 1}, "optional B b": 1}}"#,
    );
    assert_eq!(told, ["r: `a`: there is no type or message `A`"]);
}

#[test]
fn a_file_in_another_form_is_refused_with_its_line() {
    let largest = format!(r#"{{"r": {{"optional uInt32 a": "{MAX_TAG}"}}}}"#);
    assert_eq!(
        ProtoMessage::parse(&largest).unwrap()[0].fields[0].tag,
        MAX_TAG
    );
    for (json, problem) in [
        ("[]", "expected messages by their routes at line 1"),
        ("{\n\"r\": 1}", "expected a message's fields at line 2"),
        (
            r#"{"r": {"uInt32 a": 1}}"#,
            "`uInt32 a`: expected `required|optional|repeated type name`",
        ),
        (r#"{"r": {"required  uInt32 a": 1}}"#, "expected `required"),
        (r#"{"r": {"message": {}}}"#, "expected `required"),
        (
            r#"{"r": {"required uInt32 a": 0}}"#,
            "expected a field's number, 1 to 536870911, found 0",
        ),
        (
            r#"{"r": {"required uInt32 a": 536870912}}"#,
            "found 536870912",
        ),
        (r#"{"r": {"required uInt32 a": "x"}}"#, "found \"x\""),
    ] {
        let error = ProtoMessage::parse(json).unwrap_err().to_string();
        assert!(error.contains(problem), "{json}: {error}");
    }
}

const EXTENDED: &str = r#"{"r": {"optional bool b": 1, "optional bytes y": 2, "optional uInt64 u": 3, "optional sInt64 s": 4,
    "repeated uInt32 l": 5, "repeated int64 m": 6, "repeated bool f": 7, "optional string t": 8, "repeated double d": 9}}"#;

#[test]
fn further_types_are_for_clients_that_ask_for_them() {
    let (plain, problems) =
        Definitions::new(&ProtoMessage::parse(EXTENDED).unwrap(), Dialect::Pomelo);
    assert!(plain.of("r").is_none() && problems.is_empty() && plain.describe() == "{}");

    let extended = in_dialect(EXTENDED, Dialect::Extended);
    let value = json!({"b": true, "y": "AP8=", "u": u64::MAX, "s": i64::MIN, "l": [1, 300],
        "m": [-1, i64::MAX], "f": [true, false], "t": "😀", "d": [0.5]});
    let bytes = encoded(&extended, &value.to_string()).unwrap();
    assert_eq!(decoded(&extended, &bytes).unwrap(), value);
    assert_eq!(bytes[..6], [8, 1, 0x12, 2, 0, 0xff]);
    let list = encoded(&extended, r#"{"l":[1,300]}"#).unwrap();
    assert_eq!(list, [0x2a, 3, 1, 0xac, 2][..], "as protobuf packs it");
    let one_by_one = decoded(&extended, &[0x28, 1, 0x28, 2]).unwrap();
    assert_eq!(one_by_one, json!({"l": [1, 2]}), "as older protobuf does");
    for unfit in [
        json!({"b": 1}),
        json!({"y": "no base64"}),
        json!({"u": -1}),
        json!({"u": 18_446_744_073_709_551_616.0}),
        json!({"s": 9_223_372_036_854_775_808u64}),
    ] {
        assert!(encoded(&extended, &unfit.to_string()).is_err(), "{unfit}");
    }
    let largest = [24, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
    assert_eq!(
        decoded(&extended, &largest).unwrap(),
        json!({"u": u64::MAX})
    );
    let past = [24, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2];
    assert!(matches!(
        decoded(&extended, &past),
        Err(DecodeError::TooLarge(_))
    ));
}

#[test]
fn they_pass_over_what_has_no_definition() {
    let extended = in_dialect(EXTENDED, Dialect::Extended);
    let unknown = [
        &[0xa0, 1, 0x80, 1][..],
        &[0xa1, 1, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0xa2, 1, 2, 9, 9],
        &[0xa5, 1, 1, 2, 3, 4],
    ];
    let mut bytes = BytesMut::new();
    for field in unknown {
        bytes.extend_from_slice(field);
        bytes.extend_from_slice(&[8, 1]);
    }
    assert_eq!(decoded(&extended, &bytes).unwrap(), json!({"b": true}));
    for group in [[0xa3, 1], [0xa4, 1], [0xa6, 1]] {
        assert_eq!(
            decoded(&extended, &group),
            Err(DecodeError::UnknownField(20))
        );
    }
    for field in unknown {
        let cut = &field[..field.len() - 1];
        let error = decoded(&extended, cut).unwrap_err();
        assert_eq!(error.to_string(), "the message ends within field 20");
    }
}

#[test]
fn what_fits_of_a_failure_is_told() {
    let definitions = definitions(
        r#"{"r": {"required string name": 1, "optional uInt32 code": 2, "message P": {"required uInt32 x": 1}, "repeated P p": 3}}"#,
    );
    let route = definitions.of("r").unwrap();
    let fits = |json: &str| definitions.encode_what_fits(route, json.as_bytes());
    assert_eq!(
        fits(r#"{"code":404,"msg":"no"}"#).unwrap(),
        [0x10, 0x94, 3][..]
    );
    assert_eq!(
        fits(r#"{"code":"no","name":"n"}"#).unwrap(),
        [0x0a, 1, b'n'][..]
    );
    assert!(fits("{}").unwrap().is_empty());
    assert!(fits("[]").is_err() && fits("{").is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(
        bytes in vec(any::<u8>(), 0..200), keys in vec(0u8..0x60, 0..20), extended: bool
    ) {
        let dialect = if extended { Dialect::Extended } else { Dialect::Pomelo };
        let all = r#"{"message T": {"optional T t": 1, "repeated T l": 2, "repeated float f": 3}, "r": {"optional uInt32 a": 1, "repeated sInt32 b": 2,
            "optional float c": 3, "repeated double d": 4, "optional string e": 5, "repeated string f": 6, "optional T g": 7,
            "repeated T h": 8}}"#;
        let definitions = in_dialect(all, dialect);
        // As they come, and with keys between them that mean something.
        let _ = decoded(&definitions, &bytes);
        let mut mixed = Vec::new();
        for (part, key) in bytes.chunks(4).zip(keys) {
            mixed.push(key);
            mixed.extend_from_slice(part);
        }
        let _ = decoded(&definitions, &mixed);
    }

    #[test]
    fn no_text_makes_the_reader_of_definitions_panic(text in ".{0,80}") {
        if let Ok(messages) = ProtoMessage::parse(&text) {
            Definitions::new(&messages, Dialect::Extended);
        }
    }

    #[test]
    fn a_body_is_read_as_it_was_written((fields, value) in message(), extended: bool) {
        let dialect = if extended { Dialect::Extended } else { Dialect::Pomelo };
        let mut route = ProtoMessage::new("r");
        route.fields = fields;
        let mut inner = ProtoMessage::new("In");
        inner.fields.push(ProtoField::new(ProtoRule::Optional, "string", "text", 1));
        route.messages.push(inner);
        let (definitions, problems) = Definitions::new(&[route], dialect);
        prop_assert!(problems.is_empty());
        let bytes = encoded(&definitions, &value.to_string()).unwrap();
        prop_assert_eq!(decoded(&definitions, &bytes).unwrap(), value);
    }
}

/// Fields and a value that has each of them.
fn message() -> impl Strategy<Value = (Vec<ProtoField>, Value)> {
    let field = (
        select(vec![
            ProtoRule::Required,
            ProtoRule::Optional,
            ProtoRule::Repeated,
        ]),
        prop_oneof![
            any::<u32>().prop_map(|number| ("uInt32", json!(number))),
            any::<i32>().prop_map(|number| ("sInt32", json!(number))),
            any::<i32>().prop_map(|number| ("int32", json!(number))),
            any::<i16>().prop_map(|number| ("float", json!(f32::from(number) + 0.25))),
            any::<i32>().prop_map(|number| ("double", json!(f64::from(number) + 0.125))),
            ".{0,20}".prop_map(|text| ("string", json!(text))),
            ".{0,20}".prop_map(|text| ("In", json!({ "text": text }))),
        ],
        1..4usize,
        1..5000u32,
    );
    vec(field, 0..8).prop_map(|all| {
        let (mut fields, mut values) = (Vec::new(), Map::new());
        for (place, (rule, (kind, value), count, gap)) in all.into_iter().enumerate() {
            let name = format!("f{place}");
            let tag = place as u32 * 5000 + gap;
            fields.push(ProtoField::new(rule, kind, name.clone(), tag));
            let value = match rule {
                ProtoRule::Repeated => Value::Array(vec![value; count]),
                _ => value,
            };
            values.insert(name, value);
        }
        (fields, Value::Object(values))
    })
}
