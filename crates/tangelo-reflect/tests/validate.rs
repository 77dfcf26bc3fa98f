//! Rules that fields carry in a .proto file are kept to, and mistakes in them are told before a request comes.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod proto;

use std::collections::HashMap;

use prost_reflect::{DescriptorPool, DynamicMessage, MapKey, Value, prost::Message};
use proto::{descriptor, list, message, text, within};
use tangelo_reflect::validate::{
    ALWAYS_DECODED, BodyError, Error, MAX_GROWTH, VALIDATE_ERROR, Validator, Violation,
};

/// `message Req` with these fields, and its rules.
fn rules(source: &str) -> Validator {
    let descriptor = descriptor(source, "Req");
    Validator::compile(&descriptor).unwrap().unwrap()
}

/// What the one field `f`, declared like this, says to a value; `None` is the field not set.
#[track_caller]
fn passes(field: &str, value: Option<Value>) -> bool {
    let descriptor = descriptor(&format!("message Req {{ {field} }}"), "Req");
    let validator = Validator::compile(&descriptor).unwrap().unwrap();
    let mut message = DynamicMessage::new(descriptor);
    if let Some(value) = value {
        message.try_set_field_by_name("f", value).unwrap();
    }
    check(&validator, &message).is_ok()
}

/// What a validator says to a message.
#[track_caller]
fn check(validator: &Validator, message: &DynamicMessage) -> Result<(), Violation> {
    match validator.check_body(&message.encode_to_vec()) {
        Ok(()) => Ok(()),
        Err(BodyError::Violation(violation)) => Err(violation),
        Err(error) => panic!("{error}"),
    }
}

#[track_caller]
fn mistake(source: &str) -> Error {
    Validator::compile(&descriptor(source, "Req")).unwrap_err()
}

/// The short name of the field that is refused.
#[track_caller]
fn refused(validator: &Validator, message: &DynamicMessage) -> String {
    let field = check(validator, message).unwrap_err().field;
    field.strip_prefix("shop.").unwrap().to_owned()
}

#[test]
fn each_rule_of_a_string_is_kept_to() {
    for (rule, good, bad) in [
        ("required: true", vec!["a"], vec![""]),
        ("match: \"int\"", vec!["7"], vec!["", "7.5"]),
        ("match: \"date\"", vec!["2024-02-29"], vec!["2024-02-29x"]),
        ("match: \"a.*c\"", vec!["abc"], vec!["abcd", "xabc"]),
        (
            "values: \"a, b ,\"",
            vec!["a", "b"],
            vec!["", "c", "a,b", " b"],
        ),
        ("length: \"2\"", vec!["ab"], vec!["a", "abc"]),
        ("length: \"2,-\"", vec!["ab", "abc"], vec!["a"]),
        (
            "length: \"-,2\"",
            vec!["", "ab", "\u{1f34a}"],
            vec!["abc", "a\u{1f34a}"],
        ),
        (
            "nrange: \"-5,5\"",
            vec!["-5", "5"],
            vec!["", "-6", "6", "x", "1.0"],
        ),
        (
            "srange: \"bbb,ccc\"",
            vec!["bbb", "ccc"],
            vec!["bba", "cccc"],
        ),
    ] {
        let field = format!("string f = 1 [(krpc.vld) = {{ {rule} }}];");
        for value in good {
            assert!(passes(&field, Some(text(value))), "{rule}: {value:?}");
        }
        for value in bad {
            assert!(!passes(&field, Some(text(value))), "{rule}: {value:?}");
        }
    }
}

#[test]
fn or_empty_lets_the_empty_string_pass_and_nothing_else() {
    for (rule, good, bad) in [
        ("empty_or_match: \"date\"", "2024-01-01", "2024-01"),
        ("empty_or_values: \"a,b\"", "b", "c"),
        ("empty_or_length: \"2\"", "ab", "a"),
        ("empty_or_nrange: \"1,2\"", "2", "0"),
        ("empty_or_srange: \"b,c\"", "b", "a"),
    ] {
        let field = format!("string f = 1 [(krpc.vld) = {{ {rule} }}];");
        assert!(passes(&field, None), "{rule}");
        assert!(passes(&field, Some(text(good))), "{rule}");
        assert!(!passes(&field, Some(text(bad))), "{rule}");
        let strict = field.replace("empty_or_", "");
        assert!(!passes(&strict, None), "{strict}");
    }
}

