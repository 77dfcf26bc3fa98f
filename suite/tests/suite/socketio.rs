//! socket.io: what its clients say, written out as their frames and requests.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tangelo::{
    Result,
    connector::{Limits, SocketIo},
    server::{Blueprint, Body, CloseReason, FrontendSession, Handlers, Json, Server, Session},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message as Frame};

use crate::world::{DEADLINE, Heard, Hold, alone, door, small_ears, soon, until};

const ECHO: &str = "connector.main.echo";

fn blueprint(connector: SocketIo) -> Blueprint {
    async fn push(Json(body): Json<Value>, session: Session) -> Result<()> {
        session.push("onPush", &body)
    }
    async fn kick(session: FrontendSession) -> Result<()> {
        session.kick("enough").await
    }
    async fn raw(Body(body): Body) -> Body {
        Body(body)
    }
    let handlers = Handlers::new()
        .add("push", push)
        .add("kick", kick)
        .add("raw", raw);
    crate::world::connector(handlers).connector(connector)
}

async fn serve() -> Server {
    alone(blueprint(SocketIo::new())).await
}

/// With who is told why its sessions end.
async fn watched(connector: SocketIo) -> (Server, Heard<CloseReason>) {
    let reasons = Heard::new();
    let tell = reasons.teller();
    let blueprint = blueprint(connector).on_close(move |_, reason| tell(reason.clone()));
    (alone(blueprint).await, reasons)
}

/// A client over WebSocket.
struct Client(WebSocketStream<TcpStream>);

impl Client {
    async fn open(stream: TcpStream, query: &str) -> Self {
        let url = format!("ws://suite/socket.io/?transport=websocket&{query}");
        let opening = tokio_tungstenite::client_async(url, stream);
        let (socket, _) = soon("a WebSocket opens", opening).await.unwrap();
        Self(socket)
    }

    async fn connect(server: &Server, query: &str) -> Self {
        Self::open(TcpStream::connect(door(server)).await.unwrap(), query).await
    }

    /// As clients 3 and 4.
    async fn new(server: &Server) -> Self {
        let mut client = Self::connect(server, "EIO=4").await;
        client.enters("{}").await;
        client
    }

    async fn enters(&mut self, auth: &str) {
        let open = self.text().await;
        assert!(open.starts_with("0{\"sid\":"), "{open}");
        self.says(&format!("40{auth}")).await;
        let welcome = self.text().await;
        assert!(welcome.starts_with("40{\"sid\":"), "{welcome}");
    }

    /// As clients 1 and 2.
    async fn old(server: &Server) -> Self {
        let mut client = Self::connect(server, "EIO=3").await;
        let open = client.text().await;
        assert!(open.starts_with("0{\"sid\":"), "{open}");
        client.hears("40").await;
        client
    }

    async fn says(&mut self, text: &str) {
        self.0.send(Frame::text(text)).await.unwrap();
    }

    /// Leaves heartbeats out.
    async fn next(&mut self) -> Option<Frame> {
        loop {
            let frame = soon("a frame", self.0.next()).await?;
            let frame = frame.ok().filter(|frame| !frame.is_close())?;
            if frame != Frame::text("2") {
                return Some(frame);
            }
        }
    }

    async fn text(&mut self) -> String {
        match self.next().await {
            Some(Frame::Text(text)) => text.to_string(),
            other => panic!("expected a text, heard {other:?}"),
        }
    }

    async fn hears(&mut self, expected: &str) {
        assert_eq!(self.text().await, expected);
    }

    /// What Pomelo's client is told.
    async fn told(&mut self) -> Value {
        let text = self.text().await;
        let event: Value = serde_json::from_str(text.strip_prefix("42").unwrap()).unwrap();
        assert_eq!(event[0], "message");
        serde_json::from_str(event[1].as_str().unwrap()).unwrap()
    }

    async fn echoes(&mut self) {
        self.says(&format!("427[\"{ECHO}\",{{\"a\":1}}]")).await;
        self.hears("437[{\"a\":1}]").await;
    }

    /// Engine.io's farewell, or none; then the end.
    async fn ends(&mut self) {
        while let Some(frame) = self.next().await {
            assert_eq!(frame, Frame::text("1"), "nothing but a farewell");
        }
    }
}

