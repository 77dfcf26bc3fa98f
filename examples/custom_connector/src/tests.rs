//! The hall, as somebody with a socket and lines finds it.

#![allow(clippy::unwrap_used, reason = "every function here belongs to a test")]

use std::{path::PathBuf, time::Duration};

use tangelo::{App, Running};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
};

use crate::{hall, lines::LONGEST};

struct Hall {
    running: Running,
    socket: PathBuf,
}

async fn open(name: &str) -> Hall {
    let socket = std::env::temp_dir().join(format!("tangelo-{name}-{}", std::process::id()));
    let app = App::new()
        .config(concat!(env!("CARGO_MANIFEST_DIR"), "/tangelo.toml"))
        .set("hall-1", "settings.socket", socket.to_str().unwrap());
    let running = hall(app).start().await.unwrap();
    Hall { running, socket }
}

struct Client(BufReader<UnixStream>);

impl Client {
    async fn new(hall: &Hall) -> Self {
        Self(BufReader::new(
            UnixStream::connect(&hall.socket).await.unwrap(),
        ))
    }

    async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    async fn hears(&mut self, expected: &str) {
        let mut line = String::new();
        let read = self.0.read_line(&mut line);
        tokio::time::timeout(Duration::from_secs(20), read)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(line, expected);
    }
}

#[tokio::test]
async fn people_talk_in_lines() {
    let hall = open("talk").await;
    let (mut ada, mut bob) = (Client::new(&hall).await, Client::new(&hall).await);
    ada.say("1 hall.main.say \"hi\"\n").await;
    ada.hears("onSay \"hi\"\n").await;
    ada.hears("1 2\n").await;
    // In pieces, and several at once.
    bob.say("1 hall.main.s").await;
    bob.say("ay \"hi\"\n\n- hall.main.say \"hello\"\n2 hall.main.none\n")
        .await;
    bob.hears("onSay \"hi\"\n").await;
    bob.hears("1 2\n").await;
    bob.hears("onSay \"hello\"\n").await;
    bob.hears("2 {\"code\":404,\"msg\":\"no handler `main.none`\"}\n")
        .await;
}

#[tokio::test]
async fn who_is_kicked_is_told_why_and_the_socket_goes_with_the_server() {
    let hall = open("kick").await;
    let mut client = Client::new(&hall).await;
    client.say("1 hall.main.say \"hi\"\n").await;
    client.hears("onSay \"hi\"\n").await;
    client.hears("1 2\n").await;
    let server = hall.running.server("hall-1").unwrap();
    server
        .context()
        .connections()
        .host_filter()
        .deny("127.0.0.1")
        .unwrap();
    server.context().connections().enforce_host_filter().await;
    client.hears("bye refused\n").await;
    client.hears("").await;
    hall.running.shutdown(Duration::from_secs(5)).await;
    assert!(!hall.socket.exists());
}

#[tokio::test]
async fn a_line_without_an_end_is_the_end() {
    let hall = open("long").await;
    let mut client = Client::new(&hall).await;
    client.say(&"x".repeat(LONGEST as usize)).await;
    client.hears("").await;
    let mut client = Client::new(&hall).await;
    client.say("nonsense\n").await;
    client.hears("").await;
    hall.running.shutdown(Duration::from_secs(5)).await;
}
