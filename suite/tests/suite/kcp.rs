//! Pomelo's packages in KCP, told to a client of another library.

use std::{cell::Cell, net::SocketAddr, time::Duration};

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use tangelo::{
    connector::{Kcp, Limits, SessionLimits},
    server::{Blueprint, CloseReason, Handlers, Json, Server, Session},
};
use tangelo_wire::pomelo::package::{self as packages, Kind};
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::UdpSocket};
use tokio_kcp::{KcpConfig, KcpNoDelayConfig, KcpStream};

use crate::{
    client::{Said, hello, package, request, understand},
    world::{DEADLINE, Heard, Hold, alone, connector, door, soon, until},
};

const ECHO: &str = "connector.main.echo";
/// Bytes of a segment's header.
const OVERHEAD: usize = 24;

struct Client {
    stream: KcpStream,
    reading: BytesMut,
}

fn config(stream: bool) -> KcpConfig {
    KcpConfig {
        nodelay: KcpNoDelayConfig::fastest(),
        flush_write: true,
        flush_acks_input: true,
        stream,
        ..KcpConfig::default()
    }
}

impl Client {
    async fn silent(address: SocketAddr, stream: bool) -> Self {
        Self {
            stream: KcpStream::connect(&config(stream), address).await.unwrap(),
            reading: BytesMut::new(),
        }
    }

    async fn to(address: SocketAddr, stream: bool) -> Self {
        let mut client = Self::silent(address, stream).await;
        client
            .send(&package(Kind::Handshake, hello().as_bytes()))
            .await;
        assert!(matches!(client.hear().await, Said::Hello(_)));
        client.send(&package(Kind::HandshakeAck, b"")).await;
        client
    }

    async fn new(server: &Server) -> Self {
        Self::to(door(server), false).await
    }

    async fn send(&mut self, package: &[u8]) {
        soon("it is sent", self.stream.write_all(package))
            .await
            .unwrap();
    }

    async fn hear(&mut self) -> Said {
        loop {
            if let Some(heard) = packages::decode(&mut self.reading, 1 << 24).unwrap() {
                return understand(heard.kind, heard.body);
            }
            let mut read = vec![0; 256 << 10];
            let length = soon("a package", self.stream.read(&mut read))
                .await
                .unwrap();
            assert_ne!(length, 0);
            self.reading.extend_from_slice(&read[..length]);
        }
    }

    async fn asks(&mut self, id: u32, route: &str, body: &Value) {
        self.send(&request(id, route, body.to_string().as_bytes()))
            .await;
    }

    async fn ask(&mut self, id: u32, route: &str, body: &Value) -> Value {
        self.asks(id, route, body).await;
        match self.hear().await {
            Said::Reply(answered, answer) if answered == id => answer,
            other => panic!("expected the answer {id}, heard {other:?}"),
        }
    }

    async fn echoes(&mut self) {
        assert_eq!(self.ask(7, ECHO, &json!([7])).await, json!([7]));
    }
}

fn blueprint(kcp: Kcp) -> Blueprint {
    async fn push(Json(many): Json<u32>, session: Session) -> tangelo::Result<()> {
        for number in 0..many {
            session.push("onChat", &number)?;
        }
        Ok(())
    }
    async fn kick(session: Session) {
        let _ = session.kick("enough").await;
    }
    async fn long(Json(length): Json<usize>) -> Json<String> {
        Json("x".repeat(length))
    }
    let handlers = Handlers::new()
        .add("push", push)
        .add("kick", kick)
        .add("long", long);
    connector(handlers).connector(kcp)
}

async fn serve() -> Server {
    alone(blueprint(Kcp::new())).await
}

/// The first segment of a conversation, or what is like it.
fn segment(conversation: u32, command: u8, fragment: u8, number: u32, data: &[u8]) -> Vec<u8> {
    let mut segment = conversation.to_le_bytes().to_vec();
    segment.extend([command, fragment, 128, 0]);
    segment.extend([0; 4]);
    segment.extend(number.to_le_bytes());
    segment.extend([0; 4]);
    segment.extend((data.len() as u32).to_le_bytes());
    segment.extend(data);
    segment
}

#[tokio::test]
async fn requests_are_answered_and_pushes_arrive_in_order() {
    let server = serve().await;
    for stream in [false, true] {
        let mut client = Client::to(door(&server), stream).await;
        client.echoes().await;
        client.asks(1, "connector.main.push", &json!(500)).await;
        for number in 0..500 {
            assert_eq!(
                client.hear().await,
                Said::Push("onChat".to_owned(), json!(number))
            );
        }
        assert_eq!(client.hear().await, Said::Reply(1, json!({})));
    }
}

