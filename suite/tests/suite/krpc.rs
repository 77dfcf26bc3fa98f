//! The bytes between servers, as a server in another language sees them.

use std::net::SocketAddr;

use bytes::BytesMut;
use serde_json::json;
use tangelo::server::{Handlers, Server};
use tangelo_wire::krpc::{
    frame::{self, Frame},
    layout::Layout,
    meta::{Direction, Meta},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    client::{Door, connect},
    rpc::servers,
    world::{client, soon},
};

const CALCULATOR: i32 = 100;
const ADD: i32 = 1;
const PANIC: i32 = 3;

/// The meta of the answer to a request.
pub(crate) fn answer_to(request: &Meta, ret_code: i32) -> Meta {
    Meta {
        direction: Direction::Response,
        service_id: request.service_id,
        msg_id: request.msg_id,
        sequence: request.sequence,
        ret_code,
        ..Meta::default()
    }
}

/// A connection to a server's port for servers.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    reading: BytesMut,
}

impl Peer {
    pub(crate) async fn of(server: &Server) -> Self {
        Self::at(server.rpc_address().unwrap()).await
    }

    pub(crate) async fn at(address: SocketAddr) -> Self {
        Self::over(connect(address).await)
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        Self {
            stream,
            reading: BytesMut::new(),
        }
    }

    pub(crate) async fn send(&mut self, meta: &Meta, body: &[u8]) {
        let mut out = BytesMut::new();
        frame::encode(meta, body, Layout::V2, frame::DEFAULT_MAX_FRAME, &mut out).unwrap();
        self.stream.write_all(&out).await.unwrap();
    }

    pub(crate) async fn hear(&mut self) -> Frame {
        loop {
            let frame =
                frame::decode(&mut self.reading, Layout::V2, frame::DEFAULT_MAX_FRAME).unwrap();
            if let Some(frame) = frame {
                return frame;
            }
            let read = soon("an answer", self.stream.read_buf(&mut self.reading)).await;
            assert_ne!(read.unwrap(), 0, "closed");
        }
    }

    /// Asks, and checks that the answer repeats what it is for.
    pub(crate) async fn ask(&mut self, meta: Meta, body: &[u8]) -> Frame {
        self.send(&meta, body).await;
        let frame = self.hear().await;
        let expected = Meta {
            direction: Direction::Response,
            timeout_ms: 0,
            compress: 0,
            encrypt: 0,
            ret_code: frame.meta.ret_code,
            ..meta
        };
        assert_eq!(frame.meta, expected);
        frame
    }

    pub(crate) async fn is_refused(&mut self, meta: Meta, code: i32) {
        let frame = self.ask(meta, b"").await;
        assert_eq!((frame.meta.ret_code, &*frame.body), (code, &b""[..]));
    }

    /// The connection stands: 2 + 3 is 5.
    async fn stands(&mut self) {
        let frame = self.ask(call(CALCULATOR, ADD), &[0x08, 2, 0x10, 3]).await;
        assert_eq!((frame.meta.ret_code, &*frame.body), (0, &[0x10, 5][..]));
    }

    pub(crate) async fn is_closed(&mut self) {
        let mut rest = Vec::new();
        let end = soon("the connection ends", self.stream.read_to_end(&mut rest)).await;
        assert!(rest.is_empty() && self.reading.is_empty(), "{rest:?}");
        // What was not read makes it a reset.
        drop(end);
    }
}

pub(crate) fn call(service_id: i32, msg_id: i32) -> Meta {
    Meta {
        service_id,
        msg_id,
        sequence: 77,
        timeout_ms: 5_000,
        ..Meta::default()
    }
}

#[tokio::test]
async fn a_plain_krpc_client_is_served() {
    let (_front, back) = servers(Handlers::new()).await;
    let mut peer = Peer::of(&back).await;
    peer.stands().await;
    // It never said how long it waits.
    let patient = Meta {
        timeout_ms: 0,
        ..call(CALCULATOR, ADD)
    };
    assert_eq!(&*peer.ask(patient, &[0x08, 9]).await.body, [0x10, 9]);
}

#[tokio::test]
async fn a_heartbeat_is_answered_with_its_fourteen_bytes() {
    let (_front, back) = servers(Handlers::new()).await;
    let mut peer = Peer::of(&back).await;
    for _ in 0..3 {
        let request = b"KR\0\x06\0\0\0\x06\x08\x01\x10\x01\x18\x01";
        peer.stream.write_all(request).await.unwrap();
        let mut answer = [0; 14];
        soon("the answer", peer.stream.read_exact(&mut answer))
            .await
            .unwrap();
        assert_eq!(&answer, b"KR\0\x06\0\0\0\x06\x08\x02\x10\x01\x18\x01");
    }
    peer.stands().await;
}

