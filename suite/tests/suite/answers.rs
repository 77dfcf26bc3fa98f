//! A request always gets an answer, and a failure is that request's alone.

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use serde_json::{Value, json};
use tangelo::{
    Error, Result,
    rpc::{Code, Status},
    server::{Body, FromRequest, FrontendSession, Handlers, Json, Limits, Request, Routes, Server},
};
use tangelo_wire::pomelo::{message, package::Kind};

use crate::{
    client::{Client, DOORS, Door, Said, request},
    world::{Heard, Hold, World, alone, chat, client, connector, pair, soon, until},
};

const ECHO: &str = "connector.main.echo";

/// A request whose route is these bytes.
async fn ask_bytes(client: &mut Client, route: &[u8]) -> Value {
    let mut out = BytesMut::from(&[0, 99, route.len() as u8][..]);
    out.put_slice(route);
    out.put_slice(b"{}");
    client.send(Kind::Data, &out).await;
    client.reply(99).await
}

#[tokio::test]
async fn a_route_that_leads_nowhere_is_answered_404() {
    let (server, _back) = pair(connector(Handlers::new()), chat(Handlers::new())).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        let routes: [&[u8]; 13] = [
            b"",
            b"nowhere",
            b"connector.main",
            b"connector.main.echo.more",
            b"...",
            b"connector.main.\xff\xfe",
            b"\xff.main.echo",
            b"connector.main.nothing",
            b"connector.nothing.echo",
            b"chat.main.nothing",
            b"chat.nothing.echo",
            b"nobody.main.echo",
            b".main.echo",
        ];
        for route in routes {
            let answer = ask_bytes(&mut client, route).await;
            assert_eq!(answer["code"], 404, "{}: {answer}", route.escape_ascii());
        }
        assert_eq!(ask_bytes(&mut client, ECHO.as_bytes()).await, json!({}));
    }
}

#[tokio::test]
async fn a_code_of_a_dictionary_there_is_not_is_answered_404() {
    let server = alone(connector(Handlers::new())).await;
    let mut client = client(&server, Door::Tcp).await;
    client.send(Kind::Data, &[1, 7, 0, 1, b'{', b'}']).await;
    assert_eq!(client.reply(7).await["code"], 404);
    client.was_ignored(ECHO).await;
}

#[tokio::test]
async fn a_body_that_is_not_understood_is_answered_400() {
    async fn add(Json((a, b)): Json<(u32, u32)>) -> Json<u32> {
        Json(a + b)
    }
    let (server, _back) = pair(
        connector(Handlers::new().add("add", add)),
        chat(Handlers::new().add("add", add)),
    )
    .await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        for route in ["connector.main.add", "chat.main.add"] {
            for body in [
                "", "{", "no", "\"text\"", "[1]", "[1,-1]", "\u{0}", "[1,2]x",
            ] {
                client.send_bytes(&request(7, route, body.as_bytes())).await;
                let answer = client.reply(7).await;
                assert_eq!(answer["code"], 400, "{route} {body}: {answer}");
                assert!(!answer["msg"].as_str().unwrap().is_empty());
            }
            client.send_bytes(&request(7, route, b"[1,\xff]")).await;
            assert_eq!(client.reply(7).await["code"], 400);
            assert_eq!(client.ask(route, &json!([1, 2])).await, 3);
        }
    }
}

/// An argument that cannot be had.
struct Explosive;

impl FromRequest for Explosive {
    fn from_request(_: &mut Request) -> Result<Self> {
        panic!("on purpose, in an extractor")
    }
}

/// Explodes when a handler is done with it.
struct Mine;

impl Drop for Mine {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("on purpose, while dropped")
        }
    }
}

fn failures() -> Handlers {
    async fn at_once() {
        panic!("on purpose, at once")
    }
    async fn later() {
        tokio::task::yield_now().await;
        panic!("on purpose, after an await")
    }
    async fn in_an_extractor(_: Explosive) {}
    async fn when_dropped() {
        let _mine = Mine;
    }
    async fn when_dropped_later() {
        let _mine = Mine;
        tokio::task::yield_now().await;
    }
    async fn with_an_error() -> Result<()> {
        Err(Error::new("a secret for the log"))
    }
    async fn with_a_foreign_error() -> Result<Json<u32>> {
        Ok(Json("seven".parse()?))
    }
    fn before_its_future() -> std::future::Ready<()> {
        panic!("on purpose, before its future")
    }
    Handlers::new()
        .add("at_once", at_once)
        .add("later", later)
        .add("in_an_extractor", in_an_extractor)
        .add("when_dropped", when_dropped)
        .add("when_dropped_later", when_dropped_later)
        .add("with_an_error", with_an_error)
        .add("with_a_foreign_error", with_a_foreign_error)
        .add("before_its_future", before_its_future)
}

