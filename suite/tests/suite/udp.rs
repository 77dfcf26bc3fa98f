//! Pomelo's packages in datagrams.

use std::{net::SocketAddr, time::Duration};

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use tangelo::{
    connector::{Limits, SessionLimits, Udp},
    server::{Blueprint, CloseReason, Handlers, HostFilter, Json, Server, Session},
};
use tangelo_wire::pomelo::package::Kind;
use tokio::net::UdpSocket;

use crate::{
    client::{Said, hello, package, request, understand},
    world::{DEADLINE, Heard, Hold, alone, connector, door, soon, until},
};

const ECHO: &str = "connector.main.echo";

struct Client {
    socket: UdpSocket,
}

impl Client {
    async fn silent(server: &Server) -> Self {
        Self::to(door(server)).await
    }

    async fn to(address: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(address).await.unwrap();
        Self { socket }
    }

    async fn new(server: &Server) -> Self {
        let client = Self::silent(server).await;
        client.shake_hands().await;
        client
    }

    async fn shake_hands(&self) {
        self.send(&package(Kind::Handshake, hello().as_bytes()))
            .await;
        assert_eq!(self.hear().await, welcome());
        self.send(&package(Kind::HandshakeAck, b"")).await;
    }

    async fn send(&self, datagram: &[u8]) {
        self.socket.send(datagram).await.unwrap();
    }

    /// The one package in the next datagram.
    async fn hear(&self) -> Said {
        let mut datagram = vec![0; 65_536];
        let length = soon("a datagram", self.socket.recv(&mut datagram))
            .await
            .unwrap();
        datagram.truncate(length);
        let mut datagram = BytesMut::from(&*datagram);
        let heard = tangelo_wire::pomelo::package::decode(&mut datagram, 1 << 20);
        let heard = heard.unwrap().unwrap();
        assert!(datagram.is_empty(), "one package in each");
        understand(heard.kind, heard.body)
    }

    async fn asks(&self, id: u32, route: &str, body: &Value) {
        self.send(&request(id, route, body.to_string().as_bytes()))
            .await;
    }

    async fn ask(&self, id: u32, route: &str, body: &Value) -> Value {
        self.asks(id, route, body).await;
        match self.hear().await {
            Said::Reply(answered, answer) if answered == id => answer,
            other => panic!("expected the answer {id}, heard {other:?}"),
        }
    }

    async fn echoes(&self) {
        assert_eq!(self.ask(7, ECHO, &json!([7])).await, json!([7]));
    }

    /// Nothing came that has not been heard: what is asked for now comes next.
    async fn heard_all(&self) {
        self.echoes().await;
    }
}

fn welcome() -> Said {
    Said::Hello(json!({ "code": 200, "sys": {} }))
}

fn blueprint(udp: Udp) -> Blueprint {
    async fn push(Json(told): Json<Vec<Value>>, session: Session) -> tangelo::Result<()> {
        for value in told {
            session.push("onChat", &value)?;
        }
        Ok(())
    }
    async fn kick(session: Session) {
        let _ = session.kick("enough").await;
    }
    async fn long(Json(length): Json<usize>) -> Json<String> {
        Json("x".repeat(length))
    }
    async fn push_long(Json(length): Json<usize>, session: Session) -> tangelo::Result<()> {
        session.push("onLong", &"x".repeat(length))
    }
    let handlers = Handlers::new()
        .add("push", push)
        .add("kick", kick)
        .add("long", long)
        .add("pushLong", push_long);
    connector(handlers).connector(udp)
}

async fn serve() -> Server {
    alone(blueprint(Udp::new())).await
}

/// Whoever is let in next is the first one: those before began no session.
async fn has_no_session(server: &Server, sessions: usize) {
    let other = Client::new(server).await;
    other.echoes().await;
    assert_eq!(server.context().sessions().count(), sessions + 1);
}

#[tokio::test]
async fn requests_are_answered_and_pushes_come_in_datagrams_of_their_own() {
    let server = serve().await;
    let client = Client::new(&server).await;
    client.echoes().await;
    client.asks(2, "connector.main.push", &json!([1, 2])).await;
    for number in [1, 2] {
        assert_eq!(
            client.hear().await,
            Said::Push("onChat".to_owned(), json!(number))
        );
    }
    assert_eq!(client.hear().await, Said::Reply(2, json!({})));
}

