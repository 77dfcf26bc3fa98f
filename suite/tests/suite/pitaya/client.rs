//! A client of Pitaya's, written from what its protocol says rather than with the server's own codecs.

use std::{
    io::{Read, Write},
    net::SocketAddr,
};

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use serde_json::{Value, json};
use tangelo_wire::pomelo::package::Kind;

use crate::client::{Client, Door, Said};

/// A client of Pitaya's that has shaken hands.
#[derive(Debug)]
pub(super) struct Pitaya {
    pub(super) line: Client,
    /// What it was told of the server.
    pub(super) sys: Value,
}

/// A message as it came, its body inflated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// 2 is a response, 3 a push.
    pub(super) kind: u8,
    pub(super) id: u64,
    pub(super) route: String,
    pub(super) body: Vec<u8>,
    pub(super) compressed: bool,
    pub(super) failed: bool,
}

/// What libpitaya and Pitaya's own client say first.
pub(super) fn hello() -> Value {
    json!({
        "sys": {"platform": "mac", "libVersion": "0.3.5-release", "clientBuildNumber": "20", "clientVersion": "2.1"},
        "user": {"age": 30},
    })
}

impl Pitaya {
    pub(super) async fn connect(door: Door, address: SocketAddr) -> Self {
        Self::greet(door, address, &hello()).await
    }

    /// Shakes hands with these words.
    pub(super) async fn greet(door: Door, address: SocketAddr, hello: &Value) -> Self {
        let mut line = Client::silent(door, address).await;
        line.send(Kind::Handshake, hello.to_string().as_bytes())
            .await;
        let Said::Hello(mut answer) = line.hear().await else {
            panic!("no answer to the handshake");
        };
        assert_eq!(answer["code"], 200);
        line.send(Kind::HandshakeAck, b"").await;
        let sys = answer["sys"].take();
        Self { line, sys }
    }

    /// Sends a request; the flag byte has these bits as well.
    pub(super) async fn request(&mut self, bits: u8, id: u8, route: &str, body: &[u8]) {
        let mut message = vec![bits, id, route.len() as u8];
        message.extend_from_slice(route.as_bytes());
        message.extend_from_slice(body);
        self.line.send(Kind::Data, &message).await;
    }

    /// The next message; heartbeats are passed over.
    pub(super) async fn message(&mut self) -> Message {
        loop {
            match self.line.package().await {
                Some((Kind::Data, message)) => return understand(&message),
                Some((Kind::Heartbeat, _)) => {}
                other => panic!("expected a message, heard {other:?}"),
            }
        }
    }

    /// Requests, and hears the answer as the next thing.
    pub(super) async fn ask(&mut self, route: &str, body: &[u8]) -> Message {
        self.request(0, 7, route, body).await;
        let answer = self.message().await;
        assert_eq!((answer.kind, answer.id), (2, 7), "{answer:?}");
        answer
    }

    /// Requests, and hears this as an answer that did not fail.
    pub(super) async fn hears(&mut self, route: &str, body: &[u8], answer: &[u8]) {
        let heard = self.ask(route, body).await;
        assert_eq!(
            (&*heard.body, heard.failed),
            (answer, false),
            "{route}: {heard:?}"
        );
    }

    /// Requests, and hears of this failure.
    pub(super) async fn fails(&mut self, route: &str, body: &[u8], failure: Value) {
        let heard = self.ask(route, body).await;
        assert!(heard.failed, "{route}: {heard:?}");
        assert_eq!(heard.json(), failure, "{route}");
    }
}

impl Message {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

fn understand(message: &[u8]) -> Message {
    let (flag, mut rest) = message.split_first().unwrap();
    assert_eq!(
        flag & 0xc1,
        0,
        "a route as text, and no bits that nobody knows"
    );
    let kind = flag >> 1 & 7;
    let (mut id, mut route) = (0, String::new());
    if kind == 2 {
        for place in 0.. {
            let (byte, tail) = rest.split_first().unwrap();
            rest = tail;
            id |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                break;
            }
        }
    } else {
        let (length, tail) = rest.split_first().unwrap();
        let (text, tail) = tail.split_at(usize::from(*length));
        route = String::from_utf8(text.to_vec()).unwrap();
        rest = tail;
    }
    let compressed = flag & 0x10 != 0;
    Message {
        kind,
        id,
        route,
        body: if compressed {
            inflate(rest)
        } else {
            rest.to_vec()
        },
        compressed,
        failed: flag & 0x20 != 0,
    }
}

/// What zlib makes of a body.
pub(super) fn deflate(body: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn inflate(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ZlibDecoder::new(body).read_to_end(&mut out).unwrap();
    out
}
