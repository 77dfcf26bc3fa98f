//! What Pomelo's own encoder wrote is read, and written again to the byte.

mod vectors;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde_json::Value;
use tangelo_wire::pomelo::{
    handshake::{self, Offer},
    json,
    message::{self, Kind, Message, Route},
    package::{self, Package},
};
use vectors::{Vector, named};

#[test]
fn every_package_is_read_and_written_as_pomelo_does() {
    for vector in vectors::packages() {
        let mut buffer = BytesMut::from(&*vector.bytes());
        if vector.verdict == "reject" {
            let error = package::decode(&mut buffer, package::MAX_BODY).expect_err(vector.name);
            assert_eq!(error.to_string(), vector.text("error"), "{}", vector.name);
            continue;
        }
        assert_eq!(vector.verdict, "same", "{}", vector.name);
        let mut written = BytesMut::new();
        for want in meant_packages(&vector) {
            let package = package::decode(&mut buffer, package::MAX_BODY).expect(vector.name);
            assert_eq!(package, Some(want.clone()), "{}", vector.name);
            package::encode(want.kind, &want.body, &mut written).expect(vector.name);
        }
        assert!(buffer.is_empty(), "{}: {buffer:?} is left", vector.name);
        assert_eq!(written, vector.bytes(), "{}", vector.name);
    }
}

#[test]
fn every_message_is_read_and_written_as_pomelo_does() {
    for vector in vectors::messages() {
        let decoded = message::decode(vector.bytes().into());
        if vector.verdict == "reject" {
            let error = decoded.expect_err(vector.name);
            assert_eq!(error.to_string(), vector.text("error"), "{}", vector.name);
            continue;
        }
        let message = decoded.expect(vector.name);
        assert_eq!(message.kind(), message_kind(&vector), "{}", vector.name);
        assert_eq!(message.id(), vector.number("id") as u32, "{}", vector.name);
        match (message.route(), vector.find("code")) {
            (Route::Code(code), Some(want)) => {
                assert_eq!(code.to_string(), want, "{}", vector.name)
            }
            (Route::Name(name), None) => assert_eq!(name, vector.value("route"), "{}", vector.name),
            (route, _) => panic!("{}: {route:?}", vector.name),
        }
        assert_eq!(message.body(), vector.value("body"), "{}", vector.name);
        match vector.verdict {
            "same" => assert_eq!(written(&message), vector.bytes(), "{}", vector.name),
            "read" => {}
            verdict => panic!("{}: {verdict}", vector.name),
        }
        assert_eq!(message.into_body(), vector.value("body"), "{}", vector.name);
    }
}

#[test]
fn a_data_package_carries_a_message() {
    let mut buffer = BytesMut::from(&*named(vectors::packages(), "stack-request").bytes());
    let package = package::decode(&mut buffer, package::MAX_BODY)
        .unwrap()
        .unwrap();

    let want = named(vectors::messages(), "stack-request").bytes();
    assert_eq!(package.body, want);
    assert_eq!(message::decode(package.body), message::decode(want.into()));
}

#[test]
fn text_of_either_kind_of_client_is_mended_to_utf_8() {
    for vector in vectors::strings() {
        let (bytes, text) = (vector.bytes(), vector.text("text"));
        assert_eq!(json::mend(&bytes), text.as_bytes(), "{}", vector.name);
        if vector.verdict == "same" {
            assert_eq!(bytes, text.as_bytes(), "{}", vector.name);
        }
        if let Some(written) = vector.find("json") {
            let value: Value = json::from_slice(&bytes).expect(vector.name);
            assert_eq!(
                value,
                serde_json::from_str::<Value>(text).unwrap(),
                "{}",
                vector.name
            );
            assert_eq!(
                json::to_vec(&value).unwrap(),
                written.as_bytes(),
                "{}",
                vector.name
            );
        }
    }
}

