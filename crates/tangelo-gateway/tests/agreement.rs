//! What the tables do and what reflection does is the same.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod shop;

use std::{collections::HashMap, sync::LazyLock};

use bytes::Bytes;
use http::{HeaderMap, Method};
use proptest::{collection, option, prelude::*};
use prost_reflect::{
    DynamicMessage, Kind, MapKey, MessageDescriptor, ReflectMessage, SerializeOptions, Value,
    prost::Message,
};
use serde_json::Value as Json;
use tangelo_gateway::mapping::{
    Body, Defaults, Http, Input, JsonForm, RequestPlan, ResponsePlan, Session,
};

static ALL: LazyLock<MessageDescriptor> = LazyLock::new(|| {
    let messages = "enum Color { NONE = 0; RED = 1; NEG = -1; }\n\
        message All { double a = 1; float b = 2; int32 c = 3; int64 d = 4; uint32 e = 5; uint64 f = 6; sint32 g = 7; sint64 h = 8;\n\
          fixed32 i = 9; fixed64 j = 10; sfixed32 k = 11; sfixed64 l = 12; bool m = 13; string n = 14; bytes o = 15; Color p = 16;\n\
          repeated double ra = 17; repeated sint64 rh = 18; repeated bool rm = 19; repeated string rn = 20; repeated bytes ro = 21;\n\
          repeated Color rp = 22; repeated int32 rc = 23 [packed = false]; map<string, string> mn = 24; map<int64, All> md = 25; map<bool, Color> mp = 26;\n\
          map<uint32, bytes> mo = 27; All q = 28; repeated All rq = 29; optional int32 oc = 30; optional string on = 31; oneof one { string x = 32;\n\
          All y = 33; } float snake_case = 2047; google.protobuf.Timestamp at = 34; google.protobuf.Int64Value wrapped = 35; }\n\
        message Req { All all = 1; }\n\
        message Res { int32 retCode = 1; }";
    let field = shop::types("agreement", messages).0.get_field(1).unwrap();
    field.kind().as_message().unwrap().clone()
});

fn text() -> impl Strategy<Value = String> {
    // A regular expression would be read anew for each.
    collection::vec(any::<char>(), 0..6).prop_map(String::from_iter)
}

/// A value of one element of a field.
fn value(kind: Kind, depth: u32) -> BoxedStrategy<Value> {
    match kind {
        Kind::Double => any::<f64>()
            .prop_filter("equal to itself", |f| !f.is_nan())
            .prop_map(Value::F64)
            .boxed(),
        Kind::Float => any::<f32>()
            .prop_filter("equal to itself", |f| !f.is_nan())
            .prop_map(Value::F32)
            .boxed(),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => any::<i32>().prop_map(Value::I32).boxed(),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => any::<i64>().prop_map(Value::I64).boxed(),
        Kind::Uint32 | Kind::Fixed32 => any::<u32>().prop_map(Value::U32).boxed(),
        Kind::Uint64 | Kind::Fixed64 => any::<u64>().prop_map(Value::U64).boxed(),
        Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Kind::String => text().prop_map(Value::String).boxed(),
        Kind::Bytes => collection::vec(any::<u8>(), 0..6)
            .prop_map(|bytes| Value::Bytes(bytes.into()))
            .boxed(),
        Kind::Enum(_) => prop_oneof![Just(-1), Just(0), Just(1)]
            .prop_map(Value::EnumNumber)
            .boxed(),
        Kind::Message(kind) if kind.full_name() == "google.protobuf.Timestamp" => (0
            ..1_000_000_000_i64)
            .prop_map(move |seconds| {
                let mut at = DynamicMessage::new(kind.clone());
                at.set_field_by_number(1, Value::I64(seconds));
                Value::Message(at)
            })
            .boxed(),
        Kind::Message(kind) if kind.full_name() == "google.protobuf.Int64Value" => any::<i64>()
            .prop_map(move |number| {
                let mut wrapped = DynamicMessage::new(kind.clone());
                wrapped.set_field_by_number(1, Value::I64(number));
                Value::Message(wrapped)
            })
            .boxed(),
        Kind::Message(kind) => message(kind, depth.saturating_sub(1))
            .prop_map(Value::Message)
            .boxed(),
    }
}

