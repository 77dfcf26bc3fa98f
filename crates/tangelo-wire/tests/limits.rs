//! Each limit, at the limit and one past it.

use bytes::{Bytes, BytesMut};
use tangelo_wire::{
    krpc::{
        frame::{self, MAX_META},
        layout::Layout,
        meta::{self, Beside, Meta},
        trace::Unread,
    },
    pomelo::{
        message::{self, MAX_ID, MAX_ROUTE},
        package::{self, Kind, MAX_BODY, Package},
    },
};

#[test]
fn a_package_body_may_have_as_many_bytes_as_the_limit_says() {
    let mut buffer = BytesMut::from(&[4, 0, 0, 3, 1, 2, 3][..]);
    let body = Bytes::from_static(&[1, 2, 3]);
    assert_eq!(
        package::decode(&mut buffer, 3),
        Ok(Some(Package {
            kind: Kind::Data,
            body
        }))
    );
}

#[test]
fn a_longer_package_is_refused_by_its_header_alone() {
    let too_long = package::Error::TooLong {
        length: 4,
        limit: 3,
    };
    assert_eq!(package::header(&[4, 0, 0, 4], 3), Err(too_long));
    assert_eq!(
        package::decode(&mut BytesMut::from(&[4, 0, 0, 4][..]), 3),
        Err(too_long)
    );
}

#[test]
fn with_the_limit_at_0_packages_without_a_body_still_pass() {
    assert_eq!(
        package::header(&[3, 0, 0, 0], 0),
        Ok(Some((Kind::Heartbeat, 0)))
    );
    assert!(package::header(&[3, 0, 0, 1], 0).is_err());
}

#[test]
fn the_longest_package_body_is_2_24_less_1() {
    let longest = vec![0; MAX_BODY];
    let mut out = BytesMut::new();
    package::encode(Kind::Data, &longest, &mut out).unwrap();
    assert_eq!(out[..4], [4, 0xff, 0xff, 0xff]);
    let package = package::decode(&mut out, MAX_BODY).unwrap().unwrap();
    assert_eq!(package.body.len(), (1 << 24) - 1);
}

#[test]
fn a_longer_package_body_is_not_written_and_leaves_no_trace() {
    let mut out = BytesMut::from("before");
    let error = package::encode(Kind::Data, &vec![0; MAX_BODY + 1], &mut out).unwrap_err();
    assert_eq!(
        error,
        package::Error::TooLong {
            length: 1 << 24,
            limit: (1 << 24) - 1
        }
    );
    assert_eq!(out, "before");
}

#[test]
fn a_route_has_255_bytes_at_the_most() {
    let longest = "r".repeat(MAX_ROUTE);
    let mut out = BytesMut::new();
    message::encode_push(&longest, b"body", &mut out).unwrap();
    assert_eq!(out[1], 255);
    let message = message::decode(out.freeze()).unwrap();
    assert_eq!(message.route(), message::Route::Name(longest.as_bytes()));
    assert_eq!(message.body(), b"body");

    let longer = "r".repeat(MAX_ROUTE + 1);
    let refused = Err(message::Error::RouteTooLong(256));
    let mut out = BytesMut::new();
    assert_eq!(message::encode_request(1, &longer, b"", &mut out), refused);
    assert_eq!(message::encode_notify(&longer, b"", &mut out), refused);
    assert_eq!(message::encode_push(&longer, b"", &mut out), refused);
    assert_eq!(out, "");
}

#[test]
fn a_route_is_counted_in_bytes_not_in_characters() {
    let mut out = BytesMut::new();
    assert!(message::encode_notify(&"中".repeat(85), b"", &mut out).is_ok());
    assert!(message::encode_notify(&"中".repeat(86), b"", &mut out).is_err());
}

#[test]
fn an_id_is_2_31_less_1_at_the_most() {
    let mut out = BytesMut::new();
    message::encode_request(MAX_ID, "r", b"", &mut out).unwrap();
    assert_eq!(out, &b"\0\xff\xff\xff\xff\x07\x01r"[..]);
    assert_eq!(message::decode(out.freeze()).unwrap().id(), 2_147_483_647);

    let mut out = BytesMut::new();
    let refused = message::encode_request(MAX_ID + 1, "r", b"", &mut out);
    assert_eq!(refused, Err(message::Error::IdTooLarge));
    assert_eq!(out, "");
    assert_eq!(
        message_of(b"\0\x80\x80\x80\x80\x08\x01r"),
        Err(message::Error::IdTooLarge)
    );
    assert_eq!(
        message_of(b"\x04\x80\x80\x80\x80\x08"),
        Err(message::Error::IdTooLarge)
    );
}

