//! What krpc's own encoders and server wrote is read, and written again to the byte.

mod vectors;

use bytes::BytesMut;
use tangelo_wire::krpc::{
    compress::{self, Compression, compress, decompress},
    encrypt::{self, Key},
    frame::{self, DEFAULT_MAX_FRAME, Frame},
    layout::Layout,
    meta::{Beside, Direction, Meta},
    trace::Trace,
};
use vectors::{Vector, named};

#[test]
fn every_frame_is_read_and_written_as_krpc_does() {
    for vector in same() {
        // What is told is taken, whatever was expected.
        let fallback = match told(&vector) {
            Some(Layout::V2) => Layout::V1,
            Some(Layout::V1) | None => Layout::V2,
        };
        let mut buffer = BytesMut::from(&*vector.bytes());
        let decoded = frame::decode(&mut buffer, fallback, DEFAULT_MAX_FRAME).expect(vector.name);
        let frame = decoded.expect(vector.name);
        assert!(buffer.is_empty(), "{}: {buffer:?} is left", vector.name);
        assert_eq!(frame, meant_frame(&vector), "{}", vector.name);

        let layout = frame.meta.told.unwrap_or(fallback);
        assert_eq!(encoded(&frame, layout), vector.bytes(), "{}", vector.name);
    }
}

#[test]
fn heartbeats_and_plain_responses_are_the_same_in_both_layouts() {
    let mut count = 0;
    for vector in same() {
        let frame = meant_frame(&vector);
        let is_plain = frame.meta.compress == 0 && frame.meta.encrypt == 0;
        if frame.meta.told.is_some() || !is_plain {
            continue;
        }
        for layout in [Layout::V1, Layout::V2] {
            let mut buffer = BytesMut::from(&*vector.bytes());
            let decoded = frame::decode(&mut buffer, layout, DEFAULT_MAX_FRAME);
            assert_eq!(
                decoded.as_ref(),
                Ok(&Some(frame.clone())),
                "{}",
                vector.name
            );
            assert_eq!(encoded(&frame, layout), vector.bytes(), "{}", vector.name);
        }
        count += 1;
    }
    assert!(count > 20, "only {count}");
}

#[test]
fn the_trace_of_every_request_is_read() {
    for vector in same() {
        let trace = meant_trace(&vector);
        let read = meant_frame(&vector).meta.trace();
        let want = (trace != Trace::default()).then_some(trace);
        assert_eq!(read.read(), want, "{}", vector.name);
    }
}

#[test]
fn a_compressed_body_is_what_it_was_and_ours_is_read_again() {
    let mut count = 0;
    for vector in same() {
        let Ok(kind) = Compression::try_from(vector.number("compress")) else {
            continue;
        };
        let plain = vector.value("plain");
        let limit = plain.len();
        let body = vector.value("body");
        assert_eq!(decompress(kind, &body, limit).expect(vector.name), plain);

        let mut ours = BytesMut::new();
        compress(kind, &plain, &mut ours).expect(vector.name);
        assert!(ours.len() < plain.len(), "{}", vector.name);
        assert_eq!(decompress(kind, &ours, limit).expect(vector.name), plain);
        count += 1;
    }
    assert_eq!(count, 4);
}

#[test]
fn an_encrypted_body_is_what_it_was_and_ours_is_the_same() {
    let vector = named(vectors::krpc_frames(), "v2.req.aes");
    assert_eq!(vector.number("encrypt"), encrypt::AES);
    let key = Key::new(vector.text("key")).unwrap();
    let plain = vector.value("plain");
    assert_eq!(key.decrypt(&vector.value("body")).unwrap(), plain);

    let mut ours = BytesMut::new();
    key.encrypt(&plain, &mut ours);
    assert_eq!(ours, vector.value("body"));
}

#[test]
fn a_compression_nobody_knows_is_an_error_for_who_reads_the_body() {
    let name = "v2.exchange.unknown_compress_value_is_plain.request";
    let vector = named(vectors::krpc_frames(), name);
    assert_eq!(
        Compression::try_from(meant_frame(&vector).meta.compress),
        Err(compress::Error::Unknown(7))
    );
}

#[test]
fn what_is_no_frame_is_an_error_and_what_may_become_one_is_not() {
    for vector in vectors::krpc_frames()
        .iter()
        .filter(|vector| vector.verdict != "same")
    {
        for layout in [Layout::V1, Layout::V2] {
            let mut buffer = BytesMut::from(&*vector.bytes());
            let decoded = frame::decode(&mut buffer, layout, DEFAULT_MAX_FRAME);
            match vector.verdict {
                "reject" => {
                    let error = decoded.expect_err(vector.name);
                    assert_eq!(error.to_string(), vector.text("error"), "{}", vector.name);
                }
                "wait" => {
                    assert_eq!(decoded, Ok(None), "{}", vector.name);
                    assert_eq!(buffer, vector.bytes(), "{}", vector.name);
                }
                verdict => panic!("{}: {verdict}", vector.name),
            }
        }
    }
}

#[test]
fn the_heartbeats_are_krpcs() {
    let frames = |name| named(vectors::krpc_frames(), name).bytes();
    assert_eq!(frame::HEARTBEAT_REQUEST, *frames("v2.heartbeat.req"));
    assert_eq!(frame::HEARTBEAT_RESPONSE, *frames("v2.heartbeat.res"));
}

fn same() -> impl Iterator<Item = Vector> {
    vectors::krpc_frames()
        .into_iter()
        .filter(|vector| vector.verdict == "same")
}

fn encoded(frame: &Frame, layout: Layout) -> BytesMut {
    let mut out = BytesMut::new();
    frame::encode(
        &frame.meta,
        &frame.body,
        layout,
        DEFAULT_MAX_FRAME,
        &mut out,
    )
    .expect("within the limits");
    out
}

fn told(vector: &Vector) -> Option<Layout> {
    vector.find("layout").map(|layout| match layout {
        "v1" => Layout::V1,
        "v2" => Layout::V2,
        layout => panic!("{}: {layout}", vector.name),
    })
}

fn meant_frame(vector: &Vector) -> Frame {
    let told = told(vector);
    let trace = meant_trace(vector).encode(told.unwrap_or_default());
    Frame {
        meta: Meta {
            direction: match vector.text("direction") {
                "request" => Direction::Request,
                "response" => Direction::Response,
                direction => panic!("{}: {direction}", vector.name),
            },
            service_id: vector.number("service"),
            msg_id: vector.number("message"),
            sequence: vector.number("sequence"),
            timeout_ms: vector.number("timeout"),
            ret_code: vector.number("ret-code"),
            beside: Beside::of(trace.expect(vector.name), vector.value("attachment").into()),
            compress: vector.number("compress"),
            encrypt: vector.number("encrypt"),
            told,
        },
        body: vector.value("body").into(),
    }
}

fn meant_trace(vector: &Vector) -> Trace<'static> {
    Trace {
        peers: vector.text("peers"),
        trace_id: vector.text("trace-id"),
        parent_span_id: vector.text("parent-span-id"),
        span_id: vector.text("span-id"),
        tags: vector.text("tags"),
        sample_flag: vector.number("sample-flag"),
        dyeing: vector.text("dyeing"),
    }
}
