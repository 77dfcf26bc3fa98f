//! The route dictionary, and what a client is told of it and of definitions.

#![allow(clippy::unwrap_used, reason = "every function here belongs to a test")]

use bytes::BytesMut;
use serde_json::{Value, json};
use tangelo_wire::pomelo::{
    dictionary::{Dictionary, Error, MAX_ROUTES},
    handshake::{self, Offer, Told},
    message::{self, MAX_ROUTE, Route},
    protobuf::{Definitions, Dialect, ProtoMessage},
};

const NONE: [&str; 0] = [];

#[test]
fn handlers_come_in_the_order_of_text_and_what_is_added_as_it_stands() {
    let dictionary = Dictionary::new(
        [
            "connector.entryHandler.entry",
            "chat.chatHandler.send",
            "chat.chatHandler.send",
        ],
        ["onHi", "onBye"],
    )
    .unwrap();
    assert_eq!(dictionary.len(), 4);
    for (code, route) in [
        (1, "chat.chatHandler.send"),
        (2, "connector.entryHandler.entry"),
        (3, "onHi"),
        (4, "onBye"),
    ] {
        assert_eq!(dictionary.code(route), Some(code));
        assert_eq!(dictionary.route(code), Some(route));
    }
    // As Pomelo's own is of these routes.
    assert_eq!(dictionary.version(), "fgk/sw+Fx5iuvyLTsSkceQ==");
    for unknown in [0, 5, u16::MAX] {
        assert_eq!(dictionary.route(unknown), None);
    }
    assert_eq!(dictionary.code("on"), None);
}

#[test]
fn text_is_in_the_order_of_javascript() {
    // U+FF5E comes after the surrogates that U+1F600 is made of.
    let dictionary = Dictionary::new(["\u{ff5e}", "\u{1f600}"], NONE).unwrap();
    assert_eq!(dictionary.route(1), Some("\u{1f600}"));
}

#[test]
fn a_route_that_is_added_again_is_written_as_the_later_code_and_both_are_read() {
    let dictionary = Dictionary::new(["a"], ["b", "a"]).unwrap();
    assert_eq!(dictionary.code("a"), Some(3));
    assert_eq!(
        (dictionary.route(1), dictionary.route(3)),
        (Some("a"), Some("a"))
    );
    let sys = told(&dictionary, "{}");
    assert_eq!(sys["routeToCode"], json!({"a": 3, "b": 2}));
    assert_eq!(sys["codeToRoute"], json!({"1": "a", "2": "b", "3": "a"}));
}

#[test]
fn a_dictionary_has_65535_routes_at_the_most() {
    let routes = |count: usize| (0..count).map(|number| number.to_string());
    let full = Dictionary::new(NONE, routes(MAX_ROUTES)).unwrap();
    assert_eq!(full.route(u16::MAX), Some("65534"));
    assert_eq!(full.code("65534"), Some(u16::MAX));
    let more = Dictionary::new(NONE, routes(MAX_ROUTES + 1));
    assert_eq!(more.unwrap_err(), Error::TooMany(MAX_ROUTES + 1));
}

#[test]
fn a_route_has_255_bytes_at_the_most_and_one_at_the_least() {
    let of = |length: usize| Dictionary::new(NONE, ["x".repeat(length)]);
    assert!(of(1).is_ok() && of(MAX_ROUTE).is_ok());
    assert_eq!(of(0).unwrap_err(), Error::EmptyRoute);
    assert!(matches!(of(MAX_ROUTE + 1), Err(Error::RouteTooLong(_))));
}

#[test]
fn a_push_may_have_a_code_for_its_route() {
    let mut out = BytesMut::new();
    message::encode_push_code(24, b"{}", &mut out);
    assert_eq!(out, [7, 0, 24, b'{', b'}'][..]);
    let push = message::decode(out.freeze()).unwrap();
    assert_eq!(push.route(), Route::Code(24));
    let named = push.with(b"onHi", b"[]").unwrap();
    assert_eq!(
        (named.route(), named.body()),
        (Route::Name(b"onHi"), &b"[]"[..])
    );
    assert_eq!(named.kind(), push.kind());
    assert!(push.with(&[b'x'; MAX_ROUTE + 1], b"").is_err());
}

