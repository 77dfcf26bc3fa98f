//! A trace is read where somebody asks, written in either layout, and never fails the frame it is in.

use bytes::{Bytes, BytesMut};
use tangelo_wire::krpc::{
    frame::{self, MAX_META},
    layout::Layout,
    meta::{Beside, Meta},
    trace::{MAX_DYEING, MAX_ID, MAX_PEERS, MAX_TAGS, TooLong, Trace, Unread},
};

const LAYOUTS: [Layout; 2] = [Layout::V1, Layout::V2];

#[test]
fn no_trace_is_no_trace_and_takes_no_bytes() {
    assert!(Unread::default().is_empty());
    assert_eq!(Unread::default().read(), None);
    for layout in LAYOUTS {
        let unread = Trace::default().encode(layout).unwrap();
        assert!(unread.is_empty());
        assert_eq!(
            encoded(&unread, layout),
            encoded(&Unread::default(), layout)
        );
    }
}

#[test]
fn the_first_layout_has_the_trace_id_the_span_and_the_peers() {
    let unread = full().encode(Layout::V1).unwrap();
    assert!(!unread.is_empty());
    let left = Trace {
        peers: full().peers,
        trace_id: full().trace_id,
        span_id: "1:1",
        ..Trace::default()
    };
    assert_eq!(unread.read(), Some(left));
}

#[test]
fn a_span_is_written_as_the_first_layout_counts() {
    for (span_id, text) in [
        ("", "id"),
        ("0.1", "id:1"),
        ("0.1.12", "id:1:12"),
        ("1:2.3", "id:1:2:3"),
        ("1:2", "id:1:2"),
    ] {
        let trace = Trace {
            trace_id: "id",
            span_id,
            ..Trace::default()
        };
        let written = trace.encode(Layout::V1).unwrap();
        assert_eq!(written, v1(text.as_bytes(), b""), "{span_id}");
    }
}

#[test]
fn the_span_of_the_first_layout_begins_at_the_first_colon() {
    for (text, trace_id, span_id) in [
        ("id", "id", ""),
        ("id:", "id", ""),
        ("id:1", "id", "1"),
        ("id:1:2:3", "id", "1:2:3"),
        (":1", "", "1"),
    ] {
        let unread = v1(text.as_bytes(), b"");
        let trace = unread.read().expect(text);
        assert_eq!((trace.trace_id, trace.span_id), (trace_id, span_id));
    }
}

#[test]
fn a_trace_that_came_in_one_layout_goes_on_in_the_other() {
    let old = full().encode(Layout::V1).unwrap();
    let new = full().encode(Layout::V2).unwrap();
    assert_eq!(encoded(&new, Layout::V1), encoded(&old, Layout::V1));
    let left = old.read().unwrap().encode(Layout::V2).unwrap();
    assert_eq!(encoded(&old, Layout::V2), encoded(&left, Layout::V2));
}

#[test]
fn a_damaged_trace_is_no_trace_and_its_frame_is_a_good_one() {
    let not_utf_8 = b"\xff";
    let damaged: [&[u8]; 6] = [
        b"\x12\x01\xff",           // a trace id that is no text
        b"\x12\x05ab",             // a text that does not end
        b"\x30",                   // a number that does not end
        b"\x07\x00",               // no type of protobuf
        b"\x00\x00",               // no field
        b"\x0a\x01a\x12\x01b\xff", // a good one, and more
    ];
    let old = [v1(not_utf_8, b""), v1(b"id:1", not_utf_8)];
    for unread in damaged.map(v2).into_iter().chain(old) {
        assert!(!unread.is_empty());
        assert_eq!(unread.read(), None, "{unread:?}");
        // Where it must be read to be written it is left out.
        let meta = Meta {
            beside: Beside::of(unread, Bytes::new()),
            ..meta()
        };
        for layout in LAYOUTS {
            let mut out = BytesMut::new();
            frame::encode(&meta, b"body", layout, 1000, &mut out).unwrap();
            let frame = frame::decode(&mut out, layout, 1000).unwrap().unwrap();
            assert_eq!(frame.meta.trace().read(), None);
            assert_eq!(frame.body, "body");
        }
    }
}

#[test]
fn what_a_trace_has_beside_its_fields_is_passed_over() {
    let fields: [&[u8]; 5] = [
        b"\x12\x02id",
        b"\x42\x01a",            // 8, text
        b"\x48\x07",             // 9, a number
        b"\x55\x01\x02\x03\x04", // 10, four bytes
        b"\x08\x01\x32\x01a",    // 1 as a number, 6 as text
    ];
    let unread = v2(&fields.concat());
    let want = Trace {
        trace_id: "id",
        ..Trace::default()
    };
    assert_eq!(unread.read(), Some(want));
}

