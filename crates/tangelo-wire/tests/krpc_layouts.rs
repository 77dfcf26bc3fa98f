//! A meta tells its layout by the types of its fields; what fits both layouts is read as expected.

use bytes::{Bytes, BytesMut};
use tangelo_wire::krpc::{
    layout::Layout,
    meta::{Beside, Meta},
    trace::Trace,
};

/// Request 100/2.
const TARGET: &[u8] = &[0x08, 1, 0x10, 100, 0x18, 2];
const NUMBER_5: &[u8] = &[0x28, 50];
const TEXT_5: &[u8] = &[0x2a, 2, b'i', b'd'];
const NUMBER_7: &[u8] = &[0x38, 70];
/// A trace with a trace id.
const TEXT_7: &[u8] = &[0x3a, 4, 0x12, 2, b'i', b'd'];
const TEXT_8: &[u8] = &[0x42, 1, b'8'];
const NUMBER_9: &[u8] = &[0x48, 2];
const TEXT_9: &[u8] = &[0x4a, 1, b'9'];
const NUMBER_10: &[u8] = &[0x50, 1];

#[test]
fn fields_5_and_7_tell_the_layout() {
    for (field, layout) in [
        (TEXT_5, Layout::V1),
        (NUMBER_7, Layout::V1),
        (NUMBER_5, Layout::V2),
        (TEXT_7, Layout::V2),
    ] {
        for fallback in [Layout::V1, Layout::V2] {
            let meta = decode(&[TARGET, field], fallback);
            assert_eq!(meta.told, Some(layout), "{field:?}");
        }
    }
}

#[test]
fn a_field_tells_though_it_holds_nothing() {
    for (field, layout) in [
        ([0x2a, 0], Layout::V1),
        ([0x38, 0], Layout::V1),
        ([0x28, 0], Layout::V2),
        ([0x3a, 0], Layout::V2),
    ] {
        let want = Meta {
            told: Some(layout),
            ..target()
        };
        assert_eq!(decode(&[TARGET, &field], Layout::V1), want);
    }
}

#[test]
fn fields_that_fit_both_layouts_tell_none_and_are_read_as_expected() {
    let fields = [TARGET, TEXT_8, NUMBER_10];
    let meta = decode(&fields, Layout::V1);
    assert_eq!(meta.told, None);
    let trace = meta.trace();
    let trace = trace.read().unwrap();
    assert_eq!((trace.peers, trace.trace_id), ("8", ""));
    assert_eq!(
        (meta.attachment(), meta.compress, meta.encrypt),
        (&b""[..], 1, 0)
    );

    let meta = decode(&fields, Layout::V2);
    assert_eq!(meta.told, None);
    assert!(meta.trace().is_empty());
    assert_eq!(
        (meta.attachment(), meta.compress, meta.encrypt),
        (&b"8"[..], 0, 1)
    );
}

#[test]
fn fields_that_contradict_each_other_tell_none_and_are_read_as_expected() {
    for (contradiction, fallback, timeout_ms, has_trace) in [
        ([NUMBER_5, NUMBER_7], Layout::V1, 70, false),
        ([NUMBER_5, NUMBER_7], Layout::V2, 50, false),
        ([NUMBER_5, TEXT_5], Layout::V1, 0, true),
        ([NUMBER_5, TEXT_5], Layout::V2, 50, false),
        ([TEXT_7, NUMBER_7], Layout::V1, 70, false),
        ([TEXT_7, NUMBER_7], Layout::V2, 0, true),
        // Two traces are none where the first was expected.
        ([TEXT_5, TEXT_7], Layout::V1, 0, false),
        ([TEXT_5, TEXT_7], Layout::V2, 0, true),
    ] {
        let meta = decode(&[&[TARGET], &contradiction[..]].concat(), fallback);
        let name = format!("{contradiction:?}, {fallback:?}");
        assert_eq!(meta.told, None, "{name}");
        assert_eq!(meta.timeout_ms, timeout_ms, "{name}");
        assert_eq!(!meta.trace().is_empty(), has_trace, "{name}");
    }
}

#[test]
fn the_first_layout_is_read_whatever_the_order_of_its_fields() {
    let trace = Trace {
        peers: "8",
        trace_id: "id",
        ..Trace::default()
    };
    let want = Meta {
        timeout_ms: 70,
        beside: Beside::of(trace.encode(Layout::V1).unwrap(), Bytes::from("9")),
        compress: 1,
        told: Some(Layout::V1),
        ..target()
    };
    for fields in orders(&[TARGET, TEXT_5, NUMBER_7, TEXT_8, TEXT_9, NUMBER_10]) {
        assert_eq!(decode(&fields, Layout::V2), want, "{fields:?}");
    }
}

#[test]
fn the_second_layout_is_read_whatever_the_order_of_its_fields() {
    let trace = Trace {
        trace_id: "id",
        ..Trace::default()
    };
    let want = Meta {
        timeout_ms: 50,
        beside: Beside::of(trace.encode(Layout::V2).unwrap(), Bytes::from("8")),
        compress: 2,
        encrypt: 1,
        told: Some(Layout::V2),
        ..target()
    };
    for fields in orders(&[TARGET, NUMBER_5, TEXT_7, TEXT_8, NUMBER_9, NUMBER_10]) {
        assert_eq!(decode(&fields, Layout::V1), want, "{fields:?}");
    }
}

#[test]
fn the_first_layout_cannot_say_that_a_body_is_encrypted() {
    let meta = Meta {
        encrypt: 1,
        ..target()
    };
    let mut out = BytesMut::new();
    meta.encode(Layout::V1, &mut out);
    assert_eq!(out, TARGET);
}

#[test]
fn unknown_fields_are_passed_over() {
    let fields: [&[u8]; 6] = [
        TARGET,
        &[0xa0, 0x06, 9],                      // 100, a number
        &[0xaa, 0x06, 1, 0],                   // 101, text
        &[0xb5, 0x06, 1, 2, 3, 4],             // 102, four bytes
        &[0xb9, 0x06, 1, 2, 3, 4, 5, 6, 7, 8], // 103, eight bytes
        &[0x22, 1, b'4'],                      // 4, which is a number, as text
    ];
    for layout in [Layout::V1, Layout::V2] {
        assert_eq!(decode(&fields, layout), target());
    }
}

fn decode(fields: &[&[u8]], fallback: Layout) -> Meta {
    Meta::decode(&Bytes::from(fields.concat()), fallback).expect("a meta")
}

fn target() -> Meta {
    Meta {
        service_id: 100,
        msg_id: 2,
        ..Meta::default()
    }
}

/// Every order these can have.
fn orders<'a>(fields: &[&'a [u8]]) -> Vec<Vec<&'a [u8]>> {
    if fields.is_empty() {
        return vec![Vec::new()];
    }
    let mut orders = Vec::new();
    for at in 0..fields.len() {
        let mut rest = fields.to_vec();
        let first = rest.remove(at);
        for mut order in self::orders(&rest) {
            order.insert(0, first);
            orders.push(order);
        }
    }
    orders
}
