//! What krpc's own encoder and server wrote is read, and written again to the byte.

mod vectors;

use bytes::{Bytes, BytesMut};
use tangelo_wire::krpc::{
    frame::{self, DEFAULT_MAX_FRAME, Frame},
    meta::{Direction, Meta},
};
use vectors::{Vector, named};

#[test]
fn every_frame_is_read_and_written_as_krpc_does() {
    for vector in vectors::krpc_frames()
        .iter()
        .filter(|vector| vector.verdict == "same")
    {
        let mut buffer = BytesMut::from(&*vector.bytes());
        let decoded = frame::decode(&mut buffer, DEFAULT_MAX_FRAME).expect(vector.name);
        let frame = decoded.expect(vector.name);
        assert!(buffer.is_empty(), "{}: {buffer:?} is left", vector.name);
        assert_eq!(frame, meant_frame(vector), "{}", vector.name);

        let mut out = BytesMut::new();
        frame::encode(&frame.meta, &frame.body, DEFAULT_MAX_FRAME, &mut out).expect(vector.name);
        assert_eq!(out, vector.bytes(), "{}", vector.name);
    }
}

#[test]
fn what_is_no_frame_is_an_error_and_what_may_become_one_is_not() {
    for vector in vectors::krpc_frames()
        .iter()
        .filter(|vector| vector.verdict != "same")
    {
        let mut buffer = BytesMut::from(&*vector.bytes());
        let decoded = frame::decode(&mut buffer, DEFAULT_MAX_FRAME);
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

#[test]
fn the_heartbeats_are_krpcs() {
    let frames = |name| named(vectors::krpc_frames(), name).bytes();
    assert_eq!(frame::HEARTBEAT_REQUEST, *frames("v2.heartbeat.req"));
    assert_eq!(frame::HEARTBEAT_RESPONSE, *frames("v2.heartbeat.res"));
}

#[test]
fn fields_of_another_version_are_passed_over() {
    let fields: [&[u8]; 7] = [
        &[0x08, 1, 0x10, 100, 0x18, 2],        // request 100/2
        &[0x2a, 2, b'i', b'd'],                // 5 as text: the trace id of the first version
        &[0x38, 7],                            // 7 as a number: its timeout
        &[0xa0, 0x06, 9],                      // 100, a number
        &[0xaa, 0x06, 1, 0],                   // 101, text
        &[0xb5, 0x06, 1, 2, 3, 4],             // 102, four bytes
        &[0xb9, 0x06, 1, 2, 3, 4, 5, 6, 7, 8], // 103, eight bytes
    ];
    let meta = Meta::decode(&Bytes::from(fields.concat())).unwrap();
    assert_eq!(
        meta,
        Meta {
            service_id: 100,
            msg_id: 2,
            ..Meta::default()
        }
    );
}

fn meant_frame(vector: &Vector) -> Frame {
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
            trace: vector.value("trace").into(),
            attachment: vector.value("attachment").into(),
            compress: vector.number("compress"),
            encrypt: vector.number("encrypt"),
        },
        body: vector.value("body").into(),
    }
}
