//! What is written is read again, and no bytes whatever make a decoder panic.

mod vectors;

use bytes::{Bytes, BytesMut};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::Value;
use tangelo_wire::{
    krpc::{
        compress::{Compression, compress, decompress},
        encrypt::Key,
        frame::{self, DEFAULT_MAX_FRAME, Frame},
        layout::Layout,
        meta::{Beside, Direction, Meta},
        trace::Trace,
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
    fn a_meta_is_read_as_it_was_written((layout, meta) in meta(), fallback in layout()) {
        let mut out = BytesMut::new();
        meta.encode(layout, &mut out);
        // What is expected counts only where the bytes tell nothing.
        let fallback = meta.told.map_or(layout, |_| fallback);
        prop_assert_eq!(Meta::decode(&out.freeze(), fallback), Ok(meta));
    }

    #[test]
    fn a_frame_is_read_as_it_was_written((layout, meta) in meta(), body in bytes(), rest in bytes()) {
        let mut buffer = BytesMut::new();
        frame::encode(&meta, &body, layout, DEFAULT_MAX_FRAME, &mut buffer).unwrap();
        buffer.extend_from_slice(&rest);
        let frame = Frame { meta, body };
        let decoded = frame::decode(&mut buffer, layout, DEFAULT_MAX_FRAME);
        prop_assert_eq!(decoded, Ok(Some(frame)));
        prop_assert_eq!(buffer, rest);
    }

    #[test]
    fn a_trace_is_read_as_it_was_written(texts: [String; 6], sample_flag: i32) {
        let trace = trace(&texts, sample_flag);
        let unread = trace.encode(Layout::V2).unwrap();
        prop_assert_eq!(unread.read().unwrap_or_default(), trace);
    }

    #[test]
    fn a_trace_of_the_first_layout_is_read_as_it_was_written(
        peers: String, trace_id in "[^:]{0,40}", span_id in "[^.]{0,40}"
    ) {
        let trace = Trace { peers: &peers, trace_id: &trace_id, span_id: &span_id, ..Trace::default() };
        let unread = trace.encode(Layout::V1).unwrap();
        prop_assert_eq!(unread.read().unwrap_or_default(), trace);
    }

    #[test]
    fn a_body_is_decompressed_to_what_it_was(kind in compression(), body in bytes(), times in 1..200usize) {
        let body = body.repeat(times);
        let mut out = BytesMut::new();
        compress(kind, &body, &mut out).unwrap();
        prop_assert_eq!(decompress(kind, &out, body.len()).unwrap(), body);
    }

    #[test]
    fn a_body_is_decrypted_to_what_it_was(key in "[ -~]{16}|[ -~]{24}|[ -~]{32}", body in bytes()) {
        let key = Key::new(&key).unwrap();
        let mut out = BytesMut::new();
        key.encrypt(&body, &mut out);
        prop_assert_eq!(key.decrypt(&out), Ok(body));
    }

    #[test]
    fn damaged_compressed_bodies_never_panic_nor_pass_the_limit(
        kind in compression(), body in bytes(), times in 1..50usize,
        byte: u8, at: prop::sample::Index, cut: prop::sample::Index, limit in 0..5000usize
    ) {
        let mut out = BytesMut::new();
        compress(kind, &body.repeat(times), &mut out).unwrap();
        let at = at.index(out.len());
        out[at] = byte;
        for damaged in [&out[..], &out[..cut.index(out.len())]] {
            if let Ok(body) = decompress(kind, damaged, limit) {
                prop_assert!(body.len() <= limit);
            }
        }
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
        for layout in LAYOUTS {
            let _ = frame::decode(&mut bytes.into(), layout, limit);
        }
        for kind in COMPRESSIONS {
            if let Ok(body) = decompress(kind, bytes, limit) {
                assert!(body.len() <= limit);
            }
        }
    }
    if let Ok(message) = message::decode(shared.clone()) {
        let _ = (message.kind(), message.id(), message.route());
        assert_eq!(message.body(), message.clone().into_body());
    }
    decode_as_meta(&shared);
    let _ = Key::new("0123456789abcdef").map(|key| key.decrypt(bytes));
    let _ = json::mend(bytes);
    let _ = json::from_slice::<Value>(bytes);
    let _ = handshake::decode(bytes);
}

/// As a meta, and as the trace, which is the fields 5 and 8 or 7, of a good one.
fn decode_as_meta(bytes: &Bytes) {
    let as_field = |key: u8| {
        let mut meta = BytesMut::from(&b"\x08\x01\x10\x01\x18\x01"[..]);
        meta.extend_from_slice(&[key, bytes.len() as u8 | 0x80, (bytes.len() >> 7) as u8]);
        meta.extend_from_slice(bytes);
        meta.freeze()
    };
    for bytes in [
        bytes.clone(),
        as_field(0x2a),
        as_field(0x3a),
        as_field(0x42),
    ] {
        for fallback in LAYOUTS {
            let Ok(mut meta) = Meta::decode(&bytes, fallback) else {
                continue;
            };
            let _ = meta.trace().read();
            let layout = meta.told.unwrap_or(fallback);
            let again = decoded_again(&meta, layout);
            // Fields of both layouts, or with nothing in them, do not come again.
            meta.told = again.told;
            assert_eq!(again, meta);
            for other in LAYOUTS {
                assert_eq!(decoded_again(&meta, other).attachment(), meta.attachment());
            }
        }
    }
}

fn decoded_again(meta: &Meta, layout: Layout) -> Meta {
    let mut out = BytesMut::new();
    meta.encode(layout, &mut out);
    Meta::decode(&out.freeze(), layout).expect("a meta")
}

const LAYOUTS: [Layout; 2] = [Layout::V1, Layout::V2];
const COMPRESSIONS: [Compression; 2] = [Compression::Zlib, Compression::Snappy];

fn layout() -> impl Strategy<Value = Layout> {
    select(&LAYOUTS[..])
}

fn compression() -> impl Strategy<Value = Compression> {
    select(&COMPRESSIONS[..])
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
        layout in layout(),
        direction in select(&[Direction::Request, Direction::Response][..]),
        service_id in 1..=i32::MAX,
        msg_id in 1..=i32::MAX,
        sequence: i32,
        timeout_ms in number(),
        ret_code: i32,
        texts in option::of(any::<[String; 6]>()),
        sample_flag: i32,
        attachment in bytes(),
        compress: i32,
        encrypt: i32,
    ) -> (Layout, Meta) {
        let trace = texts.as_ref().map(|texts| trace(texts, sample_flag)).unwrap_or_default();
        let (has_trace, encrypt) = match layout {
            Layout::V1 => (!trace.trace_id.is_empty() || !trace.span_id.is_empty(), 0),
            Layout::V2 => (trace != Trace::default(), encrypt),
        };
        let told = (timeout_ms != 0 || has_trace).then_some(layout);
        (layout, Meta {
            direction, service_id, msg_id, sequence, timeout_ms, ret_code,
            beside: Beside::of(trace.encode(layout).expect("short texts"), attachment), compress, encrypt, told,
        })
    }
}

/// One that is often 0, which is not sent.
fn number() -> impl Strategy<Value = i32> {
    prop_oneof![Just(0), any::<i32>()]
}

/// Of texts of 32 characters at the most, which every limit allows.
fn trace(texts: &[String; 6], sample_flag: i32) -> Trace<'_> {
    let [peers, trace_id, parent_span_id, span_id, tags, dyeing] = texts;
    Trace {
        peers,
        trace_id,
        parent_span_id,
        span_id,
        tags,
        sample_flag,
        dyeing,
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