#[tokio::test]
async fn long_bodies_go_both_ways() {
    let server = serve().await;
    let mut client = Client::new(&server).await;
    let long = json!("x".repeat(60_000));
    assert_eq!(client.ask(1, ECHO, &long).await, long);
    let longer = client.ask(2, "connector.main.long", &json!(600_000)).await;
    assert_eq!(longer.as_str().unwrap().len(), 600_000);
}

#[tokio::test]
async fn what_is_lost_is_sent_again() {
    let server = serve().await;
    let proxy = Lossy::to(door(&server)).await;
    let address = proxy.front.local_addr().unwrap();
    let talk = async {
        let mut client = Client::to(address, false).await;
        client.asks(1, "connector.main.push", &json!(300)).await;
        for number in 0..300 {
            assert_eq!(
                client.hear().await,
                Said::Push("onChat".to_owned(), json!(number))
            );
        }
        assert_eq!(client.hear().await, Said::Reply(1, json!({})));
        let long = json!("x".repeat(60_000));
        assert_eq!(client.ask(2, ECHO, &long).await, long);
    };
    tokio::select! {
        () = talk => {}
        () = proxy.run() => {}
    }
    assert!(
        proxy.lost.get() > 5,
        "{} datagrams were lost",
        proxy.lost.get()
    );
}

/// Passes datagrams of one client on, and loses some.
struct Lossy {
    front: UdpSocket,
    back: UdpSocket,
    lost: Cell<u32>,
}

impl Lossy {
    async fn to(server: SocketAddr) -> Self {
        let back = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        back.connect(server).await.unwrap();
        Self {
            front: UdpSocket::bind("127.0.0.1:0").await.unwrap(),
            back,
            lost: Cell::new(0),
        }
    }

    async fn run(&self) {
        let (mut up, mut down) = (vec![0; 2048], vec![0; 2048]);
        let mut client = None;
        // Each sixth or so, and never in step with what is said.
        let mut dice = 1_u64;
        loop {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let loses = (dice >> 33).is_multiple_of(6);
            tokio::select! {
                heard = self.front.recv_from(&mut up) => {
                    let (length, from) = heard.unwrap();
                    client = Some(from);
                    if !loses {
                        self.back.send(&up[..length]).await.unwrap();
                    }
                }
                heard = self.back.recv(&mut down) => {
                    let (length, to) = (heard.unwrap(), client.unwrap());
                    if !loses {
                        self.front.send_to(&down[..length], to).await.unwrap();
                    }
                }
            }
            self.lost.set(self.lost.get() + u32::from(loses));
        }
    }
}

#[tokio::test]
async fn strangers_begin_no_session_and_hear_nothing() {
    let server = serve().await;
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    stranger.connect(door(&server)).await.unwrap();
    let hello = package(Kind::Handshake, hello().as_bytes());
    for datagram in [
        b"".to_vec(),
        hello.to_vec(),
        segment(1, 81, 0, 0, b""),
        segment(1, 81, 0, 0, &package(Kind::Heartbeat, b"")),
        segment(1, 81, 0, 1, &hello),
        segment(1, 82, 0, 0, &hello),
        segment(0, 81, 0, 0, &hello),
        segment(1, 81, 0, 0, &[&*hello, &[0; 1500]].concat()),
    ] {
        stranger.send(&datagram).await.unwrap();
    }
    let mut client = Client::new(&server).await;
    client.echoes().await;
    assert_eq!(server.context().sessions().count(), 1);
    assert!(stranger.try_recv(&mut [0; 2048]).is_err());
}

#[tokio::test]
async fn an_address_that_acknowledges_nothing_hears_three_times_what_it_said_at_the_most() {
    let server = serve().await;
    let forged = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    forged.connect(door(&server)).await.unwrap();
    let said = segment(9, 81, 0, 0, &package(Kind::Handshake, hello().as_bytes()));
    forged.send(&said).await.unwrap();
    let mut first = [0; 2048];
    let mut heard = soon("the answer", forged.recv(&mut first)).await.unwrap();
    let mut client = Client::new(&server).await;
    // Long enough for it to be sent again a few times.
    for _ in 0..200 {
        client.echoes().await;
    }
    while let Ok(length) = forged.try_recv(&mut first) {
        heard += length;
    }
    assert!(
        heard > OVERHEAD && heard <= 3 * said.len(),
        "{heard} for {}",
        said.len()
    );
}