fn key(kind: &Kind) -> BoxedStrategy<MapKey> {
    match kind {
        Kind::String => text().prop_map(MapKey::String).boxed(),
        Kind::Int64 => any::<i64>().prop_map(MapKey::I64).boxed(),
        Kind::Uint32 => any::<u32>().prop_map(MapKey::U32).boxed(),
        _ => any::<bool>().prop_map(MapKey::Bool).boxed(),
    }
}

fn message(kind: MessageDescriptor, depth: u32) -> BoxedStrategy<DynamicMessage> {
    let fields: Vec<_> = kind
        .fields()
        .filter(|field| depth > 0 || !matches!(field.kind(), Kind::Message(_)))
        .map(|field| {
            let value = match field.kind() {
                Kind::Message(entry) if field.is_map() => {
                    let keys = key(&entry.map_entry_key_field().kind());
                    let values = value(entry.map_entry_value_field().kind(), depth);
                    collection::hash_map(keys, values, 0..3)
                        .prop_map(Value::Map)
                        .boxed()
                }
                kind if field.is_list() => collection::vec(value(kind, depth), 0..3)
                    .prop_map(Value::List)
                    .boxed(),
                kind => value(kind, depth),
            };
            option::weighted(0.3, value).prop_map(move |value| (field.clone(), value))
        })
        .collect();
    fields
        .prop_map(move |fields| {
            let mut message = DynamicMessage::new(kind.clone());
            for (field, value) in fields {
                if let Some(value) = value {
                    message.set_field(&field, value);
                }
            }
            message
        })
        .boxed()
}

/// Encoded: a message's type is long to show.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    message(ALL.clone(), 1).prop_map(|message| message.encode_to_vec())
}

/// As text: a reader of JSON rounds.
fn reflected(message: &DynamicMessage, options: &SerializeOptions) -> String {
    let mut json = Vec::new();
    let mut writer = serde_json::Serializer::new(&mut json);
    message
        .serialize_with_options(&mut writer, options)
        .unwrap();
    String::from_utf8(json).unwrap()
}

fn read(json: &str) -> Json {
    serde_json::from_str(json).unwrap()
}

fn encoded(json: &[u8], form: JsonForm) -> Bytes {
    let headers = HeaderMap::new();
    let http = Http {
        method: &Method::POST,
        secure: false,
        host: None,
        path: "/",
        query: None,
        headers: &headers,
        content: json,
    };
    let input = Input {
        http,
        variables: &[],
        body: Body::Json(json),
        plugins: None,
        session: Session::default(),
    };
    RequestPlan::compile(&ALL, form)
        .encode(&input)
        .unwrap_or_else(|error| panic!("{error}\n{}", String::from_utf8_lossy(json)))
}

fn rendered(body: Vec<u8>, form: JsonForm) -> String {
    let rendered = ResponsePlan::compile(&ALL, form)
        .render(&body.into())
        .unwrap();
    String::from_utf8(rendered.json.to_vec()).unwrap()
}

/// The rendering of krpc's gateway, over reflection.
fn as_krpc(message: &DynamicMessage) -> Json {
    let fields = message
        .descriptor()
        .fields()
        .collect::<Vec<_>>()
        .into_iter();
    let fields = fields.filter_map(|field| {
        let is_set = message.has_field(&field);
        let always = match field.kind() {
            _ if field.is_map() => true,
            _ if field.is_list() || field.supports_presence() => false,
            kind => !matches!(kind, Kind::String | Kind::Bytes | Kind::Message(_)),
        };
        let value = message.get_field(&field);
        (is_set || always).then(|| (field.name().to_owned(), krpc_value(&value)))
    });
    Json::Object(fields.collect())
}

fn krpc_value(value: &Value) -> Json {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::I32(number) | Value::EnumNumber(number) => (*number).into(),
        Value::I64(number) => (*number).into(),
        Value::U32(number) => (*number).into(),
        Value::U64(number) => (*number).into(),
        Value::F32(number) if number.is_finite() => read(&serde_json::to_string(number).unwrap()),
        Value::F64(number) if number.is_finite() => read(&serde_json::to_string(number).unwrap()),
        Value::F32(number) => special(f64::from(*number)),
        Value::F64(number) => special(*number),
        Value::String(text) => text.as_str().into(),
        Value::Bytes(bytes) => bytes.to_vec().into(),
        Value::Message(message) => as_krpc(message),
        Value::List(values) => values.iter().map(krpc_value).collect(),
        Value::Map(entries) => {
            let name = |key: &MapKey| match key {
                MapKey::String(key) => key.clone(),
                MapKey::Bool(key) => key.to_string(),
                MapKey::I64(key) => key.to_string(),
                MapKey::U32(key) => key.to_string(),
                other => panic!("{other:?}"),
            };
            Json::Object(
                entries
                    .iter()
                    .map(|(key, value)| (name(key), krpc_value(value)))
                    .collect(),
            )
        }
    }
}

