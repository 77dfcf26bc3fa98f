//! Whatever the bytes of a set or of a message are: an error or an answer, never a panic.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod protos;

use std::sync::LazyLock;

use proptest::prelude::*;
use tangelo_reflect::{JsonOptions, Pool, body_to_json, json_to_body, message};

static SET: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let source = "syntax = \"proto3\";\nimport \"krpcext.proto\";\nimport \"google/protobuf/any.proto\";\n\
        import \"google/protobuf/struct.proto\";\nimport \"google/protobuf/timestamp.proto\";\npackage p;\n\
        enum Color { RED = 0; BLUE = 1; }\n\
        message Tree { repeated Tree children = 1; map<int32, Tree> named = 2; Color color = 3; }\n\
        message Req { string name = 1 [(krpc.vld) = { required: true, retCode: -5 }]; Tree tree = 2;\n\
          oneof one { int64 a = 3; bytes b = 4; } optional double d = 5; google.protobuf.Any any = 6;\n\
          message Inner { fixed32 x = 1; sint64 y = 2; } repeated Inner inner = 7; repeated bool flags = 8;\n\
          google.protobuf.Struct free = 9; google.protobuf.Timestamp at = 10; }\n\
        message Res { int32 retCode = 1; string retMsg = 2; Req req = 3; }\n\
        service A { option (krpc.serviceId) = 100; rpc call(Req) returns (Res) { option (krpc.msgId) = 1; } }\n";
    protos::unchecked(&protos::dir("garbage"), &[("a.proto", source)], true)
});

/// Changes that keep most of a set as it is, so that it is linked and not refused at once.
#[derive(Clone, Debug)]
enum Change {
    Set(usize, u8),
    Insert(usize, u8),
    Remove(usize),
    Swap(usize, usize),
    Repeat(usize, usize),
    Cut(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>().prop_map(|at| at.index(SET.len()));
    let length = 1..40usize;
    prop_oneof![
        8 => (at.clone(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        2 => (at.clone(), 0..40u8).prop_map(|(at, byte)| Change::Set(at, byte)),
        2 => (at.clone(), any::<u8>()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        2 => at.clone().prop_map(Change::Remove),
        2 => (at.clone(), at.clone()).prop_map(|(one, other)| Change::Swap(one, other)),
        1 => (at.clone(), length).prop_map(|(at, length)| Change::Repeat(at, length)),
        1 => at.prop_map(Change::Cut),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    let last = bytes.len().saturating_sub(1);
    match *change {
        _ if bytes.is_empty() => {}
        Change::Set(at, byte) => bytes[at.min(last)] = byte,
        Change::Insert(at, byte) => bytes.insert(at.min(last), byte),
        Change::Remove(at) => drop(bytes.remove(at.min(last))),
        Change::Swap(one, other) => bytes.swap(one.min(last), other.min(last)),
        Change::Repeat(at, length) => {
            let part = bytes[at.min(last)..]
                .iter()
                .copied()
                .take(length)
                .collect::<Vec<_>>();
            bytes.splice(at.min(last)..at.min(last), part);
        }
        Change::Cut(at) => bytes.truncate(at),
    }
}

/// Uses all that a pool gives.
fn use_all(pool: &Pool, body: &[u8], json: &str) {
    let all = JsonOptions {
        defaults: true,
        int64_numbers: true,
        enum_numbers: true,
    };
    for method in pool.services().flat_map(|service| &service.methods) {
        for descriptor in [&method.input, &method.output] {
            for field in descriptor.fields() {
                let _ = field.options();
                let _ = message::field_text(body, &field);
            }
            let _ = body_to_json(descriptor, body, JsonOptions::default());
            if let Ok(body) = json_to_body(descriptor, json) {
                let text = body_to_json(descriptor, &body, all).unwrap();
                json_to_body(descriptor, &text).unwrap();
            }
        }
    }
}

const JSON: &str = r#"{"name":"n","tree":{"children":[{"color":"BLUE"}],"named":{"-3":{}}},"b":"AAA=","d":1.5,
    "inner":[{"x":1,"y":"-2"}],"flags":[true],"free":{"a":[1,null]},"any":{"@type":"x/p.Tree","color":1}}"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_set_with_some_bytes_changed(
        changes in prop::collection::vec(change(), 1..6),
        body in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut set = SET.clone();
        for change in &changes {
            apply(&mut set, change);
        }
        let mut pool = Pool::new();
        let _ = pool.add_set("set", &set);
        use_all(&pool, &body, JSON);
        // The pool is whole after it.
        let added = pool.add_set("good", &SET);
        if pool.service(100).is_none() {
            prop_assert!(added.is_err());
        }
        use_all(&pool, &body, JSON);
    }

    #[test]
    fn bytes_that_are_nothing(set in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Pool::new().add_set("set", &set);
    }

    #[test]
    fn a_message_with_some_bytes_changed(
        changes in prop::collection::vec(change(), 1..4),
        text in "[\\PC\\x00-\\x1f{}\\[\\]\":,0-9]{0,60}",
    ) {
        let mut pool = Pool::new();
        pool.add_set("set", &SET).unwrap();
        let request = &pool.service(100).unwrap().methods[0].input;
        let mut body = json_to_body(request, JSON).unwrap().to_vec();
        for change in &changes {
            apply(&mut body, change);
        }
        use_all(&pool, &body, &text);
    }
}

#[test]
fn the_message_that_is_changed_is_one() {
    let mut pool = Pool::new();
    pool.add_set("set", &SET).unwrap();
    let request = &pool.service(100).unwrap().methods[0].input;
    let body = json_to_body(request, JSON).unwrap();
    assert!(
        body_to_json(request, &body, JsonOptions::default())
            .unwrap()
            .contains("BLUE")
    );
}