#[test]
fn an_id_takes_5_bytes_at_the_most() {
    assert_eq!(
        message_of(b"\x04\x81\x80\x80\x80\0").map(|message| message.id()),
        Ok(1)
    );
    assert_eq!(
        message_of(b"\x04\x81\x80\x80\x80\x80\0"),
        Err(message::Error::IdTooLarge)
    );
    assert_eq!(
        message_of(b"\x04\x81\x80\x80\x80\x80"),
        Err(message::Error::IdTooLarge)
    );
    assert_eq!(
        message_of(b"\x04\x81\x80\x80\x80"),
        Err(message::Error::Truncated("id"))
    );
}

#[test]
fn a_frame_may_have_as_many_bytes_as_the_limit_says_header_included() {
    let mut out = BytesMut::new();
    frame::encode(&meta(), b"four", Layout::V2, 18, &mut out).unwrap();
    assert_eq!(out.len(), 18);
    assert_eq!(
        frame::decode(&mut out, Layout::V2, 18)
            .unwrap()
            .unwrap()
            .body,
        "four"
    );

    let mut out = BytesMut::from("before");
    let too_long = frame::Error::TooLong {
        length: 18,
        limit: 17,
    };
    assert_eq!(
        frame::encode(&meta(), b"four", Layout::V2, 17, &mut out),
        Err(too_long)
    );
    assert_eq!(out, "before");
}

#[test]
fn a_longer_frame_is_refused_by_its_header_alone() {
    assert_eq!(frame_of(b"KR\0\x06\0\0\0\x0a", 18), Ok(None));
    let too_long = frame::Error::TooLong {
        length: 18,
        limit: 17,
    };
    assert_eq!(frame_of(b"KR\0\x06\0\0\0\x0a", 17), Err(too_long));
}

#[test]
fn a_length_that_is_negative_to_java_is_too_long() {
    let too_long = |length| {
        Err(frame::Error::TooLong {
            length,
            limit: 1_000_000,
        })
    };
    assert_eq!(
        frame_of(b"KR\0\x06\x80\0\0\0", 1_000_000),
        too_long(0x8000_0008)
    );
    assert_eq!(
        frame_of(b"KR\0\x06\xff\xff\xff\xff", 1_000_000),
        too_long(0x1_0000_0007)
    );
}

#[test]
fn a_meta_has_at_least_one_byte() {
    assert_eq!(
        frame_of(b"KR\0\0\0\0\0\x06", 100),
        Err(frame::Error::MetaLength(0))
    );
    assert_eq!(
        frame_of(b"KR\0\0\0\0\0\0", 100),
        Err(frame::Error::MetaLength(0))
    );
    assert_eq!(frame_of(b"KR\0\x01\0\0\0\x01", 100), Ok(None));
}

#[test]
fn a_meta_is_no_longer_than_its_frame() {
    assert_eq!(frame_of(b"KR\0\x06\0\0\0\x06", 100), Ok(None));
    assert_eq!(
        frame_of(b"KR\0\x07\0\0\0\x06", 100),
        Err(frame::Error::MetaLength(7))
    );
}

#[test]
fn a_meta_has_32767_bytes_at_the_most() {
    assert_eq!(frame_of(b"KR\x7f\xff\0\x01\0\0", 1_000_000), Ok(None));
    assert_eq!(
        frame_of(b"KR\x80\0\0\x01\0\0", 1_000_000),
        Err(frame::Error::MetaLength(32_768))
    );

    // Three fields of two bytes, then the attachment's key and the three bytes of its length.
    let mut longest = Meta {
        beside: attached(MAX_META - 10),
        ..meta()
    };
    let mut out = BytesMut::new();
    frame::encode(&longest, b"body", Layout::V2, 1_000_000, &mut out).unwrap();
    assert_eq!(out[2..8], [0x7f, 0xff, 0, 0, 0x80, 0x03]);
    assert_eq!(
        frame::decode(&mut out, Layout::V2, 1_000_000)
            .unwrap()
            .unwrap()
            .meta,
        longest
    );

    longest.beside = attached(MAX_META - 9);
    let mut out = BytesMut::from("before");
    let refused = frame::encode(&longest, b"body", Layout::V2, 1_000_000, &mut out);
    assert_eq!(refused, Err(frame::Error::MetaLength(32_768)));
    assert_eq!(out, "before");
}