#[tokio::test]
async fn each_address_has_a_session_of_its_own() {
    let server = serve().await;
    let (one, two) = (Client::new(&server).await, Client::new(&server).await);
    one.asks(1, ECHO, &json!("one")).await;
    two.asks(2, ECHO, &json!("two")).await;
    assert_eq!(two.hear().await, Said::Reply(2, json!("two")));
    assert_eq!(one.hear().await, Said::Reply(1, json!("one")));
    assert_eq!(server.context().sessions().count(), 2);
}

#[tokio::test]
async fn a_datagram_may_hold_several_packages() {
    let server = serve().await;
    let client = Client::new(&server).await;
    let both = [request(1, ECHO, b"1"), request(2, ECHO, b"2")].concat();
    client.send(&both).await;
    for number in [1, 2] {
        assert_eq!(client.hear().await, Said::Reply(number, json!(number)));
    }
    client.send(b"").await;
    client.echoes().await;
}

#[tokio::test]
async fn strangers_begin_no_session_and_hear_nothing() {
    let server = serve().await;
    let stranger = Client::silent(&server).await;
    let long = "x".repeat(Limits::BEFORE_HANDSHAKE + 1);
    for datagram in [
        Bytes::from_static(b""),
        Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n"),
        Bytes::from_static(b"\x01\x00\x00\x10{}"),
        package(Kind::Heartbeat, b""),
        package(Kind::HandshakeAck, b""),
        request(1, ECHO, b"1"),
        package(Kind::Handshake, long.as_bytes()),
    ] {
        stranger.send(&datagram).await;
    }
    has_no_session(&server, 0).await;
    // And is none for that.
    stranger.shake_hands().await;
    stranger.heard_all().await;
}

#[tokio::test]
async fn a_datagram_that_ends_within_a_package_or_is_none_ends_its_session_alone() {
    let mut reasons = Heard::new();
    let tell = reasons.teller();
    let watched = blueprint(Udp::new()).on_close(move |_, reason| tell(reason.clone()));
    let server = alone(watched).await;
    let other = Client::new(&server).await;
    other.echoes().await;
    let request = request(1, ECHO, b"1");
    for bad in [
        request.slice(..request.len() - 1),
        request.slice(..2),
        Bytes::from([&*request, b"\x04"].concat()),
        Bytes::from_static(b"\x09\x00\x00\x00"),
        package(Kind::Kick, b"{}"),
        package(Kind::Data, b"\xff"),
    ] {
        let client = Client::new(&server).await;
        client.echoes().await;
        client.send(&bad).await;
        let reason = reasons.next("its session ends").await;
        assert!(matches!(reason, CloseReason::Failed(_)), "{reason:?}");
    }
    other.echoes().await;
}

#[tokio::test]
async fn a_package_may_be_as_long_as_the_limit() {
    let limits = Limits {
        package: 1000,
        ..Limits::default()
    };
    let server = alone(blueprint(Udp::new().limits(limits))).await;
    let client = Client::new(&server).await;
    let head = request(1, ECHO, b"").len() - 4;
    let body = |length: usize| json!("x".repeat(length - head - 2));
    assert_eq!(client.ask(1, ECHO, &body(1000)).await, body(1000));
    client.asks(1, ECHO, &body(1001)).await;
    let sessions = server.context().sessions();
    until("its session ends", || sessions.count() == 0).await;
}

#[tokio::test]
async fn an_answer_that_fits_no_datagram_is_an_error_and_a_push_is_left_out() {
    let server = alone(blueprint(Udp::new().datagram(1200))).await;
    let client = Client::new(&server).await;
    let head = 4 + 1 + 1 + 2;
    let fits = client
        .ask(1, "connector.main.long", &json!(1200 - head))
        .await;
    assert_eq!(fits.as_str().unwrap().len(), 1200 - head);
    let refused = client
        .ask(1, "connector.main.long", &json!(1201 - head))
        .await;
    assert_eq!(refused["code"], 500);
    let head = 4 + 1 + 1 + "onLong".len() + 2;
    client
        .asks(2, "connector.main.pushLong", &json!(1200 - head))
        .await;
    assert!(matches!(client.hear().await, Said::Push(..)));
    assert_eq!(client.hear().await, Said::Reply(2, json!({})));
    assert_eq!(
        client
            .ask(3, "connector.main.pushLong", &json!(1201 - head))
            .await,
        json!({})
    );
}