#[test]
fn numbers_bools_and_enums_are_looked_at_as_they_are_written() {
    let source = |kind: &str, rule: &str| {
        format!("{kind} f = 1 [(krpc.vld) = {{ {rule} }}]; enum Colour {{ RED = 0; GREEN = 1; }}")
    };
    let cases = [
        ("int32", "nrange: \"-1,5\"", Value::I32(-1), Value::I32(-2)),
        ("int64", "nrange: \"5\"", Value::I64(5), Value::I64(6)),
        (
            "uint64",
            "nrange: \"5,-\"",
            Value::U64(u64::MAX),
            Value::U64(4),
        ),
        (
            "uint64",
            "nrange: \"0,9223372036854775807\"",
            Value::U64(i64::MAX as u64),
            Value::U64(u64::MAX),
        ),
        (
            "double",
            "nrange: \"1,2\"",
            Value::F64(2.9),
            Value::F64(3.0),
        ),
        (
            "double",
            "nrange: \"-,2\"",
            Value::F64(f64::NEG_INFINITY),
            Value::F64(f64::NAN),
        ),
        (
            "float",
            "nrange: \"-1,0\"",
            Value::F32(-1.9),
            Value::F32(-2.0),
        ),
        ("int32", "values: \"1,20\"", Value::I32(20), Value::I32(2)),
        (
            "double",
            "values: \"1.0,2.5\"",
            Value::F64(1.0),
            Value::F64(1.5),
        ),
        ("int32", "length: \"2\"", Value::I32(-1), Value::I32(1)),
        (
            "int64",
            "match: \"int\"",
            Value::I64(7),
            Value::I64(1 << 31),
        ),
        ("uint32", "srange: \"10,2\"", Value::U32(11), Value::U32(3)),
        (
            "bool",
            "values: \"true\"",
            Value::Bool(true),
            Value::Bool(false),
        ),
        (
            "Colour",
            "values: \"GREEN,7\"",
            Value::EnumNumber(1),
            Value::EnumNumber(0),
        ),
        (
            "Colour",
            "values: \"GREEN,7\"",
            Value::EnumNumber(7),
            Value::EnumNumber(8),
        ),
    ];
    for (kind, rule, good, bad) in cases {
        let field = source(kind, rule);
        assert!(passes(&field, Some(good.clone())), "{field} takes {good:?}");
        assert!(
            !passes(&field, Some(bad.clone())),
            "{field} refuses {bad:?}"
        );
    }
}

#[test]
fn required_is_for_strings_and_passes_elsewhere() {
    let source = "message Req { int32 n = 1 [(krpc.vld).required = true];
        bytes b = 2 [(krpc.vld).required = true]; Other r = 3 [(krpc.vld).required = true]; }
        message Other { int32 n = 1; }";
    assert!(
        Validator::compile(&descriptor(source, "Req"))
            .unwrap()
            .is_none()
    );
}

#[test]
fn a_list_is_counted_and_each_of_its_elements_looked_at() {
    let field =
        "repeated string f = 1 [(krpc.vld) = { arrlen: \"1,2\" values: \"a,b\" required: true }];";
    assert!(!passes(field, None));
    assert!(passes(field, Some(list([text("a")]))));
    assert!(passes(field, Some(list([text("a"), text("b")]))));
    assert!(!passes(field, Some(list([text("a"), text("c")]))));
    assert!(!passes(
        field,
        Some(list([text("a"), text("a"), text("a")]))
    ));

    let field = "repeated int32 f = 1 [(krpc.vld).nrange = \"1,-\"];";
    assert!(passes(field, None), "no element breaks no rule");
    assert!(!passes(field, Some(list([Value::I32(1), Value::I32(0)]))));

    let field = "repeated string f = 1 [(krpc.vld).empty_or_arrlen = \"2\"];";
    assert!(passes(field, None));
    assert!(passes(field, Some(list([text(""), text("")]))));
    assert!(!passes(field, Some(list([text("")]))));
}

#[test]
fn a_map_is_counted_and_the_messages_in_it_are_looked_at() {
    let source = "message Req { map<string, Item> items = 1 [(krpc.vld).arrlen = \"1,2\"]; }
        message Item { string id = 1 [(krpc.vld).required = true]; }";
    let validator = rules(source);
    let descriptor = descriptor(source, "Req");
    let with = |ids: &[&str]| {
        let entry = |id: &&str| {
            let item = within(&descriptor, "items", [("id", text(id))]);
            (MapKey::String(format!("key of {id}")), item)
        };
        let items = ids.iter().map(entry).collect::<HashMap<_, _>>();
        message(&descriptor, [("items", Value::Map(items))])
    };
    assert_eq!(refused(&validator, &with(&[])), "Req.items");
    assert_eq!(check(&validator, &with(&["a", "b"])), Ok(()));
    assert_eq!(refused(&validator, &with(&["a", "b", "c"])), "Req.items");
    assert_eq!(refused(&validator, &with(&["a", ""])), "Item.id");
}

#[test]
fn fields_are_looked_at_in_the_order_they_are_declared_in() {
    let source = "message Req {
        string late = 9 [(krpc.vld).required = true];
        Item item = 5;
        string early = 1 [(krpc.vld).required = true]; }
        message Item { string id = 1 [(krpc.vld).required = true]; }";
    let descriptor = descriptor(source, "Req");
    let validator = Validator::compile(&descriptor).unwrap().unwrap();
    assert_eq!(refused(&validator, &message(&descriptor, [])), "Req.late");
    let late = [("late", text("x"))];
    assert_eq!(
        refused(&validator, &message(&descriptor, late.clone())),
        "Item.id"
    );
    let item = within(&descriptor, "item", [("id", text("x"))]);
    let [late] = late;
    let most = message(&descriptor, [late, ("item", item)]);
    assert_eq!(refused(&validator, &most), "Req.early");
}