/// What Pomelo's client writes.
fn pomelos(id: u32, route: &str, body: &Value) -> String {
    let mut text: String = id.to_be_bytes().map(char::from).iter().collect();
    text.push(char::from(u8::try_from(route.len()).unwrap()));
    text.push_str(route);
    text.push_str(&body.to_string());
    format!("42{}", json!(["message", text]))
}

/// A client that polls: each request has a connection of its own.
struct Polling {
    address: SocketAddr,
    query: String,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

async fn http(address: SocketAddr, method: &str, query: &str, headers: &str, body: &str) -> Answer {
    let mut stream = begin(address, method, query, headers, body).await;
    let mut answer = String::new();
    soon("an answer", stream.read_to_string(&mut answer))
        .await
        .unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    }
}

async fn begin(
    address: SocketAddr,
    method: &str,
    query: &str,
    headers: &str,
    body: &str,
) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{method} /socket.io/?transport=polling&{query} HTTP/1.1\r\nHost: suite\r\n\
         Connection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

impl Polling {
    async fn open(server: &Server) -> Self {
        let address = door(server);
        let opened = http(address, "GET", "EIO=4", "", "").await;
        let open: Value = serde_json::from_str(opened.body.strip_prefix('0').unwrap()).unwrap();
        assert_eq!(open["upgrades"], json!(["websocket"]));
        Self {
            address,
            query: format!("EIO=4&sid={}", open["sid"].as_str().unwrap()),
        }
    }

    async fn new(server: &Server) -> Self {
        let client = Self::open(server).await;
        client.says("40").await;
        let welcome = client.polls().await;
        assert!(welcome.starts_with("40{\"sid\":"), "{welcome}");
        client
    }

    async fn says(&self, payload: &str) {
        let posted = http(self.address, "POST", &self.query, "", payload).await;
        assert_eq!((posted.status, &*posted.body), (200, "ok"));
    }

    /// Leaves heartbeats out.
    async fn polls(&self) -> String {
        loop {
            let polled = http(self.address, "GET", &self.query, "", "").await;
            assert_eq!(polled.status, 200);
            let packets = polled.body.split('\u{1e}');
            let packets: Vec<_> = packets.filter(|packet| *packet != "2").collect();
            if !packets.is_empty() {
                return packets.join("\u{1e}");
            }
        }
    }
}

#[tokio::test]
async fn an_event_with_an_acknowledgement_is_a_request_and_one_without_a_notify() {
    let server = serve().await;
    for mut client in [Client::new(&server).await, Client::old(&server).await] {
        client.echoes().await;
        // The first id is 0.
        client.says(&format!("420[\"{ECHO}\",[1]]")).await;
        client.hears("430[[1]]").await;
        // Nobody is answered.
        client.says(&format!("42[\"{ECHO}\",[1]]")).await;
        client.says("421[\"connector.main.nowhere\"]").await;
        let answer = client.text().await;
        assert!(answer.starts_with("431[{\"code\":404"), "{answer}");
    }
}

