//! How many connections there may be, and how long they may be silent.

use std::time::Duration;

use tangelo::{Bootstrap, RpcApp, rpc::config::ServerConfig};
use tangelo_wire::krpc::{frame, meta::Meta};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep},
};

use super::{
    desk::{Clerk, HOLD, ask, at, local, start},
    log::Log,
};
use crate::{
    krpc::Peer,
    world::{soon, until},
};

async fn server(config: ServerConfig, clerk: &Clerk) -> RpcApp {
    start(
        Bootstrap::new("desk")
            .server(config)
            .service(clerk.service()),
    )
    .await
}

#[tokio::test]
async fn past_the_most_connections_a_new_one_is_closed_until_another_goes() {
    let log = Log::keep();
    let app = server(local().max_conns(3_usize), &Clerk::new()).await;
    let mut peers = Vec::new();
    for _ in 0..3 {
        let mut peer = Peer::at(at(&app)).await;
        peer.echoes().await;
        peers.push(peer);
    }
    for _ in 0..100 {
        Peer::at(at(&app)).await.is_closed().await;
    }
    let lines = log.lines(&["too many connections", "max_conns=3"]).len();
    assert!((1..60).contains(&lines), "{lines}: they fill no log");
    for peer in &mut peers {
        peer.echoes().await;
    }
    peers.pop();
    let server = app.server("default").unwrap();
    until("it goes", || server.connections().len() == 2).await;
    soon("another one is let in", async {
        while !heartbeat_is_answered(&mut Peer::at(at(&app)).await).await {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn heartbeat_is_answered(peer: &mut Peer) -> bool {
    let mut answer = frame::HEARTBEAT_RESPONSE;
    let said = peer.stream.write_all(&frame::HEARTBEAT_REQUEST).await;
    said.is_ok() && peer.stream.read_exact(&mut answer).await.is_ok()
}

const IDLE: Duration = Duration::from_secs(30);

/// Connects, and tells how long it took until it was closed.
async fn closed_after(app: &RpcApp, first: &[u8]) -> Duration {
    let mut peer = Peer::at(at(app)).await;
    peer.says(first).await;
    let since = Instant::now();
    let mut rest = Vec::new();
    // Longer than the tests wait for anything else.
    let end = peer.stream.read_to_end(&mut rest);
    let _ = tokio::time::timeout(IDLE * 10, end).await.unwrap();
    assert!(rest.is_empty());
    since.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_frame_is_closed_when_its_time_is_up() {
    let app = server(local().idle_seconds(30_u32), &Clerk::new()).await;
    // Silence, the begin of a header, a header without its frame.
    for first in [&b""[..], b"KR", b"KR\x00\x06\x00\x00\x00\x06\x08"] {
        let after = closed_after(&app, first).await;
        assert!((IDLE..IDLE * 11 / 10).contains(&after), "{after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_that_never_become_a_frame_are_silence() {
    let app = server(local().idle_seconds(30_u32), &Clerk::new()).await;
    let mut peer = Peer::at(at(&app)).await;
    let since = Instant::now();
    let drip = async {
        let header = b"KR\x00\x06\x00\x0f\x42\x38\x08\x01\x10\x01\x18\x01";
        for byte in header.iter().chain(std::iter::repeat(&0)) {
            if peer.stream.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::time::timeout(IDLE * 10, drip).await.unwrap();
    assert!(since.elapsed() < IDLE * 12 / 10, "{:?}", since.elapsed());
}

#[tokio::test(start_paused = true)]
async fn heartbeats_keep_a_connection_and_what_runs_over_it() {
    let clerk = Clerk::new();
    let app = server(local().idle_seconds(30_u32), &clerk).await;
    let mut peer = Peer::at(at(&app)).await;
    let patient = Meta {
        timeout_ms: 600_000,
        ..ask(HOLD, 1)
    };
    peer.send(&patient, b"").await;
    for _ in 0..10 {
        sleep(IDLE * 9 / 10).await;
        peer.beats().await;
    }
    clerk.hold.release(1);
    assert_eq!(peer.answer().await, (1, 0));
}