#[test]
fn a_message_that_is_not_set_is_looked_at_as_an_empty_one() {
    let source = "message Req { Address address = 1; }
        message Address { string note = 1; City city = 2; }
        message City { string name = 1 [(krpc.vld).required = true]; }";
    let descriptor = descriptor(source, "Req");
    let validator = Validator::compile(&descriptor).unwrap().unwrap();
    assert_eq!(refused(&validator, &message(&descriptor, [])), "City.name");
    let empty = within(&descriptor, "address", []);
    let with_empty = message(&descriptor, [("address", empty)]);
    assert_eq!(refused(&validator, &with_empty), "City.name");
}

#[test]
fn messages_under_a_field_with_rules_of_its_own_are_looked_at_too() {
    let source = "message Req { repeated Item items = 1 [(krpc.vld).arrlen = \"1,-\"]; }
        message Item { string id = 1 [(krpc.vld).required = true]; }";
    let descriptor = descriptor(source, "Req");
    let validator = Validator::compile(&descriptor).unwrap().unwrap();
    assert_eq!(refused(&validator, &message(&descriptor, [])), "Req.items");
    let items = list([within(&descriptor, "items", [])]);
    let with_item = message(&descriptor, [("items", items)]);
    assert_eq!(refused(&validator, &with_item), "Item.id");
}

#[test]
fn a_type_that_holds_itself_ends_where_it_is_not_set() {
    let source = "message Req { Node root = 1; }
        message Node { Node next = 1; Pair pair = 2; string id = 3 [(krpc.vld).required = true]; }
        message Pair { Node left = 1; repeated Node more = 2; }";
    let descriptor = descriptor(source, "Req");
    let validator = Validator::compile(&descriptor).unwrap().unwrap();
    assert_eq!(
        refused(&validator, &message(&descriptor, [])),
        "Node.id",
        "the root is no part of the circle"
    );

    let node = descriptor.get_field_by_name("root").unwrap().kind();
    let node = node.as_message().unwrap();
    let req = |root: DynamicMessage| message(&descriptor, [("root", Value::Message(root))]);
    let leaf = message(node, [("id", text("leaf"))]);
    assert_eq!(check(&validator, &req(leaf.clone())), Ok(()));

    let chain = |last: DynamicMessage| {
        (0..90).fold(last, |next, _| {
            message(node, [("id", text("x")), ("next", Value::Message(next))])
        })
    };
    let whole = req(chain(leaf.clone()));
    assert_eq!(check(&validator, &whole), Ok(()));
    assert_eq!(validator.check_body(&whole.encode_to_vec()), Ok(()));
    let broken = chain(message(node, []));
    assert_eq!(refused(&validator, &req(broken)), "Node.id");

    let pair = within(
        node,
        "pair",
        [(
            "more",
            list([Value::Message(leaf), Value::Message(message(node, []))]),
        )],
    );
    let with_pair = req(message(node, [("id", text("x")), ("pair", pair)]));
    assert_eq!(refused(&validator, &with_pair), "Node.id");
}

#[test]
fn a_type_that_holds_itself_in_a_list_is_still_required() {
    let source = "message Req { Tree tree = 1; }
        message Tree { repeated Tree branches = 1; string id = 2 [(krpc.vld).required = true]; }";
    let validator = rules(source);
    let descriptor = descriptor(source, "Req");
    assert_eq!(refused(&validator, &message(&descriptor, [])), "Tree.id");
}

#[test]
fn of_a_oneof_only_the_member_that_is_set_is_looked_at() {
    let source = "message Req { oneof way { string mail = 1 [(krpc.vld).match = \"email\"]; Phone phone = 2; } }
        message Phone { string number = 1 [(krpc.vld).required = true]; }";
    let descriptor = descriptor(source, "Req");
    let validator = Validator::compile(&descriptor).unwrap().unwrap();
    assert_eq!(check(&validator, &message(&descriptor, [])), Ok(()));
    let mail = |mail| message(&descriptor, [("mail", text(mail))]);
    assert_eq!(check(&validator, &mail("a@b.c")), Ok(()));
    assert_eq!(
        refused(&validator, &mail("")),
        "Req.mail",
        "set to nothing is set"
    );
    let phone = message(&descriptor, [("phone", within(&descriptor, "phone", []))]);
    assert_eq!(refused(&validator, &phone), "Phone.number");
}

#[test]
fn an_optional_field_that_is_not_set_is_its_default() {
    let field = "optional string f = 1 [(krpc.vld).length = \"1,-\"];";
    assert!(!passes(field, None));
    assert!(!passes(field, Some(text(""))));
    assert!(passes(field, Some(text("a"))));
}