fn answer(hello: &str, offer: &Offer<'_>) -> String {
    let hello = handshake::decode(hello.as_bytes()).unwrap();
    String::from_utf8(handshake::accept(&hello, offer)).unwrap()
}

fn told(dictionary: &Dictionary, sys: &str) -> Value {
    let dictionary = Told::dictionary(dictionary);
    let offer = Offer {
        dictionary: Some(&dictionary),
        ..Offer::default()
    };
    let answer = answer(&format!("{{\"sys\":{sys}}}"), &offer);
    serde_json::from_str::<Value>(&answer).unwrap()["sys"].take()
}

#[test]
fn a_client_is_told_everything_in_pomelos_own_order() {
    let dictionary = Told::dictionary(&Dictionary::new(["b.h.m"], ["onHi"]).unwrap());
    let server = ProtoMessage::parse(r#"{"onPos": {"required uInt32 x": 1}}"#).unwrap();
    let (server, _) = Definitions::new(&server, Dialect::Pomelo);
    let protos = Told::protos("{}", &server.describe(), Dialect::Pomelo);
    // As Pomelo's own is of these definitions.
    assert_eq!(protos.version(), "Kh3p0jvaz3UTkIvrKHk9ew==");
    let offer = Offer {
        heartbeat: Some(std::time::Duration::from_secs(3)),
        dictionary: Some(&dictionary),
        protos: Some(&protos),
        ..Offer::default()
    };
    let version = dictionary.version();
    assert_eq!(
        answer(r#"{"sys":{"protoVersion":0}}"#, &offer),
        format!(
            r#"{{"code":200,"sys":{{"heartbeat":3,"dict":{{"b.h.m":1,"onHi":2}},"routeToCode":{{"b.h.m":1,"onHi":2}},"codeToRoute":{{"1":"b.h.m","2":"onHi"}},"dictVersion":"{version}","useDict":true,"protos":{{"server":{},"client":{{}},"version":"Kh3p0jvaz3UTkIvrKHk9ew=="}},"useProto":true}}}}"#,
            server.describe()
        )
    );
    let kept = format!(
        r#"{{"sys":{{"dictVersion":"{version}","protoVersion":"Kh3p0jvaz3UTkIvrKHk9ew=="}}}}"#
    );
    assert_eq!(
        answer(&kept, &offer),
        r#"{"code":200,"sys":{"heartbeat":3,"useDict":true,"useProto":true}}"#
    );
}

#[test]
fn a_client_says_which_dialect_it_reads_and_two_are_known_to_read_none() {
    let hello = |text: &str| handshake::decode(text.as_bytes()).unwrap();
    let extended = hello(r#"{"sys":{"protoExtended":true}}"#);
    assert_eq!(extended.dialect, Dialect::Extended);
    let told = Told::protos("{}", "{}", Dialect::Extended);
    let offer = Offer {
        protos: Some(&told),
        ..Offer::default()
    };
    let answer = String::from_utf8(handshake::accept(&extended, &offer)).unwrap();
    assert!(
        answer.ends_with(r#""useProto":true,"protoExtended":true}}"#),
        "{answer}"
    );
    for other in [r#"{"sys":{}}"#, r#"{"sys":{"protoExtended":1}}"#] {
        assert_eq!(hello(other).dialect, Dialect::Pomelo);
        assert!(hello(other).takes_definitions());
    }
    for none in ["pomelo-node-tcp-client", "tangelo-js"] {
        let hello = hello(&format!(r#"{{"sys":{{"type":"{none}"}}}}"#));
        assert!(!hello.takes_definitions(), "{none}");
    }
}