#[test]
fn whoever_says_what_it_is_is_let_in_and_nobody_else() {
    for vector in vectors::handshakes() {
        let decoded = handshake::decode(vector.text("hello").as_bytes());
        if vector.verdict == "reject" {
            let answer = handshake::refuse(&decoded.expect_err(vector.name));
            assert_eq!(answer, vector.text("answer").as_bytes(), "{}", vector.name);
            continue;
        }
        assert_eq!(vector.verdict, "accept", "{}", vector.name);
        let hello = decoded.expect(vector.name);
        assert_eq!(
            hello.client_type.as_deref(),
            vector.find("type"),
            "{}",
            vector.name
        );
        assert_eq!(
            hello.client_version.as_deref(),
            vector.find("version"),
            "{}",
            vector.name
        );
        assert_eq!(
            hello.user.to_string(),
            vector.text("user"),
            "{}",
            vector.name
        );
    }
}

#[test]
fn a_browsers_emoji_survives_the_handshake() {
    let hello = b"{\"sys\":{},\"user\":\"\xed\xa0\xbd\xed\xb8\x80\"}";
    assert_eq!(handshake::decode(hello).unwrap().user, "😀");
}

#[test]
fn the_server_answers_in_pomelos_own_words() {
    let body = |name| named(vectors::packages(), name).value("body");

    let every_3_s = Some(Duration::from_secs(3));
    assert_eq!(accepted(every_3_s), body("pkg-handshake-rsp-200"));
    assert_eq!(
        handshake::refuse(&handshake::Refusal::NoSys),
        body("pkg-handshake-rsp-500")
    );
    assert_eq!(handshake::kick("kick"), body("pkg-kick-reason"));

    assert_eq!(accepted(None), br#"{"code":200,"sys":{}}"#);
    let every_half_s = Some(Duration::from_millis(500));
    assert_eq!(
        accepted(every_half_s),
        br#"{"code":200,"sys":{"heartbeat":0.5}}"#
    );
    assert_eq!(
        handshake::kick("\"😀\""),
        br#"{"reason":"\"\ud83d\ude00\""}"#
    );
}

fn accepted(heartbeat: Option<Duration>) -> Vec<u8> {
    let hello = handshake::decode(br#"{"sys":{}}"#).expect("a hello");
    let offer = Offer {
        heartbeat,
        ..Offer::default()
    };
    handshake::accept(&hello, &offer)
}

fn meant_packages(vector: &Vector) -> Vec<Package> {
    let mut packages = Vec::<Package>::new();
    for (key, text) in &vector.fields {
        match *key {
            "bytes" => {}
            "kind" => packages.push(Package {
                kind: package_kind(text),
                body: Bytes::new(),
            }),
            "body" => packages.last_mut().expect("a kind").body = vectors::value(text).into(),
            _ => panic!("{}: {key}", vector.name),
        }
    }
    packages
}

fn package_kind(text: &str) -> package::Kind {
    match text {
        "handshake" => package::Kind::Handshake,
        "handshake-ack" => package::Kind::HandshakeAck,
        "heartbeat" => package::Kind::Heartbeat,
        "data" => package::Kind::Data,
        "kick" => package::Kind::Kick,
        _ => panic!("no kind of package: {text}"),
    }
}

fn message_kind(vector: &Vector) -> Kind {
    match vector.text("kind") {
        "request" => Kind::Request,
        "notify" => Kind::Notify,
        "response" => Kind::Response,
        "push" => Kind::Push,
        kind => panic!("{}: {kind}", vector.name),
    }
}

fn written(message: &Message) -> BytesMut {
    let mut out = BytesMut::new();
    let route = match message.route() {
        Route::Name(name) => str::from_utf8(name).expect("a route in UTF-8"),
        Route::Code(code) => panic!("no encoder for the route with code {code}"),
    };
    let body = message.body();
    match message.kind() {
        Kind::Request => message::encode_request(message.id(), route, body, &mut out),
        Kind::Notify => message::encode_notify(route, body, &mut out),
        Kind::Response => {
            message::encode_response(message.id(), body, &mut out);
            Ok(())
        }
        Kind::Push => message::encode_push(route, body, &mut out),
    }
    .expect("a message that was decoded can be written");
    out
}
