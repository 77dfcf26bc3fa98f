//! What the codecs cost: `cargo bench -p tangelo-wire`.

use bytes::BytesMut;
use divan::{Bencher, black_box, counter::ItemsCount};
use tangelo_wire::{
    krpc::{
        frame,
        layout::Layout,
        meta::{Direction, Meta},
    },
    pomelo::{
        message,
        package::{self, Kind},
    },
};

/// Bytes of a body.
const BODY: [u8; 64] = [b'x'; 64];
/// Packages and frames of one read.
const BATCH: usize = 16;
const LIMIT: usize = 64 << 10;

fn main() {
    divan::main();
}

/// What a read of a client's requests is: packages out of the buffer, messages out of them.
#[divan::bench]
fn pomelo_requests_decoded(bencher: Bencher<'_, '_>) {
    let mut read = BytesMut::new();
    for id in 1..=BATCH as u32 {
        let written = package::encode_with(Kind::Data, &mut read, |out| {
            message::encode_request(id, "echo.echoHandler.echo", &BODY, out)
                .expect("a short route");
        });
        written.expect("a short package");
    }
    bencher
        .counter(ItemsCount::new(BATCH))
        .with_inputs(|| BytesMut::from(&read[..]))
        .bench_local_refs(|read| {
            while let Some(package) = package::decode(read, LIMIT).expect("a package") {
                black_box(message::decode(package.body).expect("a message"));
            }
        });
}

#[divan::bench]
fn pomelo_responses_encoded(bencher: Bencher<'_, '_>) {
    let mut out = BytesMut::with_capacity(LIMIT);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        out.clear();
        for id in 1..=BATCH as u32 {
            message::encode_response_package(id, black_box(&BODY), &mut out).expect("short");
        }
    });
}

#[divan::bench]
fn pomelo_push_encoded(bencher: Bencher<'_, '_>) {
    let mut out = BytesMut::with_capacity(LIMIT);
    bencher.bench_local(|| {
        out.clear();
        package::encode_with(Kind::Data, &mut out, |out| {
            message::encode_push("onPush", black_box(&BODY), out).expect("a short route");
        })
        .expect("a short package");
    });
}

fn meta(sequence: i32) -> Meta {
    Meta {
        direction: Direction::Request,
        service_id: 900,
        msg_id: 1,
        sequence,
        timeout_ms: 3000,
        ..Meta::default()
    }
}

fn put(sequence: i32, out: &mut BytesMut) {
    frame::encode(&meta(sequence), &BODY, Layout::V2, LIMIT, out).expect("a short frame");
}

#[divan::bench]
fn krpc_frames_decoded(bencher: Bencher<'_, '_>) {
    let mut read = BytesMut::new();
    for sequence in 1..=BATCH as i32 {
        put(sequence, &mut read);
    }
    bencher
        .counter(ItemsCount::new(BATCH))
        .with_inputs(|| BytesMut::from(&read[..]))
        .bench_local_refs(|read| {
            while let Some(frame) = frame::decode(read, Layout::V2, LIMIT).expect("a frame") {
                black_box(frame);
            }
        });
}

#[divan::bench]
fn krpc_frames_encoded(bencher: Bencher<'_, '_>) {
    let mut out = BytesMut::with_capacity(LIMIT);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        out.clear();
        for sequence in 1..=BATCH as i32 {
            put(black_box(sequence), &mut out);
        }
    });
}
