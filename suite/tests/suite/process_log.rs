//! What a process says on stderr, and who does not read it.
#![cfg(unix)]

use std::{
    net::SocketAddr,
    process::{Command as Blocking, Stdio},
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::unix::pipe,
    process::{Child, Command},
};

use crate::{
    krpc::{Peer, call},
    krpc_client::WorkerClient,
    world::soon,
};

/// A server that is all of `main`, with this stderr.
fn node(settings: &[&str], stderr: impl Into<Stdio>) -> Child {
    Command::new(env!("CARGO_BIN_EXE_krpc-node"))
        .args(["node", "serve"])
        .args(settings)
        .env("RUST_LOG", "info")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn address(node: &mut Child) -> SocketAddr {
    let mut lines = BufReader::new(node.stdout.take().unwrap()).lines();
    let line = soon("it is ready", lines.next_line())
        .await
        .unwrap()
        .unwrap();
    line.strip_prefix("ready ").unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_server_whose_log_nobody_reads_answers_and_ends() {
    let (full, _unread) = pipe::pipe().unwrap();
    while full.try_write(&[b'.'; 512]).is_ok() {}
    let mut node = node(&[], full.into_blocking_fd().unwrap());
    let mut peer = Peer::at(address(&mut node).await).await;
    let work = call(WorkerClient::SERVICE_ID, WorkerClient::WORK_MSG_ID);
    for _ in 0..100 {
        assert_eq!(peer.ask(work.clone(), b"").await.meta.ret_code, 0);
        // Each of these is a line of the log.
        peer.is_refused(call(999, 1), -627).await;
    }
    let process = node.id().unwrap().to_string();
    let signal = Blocking::new("kill").args(["-TERM", &process]).status();
    assert!(signal.unwrap().success());
    assert!(soon("it ends", node.wait()).await.unwrap().success());
}

#[tokio::test]
async fn what_a_process_says_last_is_there_also_when_it_cannot_start() {
    let node = node(&["server.default.threads=-5"], Stdio::piped());
    let output = soon("it ends", node.wait_with_output()).await.unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("threads") && said.contains("found -5"),
        "{said}"
    );
}