#[tokio::test]
async fn a_handler_that_fails_or_panics_is_answered_500_and_nothing_else_happens() {
    let (server, _back) = pair(connector(failures()), chat(failures())).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        for place in ["connector", "chat"] {
            for failure in [
                "at_once",
                "later",
                "in_an_extractor",
                "when_dropped",
                "when_dropped_later",
                "with_an_error",
                "with_a_foreign_error",
                "before_its_future",
            ] {
                let route = format!("{place}.main.{failure}");
                let answer = client.ask(&route, &json!({})).await;
                assert_eq!(answer["code"], 500, "{route}");
                let said = answer["msg"].as_str().unwrap();
                assert!(
                    !said.contains("purpose") && !said.contains("secret"),
                    "{said}"
                );
                client.notify(&route, &json!({})).await;
                let echo = format!("{place}.main.echo");
                assert_eq!(client.ask(&echo, &json!(failure)).await, failure);
            }
        }
    }
}

#[tokio::test]
async fn a_handler_says_its_own_code_and_words_with_a_status() {
    async fn full() -> Result<()> {
        Err(Status::new(Code::FLOW_LIMIT, "come again tomorrow").into())
    }
    let handlers = || Handlers::new().add("full", full);
    let (server, _back) = pair(connector(handlers()), chat(handlers())).await;
    let mut client = client(&server, Door::Tcp).await;
    for route in ["connector.main.full", "chat.main.full"] {
        let answer = client.ask(route, &json!({})).await;
        assert_eq!(answer, json!({ "code": 429, "msg": "come again tomorrow" }));
    }
}

#[tokio::test]
async fn a_handler_that_takes_a_front_ends_session_fails_on_a_back_end() {
    async fn front_only(_: FrontendSession) {}
    let (server, _back) = pair(
        connector(Handlers::new()),
        chat(Handlers::new().add("front_only", front_only)),
    )
    .await;
    let mut client = client(&server, Door::Tcp).await;
    client
        .is_refused("chat.main.front_only", &json!({}), 500)
        .await;
}

#[tokio::test]
async fn a_handler_slower_than_the_deadline_is_answered_504_and_its_late_answer_dropped() {
    let (here, there) = (Hold::new(), Hold::new());
    let limits = Limits {
        deadline: Some(Duration::from_millis(100)),
        ..Limits::default()
    };
    let (server, _back) = pair(
        connector(Handlers::new().add("hold", here.handler())).limits(limits),
        chat(Handlers::new().add("hold", there.handler())),
    )
    .await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        for (hold, route) in [(&here, "connector.main.hold"), (&there, "chat.main.hold")] {
            client.is_refused(route, &json!({}), 504).await;
            hold.entered(1).await;
            // Whoever still waits there may go on now.
            hold.release(1);
            client.was_ignored("connector.main.echo").await;
            client.was_ignored("chat.main.echo").await;
            hold.take_back(1);
        }
    }
}

#[tokio::test]
async fn every_request_out_of_many_that_are_too_slow_is_answered_504() {
    let hold = Hold::new();
    let limits = Limits {
        deadline: Some(Duration::from_millis(200)),
        ..Limits::default()
    };
    let handlers = Handlers::new().add("hold", hold.handler());
    let server = alone(connector(handlers).limits(limits)).await;
    let mut client = client(&server, Door::Tcp).await;
    for _ in 0..40 {
        client.request("connector.main.hold", &json!({})).await;
    }
    let mut ids = Vec::new();
    for _ in 0..40 {
        let Said::Reply(id, answer) = client.hear().await else {
            panic!("expected an answer");
        };
        assert_eq!(answer["code"], 504);
        ids.push(id);
    }
    ids.sort_unstable();
    assert_eq!(ids, (1..=40).collect::<Vec<_>>());
}

/// Servers whose `tell` says what it heard.
async fn telling() -> (Server, Server, Heard<Value>) {
    let heard = Heard::new();
    let tell = || {
        let tell = heard.teller();
        Handlers::new().add("tell", move |Json(body): Json<Value>| {
            tell(body);
            std::future::ready(())
        })
    };
    let (front, back) = pair(connector(tell()), chat(tell())).await;
    (front, back, heard)
}