#[tokio::test]
async fn what_udp_cannot_carry_is_an_error() {
    let server = serve().await;
    let client = Client::new(&server).await;
    let refused = client.ask(1, "connector.main.long", &json!(65_500)).await;
    assert_eq!(refused["code"], 500);
    let fits = client.ask(1, "connector.main.long", &json!(65_400)).await;
    assert_eq!(fits.as_str().unwrap().len(), 65_400);
}

#[tokio::test]
async fn a_handshake_that_is_sent_again_is_answered_again() {
    let server = serve().await;
    let client = Client::silent(&server).await;
    for _ in 0..3 {
        client
            .send(&package(Kind::Handshake, hello().as_bytes()))
            .await;
        assert_eq!(client.hear().await, welcome());
    }
    client.send(&package(Kind::HandshakeAck, b"")).await;
    client.send(&package(Kind::HandshakeAck, b"")).await;
    client.echoes().await;
    // From now on it is ignored, as with other connectors.
    client
        .send(&package(Kind::Handshake, hello().as_bytes()))
        .await;
    client.heard_all().await;
    assert_eq!(server.context().sessions().count(), 1);
}

#[tokio::test]
async fn an_address_hears_no_more_than_it_said_until_the_handshake_is_done() {
    let mut reasons = Heard::new();
    let (server, tell) = (serve().await, reasons.teller());
    let watched = blueprint(Udp::new()).on_close(move |_, reason| tell(reason.clone()));
    let watched = alone(watched).await;
    // {"code":200,"sys":{}}
    let answer = r#"{"code":200,"sys":{}}"#.len();
    let said = |length: usize| format!(r#"{{"sys":{{}}{}}}"#, " ".repeat(length - 10));
    let client = Client::silent(&server).await;
    client
        .send(&package(Kind::Handshake, said(answer).as_bytes()))
        .await;
    assert_eq!(client.hear().await, welcome());

    let client = Client::silent(&watched).await;
    client
        .send(&package(Kind::Handshake, said(answer - 1).as_bytes()))
        .await;
    let CloseReason::Failed(reason) = reasons.next("the session ends").await else {
        panic!("it failed");
    };
    assert!(reason.contains("may be forged"), "{reason}");
    client.shake_hands().await;
    client.heard_all().await;
}

#[tokio::test]
async fn pushes_and_answers_wait_for_nobody_who_has_not_shaken_hands() {
    let server = serve().await;
    let client = Client::silent(&server).await;
    client
        .send(&package(Kind::Handshake, hello().as_bytes()))
        .await;
    assert_eq!(client.hear().await, welcome());
    // Not acknowledged: it is ignored.
    client.asks(1, "connector.main.long", &json!(10_000)).await;
    client.send(&package(Kind::HandshakeAck, b"")).await;
    client.heard_all().await;
}

#[tokio::test]
async fn there_are_as_many_sessions_as_may_be_and_one_that_goes_makes_room() {
    let limits = SessionLimits {
        sessions: 2,
        of_one_host: 2,
        half_open: 2,
    };
    let server = alone(blueprint(Udp::new().sessions(limits))).await;
    let (one, two) = (Client::new(&server).await, Client::new(&server).await);
    two.echoes().await;
    let three = Client::silent(&server).await;
    three
        .send(&package(Kind::Handshake, hello().as_bytes()))
        .await;
    one.echoes().await;
    assert_eq!(server.context().sessions().count(), 2);
    one.send(b"no package").await;
    let sessions = server.context().sessions();
    until("its session ends", || sessions.count() == 1).await;
    // The address is free when the connection is, a moment later.
    let let_in = async {
        loop {
            three
                .send(&package(Kind::Handshake, hello().as_bytes()))
                .await;
            let mut first = [0; 1024];
            tokio::select! {
                heard = three.socket.recv(&mut first) => break assert!(heard.unwrap() > 0),
                () = tokio::task::yield_now() => {}
            }
        }
    };
    soon("it is let in", let_in).await;
}

#[tokio::test]
async fn who_has_not_shaken_hands_keeps_nobody_out() {
    let limits = SessionLimits {
        half_open: 1,
        ..SessionLimits::default()
    };
    let server = alone(blueprint(Udp::new().sessions(limits))).await;
    let (one, half) = (Client::new(&server).await, Client::silent(&server).await);
    one.echoes().await;
    half.send(&package(Kind::Handshake, hello().as_bytes()))
        .await;
    assert_eq!(half.hear().await, welcome());
    // Addresses may be forged: the oldest of those makes room.
    let late = Client::silent(&server).await;
    late.shake_hands().await;
    late.echoes().await;
    one.echoes().await;
    let sessions = server.context().sessions();
    until("the one that was late is gone", || sessions.count() == 2).await;
    late.heard_all().await;
}

#[tokio::test]
async fn a_silent_client_is_gone_and_a_heartbeat_is_answered() {
    let server = alone(blueprint(Udp::new()).heartbeat(Duration::from_millis(100))).await;
    let client = Client::silent(&server).await;
    client
        .send(&package(Kind::Handshake, hello().as_bytes()))
        .await;
    assert_eq!(
        client.hear().await,
        Said::Hello(json!({ "code": 200, "sys": { "heartbeat": 0.1 } }))
    );
    client.send(&package(Kind::HandshakeAck, b"")).await;
    assert_eq!(client.hear().await, Said::Heartbeat);
    client.send(&package(Kind::Heartbeat, b"")).await;
    assert_eq!(client.hear().await, Said::Heartbeat);
    let sessions = server.context().sessions();
    until("its session ends", || sessions.count() == 0).await;
}

#[tokio::test]
async fn who_is_kicked_hears_why_and_may_come_again() {
    let server = serve().await;
    let client = Client::new(&server).await;
    client.asks(1, "connector.main.kick", &json!({})).await;
    let mut kicked = client.hear().await;
    if matches!(kicked, Said::Reply(..)) {
        kicked = client.hear().await;
    }
    assert_eq!(kicked, Said::Kick(json!({ "reason": "enough" })));
    let connections = server.context().connections();
    until("it has gone", || connections.count() == 0).await;
    client.shake_hands().await;
    client.echoes().await;
}

#[tokio::test]
async fn while_the_server_stops_its_clients_are_still_heard() {
    let hold = Hold::new();
    let held = connector(Handlers::new().add("hold", hold.handler())).connector(Udp::new());
    let server = alone(held).await;
    let client = Client::new(&server).await;
    client.asks(1, "connector.main.hold", &json!({})).await;
    hold.entered(1).await;
    let (cut_off, ()) = tokio::join!(server.shutdown(DEADLINE), async {
        // Until it drains it answers; then it says that it leaves.
        while client.ask(2, ECHO, &json!(1)).await["code"] != 503 {}
        hold.release(1);
        assert_eq!(client.hear().await, Said::Reply(1, json!({})));
    });
    assert_eq!(cut_off, 0);
    // Nobody reads the socket any more, and its address is free.
    let address = door(&server);
    soon("the address is free", async {
        while UdpSocket::bind(address).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn host_filters_hold_for_it() {
    let hosts = HostFilter::new();
    hosts.deny("127.0.0.1").unwrap();
    let server = alone(blueprint(Udp::new()).host_filter(hosts.clone())).await;
    let client = Client::silent(&server).await;
    client
        .send(&package(Kind::Handshake, hello().as_bytes()))
        .await;
    let connections = server.context().connections();
    until("it is refused", || connections.refused() == 1).await;
    hosts.undeny("127.0.0.1").unwrap();
    let client = Client::new(&server).await;
    client.echoes().await;
}

#[tokio::test]
async fn an_address_that_is_taken_keeps_the_server_from_starting() {
    let taken = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let instance = tangelo::registry::Instance {
        client_port: Some(taken.local_addr().unwrap().port()),
        ..crate::world::front("connector-1")
    };
    let started = Server::start(
        blueprint(Udp::new()),
        instance,
        std::sync::Arc::new(tangelo::registry::Memory::new()),
        tangelo::server::Routes::new(),
    );
    assert!(
        started
            .await
            .unwrap_err()
            .to_string()
            .contains("cannot listen")
    );
}
