//! What peers can make a server keep. Measured in a process of its own, where nothing else runs.
#![cfg(target_os = "linux")]

use std::{env, fs, process::Command};

use bytes::BytesMut;
use tangelo::{Bootstrap, rpc::codegen::prost::Message as _};
use tangelo_wire::krpc::{
    compress::{Compression, compress},
    frame::{self, DEFAULT_MAX_FRAME},
    layout::Layout,
    meta::Meta,
};

use super::desk::{Clerk, DESK, ECHO, EchoReq, at, local, start};
use crate::krpc::{Peer, call};

const MIB: usize = 1 << 20;

/// Bytes of this process that are in memory.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<usize>().unwrap() << 10
}

/// Fails if more has been kept than this since it was begun.
struct Scale(usize);

impl Scale {
    fn begin() -> Self {
        Self(resident())
    }

    fn has_at_most(&self, what: &str, bytes: usize) {
        let more = resident().saturating_sub(self.0);
        assert!(more <= bytes, "{what}: {} MiB more", more / MIB);
    }
}

#[test]
fn whatever_peers_send_memory_stays_bounded() {
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--test-threads=1"])
        .arg("krpc_server::memory::measured_in_a_process_of_its_own")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

#[tokio::test]
#[ignore = "measures the whole process: started by the test above"]
async fn measured_in_a_process_of_its_own() {
    let app = Bootstrap::new("desk").server(local().threads(-1));
    let app = start(app.service(Clerk::new().service())).await;
    let mut honest = Peer::at(at(&app)).await;
    let mut bomb = BytesMut::new();
    compress(Compression::Zlib, &vec![0; 20 * MIB], &mut bomb).unwrap();
    for _ in 0..1000 {
        honest.echoes().await;
    }
    let scale = Scale::begin();

    // Frames that are announced are not room that is taken.
    let mut announced = Vec::new();
    for _ in 0..300 {
        let mut peer = Peer::at(at(&app)).await;
        peer.says(b"KR\x00\x06\x00\x0f\x42\x38\x08\x01\x10\x01\x18\x01")
            .await;
        peer.says(&[0; 100]).await;
        announced.push(peer);
    }
    honest.echoes().await;
    scale.has_at_most("announced frames", 30 * MIB);
    drop(announced);

    let meta = Meta {
        compress: 1,
        ..call(DESK, ECHO)
    };
    for _ in 0..200 {
        assert_eq!(honest.ask(meta.clone(), &bomb).await.meta.ret_code, -625);
    }
    scale.has_at_most("bombs", 30 * MIB);

    // Who asks and never hears the answers is not read any further when 1 MiB waits for him.
    let deaf = Peer::at(at(&app)).await;
    let request = EchoReq {
        text: "x".repeat(500_000),
    };
    let mut frame = BytesMut::new();
    let body = request.encode_to_vec();
    frame::encode(
        &call(DESK, ECHO),
        &body,
        Layout::V2,
        DEFAULT_MAX_FRAME,
        &mut frame,
    )
    .unwrap();
    let (mut sent, mut quiet) = (0, 0);
    // What he sends fills the buffers of the system, and then nothing of it goes on.
    while quiet < 100 {
        match deaf.stream.try_write(&frame[sent % frame.len()..]) {
            Ok(written) => (sent, quiet) = (sent + written, 0),
            Err(_) => quiet += 1,
        }
        honest.echoes().await;
        assert!(sent < 100 * MIB, "it is read on and on");
    }
    assert!(sent > 2 * MIB, "something was read: {sent}");
    scale.has_at_most("answers nobody hears", 30 * MIB);
    drop(deaf);
    honest.echoes().await;

    // What was refused leaves nothing behind.
    let mut frames = BytesMut::new();
    for service in 1000..1100 {
        let meta = Meta {
            sequence: 0,
            ..call(service, 1)
        };
        frame::encode(&meta, &[7; 100], Layout::V2, DEFAULT_MAX_FRAME, &mut frames).unwrap();
    }
    for _ in 0..1000 {
        honest.says(&frames).await;
    }
    honest.echoes().await;
    scale.has_at_most("a hundred thousand requests for nothing", 200 * MIB);
}