#[tokio::test]
async fn a_notify_is_heard_and_never_answered() {
    let (server, _back, mut heard) = telling().await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        for route in ["connector.main.tell", "chat.main.tell"] {
            client.notify(route, &json!(1)).await;
            assert_eq!(heard.next("the notify arrives").await, 1);

            let request_0 = request(0, route, b"2");
            client.send_bytes(&request_0).await;
            assert_eq!(heard.next("a request under id 0 arrives").await, 2);

            let mut push = BytesMut::new();
            message::encode_push(route, b"3", &mut push).unwrap();
            client.send(Kind::Data, &push).await;
            assert_eq!(heard.next("a push arrives").await, 3);
        }
        for nowhere in ["connector.main.nothing", "nobody.main.echo", "nowhere"] {
            client.notify(nowhere, &json!({})).await;
        }
        client.was_ignored("chat.main.echo").await;
        client.was_ignored(ECHO).await;
    }
}

#[tokio::test]
async fn a_response_from_a_client_is_ignored() {
    let server = alone(connector(Handlers::new())).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        let mut response = BytesMut::new();
        message::encode_response(1, b"{}", &mut response);
        client.send(Kind::Data, &response).await;
        client.was_ignored(ECHO).await;
    }
}

#[tokio::test]
async fn what_is_no_message_ends_that_connection_alone() {
    let server = alone(connector(Handlers::new())).await;
    let mut other = client(&server, Door::Tcp).await;
    let data: [(&str, &[u8]); 7] = [
        ("nothing", b""),
        ("type 4", &[8, 1, 0]),
        ("type 7", &[14, 0]),
        ("id of 2^31", &[0, 0x80, 0x80, 0x80, 0x80, 0x08, 0]),
        ("id without an end", &[0, 0x80, 0x80]),
        ("route longer than the message", &[0, 1, 9, b'a']),
        ("route code cut off", &[1, 1, 0]),
    ];
    for over in DOORS {
        for (what, body) in data {
            let mut client = client(&server, over).await;
            client.send(Kind::Data, body).await;
            assert_eq!(client.hear().await, Said::End, "{what}");
        }
        for (what, bytes) in [
            ("kind 0", &[0, 0, 0, 0][..]),
            ("kind 6", &[6, 0, 0, 0]),
            ("a kick", &[5, 0, 0, 0]),
        ] {
            let mut client = client(&server, over).await;
            client.send_bytes(bytes).await;
            assert_eq!(client.hear().await, Said::End, "{what}");
        }
    }
    other.was_ignored(ECHO).await;
}

#[tokio::test]
async fn the_largest_id_is_one() {
    let server = alone(connector(Handlers::new())).await;
    let mut client = client(&server, Door::Tcp).await;
    let largest = i32::MAX as u32;
    client.send_bytes(&request(largest, ECHO, b"[]")).await;
    assert_eq!(client.reply(largest).await, json!([]));
}

#[tokio::test]
async fn a_client_that_leaves_ends_nothing_but_its_own_session() {
    let (hold, mut done) = (Hold::new(), Heard::new());
    let finish = {
        let (hold, tell) = (hold.clone(), done.teller());
        move || {
            let (hold, tell) = (hold.clone(), tell.clone());
            async move {
                hold.pass().await;
                tell(());
            }
        }
    };
    let server = alone(connector(Handlers::new().add("finish", finish))).await;
    let mut client = client(&server, Door::Tcp).await;
    client.request("connector.main.finish", &json!({})).await;
    hold.entered(1).await;
    drop(client);
    until("its session closes", || {
        server.context().sessions().count() == 0
    })
    .await;
    hold.release(1);
    done.next("its handler finishes").await;
}

#[tokio::test]
async fn a_session_without_what_servers_are_chosen_by_is_answered_500() {
    let routes = Routes::new().with("chat", |session| session.get("room"));
    let world = World::new().routes(routes);
    let _back = world.back("chat-1", chat(Handlers::new())).await;
    let server = world.front("connector-1", connector(Handlers::new())).await;
    soon("the servers meet", server.connected()).await;
    let mut client = client(&server, Door::Tcp).await;
    client.is_refused("chat.main.echo", &json!({}), 500).await;
}