fn special(number: f64) -> Json {
    let text = if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    };
    text.into()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn what_is_encoded_is_decoded_to_the_same(body in bodies()) {
        let message = DynamicMessage::decode(ALL.clone(), body.as_slice()).unwrap();
        let options = SerializeOptions::new();
        for options in [options.clone(), options.use_proto_field_name(true).use_enum_numbers(true).stringify_64_bit_integers(false).skip_default_fields(false)] {
            let json = reflected(&message, &options);
            let body = encoded(json.as_bytes(), JsonForm::STANDARD);
            let decoded = DynamicMessage::decode(ALL.clone(), body).unwrap();
            prop_assert!(decoded == message, "{json}");
        }
    }

    #[test]
    fn what_krpcs_form_renders_is_encoded_to_the_same(body in bodies()) {
        let message = DynamicMessage::decode(ALL.clone(), body.as_slice()).unwrap();
        let json = rendered(message.encode_to_vec(), JsonForm::KRPC);
        let decoded = DynamicMessage::decode(ALL.clone(), encoded(json.as_bytes(), JsonForm::KRPC)).unwrap();
        prop_assert!(decoded == message, "{json}");
    }

    #[test]
    fn what_is_rendered_is_what_reflection_renders(body in bodies()) {
        let message = DynamicMessage::decode(ALL.clone(), body.as_slice()).unwrap();
        let standard = SerializeOptions::new();
        prop_assert_eq!(read(&rendered(message.encode_to_vec(), JsonForm::STANDARD)), read(&reflected(&message, &standard)));
        let form = JsonForm { camel_names: false, defaults: Defaults::Always, int64_strings: false, enum_names: false, ..JsonForm::STANDARD };
        let options = standard.use_proto_field_name(true).skip_default_fields(false).stringify_64_bit_integers(false).use_enum_numbers(true);
        prop_assert_eq!(read(&rendered(message.encode_to_vec(), form)), read(&reflected(&message, &options)));
        prop_assert_eq!(read(&rendered(message.encode_to_vec(), JsonForm::KRPC)), as_krpc(&message));
    }

    #[test]
    fn any_bytes_are_rendered_or_refused_as_reflection_does(bytes in collection::vec(any::<u8>(), 0..40)) {
        let plan = ResponsePlan::compile(&ALL, JsonForm::KRPC);
        let decoded = DynamicMessage::decode(ALL.clone(), bytes.as_slice());
        match (plan.render(&bytes.into()), decoded) {
            (Ok(rendered), Ok(message)) => {
                prop_assert_eq!(serde_json::from_slice::<Json>(&rendered.json).unwrap(), as_krpc(&message));
            }
            (Err(_), Err(_)) => {}
            (ours, theirs) => prop_assert!(false, "{ours:?} {theirs:?}"),
        }
    }

    #[test]
    fn any_text_is_a_message_or_refused(text in "[{}\\[\\]\":,a-q0-9. \\\\-]{0,40}|\\PC{0,20}") {
        let headers = HeaderMap::new();
        let variables = [("n", text.as_str().into())];
        let http = Http { method: &Method::POST, secure: false, host: None, path: "/", query: Some(&text), headers: &headers, content: text.as_bytes() };
        for body in [Body::Json(text.as_bytes()), Body::Form(text.as_bytes())] {
            let input = Input { http, variables: &variables, body, plugins: None, session: Session::default() };
            if let Ok(body) = RequestPlan::compile(&ALL, JsonForm::KRPC).encode(&input) {
                prop_assert!(DynamicMessage::decode(ALL.clone(), body).is_ok());
            }
        }
    }
}

#[test]
fn the_types_of_the_test_have_each_kind() {
    let kinds: HashMap<String, ()> = ALL
        .fields()
        .map(|field| (format!("{:?}", field.kind()), ()))
        .collect();
    assert!(kinds.len() >= 18);
}
