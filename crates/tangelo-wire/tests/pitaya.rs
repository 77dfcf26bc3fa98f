//! Pitaya's dialect, against bytes written by hand and by other libraries.

#![allow(clippy::unwrap_used, reason = "every function here belongs to a test")]

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use serde_json::{Value, json};
use tangelo_wire::pomelo::{
    dictionary::Dictionary,
    handshake::{self, Offer},
    message::{self, Kind, Route},
    pitaya::{Deflater, Flags, Inflating, Serializer, Told, failure, inflate},
};

/// Forty times `7`, as Python's zlib writes it at its default level.
const ZLIB_OF_SEVENS: &[u8] = &[
    0x78, 0x9c, 0x33, 0x37, 0x27, 0x0e, 0x00, 0x00, 0xb0, 0x54, 0x08, 0x99,
];

fn sevens() -> Vec<u8> {
    vec![b'7'; 40]
}

#[test]
fn what_another_zlib_has_written_is_read() {
    assert_eq!(inflate(ZLIB_OF_SEVENS, 40).unwrap(), sevens());
}

#[test]
fn a_request_says_that_its_body_is_compressed() {
    // Request 1 of `a.b.c`.
    let mut request = b"\x10\x01\x05a.b.c".to_vec();
    request.extend_from_slice(ZLIB_OF_SEVENS);
    let request = message::decode(request.into()).unwrap();
    assert!(request.is_compressed());
    assert_eq!((request.kind(), request.id()), (Kind::Request, 1));
    let inflated = request.with_body(&inflate(request.body(), 40).unwrap());
    assert!(!inflated.is_compressed());
    assert_eq!(inflated.route(), Route::Name(b"a.b.c"));
    assert_eq!(inflated.body(), sevens());
    // One of a code keeps it.
    let coded = message::decode(Bytes::from_static(b"\x13\x01\x02xx")).unwrap();
    assert!(coded.is_compressed());
    let coded = coded.with_body(b"body");
    assert_eq!(
        (coded.kind(), coded.route()),
        (Kind::Notify, Route::Code(0x0102))
    );
    assert_eq!(coded.body(), b"body");
}

#[test]
fn responses_and_pushes_say_it_too_and_responses_that_they_failed() {
    let mut out = BytesMut::new();
    message::encode_response(300, b"x", &mut out);
    Flags::default().set(&mut out);
    assert_eq!(out, b"\x04\xac\x02x"[..]);
    let failed = Flags {
        compressed: false,
        failed: true,
    };
    failed.set(&mut out);
    assert_eq!(out, b"\x24\xac\x02x"[..]);
    assert_eq!(Flags::of(&out), failed);
    let compressed = Flags {
        compressed: true,
        failed: false,
    };
    compressed.set(&mut out);
    assert_eq!(out, b"\x34\xac\x02x"[..]);
    let mut out = BytesMut::new();
    message::encode_push("on", b"x", &mut out).unwrap();
    compressed.set(&mut out);
    assert_eq!(out, b"\x16\x02onx"[..]);
    assert_eq!(Flags::of(&out), compressed);
    assert_eq!(Flags::of(b""), Flags::default());
    // The dialect's bits are none of the message's own.
    let message = message::decode(out.freeze()).unwrap();
    assert_eq!(
        (message.kind(), message.route()),
        (Kind::Push, Route::Name(b"on"))
    );
}

#[test]
fn inflating_ends_at_the_limit() {
    let body = vec![b'x'; 64 << 10];
    let bomb = Deflater::new().deflate(&body).unwrap();
    assert!(bomb.len() < 1024, "{}", bomb.len());
    assert_eq!(inflate(&bomb, body.len()).unwrap(), body);
    let limit = body.len() - 1;
    assert_eq!(inflate(&bomb, limit), Err(Inflating::TooLong { limit }));
    assert_eq!(inflate(&bomb, 0), Err(Inflating::TooLong { limit: 0 }));
}

#[test]
fn what_is_no_whole_stream_of_zlib_is_refused() {
    let mut followed = ZLIB_OF_SEVENS.to_vec();
    followed.push(0);
    let mut wrong_sum = ZLIB_OF_SEVENS.to_vec();
    *wrong_sum.last_mut().unwrap() ^= 1;
    let cut_short = &ZLIB_OF_SEVENS[..ZLIB_OF_SEVENS.len() - 1];
    // gzip, which is another format.
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0";
    for bytes in [&b""[..], b"{}", &followed, &wrong_sum, cut_short, gzip] {
        assert_eq!(inflate(bytes, 1000), Err(Inflating::Malformed), "{bytes:?}");
    }
}

#[test]
fn the_answer_to_a_handshake_has_heartbeat_codes_and_serializer() {
    let hello =
        json!({"sys": {"platform": "mac", "libVersion": "0.3.5-release"}, "user": {"age": 30}});
    let hello = handshake::decode(hello.to_string().as_bytes()).unwrap();
    assert_eq!(
        hello.pitaya.as_ref().unwrap().platform.as_deref(),
        Some("mac")
    );
    assert_eq!(
        (&hello.client_type, &hello.user["age"]),
        (&None, &json!(30))
    );
    let dictionary = Dictionary::new(["a.b.c"], ["on"]).unwrap();
    let told = Told::new(Some(&dictionary), Serializer::Json);
    let offer = Offer {
        heartbeat: Some(std::time::Duration::from_secs(3)),
        pitaya: Some(&told),
        ..Offer::default()
    };
    let answer = String::from_utf8(handshake::accept(&hello, &offer)).unwrap();
    assert_eq!(
        answer,
        r#"{"code":200,"sys":{"heartbeat":3,"dict":{"a.b.c":1,"on":2},"serializer":"json"}}"#
    );
}

proptest! {
    #[test]
    fn what_is_deflated_is_shorter_and_inflates_to_what_it_was(
        bodies in proptest::collection::vec(proptest::collection::vec(0_u8..4, 0..2000), 1..8)
    ) {
        // One after the other: nothing of the one before is left.
        let mut deflater = Deflater::new();
        for body in bodies {
            if let Some(deflated) = deflater.deflate(&body) {
                prop_assert!(deflated.len() < body.len());
                prop_assert_eq!(inflate(&deflated, body.len()).unwrap(), &body);
            } else {
                prop_assert!(body.len() < 100, "{} bytes of two bits each", body.len());
            }
        }
    }

    #[test]
    fn whatever_is_inflated_is_within_the_limit_or_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..200), limit in 0_usize..300
    ) {
        if let Ok(inflated) = inflate(&bytes, limit) {
            prop_assert!(inflated.len() <= limit);
        }
    }

    #[test]
    fn a_failure_has_a_code_and_words_whatever_the_answer_was(answer in ".{0,60}") {
        let told = failure(Serializer::Json, answer.as_bytes());
        let told: Value = serde_json::from_slice(&told).unwrap();
        prop_assert!(told["code"].is_string() && told["msg"].is_string());
    }
}
