//! A stream may be cut anywhere: what comes out is the same.

mod vectors;

use std::fmt::Debug;

use bytes::BytesMut;
use tangelo_wire::{
    krpc::{frame, layout::Layout},
    pomelo::package,
};

type Decoded<T, E> = Result<Option<T>, E>;

#[test]
fn packages_arrive_byte_by_byte() {
    for vector in vectors::packages()
        .iter()
        .filter(|vector| vector.verdict == "same")
    {
        dribble(vector.name, &vector.bytes(), next_package);
    }
}

#[test]
fn frames_arrive_byte_by_byte() {
    for vector in vectors::krpc_frames()
        .iter()
        .filter(|vector| vector.verdict == "same")
    {
        dribble(vector.name, &vector.bytes(), next_frame);
    }
}

#[test]
fn packages_in_one_buffer_come_out_one_by_one() {
    one_by_one(&vectors::packages(), next_package);
}

#[test]
fn frames_in_one_buffer_come_out_one_by_one() {
    one_by_one(&vectors::krpc_frames(), next_frame);
}

#[test]
fn a_strangers_first_byte_is_enough() {
    for byte in 0..=u8::MAX {
        let package = next_package(&mut BytesMut::from(&[byte][..]));
        assert_eq!(
            package.is_err(),
            !(1..=5).contains(&byte),
            "package {byte}: {package:?}"
        );
        let frame = next_frame(&mut BytesMut::from(&[byte][..]));
        assert_eq!(frame.is_err(), byte != b'K', "frame {byte}: {frame:?}");
    }
    assert_eq!(next_frame(&mut "KX".into()), Err(frame::Error::Magic));
    assert_eq!(next_frame(&mut "XR".into()), Err(frame::Error::Magic));
}

#[test]
fn nothing_yet_is_nothing_wrong() {
    assert_eq!(next_package(&mut BytesMut::new()), Ok(None));
    assert_eq!(next_frame(&mut BytesMut::new()), Ok(None));
}

/// Feeds the bytes one at a time and wants each unit with its last byte, neither before nor after.
fn dribble<T, E>(name: &str, bytes: &[u8], next: fn(&mut BytesMut) -> Decoded<T, E>)
where
    T: Debug + PartialEq,
    E: Debug + PartialEq,
{
    let mut whole = BytesMut::from(bytes);
    let mut buffer = BytesMut::new();
    let mut want = next(&mut whole);
    for (at, byte) in bytes.iter().enumerate() {
        buffer.extend_from_slice(&[*byte]);
        if bytes.len() - (at + 1) > whole.len() {
            let before = buffer.clone();
            assert_eq!(next(&mut buffer), Ok(None), "{name}: early, at byte {at}");
            assert_eq!(buffer, before, "{name}: touched at byte {at}");
        } else {
            assert_eq!(next(&mut buffer), want, "{name}: at byte {at}");
            assert!(buffer.is_empty(), "{name}: {buffer:?} is left at byte {at}");
            want = next(&mut whole);
        }
    }
    assert_eq!(want, Ok(None), "{name}: not all of it came out");
}

/// Puts all vectors into one buffer, with the start of another unit behind them.
fn one_by_one<T, E>(vectors: &[vectors::Vector], next: fn(&mut BytesMut) -> Decoded<T, E>)
where
    T: Debug + PartialEq,
    E: Debug + PartialEq,
{
    let mut buffer = BytesMut::new();
    let mut want = Vec::new();
    let mut last = Vec::new();
    for vector in vectors.iter().filter(|vector| vector.verdict == "same") {
        last = vector.bytes();
        buffer.extend_from_slice(&last);
        let mut alone = BytesMut::from(&*last);
        while let Some(unit) = next(&mut alone).expect(vector.name) {
            want.push(unit);
        }
    }
    assert!(want.len() > 1);
    let begun = &last[..last.len() - 1];
    buffer.extend_from_slice(begun);

    for unit in want {
        assert_eq!(next(&mut buffer), Ok(Some(unit)));
    }
    assert_eq!(next(&mut buffer), Ok(None));
    assert_eq!(buffer, begun);
}

fn next_package(buffer: &mut BytesMut) -> Decoded<package::Package, package::Error> {
    package::decode(buffer, package::MAX_BODY)
}

fn next_frame(buffer: &mut BytesMut) -> Decoded<frame::Frame, frame::Error> {
    frame::decode(buffer, Layout::V2, frame::DEFAULT_MAX_FRAME)
}