#[test]
fn a_number_in_a_meta_takes_10_bytes_at_the_most() {
    let with_sequence = |varint: &[u8]| {
        meta_of([b"\x08\x01\x10\x01\x18\x01\x20", varint].concat()).map(|meta| meta.sequence)
    };
    let most_negative = b"\x80\x80\x80\x80\xf8\xff\xff\xff\xff\x01";
    assert_eq!(with_sequence(most_negative), Ok(i32::MIN));
    let eleven = b"\x80\x80\x80\x80\xf8\xff\xff\xff\xff\x81\0";
    assert_eq!(with_sequence(eleven), Err(meta::Error::Malformed));
    assert_eq!(with_sequence(b"\x80"), Err(meta::Error::Malformed));
    assert_eq!(with_sequence(b""), Err(meta::Error::Malformed));
}

#[test]
fn a_field_of_a_meta_ends_within_the_meta() {
    let with = |field: &[u8]| meta_of([b"\x08\x01\x10\x01\x18\x01", field].concat()).map(drop);
    assert_eq!(with(b"\x42\x02ab"), Ok(()));
    assert_eq!(with(b"\x42\x03ab"), Err(meta::Error::Malformed));
    let u64_max = b"\x42\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    assert_eq!(with(u64_max), Err(meta::Error::Malformed));
    assert_eq!(
        with(b"\xb9\x06\x01\x02\x03\x04\x05\x06\x07"),
        Err(meta::Error::Malformed)
    );
    assert_eq!(with(b"\xb5\x06\x01\x02\x03"), Err(meta::Error::Malformed));
}

#[test]
fn a_field_of_a_meta_has_a_number_from_1_up_and_a_type_of_protobuf_3() {
    for key in [0x00, 0x02, 0x7b, 0x7c, 0x7e, 0x7f] {
        let bytes = vec![0x08, 1, 0x10, 1, 0x18, 1, key, 0];
        assert_eq!(meta_of(bytes), Err(meta::Error::Malformed), "key {key:#x}");
    }
}

#[test]
fn a_meta_is_a_request_or_a_response_for_a_service_and_a_message_from_1_up() {
    let decode = |direction, service, message| {
        let bytes = vec![0x08, direction, 0x10, service, 0x18, message];
        meta_of(bytes).map(drop)
    };
    assert_eq!(decode(1, 1, 1), Ok(()));
    assert_eq!(decode(2, 1, 1), Ok(()));
    assert_eq!(decode(3, 1, 1), Err(meta::Error::Direction(3)));
    assert_eq!(decode(0, 1, 1), Err(meta::Error::Direction(0)));
    assert_eq!(
        decode(1, 0, 1),
        Err(meta::Error::Target {
            service_id: 0,
            msg_id: 1
        })
    );
    assert_eq!(
        decode(1, 1, 0),
        Err(meta::Error::Target {
            service_id: 1,
            msg_id: 0
        })
    );
}

fn message_of(bytes: &'static [u8]) -> Result<message::Message, message::Error> {
    message::decode(Bytes::from_static(bytes))
}

fn meta_of(bytes: impl Into<Bytes>) -> Result<Meta, meta::Error> {
    Meta::decode(&bytes.into(), Layout::V2)
}

fn frame_of(bytes: &[u8], limit: usize) -> Result<Option<frame::Frame>, frame::Error> {
    frame::decode(&mut bytes.into(), Layout::V2, limit)
}

/// One of six bytes.
fn attached(length: usize) -> Option<Box<Beside>> {
    Beside::of(Unread::default(), vec![b'a'; length].into())
}

fn meta() -> Meta {
    Meta {
        service_id: 100,
        msg_id: 1,
        ..Meta::default()
    }
}

#[test]
fn a_response_in_a_package_of_its_own_is_one_in_a_package_up_to_what_a_package_holds() {
    for id in [0, 1, 127, 128, MAX_ID] {
        let (mut apart, mut together) = (BytesMut::new(), BytesMut::new());
        let write = |out: &mut BytesMut| message::encode_response(id, b"body", out);
        package::encode_with(Kind::Data, &mut apart, write).unwrap();
        message::encode_response_package(id, b"body", &mut together).unwrap();
        assert_eq!(apart, together, "{id}");
    }
    // The flag and an id of one byte.
    let longest = vec![0; MAX_BODY - 2];
    let mut out = BytesMut::new();
    message::encode_response_package(1, &longest, &mut out).unwrap();
    assert_eq!(out[..6], [4, 0xff, 0xff, 0xff, 4, 1]);
    let mut out = BytesMut::from("before");
    let refused = message::encode_response_package(1, &[&longest[..], b"x"].concat(), &mut out);
    let (length, limit) = (MAX_BODY + 1, MAX_BODY);
    assert_eq!(refused, Err(package::Error::TooLong { length, limit }));
    assert_eq!(out, "before");
}