#[test]
fn a_violation_has_the_rules_own_code_and_words() {
    let source = "message Req {
        string a = 1 [(krpc.vld) = { required: true retCode: -100007 retMsg: \"no %s\" }];
        string b = 2 [(krpc.vld) = { required: true retCode: 5 }];
        string c = 3 [(krpc.vld).required = true, (krpc.vld).match = \"c+\"]; }";
    let descriptor = descriptor(source, "Req");
    let validator = Validator::compile(&descriptor).unwrap().unwrap();
    let violation = check(&validator, &message(&descriptor, [])).unwrap_err();
    let expected = Violation {
        code: -100_007,
        message: Some("no %s".to_owned()),
        field: "shop.Req.a".to_owned(),
    };
    assert_eq!(violation, expected);
    assert_eq!(violation.text(|_| None), "no shop.Req.a");

    let b = check(&validator, &message(&descriptor, [("a", text("x"))])).unwrap_err();
    assert_eq!(
        (b.code, b.message),
        (VALIDATE_ERROR, None),
        "a code must be negative"
    );

    let ab = [("a", text("x")), ("b", text("x")), ("c", text("d"))];
    let c = check(&validator, &message(&descriptor, ab)).unwrap_err();
    assert_eq!(c.code, -621);
    assert_eq!(c.text(|_| None), "validate error: shop.Req.c");
    assert_eq!(c.text(|code| Some(format!("code {code}"))), "code -621");
}

#[test]
fn a_body_that_is_no_message_is_told_from_one_that_breaks_a_rule() {
    let validator = rules("message Req { string f = 1 [(krpc.vld).required = true]; }");
    assert!(matches!(
        validator.check_body(b"\x0a\x05ab"),
        Err(BodyError::Decode(_))
    ));
    let Err(BodyError::Violation(violation)) = validator.check_body(b"") else {
        panic!("an empty body is an empty message");
    };
    assert_eq!(violation.field, "shop.Req.f");
    assert_eq!(validator.check_body(b"\x0a\x02ab"), Ok(()));
}

#[test]
fn a_type_without_a_rule_below_it_needs_no_validator() {
    let source =
        "message Req { string a = 1; Other other = 3; repeated Other more = 4; repeated sint64 n = 5; }
        message Other { int32 n = 1; string a = 2; }
        message Ruled { string a = 1 [(krpc.vld).required = true]; }";
    assert!(
        Validator::compile(&descriptor(source, "Req"))
            .unwrap()
            .is_none()
    );
    let deep = "message Req { map<int32, Other> others = 1; }
        message Other { repeated Ruled ruled = 1; Other other = 2; }
        message Ruled { string a = 1 [(krpc.vld).required = true]; }";
    assert!(
        Validator::compile(&descriptor(deep, "Req"))
            .unwrap()
            .is_some()
    );
}

#[test]
fn rules_are_read_where_the_pool_does_not_know_krpcext() {
    let source =
        "message Req { string f = 1 [(krpc.vld).values = \"a,b\", (krpc.vld).retCode = -100008]; }";
    let set = proto::without_krpcext(&proto::compile(source));
    let pool = DescriptorPool::decode(set.as_slice()).unwrap();
    assert!(pool.get_message_by_name("krpc.Validate").is_none());
    let descriptor = pool.get_message_by_name("shop.Req").unwrap();
    let validator = Validator::compile(&descriptor).unwrap().unwrap();
    assert_eq!(
        check(&validator, &message(&descriptor, [("f", text("b"))])),
        Ok(())
    );
    let violation = check(&validator, &message(&descriptor, [("f", text("c"))])).unwrap_err();
    assert_eq!(violation.code, -100_008);
}

#[test]
fn a_rule_that_cannot_be_kept_to_names_message_field_rule_and_remedy() {
    for (field, rule, words) in [
        (
            "string f = 1 [(krpc.vld).match = \"(?=a)\"];",
            "match",
            "look-around",
        ),
        (
            "string f = 1 [(krpc.vld).empty_or_match = \"(\"];",
            "empty_or_match",
            "no regular expression",
        ),
        (
            "string f = 1 [(krpc.vld).length = \"5,2\"];",
            "length",
            "the smaller number stands first",
        ),
        (
            "string f = 1 [(krpc.vld).empty_or_length = \"-1\"];",
            "empty_or_length",
            "from 0 on",
        ),
        (
            "string f = 1 [(krpc.vld).nrange = \"1..2\"];",
            "nrange",
            "write `n`, `min,max`",
        ),
        (
            "string f = 1 [(krpc.vld).srange = \"a,-\"];",
            "srange",
            "without open ends",
        ),
        (
            "string f = 1 [(krpc.vld).values = \" , \"];",
            "values",
            "write `a,b,c`",
        ),
        (
            "string f = 1 [(krpc.vld).arrlen = \"1\"];",
            "arrlen",
            "a string has a `length`",
        ),
        (
            "repeated string f = 1 [(krpc.vld).arrlen = \"x\"];",
            "arrlen",
            "`x` is no end of a range",
        ),
        (
            "bytes f = 1 [(krpc.vld).length = \"1\"];",
            "length",
            "the field is bytes",
        ),
        (
            "Req f = 1 [(krpc.vld).match = \"a\"];",
            "match",
            "the field is a message",
        ),
        (
            "map<string, string> f = 1 [(krpc.vld).values = \"a\"];",
            "values",
            "the field is a map",
        ),
        (
            "bool f = 1 [(krpc.vld).nrange = \"1\"];",
            "nrange",
            "write `values`",
        ),
    ] {
        let error = mistake(&format!("message Req {{ {field} }}"));
        assert_eq!(
            (
                error.message.as_str(),
                error.field.as_str(),
                error.rule.as_str()
            ),
            ("shop.Req", "f", rule)
        );
        assert!(error.problem.contains(words), "{field}: {error}");
        assert!(
            error
                .to_string()
                .starts_with(&format!("shop.Req.f: rule {rule}: "))
        );
    }
}

#[test]
fn a_mistake_below_is_found_as_well() {
    let error = mistake(
        "message Req { repeated Sub subs = 1; } message Sub { string f = 1 [(krpc.vld).length = \"x\"]; }",
    );
    assert_eq!(error.message, "shop.Sub");
}

#[test]
fn a_rule_that_is_not_known_is_refused_rather_than_forgotten() {
    let source =
        "message Req { string f = 1 [(krpc.vld).required = true, (krpc.vld).later = \"x\"]; }";
    let known = proto::compile_with_a_later_rule(source);
    for set in [proto::without_krpcext(&known), known] {
        let pool = DescriptorPool::decode(set.as_slice()).unwrap();
        let descriptor = pool.get_message_by_name("shop.Req").unwrap();
        let error = Validator::compile(&descriptor).unwrap_err();
        assert!(error.problem.contains("number 16"), "{error}");
        assert_eq!(error.rule, "vld");
    }
}

/// What is said to a body as it lies.
#[track_caller]
fn answer(validator: &Validator, body: &[u8]) -> Result<(), String> {
    match validator.check_body(body) {
        Ok(()) => Ok(()),
        Err(BodyError::Violation(violation)) => Err(violation.field),
        Err(BodyError::Decode(error)) => Err(error.to_string()),
    }
}

/// A field with bytes in it.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    assert!(number < 16 && bytes.len() < 128);
    let mut field = vec![number << 3 | 2, bytes.len() as u8];
    field.extend_from_slice(bytes);
    field
}

#[test]
fn a_value_that_is_told_twice_is_the_last_one() {
    let validator = rules("message Req { string f = 1 [(krpc.vld).values = \"a\"]; }");
    let (good, bad) = (field(1, b"a"), field(1, b"b"));
    assert_eq!(answer(&validator, &[&bad[..], &good].concat()), Ok(()));
    assert!(answer(&validator, &[good, bad].concat()).is_err());
}

#[test]
fn a_message_that_is_told_in_parts_is_one() {
    let validator = rules(
        "message Req { Item item = 1; map<int32, Item> items = 2; }
        message Item { string a = 1 [(krpc.vld).required = true]; string b = 2 [(krpc.vld).required = true]; }",
    );
    let (a, b) = (field(1, b"x"), field(2, b"x"));
    let whole = [field(1, &a), field(1, &b)].concat();
    assert_eq!(answer(&validator, &whole), Ok(()));
    assert_eq!(
        answer(&validator, &field(1, &a)),
        Err("shop.Item.b".to_owned())
    );
    let entry = [b"\x08\x01".to_vec(), field(2, &a), field(2, &b)].concat();
    let with = |entry: &[u8]| [whole.clone(), field(2, entry)].concat();
    assert_eq!(answer(&validator, &with(&entry)), Ok(()));
    let half = answer(&validator, &with(&field(2, &b)));
    assert_eq!(half, Err("shop.Item.a".to_owned()));
    let nothing = answer(&validator, &with(b"\x08\x01"));
    assert_eq!(nothing, Err("shop.Item.a".to_owned()));
}

#[test]
fn the_last_member_of_a_oneof_takes_the_place_of_those_before() {
    let validator = rules(
        "message Req { oneof one { Item item = 1; int32 other = 2; } }
        message Item { string a = 1 [(krpc.vld).required = true]; string b = 2 [(krpc.vld).required = true]; }",
    );
    let (a, b) = (field(1, &field(1, b"x")), field(1, &field(2, b"x")));
    let other = b"\x10\x01".to_vec();
    assert_eq!(
        answer(&validator, &[a.clone(), other.clone()].concat()),
        Ok(())
    );
    assert_eq!(answer(&validator, &[a.clone(), b.clone()].concat()), Ok(()));
    // The part before the other member is forgotten.
    let broken = answer(&validator, &[a, other, b].concat());
    assert_eq!(broken, Err("shop.Item.a".to_owned()));
}

#[test]
fn numbers_in_a_list_are_looked_at_packed_or_not() {
    for (kind, good, bad) in [
        ("int32", &b"\x05\x05"[..], &b"\x05\x04"[..]),
        ("sint64", b"\x0a", b"\x09"),
        ("bool", b"\x01\x01\x01", b"\x01\x00"),
        ("fixed32", b"\x05\0\0\0", b"\x06\0\0\0"),
        ("double", b"\0\0\0\0\0\0\x14\x40", b"\0\0\0\0\0\0\x18\x40"),
    ] {
        let rule = if kind == "bool" {
            "values: \"true\""
        } else {
            "nrange: \"5\""
        };
        let validator = rules(&format!(
            "message Req {{ repeated {kind} f = 1 [(krpc.vld) = {{ {rule} arrlen: \"1,3\" }}]; }}"
        ));
        assert_eq!(answer(&validator, &field(1, good)), Ok(()), "{kind}");
        assert!(answer(&validator, &field(1, bad)).is_err(), "{kind}");
        assert!(answer(&validator, &field(1, b"")).is_err(), "{kind}: none");
        let many = field(1, good).repeat(4);
        assert!(answer(&validator, &many).is_err(), "{kind}: four");
    }
    let validator = rules("message Req { repeated int32 f = 1 [(krpc.vld).nrange = \"5\"]; }");
    assert_eq!(answer(&validator, b"\x08\x05\x0a\x01\x05"), Ok(()));
    assert!(answer(&validator, b"\x08\x04\x0a\x01\x05").is_err());
    assert!(
        answer(&validator, &field(1, b"\x85"))
            .unwrap_err()
            .contains("no protobuf")
    );
}

#[test]
fn a_key_told_twice_is_one_where_a_map_has_to_have_more() {
    for (kind, one, again, two) in [
        (
            "int32",
            &b"\x08\x01"[..],
            &b"\x08\x81\x80\x00"[..],
            &b"\x08\x02"[..],
        ),
        ("string", b"\x0a\x01a", b"\x0a\x00\x0a\x01a", b"\x0a\x01b"),
        ("bool", b"\x08\x00", b"", b"\x08\x01"),
    ] {
        let validator = rules(&format!(
            "message Req {{ map<{kind}, int32> f = 1 [(krpc.vld).arrlen = \"2,-\"]; }}"
        ));
        let (one, again, two) = (field(1, one), field(1, again), field(1, two));
        assert_eq!(answer(&validator, &[&one[..], &two].concat()), Ok(()));
        let twice = answer(&validator, &[&one[..], &again].concat());
        assert_eq!(twice, Err("shop.Req.f".to_owned()), "{kind}");
    }
}

#[test]
fn messages_lie_as_deep_in_each_other_as_prost_allows_and_no_deeper() {
    let source = "message Req { Req next = 1; string f = 2 [(krpc.vld).length = \"-,3\"]; }";
    let (descriptor, validator) = (descriptor(source, "Req"), rules(source));
    let nested = |depth: usize| {
        let mut body = Vec::new();
        for _ in 0..depth {
            let mut outer = vec![0x0a];
            prost_reflect::prost::encoding::encode_varint(body.len() as u64, &mut outer);
            outer.append(&mut body);
            body = outer;
        }
        body
    };
    DynamicMessage::decode(descriptor.clone(), &*nested(100)).unwrap();
    assert_eq!(answer(&validator, &nested(100)), Ok(()));
    DynamicMessage::decode(descriptor, &*nested(101)).unwrap_err();
    assert!(
        answer(&validator, &nested(101))
            .unwrap_err()
            .contains("too deep")
    );
}

#[test]
fn a_field_in_the_form_of_another_type_makes_it_no_message() {
    let validator = rules(
        "message Req { string f = 1 [(krpc.vld).required = true]; Req next = 2; int32 n = 3 [(krpc.vld).nrange = \"0,9\"]; }",
    );
    for body in [
        &b"\x08\x01"[..],
        b"\x0a\x01\xff",
        b"\x0a\x01a\x10\x01",
        b"\x0a\x01a\x1d\0\0\0\0",
    ] {
        assert!(
            answer(&validator, body)
                .unwrap_err()
                .contains("no protobuf"),
            "{body:?}"
        );
    }
}

#[test]
fn an_entry_of_a_map_without_a_length_makes_it_no_message() {
    // prost takes the 3 for a length, and the name for a part of the entry.
    let body = b"\x10\x03\x0a\x01x";
    let source = "message Req { string name = 1 [(krpc.vld).required = true]; map<string, string> map = 2; }";
    let validator = rules(source);
    assert!(
        answer(&validator, body)
            .unwrap_err()
            .contains("no protobuf")
    );
}

#[test]
fn groups_are_messages() {
    let source = "proto2 message Req { repeated group Item = 1 { optional string a = 2 [(krpc.vld).required = true]; } }";
    let validator = rules(source);
    assert_eq!(answer(&validator, b"\x0b\x12\x01x\x0c"), Ok(()));
    let broken = answer(&validator, b"\x0b\x12\x01x\x0c\x0b\x12\x00\x0c");
    assert_eq!(broken, Err("shop.Req.Item.a".to_owned()));
    assert_eq!(
        answer(&validator, b"\x0b\x0c"),
        Err("shop.Req.Item.a".to_owned())
    );
    assert!(answer(&validator, b"\x0b\x12\x01x").is_err());
}

#[test]
fn elements_past_the_number_allowed_are_not_looked_at() {
    let validator = rules(
        "message Req { repeated Item items = 1 [(krpc.vld).arrlen = \"-,2\"]; }
        message Item { int32 n = 1 [(krpc.vld).nrange = \"0,9\"]; }",
    );
    // Behind the third stands what is no message at all.
    let body = [&b"\x0a\0\x0a\0\x0a\0"[..], b"\xff\xff"].concat();
    assert_eq!(answer(&validator, &body), Err("shop.Req.items".to_owned()));
    let fits = answer(&validator, &[&b"\x0a\0\x0a\0"[..], b"\xff\xff"].concat());
    assert!(fits.unwrap_err().contains("no protobuf"));
}

#[test]
fn so_many_numbers_of_a_body_are_looked_at_as_text_and_no_more() {
    let validator = rules("message Req { repeated int32 f = 1 [(krpc.vld).match = \"[1-9]\"]; }");
    let body = |count: usize| {
        let mut body = vec![0x0a];
        prost_reflect::prost::encoding::encode_varint(count as u64, &mut body);
        body.extend(std::iter::repeat_n(7, count));
        body
    };
    let most = tangelo_reflect::validate::MAX_NUMBERS_AS_TEXT;
    assert_eq!(answer(&validator, &body(most)), Ok(()));
    assert_eq!(
        answer(&validator, &body(most + 1)),
        Err("shop.Req.f".to_owned())
    );
    // What needs no text has no such limit.
    let validator = rules(
        "message Req { repeated int32 f = 1 [(krpc.vld) = { values: \"7,8\" nrange: \"7\" }]; }",
    );
    assert_eq!(answer(&validator, &body(most + 1)), Ok(()));
}

/// A body with a list of so many elements of two bytes.
fn empty_elements(count: usize) -> Vec<u8> {
    b"\x0a\0".repeat(count)
}

#[test]
fn a_body_becomes_so_many_times_its_length_when_it_is_decoded_and_no_more() {
    // 96 bytes in memory, and two on the wire.
    let item = "message Item { string a = 1; string b = 2; string c = 3; bytes d = 4; }";
    let list = rules(&format!(
        "message Req {{ repeated Item items = 1; }} {item}"
    ));
    let most = ALWAYS_DECODED / 96;
    assert_eq!(answer(&list, &empty_elements(most)), Ok(()));
    let refused = answer(&list, &empty_elements(most + 1)).unwrap_err();
    assert!(refused.contains("when it is decoded"), "{refused}");

    // Beyond what is always decoded it is the length that counts.
    let element = field(1, &field(1, b"eight by"));
    assert_eq!(element.len(), 96 / MAX_GROWTH * 2);
    let long = element.repeat(90_000);
    assert!(long.len() * MAX_GROWTH > 2 * ALWAYS_DECODED);
    assert_eq!(answer(&list, &long), Ok(()));
    let mixed = |empty| [long.clone(), empty_elements(empty)].concat();
    let left = 90_000 * (12 * MAX_GROWTH - 96) / (96 - 2 * MAX_GROWTH);
    assert_eq!(answer(&list, &mixed(left)), Ok(()));
    assert!(answer(&list, &mixed(left + 1)).is_err());
}

#[test]
fn what_lies_deeper_in_a_body_counts_as_well() {
    let item = "message Item { string a = 1; string b = 2; string c = 3; bytes d = 4; }
        message Items { repeated Item items = 1; }";
    let many = empty_elements(ALWAYS_DECODED / 96 + 1);
    let length = |bytes: &[u8], head: &[u8]| {
        let mut all = head.to_vec();
        prost_reflect::prost::encoding::encode_varint(bytes.len() as u64, &mut all);
        all.extend_from_slice(bytes);
        all
    };
    for (declared, head) in [
        ("Items in = 1;", &[0x0a][..]),
        ("repeated Items in = 1;", &[0x0a]),
        ("oneof o { Items in = 1; int32 n = 2; }", &[0x0a]),
    ] {
        let list = rules(&format!("message Req {{ {declared} }} {item}"));
        assert!(answer(&list, &length(&many, head)).is_err(), "{declared}");
    }
    let map = rules(&format!(
        "message Req {{ map<int32, Items> in = 1; }} {item}"
    ));
    assert!(answer(&map, &length(&length(&many, &[0x12]), &[0x0a])).is_err());
    let entries = rules(&format!(
        "message Req {{ map<int32, Item> in = 1; }} {item}"
    ));
    assert!(answer(&entries, &many).is_err());
    let texts = rules("message Req { repeated string in = 1; }");
    assert!(answer(&texts, &empty_elements(400_000)).is_err());
    let itself = rules("message Req { Req next = 1; repeated Req list = 2; }");
    assert!(answer(&itself, &b"\x12\0".repeat(400_000)).is_err());
}

#[test]
fn long_lists_of_numbers_and_short_words_are_decoded() {
    let source = "message Req { repeated int64 n = 1; repeated double d = 2; repeated bool b = 3;
        repeated string s = 4; repeated Item items = 5; repeated Point points = 6; }
        message Item { string a = 1; string b = 2; string c = 3; bytes d = 4; }
        message Point { sint32 x = 1; sint32 y = 2; }";
    let validator = rules(source);
    let long = |number: u8| {
        let mut body = vec![number << 3 | 2];
        prost_reflect::prost::encoding::encode_varint(999_992, &mut body);
        body.resize(body.len() + 999_992, 1);
        body
    };
    for number in [1, 2, 3] {
        assert_eq!(answer(&validator, &long(number)), Ok(()), "{number}");
    }
    assert_eq!(answer(&validator, &b"\x08\x01".repeat(500_000)), Ok(()));
    assert_eq!(answer(&validator, &field(4, b"a").repeat(333_333)), Ok(()));
    let point = field(6, b"\x08\x01\x10\x01");
    assert_eq!(answer(&validator, &point.repeat(166_666)), Ok(()));
}

proptest::proptest! {
    #[test]
    fn how_a_message_is_written_makes_no_difference(
        parts in proptest::collection::vec(proptest::sample::select(PARTS.to_vec()), 0..12),
        at in proptest::prelude::any::<proptest::sample::Index>(),
        byte in proptest::option::of(proptest::prelude::any::<u8>()),
    ) {
        let mut body = parts.concat();
        if let (Some(byte), false) = (byte, body.is_empty()) {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let (descriptor, validator) = &*EVERYTHING;
        let said = answer(validator, &body);
        if let Ok(message) = DynamicMessage::decode(descriptor.clone(), &*body) {
            let again = answer(validator, &message.encode_to_vec());
            // Prost does not look at the form of a map's entry, and reads what is no message: not so here.
            match said {
                Err(malformed) if malformed.contains("no protobuf message") => {
                    let written = again.err().unwrap_or_default();
                    proptest::prop_assert!(!written.contains("no protobuf message"), "{written}");
                }
                said => proptest::prop_assert_eq!(said, again),
            }
        }
    }
}

#[test]
fn a_map_that_begins_as_a_group_is_no_message() {
    let body = [
        56, 1, 26, 5, 10, 3, 97, 98, 99, 67, 3, 10, 1, 97, 26, 3, 10, 1, 97,
    ];
    let (_, validator) = &*EVERYTHING;
    let refused = answer(validator, &body).unwrap_err();
    assert!(refused.contains("no protobuf message"), "{refused}");
}

static EVERYTHING: std::sync::LazyLock<(prost_reflect::MessageDescriptor, Validator)> =
    std::sync::LazyLock::new(|| {
        let source = "message Req {
            string s = 1 [(krpc.vld).length = \"-,2\"];
            repeated int32 n = 2 [(krpc.vld) = { nrange: \"-1,5\" arrlen: \"-,3\" }];
            Req next = 3;
            repeated Req list = 4 [(krpc.vld).arrlen = \"-,2\"];
            oneof one { string a = 5 [(krpc.vld).values = \"a\"]; Req b = 6; bool c = 7; }
            map<string, Req> map = 8;
            Color color = 9 [(krpc.vld).values = \"RED,7\"];
            repeated sint64 z = 10 [(krpc.vld).values = \"-1,2\"]; }
            enum Color { RED = 0; BLUE = 1; }";
        (descriptor(source, "Req"), rules(source))
    });

/// Fields of it, good and bad, whole and in messages.
const PARTS: [&[u8]; 17] = [
    b"\x0a\x01a",
    b"\x0a\x03abc",
    b"\x10\x05",
    b"\x12\x02\x01\x06",
    b"\x12\x01\x02",
    b"\x1a\x03\x0a\x01a",
    b"\x1a\x05\x0a\x03abc",
    b"\x22\x00",
    b"\x22\x03\x2a\x01x",
    b"\x2a\x01a",
    b"\x32\x03\x2a\x01x",
    b"\x38\x01",
    b"\x42\x05\x0a\x01k\x12\x00",
    b"\x42\x08\x0a\x01l\x12\x03\x48\x01\x00",
    b"\x48\x07",
    b"\x48\x01",
    b"\x52\x02\x01\x04",
];