#[tokio::test]
async fn an_answer_too_long_to_travel_is_answered_500() {
    async fn long(Json(length): Json<usize>) -> Body {
        Body(format!("\"{}\"", "x".repeat(length)).into())
    }
    let handlers = || Handlers::new().add("long", long);
    let (server, _back) = pair(connector(handlers()), chat(handlers())).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        for route in ["connector.main.long", "chat.main.long"] {
            assert!(client.ask(route, &json!(900_000)).await.is_string());
        }
        // Between servers a frame has a million bytes.
        client
            .is_refused("chat.main.long", &json!(1_000_000), 500)
            .await;
        client.was_ignored("chat.main.echo").await;
        // To a client a package has 16 MiB.
        client
            .is_refused("connector.main.long", &json!(1 << 24), 500)
            .await;
        client.was_ignored(ECHO).await;
    }
}

/// Five requests that a front end answers at once, in one write.
fn five() -> Vec<u8> {
    let requests = (1..=5).map(|id| request(id, ECHO, id.to_string().as_bytes()));
    requests.flatten().collect()
}

async fn hears_five_and_the_end(client: &mut Client) {
    for id in 1..=5 {
        assert_eq!(client.reply(id).await, id);
    }
    client.is_closed().await;
}

#[tokio::test]
async fn what_was_asked_before_a_half_close_is_answered() {
    let server = alone(connector(Handlers::new())).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        client.send_bytes(&five()).await;
        client.half_close().await;
        hears_five_and_the_end(&mut client).await;
    }
}

#[tokio::test]
async fn what_was_asked_before_garbage_is_answered() {
    let server = alone(connector(Handlers::new())).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        let mut bytes = five();
        bytes.push(b'?');
        client.send_bytes(&bytes).await;
        hears_five_and_the_end(&mut client).await;
    }
}

#[tokio::test]
async fn an_answer_larger_than_the_outgoing_limit_reaches_a_client_that_reads() {
    const LENGTH: usize = 3 << 20;
    let large = || std::future::ready(Body(format!("\"{}\"", "x".repeat(LENGTH)).into()));
    let server = alone(connector(Handlers::new().add("large", large))).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        for _ in 0..3 {
            let answer = client.ask("connector.main.large", &json!({})).await;
            let text = answer.as_str().unwrap();
            assert!(text.len() == LENGTH && text.bytes().all(|byte| byte == b'x'));
        }
        client.was_ignored(ECHO).await;
    }
}

/// Panics when it goes.
struct Thrower;

impl Drop for Thrower {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("while dropped");
        }
    }
}

struct LaysThrower;

impl FromRequest for LaysThrower {
    fn from_request(request: &mut Request) -> Result<Self> {
        request.insert(Thrower);
        Ok(Self)
    }
}

#[tokio::test]
async fn what_panics_when_a_request_goes_is_that_requests_alone() {
    async fn throws(_: LaysThrower) {}
    let handlers = || Handlers::new().add("throws", throws);
    let (server, _back) = pair(connector(handlers()), chat(handlers())).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        for route in ["connector.main.throws", "chat.main.throws"] {
            let id = client.request(route, &json!({})).await;
            assert!(matches!(client.hear().await, Said::Reply(told, _) if told == id));
            client.ask(ECHO, &json!({})).await;
        }
    }
}

/// Lays the first request that came in the place of its own.
struct Exchanges;

impl FromRequest for Exchanges {
    fn from_request(request: &mut Request) -> Result<Self> {
        static FIRST: std::sync::OnceLock<Request> = std::sync::OnceLock::new();
        let first = FIRST.get_or_init(|| request.clone());
        *request = first.clone();
        Ok(Self)
    }
}

#[tokio::test]
async fn the_next_request_is_its_own_sessions_whatever_became_of_the_one_before() {
    async fn exchange(_: Exchanges) {}
    async fn who(session: FrontendSession) -> Json<Value> {
        Json(json!({ "who": session.id().to_string() }))
    }
    let handlers = Handlers::new().add("exchange", exchange).add("who", who);
    let server = alone(connector(handlers)).await;
    let mut first = client(&server, Door::Tcp).await;
    let mut second = client(&server, Door::Tcp).await;
    first.ask("connector.main.exchange", &json!({})).await;
    let before = second.ask("connector.main.who", &json!({})).await;
    second.ask("connector.main.exchange", &json!({})).await;
    let after = second.ask("connector.main.who", &json!({})).await;
    assert_eq!(after, before);
}