#[tokio::test]
async fn frames_may_come_a_byte_at_a_time_or_many_at_once() {
    let (_front, back) = servers(Handlers::new()).await;
    let mut peer = Peer::of(&back).await;
    let mut out = BytesMut::new();
    let meta = call(CALCULATOR, ADD);
    frame::encode(
        &meta,
        &[0x08, 9],
        Layout::V2,
        frame::DEFAULT_MAX_FRAME,
        &mut out,
    )
    .unwrap();
    for byte in &out {
        peer.stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(&*peer.hear().await.body, [0x10, 9]);
    peer.stream.write_all(&out.repeat(1000)).await.unwrap();
    for _ in 0..1000 {
        assert_eq!(&*peer.hear().await.body, [0x10, 9]);
    }
}

#[tokio::test]
async fn what_does_not_exist_is_not_found_and_the_connection_stays() {
    let (_front, back) = servers(Handlers::new()).await;
    let mut peer = Peer::of(&back).await;
    // Services 10 to 13 are Tangelo's own.
    for (service, message) in [
        (CALCULATOR, 99),
        (999, 1),
        (3, 1),
        (10, 9),
        (11, 9),
        (16, 9),
    ] {
        peer.is_refused(call(service, message), -627).await;
    }
    // Sessions are not for those who have not said who they are, nor who has started.
    peer.is_refused(call(12, 9), -630).await;
    peer.is_refused(call(16, 1), -630).await;
    peer.stands().await;
}

#[tokio::test]
async fn a_panic_is_a_business_error_and_the_connection_stays() {
    let (_front, back) = servers(Handlers::new()).await;
    let mut peer = Peer::of(&back).await;
    peer.is_refused(call(CALCULATOR, PANIC), -620).await;
    peer.stands().await;
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_and_the_connection_stays() {
    let (_front, back) = servers(Handlers::new()).await;
    let mut peer = Peer::of(&back).await;
    for (compress, encrypt) in [(7, 0), (1, 0), (0, 1), (-1, 0)] {
        let meta = Meta {
            compress,
            encrypt,
            ..call(CALCULATOR, ADD)
        };
        let frame = peer.ask(meta, &[8, 1]).await;
        assert_eq!(frame.meta.ret_code, -625, "{compress}, {encrypt}");
    }
    let frame = peer.ask(call(CALCULATOR, ADD), &[0xff]).await;
    assert_eq!(frame.meta.ret_code, -625);
    peer.stands().await;
}

#[tokio::test]
async fn a_stranger_forwards_restores_and_closes_nothing() {
    let (_front, back) = servers(Handlers::new()).await;
    let mut peer = Peer::of(&back).await;
    // Forward with a route and a session; Session.closed; Channel.restore.
    let forward = b"\x0a\x0echat.main.echo\x2a\x09\x09\x07\0\0\0\0\0\0\0";
    let closed = b"\x09\x07\0\0\0\0\0\0\0";
    let bodies: [((i32, i32), &[u8], i32); 3] = [
        ((11, 1), forward, -625),
        ((12, 1), closed, -625),
        ((13, 4), closed, -625),
    ];
    for ((service, message), body, code) in bodies {
        let frame = peer.ask(call(service, message), body).await;
        assert_eq!(frame.meta.ret_code, code, "service {service}");
    }
    peer.stands().await;
}

#[tokio::test]
async fn a_response_nobody_waits_for_is_dropped() {
    let (_front, back) = servers(Handlers::new()).await;
    let mut peer = Peer::of(&back).await;
    for sequence in [0, 1, 65_536, -1, i32::MAX, i32::MIN] {
        let meta = Meta {
            direction: Direction::Response,
            sequence,
            ..call(CALCULATOR, ADD)
        };
        peer.send(&meta, &[0x10, 5]).await;
    }
    peer.stands().await;
}

#[tokio::test]
async fn a_request_under_sequence_0_is_answered_by_nobody() {
    let (_front, back) = servers(Handlers::new()).await;
    let mut peer = Peer::of(&back).await;
    let meta = Meta {
        sequence: 0,
        ..call(CALCULATOR, ADD)
    };
    peer.send(&meta, &[0x08, 9]).await;
    peer.stands().await;
}

#[tokio::test]
async fn what_is_no_frame_ends_that_connection_alone() {
    let (front, back) = servers(Handlers::new()).await;
    let mut other = Peer::of(&back).await;
    let garbage: [(&str, &[u8]); 8] = [
        ("another protocol", b"GET / HTTP/1.1\r\n\r\n"),
        ("its first byte", b"G"),
        ("no meta", b"KR\0\0\0\0\0\0"),
        ("a meta longer than the frame", b"KR\0\x07\0\0\0\x06"),
        ("a meta longer than any", b"KR\x80\0\0\0\x90\0"),
        ("a frame longer than any", b"KR\0\x06\xff\xff\xff\xff"),
        ("a frame a byte too long", b"KR\0\x06\0\x0f\x42\x39"),
        ("a meta that is none", b"KR\0\x02\0\0\0\x02\xff\xff"),
    ];
    for (what, bytes) in garbage {
        let mut peer = Peer::of(&back).await;
        peer.stands().await;
        peer.stream.write_all(bytes).await.unwrap();
        soon(what, peer.is_closed()).await;
    }
    other.stands().await;
    let mut client = client(&front, Door::Tcp).await;
    assert_eq!(client.ask("chat.main.echo", &json!(1)).await, 1);
}