#[tokio::test]
async fn a_push_is_an_event_named_by_its_route() {
    let server = serve().await;
    for mut client in [Client::new(&server).await, Client::old(&server).await] {
        client
            .says("42[\"connector.main.push\",{\"x\":\"😀\"}]")
            .await;
        client.hears(r#"42["onPush",{"x":"\ud83d\ude00"}]"#).await;
    }
}

#[tokio::test]
async fn requests_are_begun_and_answered_in_their_order() {
    let server = serve().await;
    let mut client = Client::new(&server).await;
    for n in 0..200 {
        client.says(&format!("42{n}[\"{ECHO}\",{n}]")).await;
    }
    for n in 0..200 {
        client.hears(&format!("43{n}[{n}]")).await;
    }
}

#[tokio::test]
async fn pomelos_client_is_told_in_its_own_form() {
    let server = serve().await;
    for mut client in [Client::new(&server).await, Client::old(&server).await] {
        client.says(&pomelos(1, ECHO, &json!({ "é😀": 1 }))).await;
        assert_eq!(
            client.told().await,
            json!({ "id": 1, "body": { "é😀": 1 } })
        );
        client.says(&pomelos(0, ECHO, &json!(1))).await;
        client
            .says(&pomelos(0, "connector.main.push", &json!([2])))
            .await;
        assert_eq!(
            client.told().await,
            json!({ "route": "onPush", "body": [2] })
        );
        // What waits together is a list in one text.
        client
            .says(&pomelos(3, "connector.main.push", &json!([4])))
            .await;
        let pushed = json!({ "route": "onPush", "body": [4] });
        assert_eq!(
            client.told().await,
            json!([pushed, { "id": 3, "body": {} }])
        );
        // An acknowledgement stays one.
        client.echoes().await;
        client
            .says(&pomelos(0, "connector.main.kick", &json!({})))
            .await;
        assert_eq!(
            client.told().await,
            json!({ "route": "onKick", "reason": "enough" })
        );
        client.hears("41").await;
        client.ends().await;
    }
}

#[tokio::test]
async fn who_is_kicked_hears_why_and_does_not_come_again_by_itself() {
    let (server, mut reasons) = watched(SocketIo::new()).await;
    for mut client in [Client::new(&server).await, Client::old(&server).await] {
        client.says("42[\"connector.main.kick\"]").await;
        client.hears(r#"42["onKick",{"reason":"enough"}]"#).await;
        client.hears("41").await;
        client.ends().await;
        let reason = reasons.next("it was kicked").await;
        assert_eq!(reason, CloseReason::Kicked("enough".into()));
    }
}

#[tokio::test]
async fn a_client_may_poll_and_upgrade() {
    let server = serve().await;
    let client = Polling::new(&server).await;
    client
        .says(&format!("420[\"{ECHO}\",\"é\"]\u{1e}421[\"{ECHO}\",2]"))
        .await;
    let mut heard = client.polls().await;
    while !heard.contains("431") {
        heard = format!("{heard}\u{1e}{}", client.polls().await);
    }
    assert_eq!(heard, "430[\"é\"]\u{1e}431[2]");

    let mut upgraded = Client::connect(&server, &client.query).await;
    upgraded.says("2probe").await;
    upgraded.hears("3probe").await;
    upgraded.says("5").await;
    upgraded.echoes().await;
    upgraded.says("42[\"connector.main.push\",1]").await;
    upgraded.hears("42[\"onPush\",1]").await;
}

#[tokio::test]
async fn bytes_are_attachments_both_ways() {
    let server = serve().await;
    let attached = "[{\"_placeholder\":true,\"num\":0}]";
    for (mut client, prefix) in [
        (Client::new(&server).await, &[][..]),
        (Client::old(&server).await, &[4][..]),
    ] {
        let bytes = [prefix, &[0xff, 0, 1]].concat();
        client
            .says("451-3[\"connector.main.raw\",{\"_placeholder\":true,\"num\":0}]")
            .await;
        client.0.send(Frame::binary(bytes.clone())).await.unwrap();
        client.hears(&format!("461-3{attached}")).await;
        assert_eq!(client.next().await, Some(Frame::binary(bytes)));
        client.echoes().await;
    }
}

#[tokio::test]
async fn an_event_with_two_bodies_is_answered_400() {
    let server = serve().await;
    let mut client = Client::new(&server).await;
    client.says(&format!("424[\"{ECHO}\",1,2]")).await;
    let answer = client.text().await;
    assert!(answer.starts_with("434[{\"code\":400"), "{answer}");
    client.echoes().await;
}

#[tokio::test]
async fn bytes_within_a_body_are_answered_400() {
    let server = serve().await;
    let mut client = Client::new(&server).await;
    let hole = |number| format!("{{\"_placeholder\":true,\"num\":{number}}}");
    client
        .says(&format!(
            "452-4[\"{ECHO}\",{{\"a\":{},\"b\":{}}}]",
            hole(0),
            hole(1)
        ))
        .await;
    for _ in 0..2 {
        client.0.send(Frame::binary(&b"\xff"[..])).await.unwrap();
    }
    let answer = client.text().await;
    assert!(answer.starts_with("434[{\"code\":400"), "{answer}");
    client.echoes().await;
}

#[tokio::test]
async fn who_is_refused_on_its_way_to_a_websocket_is_still_known_there() {
    let server = alone(blueprint(SocketIo::new()).check_client(|_, _| false)).await;
    let client = Polling::open(&server).await;
    client.says("40").await;
    let refused = client.polls().await;
    assert!(refused.contains("\"code\":501"), "{refused}");
    let mut upgraded = Client::connect(&server, &client.query).await;
    upgraded.says("2probe").await;
    upgraded.hears("3probe").await;
}

#[tokio::test]
async fn there_is_one_namespace() {
    let server = serve().await;
    let mut client = Client::new(&server).await;
    client.says("40/chat,{}").await;
    client
        .hears("44/chat,{\"message\":\"Invalid namespace\"}")
        .await;
    client.echoes().await;
    let mut client = Client::old(&server).await;
    client.says("40/chat?token=x,").await;
    client.hears("44/chat,\"Invalid namespace\"").await;
    client.echoes().await;
}

#[tokio::test]
async fn what_is_no_packet_ends_its_session_alone() {
    let (server, mut reasons) = watched(SocketIo::new()).await;
    let mut other = Client::new(&server).await;
    for bad in [
        "",
        "9",
        "7",
        "4",
        "49",
        "42",
        "42{}",
        "42[1]",
        "40",
        "40{}",
        "42/chat,[\"a\"]",
        "44{}",
        "45[\"a\"]",
        "4516-[\"a\",1]",
        "42[\"message\",\"\"]",
        "421073741824[\"message\"]",
        "42[\"message\",\"\u{0}\u{0}\u{0}\u{0}\u{5}ab\"]",
        "42[\"message\",\"\\u0080\\u0000\\u0000\\u0000\\u0001a\"]",
        "423000000000[\"a\"]",
    ] {
        let mut client = Client::new(&server).await;
        client.echoes().await;
        client.says(bad).await;
        client.ends().await;
        let reason = reasons.next("its session ends").await;
        assert!(
            matches!(reason, CloseReason::Failed(_)),
            "{bad}: {reason:?}"
        );
    }
    for attachment in [true, false] {
        let mut client = Client::new(&server).await;
        match attachment {
            true => client.0.send(Frame::binary(&b"a"[..])).await.unwrap(),
            false => {
                client
                    .says("451-[\"a\",{\"_placeholder\":true,\"num\":0}]")
                    .await;
                client.says("42[\"a\"]").await;
            }
        }
        client.ends().await;
        let reason = reasons.next("its session ends").await;
        assert!(matches!(reason, CloseReason::Failed(_)), "{reason:?}");
    }
    other.echoes().await;
}

#[tokio::test]
async fn a_client_speaks_after_it_was_let_in() {
    let (server, mut reasons) = watched(SocketIo::new()).await;
    for bad in [
        "42[\"a\"]".to_owned(),
        "40[]".to_owned(),
        format!("40{}", json!({ "a": "x".repeat(4 << 10) })),
    ] {
        let mut client = Client::connect(&server, "EIO=4").await;
        client.text().await;
        client.says(&bad).await;
        client.ends().await;
        let reason = reasons.next("its session ends").await;
        assert!(
            matches!(reason, CloseReason::Failed(_)),
            "{bad}: {reason:?}"
        );
    }
}

#[tokio::test]
async fn a_body_may_be_as_long_as_the_limit() {
    let limits = Limits {
        package: 1000,
        ..Limits::default()
    };
    let (server, mut reasons) = watched(SocketIo::new().limits(limits)).await;
    let body = |length: usize| json!("x".repeat(length - 2));
    let mut client = Client::new(&server).await;
    client
        .says(&format!("420[\"{ECHO}\",{}]", body(1000)))
        .await;
    client.hears(&format!("430[{}]", body(1000))).await;
    client.says(&pomelos(1, ECHO, &body(1000))).await;
    assert_eq!(client.told().await, json!({ "id": 1, "body": body(1000) }));
    // Past it, and past what is read at all.
    for length in [1001, 1 << 20] {
        let mut client = Client::new(&server).await;
        client
            .says(&format!("420[\"{ECHO}\",{}]", body(length)))
            .await;
        client.ends().await;
        let reason = reasons.next("its session ends").await;
        assert!(
            matches!(reason, CloseReason::Failed(_)),
            "{length}: {reason:?}"
        );
    }
    let polling = Polling::new(&server).await;
    let long = format!("420[\"{ECHO}\",{}]", body(1 << 20));
    let posted = http(polling.address, "POST", &polling.query, "", &long).await;
    assert_eq!(posted.status, 413);
    reasons.next("its session ends").await;
}

#[tokio::test]
async fn a_farewell_and_a_closed_socket_are_goodbyes() {
    let (server, mut reasons) = watched(SocketIo::new()).await;
    let mut client = Client::new(&server).await;
    client.says("41").await;
    client.ends().await;
    assert_eq!(reasons.next("it left").await, CloseReason::Left);
    let mut client = Client::new(&server).await;
    client.0.close(None).await.unwrap();
    assert_eq!(reasons.next("it left").await, CloseReason::Left);
    drop(Client::new(&server).await);
    assert_eq!(reasons.next("it left").await, CloseReason::Left);
    let polling = Polling::new(&server).await;
    polling.says("1").await;
    assert_eq!(reasons.next("it left").await, CloseReason::Left);
}

#[tokio::test]
async fn who_does_not_answer_heartbeats_is_silent() {
    let tick = Duration::from_millis(20);
    let (server, mut reasons) = watched(SocketIo::new().heartbeat(tick, tick)).await;
    for mut client in [Client::new(&server).await, Client::old(&server).await] {
        assert_eq!(reasons.next("it is given up").await, CloseReason::Silent);
        while client.next().await.is_some() {}
    }
}

#[tokio::test]
async fn who_does_not_read_is_cut() {
    let limits = Limits {
        outgoing: 64 << 10,
        ..Limits::default()
    };
    let (server, mut reasons) = watched(SocketIo::new().limits(limits)).await;
    let mut other = Client::new(&server).await;
    let mut deaf = Client::open(small_ears(&server).await, "EIO=4").await;
    deaf.enters("{}").await;
    let long = format!("420[\"{ECHO}\",{}]", json!("x".repeat(60_000)));
    let speaks = async { while deaf.0.send(Frame::text(&*long)).await.is_ok() {} };
    let cut = async {
        let reason = reasons.next("it is cut").await;
        assert!(
            matches!(&reason, CloseReason::Failed(why) if why.contains("more waits for the client than may")),
            "{reason:?}"
        );
    };
    // And its socket is closed, though it takes nothing.
    tokio::join!(cut, soon("nobody listens", speaks));

    other.echoes().await;
}

#[tokio::test]
async fn who_does_not_poll_is_cut() {
    let mut reasons = Heard::new();
    let tell = reasons.teller();
    let watched = blueprint(SocketIo::new())
        .change_limits(|limits| limits.queue = 64 << 10)
        .on_close(move |_, reason| tell(reason.clone()));
    let server = alone(watched).await;
    let long = format!("420[\"{ECHO}\",{}]", json!("x".repeat(60_000)));
    let polling = Polling::new(&server).await;
    let mut status = 200;
    while status == 200 {
        let posted = http(polling.address, "POST", &polling.query, "", &long);
        status = posted.await.status;
    }
    let reason = reasons.next("it is cut").await;
    assert!(matches!(reason, CloseReason::Failed(_)), "{reason:?}");
}

#[tokio::test]
async fn a_client_polls_and_posts_with_one_request_each() {
    let (server, mut reasons) = watched(SocketIo::new()).await;
    let client = Polling::new(&server).await;
    let mut polls = Vec::new();
    // A heartbeat may answer one of them.
    for _ in 0..3 {
        polls.push(begin(client.address, "GET", &client.query, "", "").await);
    }
    let reason = reasons.next("it polls twice").await;
    assert!(matches!(reason, CloseReason::Failed(_)), "{reason:?}");

    let client = Polling::new(&server).await;
    // It does not end.
    let mut first = TcpStream::connect(client.address).await.unwrap();
    let head = format!(
        "POST /socket.io/?transport=polling&{} HTTP/1.1\r\nHost: suite\r\nContent-Length: 9\r\n\r\n4",
        client.query
    );
    first.write_all(head.as_bytes()).await.unwrap();
    let mut status = 200;
    while status == 200 {
        status = http(client.address, "POST", &client.query, "", "3")
            .await
            .status;
    }
    assert_eq!(status, 400);
    let reason = reasons.next("it posts twice").await;
    assert!(matches!(reason, CloseReason::Failed(_)), "{reason:?}");
}

#[tokio::test]
async fn requests_for_no_session_are_refused() {
    let server = serve().await;
    let address = door(&server);
    for (method, query) in [
        ("GET", "EIO=4&sid=AAAAAAAAAAAAAAAA"),
        ("POST", "EIO=4&sid=AAAAAAAAAAAAAAAA"),
        ("GET", "EIO=4&sid=short"),
        ("POST", "EIO=4"),
        ("GET", "EIO=2"),
        ("GET", ""),
    ] {
        let answer = http(address, method, query, "", "").await;
        assert_eq!(answer.status, 400, "{method} {query}");
    }
    until("no session is left", || {
        server.context().sessions().count() == 0
    })
    .await;
}

#[tokio::test]
async fn pages_of_other_origins_are_answered_403_and_those_let_in_may_read() {
    let connector = SocketIo::new().origins(["https://game.example"]).unwrap();
    let server = alone(blueprint(connector)).await;
    let address = door(&server);
    let from = |origin: &str| format!("Origin: {origin}\r\n");
    let stranger = from("https://other.example");
    let answer = http(address, "GET", "EIO=4", &stranger, "").await;
    assert_eq!(answer.status, 403);
    let answer = http(address, "GET", "EIO=4", "", "").await;
    assert_eq!(answer.status, 200);
    assert!(!answer.head.contains("access-control"), "{}", answer.head);
    let page = from("https://game.example");
    for (method, status) in [("GET", 200), ("OPTIONS", 204)] {
        let answer = http(address, method, "EIO=4", &page, "").await;
        assert_eq!(answer.status, status);
        let allows = "access-control-allow-origin: https://game.example";
        assert!(answer.head.contains(allows), "{}", answer.head);
    }
}

#[tokio::test]
async fn a_trusted_proxy_says_who_the_client_is() {
    async fn who(session: Session) -> Json<Value> {
        Json(json!(session.address().ip().to_string()))
    }
    let handlers = Handlers::new().add("who", who);
    let connector = SocketIo::new()
        .forwarded_from(
            ["127.0.0.1"],
            tangelo::connector::ForwardHeader::XForwardedFor,
        )
        .unwrap();
    let server = alone(crate::world::connector(handlers).connector(connector)).await;
    let headers = "X-Forwarded-For: 192.0.2.7\r\n";
    let opened = http(door(&server), "GET", "EIO=4", headers, "").await;
    let open: Value = serde_json::from_str(opened.body.strip_prefix('0').unwrap()).unwrap();
    let client = Polling {
        address: door(&server),
        query: format!("EIO=4&sid={}", open["sid"].as_str().unwrap()),
    };
    client.says("40").await;
    client.polls().await;
    client.says("420[\"connector.main.who\"]").await;
    assert_eq!(client.polls().await, "430[\"192.0.2.7\"]");
    let nonsense = "X-Forwarded-For: nonsense\r\n";
    assert_eq!(
        http(door(&server), "GET", "EIO=4", nonsense, "")
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn a_server_that_leaves_answers_what_is_under_way_and_takes_nobody_new() {
    let hold = Hold::new();
    let handlers = Handlers::new().add("wait", hold.handler());
    let server = alone(crate::world::connector(handlers).connector(SocketIo::new())).await;
    let (mut client, polling) = (Client::new(&server).await, Polling::new(&server).await);
    client.says("420[\"connector.main.wait\"]").await;
    polling.says("420[\"connector.main.wait\"]").await;
    hold.entered(2).await;
    let address = door(&server);
    let clients = async {
        let mut status = 200;
        while status == 200 {
            status = http(address, "GET", "EIO=4", "", "").await.status;
        }
        assert_eq!(status, 503);
        hold.release(2);
        client.hears("430[{}]").await;
        client.ends().await;
        assert_eq!(polling.polls().await, "430[{}]");
    };
    let leaves = soon("the doors close", server.close_doors(DEADLINE));
    tokio::join!(leaves, clients);
}