#[test]
fn each_text_has_its_limit() {
    type Field = for<'a> fn(&'a mut Trace<'static>) -> &'a mut &'static str;
    let fields: [(usize, Field); 6] = [
        (MAX_ID, |trace| &mut trace.trace_id),
        (MAX_ID, |trace| &mut trace.parent_span_id),
        (MAX_ID, |trace| &mut trace.span_id),
        (MAX_PEERS, |trace| &mut trace.peers),
        (MAX_TAGS, |trace| &mut trace.tags),
        (MAX_DYEING, |trace| &mut trace.dyeing),
    ];
    for (number, (limit, field)) in fields.into_iter().enumerate() {
        let mut trace = full();
        *field(&mut trace) = "x".repeat(limit).leak();
        assert_eq!(
            trace.encode(Layout::V2).unwrap().read(),
            Some(trace),
            "{number}"
        );
        assert!(
            trace.encode(Layout::V1).unwrap().read().is_some(),
            "{number}"
        );

        *field(&mut trace) = "x".repeat(limit + 1).leak();
        for layout in LAYOUTS {
            assert_eq!(trace.encode(layout), Err(TooLong), "{number}");
        }
    }
}

#[test]
fn a_text_past_its_limit_is_no_trace_when_it_comes() {
    let id = |length| "x".repeat(length).into_bytes();
    let peers = |length| [b"\x0a", &varint(length)[..], &id(length)].concat();
    assert!(v2(&peers(MAX_PEERS)).read().is_some());
    assert_eq!(v2(&peers(MAX_PEERS + 1)).read(), None);

    assert!(v1(&id(MAX_ID), &id(MAX_PEERS)).read().is_some());
    assert_eq!(v1(&id(MAX_ID + 1), b"").read(), None);
    assert_eq!(v1(b"id", &id(MAX_PEERS + 1)).read(), None);
    assert_eq!(
        v1(&[b"id:", &id(MAX_ID + 1)[..]].concat(), b"").read(),
        None
    );
}

#[test]
fn the_longest_trace_leaves_room_in_a_meta() {
    let long = |length: usize| &*"x".repeat(length).leak();
    let trace = Trace {
        peers: long(MAX_PEERS),
        trace_id: long(MAX_ID),
        parent_span_id: long(MAX_ID),
        span_id: long(MAX_ID),
        tags: long(MAX_TAGS),
        sample_flag: -1,
        dyeing: long(MAX_DYEING),
    };
    for layout in LAYOUTS {
        let length = encoded(&trace.encode(layout).unwrap(), layout).len();
        assert!(length < MAX_META / 2, "{length}");
    }
}

fn full() -> Trace<'static> {
    Trace {
        peers: "10.1.2.3:0,127.0.0.1:51000",
        trace_id: "8c859500563a478d88dbed531e221413",
        parent_span_id: "p1",
        span_id: "0.1.1",
        tags: "k1=v1&k2=a%26b",
        sample_flag: 2,
        dyeing: "blue",
    }
}

fn meta() -> Meta {
    Meta {
        service_id: 100,
        msg_id: 1,
        ..Meta::default()
    }
}

fn encoded(trace: &Unread, layout: Layout) -> Bytes {
    let mut out = BytesMut::new();
    let beside = Beside::of(trace.clone(), Bytes::new());
    let meta = Meta { beside, ..meta() };
    meta.encode(layout, &mut out);
    out.freeze()
}

/// As it comes in a meta with field 7.
fn v2(message: &[u8]) -> Unread {
    came(&[b"\x3a", &varint(message.len())[..], message].concat())
}

/// As it comes in a meta with fields 5 and 8.
fn v1(trace_id: &[u8], peers: &[u8]) -> Unread {
    let (id_length, peers_length) = (varint(trace_id.len()), varint(peers.len()));
    came(
        &[
            b"\x2a",
            &id_length[..],
            trace_id,
            b"\x42",
            &peers_length,
            peers,
        ]
        .concat(),
    )
}

fn came(fields: &[u8]) -> Unread {
    let bytes = [&b"\x08\x01\x10\x64\x18\x01"[..], fields].concat();
    Meta::decode(&bytes.into(), Layout::V2)
        .expect("a meta")
        .trace()
}

fn varint(number: usize) -> [u8; 2] {
    [number as u8 | 0x80, (number >> 7) as u8]
}
