//! What is written is read again, and no bytes whatever make a decoder panic.

mod vectors;

use bytes::{Bytes, BytesMut};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::Value;
use tangelo_wire::{
    krpc::{
        frame::{self, DEFAULT_MAX_FRAME, Frame},
        meta::{Direction, Meta},
    },
    pomelo::{
        handshake, json,
        message::{self, Kind, MAX_ID, MAX_ROUTE, Route},
        package::{self, MAX_BODY, Package},
    },
};

proptest! {
    #[test]
    fn a_package_is_read_as_it_was_written(package in package(), rest in bytes()) {
        let mut buffer = BytesMut::new();
        package::encode(package.kind, &package.body, &mut buffer).unwrap();
        buffer.extend_from_slice(&rest);
        prop_assert_eq!(package::decode(&mut buffer, MAX_BODY), Ok(Some(package)));
        prop_assert_eq!(buffer, rest);
    }

    #[test]
    fn a_message_is_read_as_it_was_written(
        kind in message_kind(), id in 0..=MAX_ID, route in route(), body in bytes()
    ) {
        let mut out = BytesMut::new();
        match kind {
            Kind::Request => message::encode_request(id, &route, &body, &mut out).unwrap(),
            Kind::Notify => message::encode_notify(&route, &body, &mut out).unwrap(),
            Kind::Response => message::encode_response(id, &body, &mut out),
            Kind::Push => message::encode_push(&route, &body, &mut out).unwrap(),
        }
        let message = message::decode(out.freeze()).unwrap();
        prop_assert_eq!(message.kind(), kind);
        let has_id = matches!(kind, Kind::Request | Kind::Response);
        prop_assert_eq!(message.id(), if has_id { id } else { 0 });
        let route = if kind == Kind::Response { "" } else { &*route };
        prop_assert_eq!(message.route(), Route::Name(route.as_bytes()));
        prop_assert_eq!(message.body(), &body);
        prop_assert_eq!(message.into_body(), body);
    }

    #[test]
    fn a_meta_is_read_as_it_was_written(meta in meta()) {
        let mut out = BytesMut::new();
        meta.encode(&mut out);
        prop_assert_eq!(Meta::decode(&out.freeze()), Ok(meta));
    }

    #[test]
    fn a_frame_is_read_as_it_was_written(meta in meta(), body in bytes(), rest in bytes()) {
        let mut buffer = BytesMut::new();
        frame::encode(&meta, &body, DEFAULT_MAX_FRAME, &mut buffer).unwrap();
        buffer.extend_from_slice(&rest);
        let frame = Frame { meta, body };
        prop_assert_eq!(frame::decode(&mut buffer, DEFAULT_MAX_FRAME), Ok(Some(frame)));
        prop_assert_eq!(buffer, rest);
    }

    #[test]
    fn json_is_read_as_it_was_written(text: String) {
        let written = json::to_vec(&text).unwrap();
        prop_assert!(written.iter().all(|byte| *byte < 0xf0));
        prop_assert_eq!(&json::from_slice::<String>(&written).unwrap(), &text);
        // Every other reader reads the same.
        prop_assert_eq!(&serde_json::from_slice::<String>(&written).unwrap(), &text);
    }

    #[test]
    fn text_encoded_unit_by_unit_is_mended(text: String) {
        let encoded = cesu_8(&text);
        prop_assert_eq!(json::mend(&encoded), text.as_bytes());
        prop_assert_eq!(json::mend(text.as_bytes()), text.as_bytes());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in bytes()) {
        decode_as_everything(&bytes);
    }

    #[test]
    fn arbitrary_bytes_behind_a_good_header_never_panic(rest in bytes(), meta_length: u8) {
        let header = [b"KR\0", &[meta_length][..], &(rest.len() as u32).to_be_bytes()];
        decode_as_everything(&[&header.concat()[..], &rest].concat());
    }

    #[test]
    fn damaged_vectors_never_panic(
        mut bytes in any_vector(), byte: u8, at: prop::sample::Index, cut: prop::sample::Index
    ) {
        let at = at.index(bytes.len());
        bytes[at] = byte;
        decode_as_everything(&bytes);
        decode_as_everything(&bytes[..cut.index(bytes.len())]);
    }

    #[test]
    fn what_mending_leaves_needs_no_mending(bytes in vec(select(&b"\xed\xa0\xbd\xb8\x80a"[..]), 0..40)) {
        let mended = json::mend(&bytes).into_owned();
        prop_assert_eq!(json::mend(&mended), &mended[..]);
    }
}

fn decode_as_everything(bytes: &[u8]) {
    let shared = Bytes::copy_from_slice(bytes);
    for limit in [0, 100, MAX_BODY, usize::MAX] {
        let _ = package::header(bytes, limit);
        let _ = package::decode(&mut bytes.into(), limit);
        let _ = frame::decode(&mut bytes.into(), limit);
    }
    if let Ok(message) = message::decode(shared.clone()) {
        let _ = (message.kind(), message.id(), message.route());
        assert_eq!(message.body(), message.clone().into_body());
    }
    if let Ok(meta) = Meta::decode(&shared) {
        let mut out = BytesMut::new();
        meta.encode(&mut out);
        assert_eq!(Meta::decode(&out.freeze()), Ok(meta));
    }
    let _ = json::mend(bytes);
    let _ = json::from_slice::<Value>(bytes);
    let _ = handshake::decode(bytes);
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..300).prop_map(Bytes::from)
}

fn package() -> impl Strategy<Value = Package> {
    ((1..=5u8), bytes()).prop_map(|(kind, body)| {
        let kind = package::Kind::try_from(kind).expect("a kind");
        Package { kind, body }
    })
}

fn message_kind() -> impl Strategy<Value = Kind> {
    select(&[Kind::Request, Kind::Notify, Kind::Response, Kind::Push][..])
}

fn route() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|mut text| {
        while text.len() > MAX_ROUTE {
            text.pop();
        }
        text
    })
}

prop_compose! {
    fn meta()(
        direction in select(&[Direction::Request, Direction::Response][..]),
        service_id in 1..=i32::MAX,
        msg_id in 1..=i32::MAX,
        sequence: i32,
        timeout_ms: i32,
        ret_code: i32,
        trace in bytes(),
        attachment in bytes(),
        compress: i32,
        encrypt: i32,
    ) -> Meta {
        Meta {
            direction, service_id, msg_id, sequence, timeout_ms, ret_code, trace, attachment, compress, encrypt,
        }
    }
}

fn any_vector() -> impl Strategy<Value = Vec<u8>> {
    let files = [
        vectors::packages(),
        vectors::messages(),
        vectors::strings(),
        vectors::krpc_frames(),
    ];
    let on_the_wire = files.iter().flatten().map(vectors::Vector::bytes);
    let hellos = vectors::handshakes();
    let hellos = hellos.iter().map(|vector| vector.text("hello").into());
    select(
        on_the_wire
            .chain(hellos)
            .filter(|bytes| !bytes.is_empty())
            .collect::<Vec<_>>(),
    )
}

/// Each UTF-16 unit in the bytes UTF-8 has for a character of that number.
fn cesu_8(text: &str) -> Vec<u8> {
    text.encode_utf16()
        .flat_map(|unit| match unit {
            0..0x80 => vec![unit as u8],
            0x80..0x800 => vec![0xc0 | (unit >> 6) as u8, 0x80 | (unit & 0x3f) as u8],
            _ => vec![
                0xe0 | (unit >> 12) as u8,
                0x80 | (unit >> 6 & 0x3f) as u8,
                0x80 | (unit & 0x3f) as u8,
            ],
        })
        .collect()
}