#[tokio::test]
async fn segments_that_are_none_harm_nobody_else() {
    let server = serve().await;
    let mut other = Client::new(&server).await;
    let bad = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    bad.connect(door(&server)).await.unwrap();
    let first = segment(9, 81, 0, 0, &package(Kind::Handshake, hello().as_bytes()));
    bad.send(&first).await.unwrap();
    let mut lies = segment(9, 81, 0, 1, b"abc");
    lies[20] = 200;
    let mut forward = segment(9, 82, 0, u32::MAX, b"");
    forward[8..20].fill(0xff);
    let mut backward = forward.clone();
    backward[8..12].copy_from_slice(&0x8000_0000_u32.to_le_bytes());
    for datagram in [
        b"short".to_vec(),
        segment(8, 81, 0, 1, b"other conversation"),
        segment(9, 99, 0, 1, b"no command"),
        lies,
        forward,
        backward,
        segment(9, 81, 0, u32::MAX, b"far"),
        segment(9, 81, 0, 1, b""),
        segment(9, 81, 255, 2, b"of 256"),
        segment(9, 83, 0, 0, b""),
        segment(9, 84, 0, 0, b""),
    ] {
        bad.send(&datagram).await.unwrap();
        other.echoes().await;
    }
    assert_eq!(Client::new(&server).await.ask(1, ECHO, &json!(1)).await, 1);
}

#[tokio::test]
async fn a_bad_package_ends_its_session_alone() {
    let mut reasons = Heard::new();
    let tell = reasons.teller();
    let watched = blueprint(Kcp::new()).on_close(move |_, reason| tell(reason.clone()));
    let server = alone(watched).await;
    let mut other = Client::new(&server).await;
    let long = Bytes::from_static(b"\x04\x01\x00\x01");
    for bad in [
        Bytes::from_static(b"\x09\x00\x00\x00"),
        long,
        package(Kind::Data, b"\xff"),
    ] {
        let mut client = Client::new(&server).await;
        client.echoes().await;
        client.send(&bad).await;
        let reason = reasons.next("its session ends").await;
        assert!(matches!(reason, CloseReason::Failed(_)), "{reason:?}");
    }
    other.echoes().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_and_the_others_are_served() {
    let limits = Limits {
        outgoing: 512 << 10,
        ..Limits::default()
    };
    let server = alone(blueprint(Kcp::new().limits(limits))).await;
    let (mut deaf, mut other) = (Client::new(&server).await, Client::new(&server).await);
    deaf.echoes().await;
    other.echoes().await;
    let sessions = server.context().sessions();
    assert_eq!(sessions.count(), 2);
    let flood = async {
        for id in 1.. {
            if sessions.count() == 1 {
                break;
            }
            let length = json!(50_000);
            let asked = deaf.asks(id, "connector.main.long", &length);
            let _ = tokio::time::timeout(Duration::from_millis(10), asked).await;
            other.echoes().await;
        }
    };
    soon("it is cut", flood).await;
    other.echoes().await;
}

#[tokio::test]
async fn a_silent_client_is_gone_and_makes_room() {
    let limits = SessionLimits {
        of_one_host: 1,
        ..SessionLimits::default()
    };
    let kcp = Kcp::new().sessions(limits);
    let server = alone(blueprint(kcp).heartbeat(Duration::from_millis(100))).await;
    let mut client = Client::new(&server).await;
    assert_eq!(client.hear().await, Said::Heartbeat);
    let connections = server.context().connections();
    assert_eq!(connections.count(), 1);
    until("its session ends", || connections.count() == 0).await;
    // It is sent again until there is room.
    let mut next = Client::new(&server).await;
    assert_eq!(next.hear().await, Said::Heartbeat);
}

#[tokio::test]
async fn who_is_kicked_hears_why() {
    let server = serve().await;
    let mut client = Client::new(&server).await;
    client.asks(1, "connector.main.kick", &json!({})).await;
    let mut kicked = client.hear().await;
    if matches!(kicked, Said::Reply(..)) {
        kicked = client.hear().await;
    }
    assert_eq!(kicked, Said::Kick(json!({ "reason": "enough" })));
    let connections = server.context().connections();
    until("it has gone", || connections.count() == 0).await;
}

#[tokio::test]
async fn while_the_server_stops_its_clients_are_still_heard() {
    let hold = Hold::new();
    let held = connector(Handlers::new().add("hold", hold.handler())).connector(Kcp::new());
    let server = alone(held).await;
    let mut client = Client::new(&server).await;
    client.asks(1, "connector.main.hold", &json!({})).await;
    hold.entered(1).await;
    let (cut_off, ()) = tokio::join!(server.shutdown(DEADLINE), async {
        while client.ask(2, ECHO, &json!(1)).await["code"] != 503 {}
        hold.release(1);
        assert_eq!(client.hear().await, Said::Reply(1, json!({})));
    });
    assert_eq!(cut_off, 0);
}
