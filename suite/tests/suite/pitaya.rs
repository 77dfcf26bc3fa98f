//! Clients of Pitaya and nano, on the doors of everybody.

mod client;

use std::time::Duration;

use serde_json::{Value, json};
use tangelo::{
    connector::{Hybrid, Limits, Serializer},
    rpc::Status,
    server::{Blueprint, Body, Buffered, Error, Handlers, Json, Request, Result, Server, Session},
};
use tangelo_wire::pomelo::package::Kind;
use tokio::time::{Instant, sleep};

use self::client::{Pitaya, deflate, hello};
use crate::{
    client::{Client, DOORS, Door, Said},
    world::{Heard, alone, chat, client, connector, door, pair},
};

const ECHO: &str = "connector.main.echo";
/// In the flag byte: the body is compressed.
const COMPRESSED: u8 = 0x10;
const INTERVAL: Duration = Duration::from_secs(3);

/// Pushes what it is told under the route it is told.
async fn push_back(session: Session, Json((route, body)): Json<(String, Value)>) -> Result<()> {
    session.push(&route, &body)
}

async fn kick(session: Session) -> Result<()> {
    session.kick("enough").await
}

/// Fails as it is told.
async fn fail(Json(how): Json<String>) -> Result<Json<Value>> {
    match how.as_str() {
        "own" => Err(Status::new(777, "sold out").into()),
        "body" => Err(Error::new("for the log").with_body(json!({"code": "GAME-1", "left": 3}))),
        "panic" => panic!("as told"),
        "reply" => Ok(Json(json!({"code": 500}))),
        _ => Err(Error::new("for the log")),
    }
}

/// Answers the bytes it is told, backwards.
async fn backwards(Body(body): Body) -> Body {
    Body(body.iter().rev().copied().collect())
}

async fn nothing() {}

fn handlers() -> Handlers {
    Handlers::new()
        .add("push_back", push_back)
        .add("kick", kick)
        .add("fail", fail)
        .add("backwards", backwards)
        .add("nothing", nothing)
}

async fn with(make: impl Fn(Blueprint) -> Blueprint) -> Server {
    alone(make(connector(handlers()))).await
}

async fn pitaya(server: &Server, over: Door) -> Pitaya {
    Pitaya::connect(over, door(server)).await
}

#[tokio::test]
async fn the_handshake_tells_heartbeat_codes_and_serializer() {
    let server = with(|blueprint| blueprint.heartbeat(INTERVAL).dictionary(["onMove"])).await;
    for over in DOORS {
        let told = pitaya(&server, over).await.sys;
        let codes = told["dict"].as_object().unwrap();
        assert_eq!(codes["onMove"], codes.len());
        assert_eq!(
            told,
            json!({"heartbeat": 3, "dict": codes, "serializer": "json"})
        );
        // Either name of itself is enough.
        for sys in [json!({"platform": "web"}), json!({"libVersion": "1"})] {
            let other = Pitaya::greet(over, door(&server), &json!({"sys": sys})).await;
            assert_eq!(other.sys, told);
        }
        // Pomelo's clients are told as ever, whatever else they name.
        let sys = json!({"type": "js-websocket", "platform": "web"});
        let other = Pitaya::greet(over, door(&server), &json!({"sys": sys})).await;
        assert_eq!(
            (&other.sys["useDict"], other.sys.get("serializer")),
            (&json!(true), None)
        );
    }
}

#[tokio::test]
async fn a_session_of_the_dialect_is_none_that_can_be_resumed() {
    let server = with(|blueprint| blueprint.resume(tangelo::server::Resume::default())).await;
    let mut words = hello();
    words["sys"]["resume"] = json!(true);
    let told = Pitaya::greet(Door::Tcp, door(&server), &words).await.sys;
    assert_eq!(told.get("resume"), None);
}

#[tokio::test]
async fn failures_are_flagged_and_in_pitayas_form_here_and_on_a_back_end() {
    let (server, _back) = pair(connector(handlers()), chat(handlers())).await;
    for over in DOORS {
        let mut client = pitaya(&server, over).await;
        for server_type in ["connector", "chat"] {
            let fail = format!("{server_type}.main.fail");
            for (how, failure) in [
                ("", json!({"code": "PIT-500", "msg": "the server failed"})),
                (
                    "panic",
                    json!({"code": "PIT-500", "msg": "the server failed"}),
                ),
                ("own", json!({"code": "777", "msg": "sold out"})),
                (
                    "body",
                    json!({"code": "GAME-1", "msg": "", "metadata": {"left": "3"}}),
                ),
            ] {
                client
                    .fails(&fail, json!(how).to_string().as_bytes(), failure)
                    .await;
            }
            // What a handler answers is its own matter.
            client.hears(&fail, br#""reply""#, br#"{"code":500}"#).await;
            let heard = client.ask(&fail, b"no json").await;
            assert!(
                heard.failed && heard.json()["code"] == "PIT-400",
                "{heard:?}"
            );
            let heard = client.ask(&format!("{server_type}.main.none"), b"{}").await;
            assert!(
                heard.failed && heard.json()["code"] == "PIT-404",
                "{heard:?}"
            );
        }
        let heard = client.ask("nobody.main.echo", b"{}").await;
        assert!(
            heard.failed && heard.json()["code"] == "PIT-404",
            "{heard:?}"
        );
    }
}

#[tokio::test]
async fn failures_are_flagged_past_a_push_scheduler_too() {
    let buffered = || Buffered::new().flush_interval(Duration::from_millis(1));
    let front = connector(handlers()).push_scheduler(buffered());
    let (server, _back) = pair(front, chat(handlers())).await;
    let mut client = pitaya(&server, Door::Tcp).await;
    for route in ["connector.main.fail", "chat.main.fail"] {
        let failure = json!({"code": "777", "msg": "sold out"});
        client.fails(route, br#""own""#, failure).await;
        client.hears(route, br#""reply""#, br#"{"code":500}"#).await;
    }
}

/// Says more than is written at once, then fails.
async fn flood(session: Session) -> Result<()> {
    for _ in 0..PUSHES {
        session.push("onFlood", &"x".repeat(2000))?;
    }
    Err(Status::new(777, "after all that").into())
}

const PUSHES: usize = 100;

#[tokio::test]
async fn a_failure_that_waits_behind_pushes_is_flagged_too() {
    let blueprint = connector(Handlers::new().add("flood", flood));
    let server = alone(blueprint.pitaya_compression(false)).await;
    for over in DOORS {
        let mut client = pitaya(&server, over).await;
        client.request(0, 1, "connector.main.flood", b"{}").await;
        for _ in 0..PUSHES {
            assert_eq!(client.message().await.route, "onFlood");
        }
        let heard = client.message().await;
        assert!(heard.failed && heard.json()["code"] == "777", "{heard:?}");
    }
}

#[tokio::test]
async fn clients_of_pomelos_meet_no_flag() {
    let server = with(|blueprint| blueprint).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        client.request("connector.main.fail", &json!("own")).await;
        let (_, answer) = client.package().await.unwrap();
        assert_eq!(answer, b"\x04\x01{\"code\":777,\"msg\":\"sold out\"}"[..]);
        // Nor is a body of theirs inflated, whatever its flag says.
        let body = deflate(b"{}");
        let mut message = b"\x10\x07\x18connector.main.backwards".to_vec();
        message.extend_from_slice(&body);
        client.send(Kind::Data, &message).await;
        let (_, answer) = client.package().await.unwrap();
        let backwards: Vec<u8> = body.into_iter().rev().collect();
        assert_eq!(answer.strip_prefix(b"\x04\x07"), Some(&*backwards));
    }
}

#[tokio::test]
async fn bodies_may_come_compressed_and_long_ones_go_so() {
    let (server, _back) = pair(connector(handlers()), chat(handlers())).await;
    let long = json!("x".repeat(1000)).to_string();
    // The shortest that is compressed.
    let (least, less) = (json!("x".repeat(126)), json!("x".repeat(125)));
    for over in DOORS {
        let mut client = pitaya(&server, over).await;
        for route in [ECHO, "chat.main.echo"] {
            client
                .request(COMPRESSED, 1, route, &deflate(long.as_bytes()))
                .await;
            let heard = client.message().await;
            assert_eq!((heard.id, &*heard.body), (1, long.as_bytes()));
            assert!(heard.compressed && !heard.failed);
            for (body, compressed) in [(&least, true), (&less, false)] {
                let heard = client.ask(route, body.to_string().as_bytes()).await;
                assert_eq!((heard.json(), heard.compressed), (body.clone(), compressed));
            }
        }
        for (body, compressed) in [(&least, true), (&less, false)] {
            let told = json!(["onChat", body]).to_string();
            client
                .request(0, 2, "connector.main.push_back", told.as_bytes())
                .await;
            let heard = client.message().await;
            assert_eq!((heard.kind, &*heard.route), (3, "onChat"));
            assert_eq!((heard.json(), heard.compressed), (body.clone(), compressed));
            assert_eq!(client.message().await.id, 2);
        }
    }
}

#[tokio::test]
async fn a_failure_may_be_compressed_as_well() {
    async fn fail() -> Result<()> {
        Err(Status::new(777, "x".repeat(1000)).into())
    }
    let server = alone(connector(Handlers::new().add("fail", fail))).await;
    let mut client = pitaya(&server, Door::WebSocket).await;
    let heard = client.ask("connector.main.fail", b"{}").await;
    assert!(heard.failed && heard.compressed, "{heard:?}");
    assert_eq!(heard.json()["msg"], "x".repeat(1000));
}

#[tokio::test]
async fn without_compression_nothing_goes_compressed_and_all_may_come_so() {
    let server = with(|blueprint| blueprint.pitaya_compression(false)).await;
    let long = json!("x".repeat(1000)).to_string();
    let mut client = pitaya(&server, Door::Tcp).await;
    client
        .request(COMPRESSED, 1, ECHO, &deflate(long.as_bytes()))
        .await;
    let heard = client.message().await;
    assert_eq!((&*heard.body, heard.compressed), (long.as_bytes(), false));
}

#[tokio::test]
async fn a_body_inflates_to_as_many_bytes_as_a_package_may_have_and_no_more() {
    let limits = Limits {
        package: 1000,
        ..Limits::default()
    };
    let server = with(|blueprint| blueprint.connector(Hybrid::new().limits(limits))).await;
    for over in DOORS {
        let mut neighbour = pitaya(&server, over).await;
        let mut client = pitaya(&server, over).await;
        let most = json!("x".repeat(998)).to_string();
        client
            .request(COMPRESSED, 1, ECHO, &deflate(most.as_bytes()))
            .await;
        assert_eq!(client.message().await.body, most.as_bytes());

        let more = json!("x".repeat(999)).to_string();
        client
            .request(COMPRESSED, 2, ECHO, &deflate(more.as_bytes()))
            .await;
        client.line.is_closed().await;

        // A thousand times as much as the package.
        let mut client = pitaya(&server, over).await;
        let bomb = deflate(&vec![b' '; 500_000]);
        assert!(bomb.len() < 900, "{}", bomb.len());
        client.request(COMPRESSED, 1, ECHO, &bomb).await;
        client.line.is_closed().await;
        neighbour.hears(ECHO, b"[1]", b"[1]").await;
    }
}

#[tokio::test]
async fn who_says_that_a_body_is_compressed_which_is_not_is_closed() {
    let server = with(|blueprint| blueprint).await;
    let whole = deflate(b"[1,2,3]");
    let mut followed = whole.clone();
    followed.push(0);
    let cut_short = &whole[..whole.len() - 1];
    for over in DOORS {
        for body in [&b""[..], b"{}", cut_short, &followed] {
            let mut client = pitaya(&server, over).await;
            client.request(COMPRESSED, 1, ECHO, body).await;
            client.line.is_closed().await;
        }
        // A notify as well.
        let mut client = pitaya(&server, over).await;
        client
            .line
            .send(Kind::Data, b"\x12\x13connector.main.echo{}")
            .await;
        client.line.is_closed().await;
        // The other flag means nothing in a request.
        let mut client = pitaya(&server, over).await;
        client.request(0x20, 1, ECHO, b"[1]").await;
        let heard = client.message().await;
        assert_eq!((&*heard.body, heard.failed), (&b"[1]"[..], false));
    }
}

#[tokio::test]
async fn codes_are_for_what_the_client_says_and_pushes_have_their_route() {
    let server = with(|blueprint| blueprint.dictionary(["onMove"])).await;
    for over in DOORS {
        let mut client = pitaya(&server, over).await;
        let code = client.sys["dict"]["connector.main.push_back"]
            .as_u64()
            .unwrap();
        let mut message = vec![COMPRESSED | 1, 9, 0, code as u8];
        message.extend_from_slice(&deflate(br#"["onMove",{"x":1}]"#));
        client.line.send(Kind::Data, &message).await;
        let heard = client.message().await;
        assert_eq!(
            (heard.kind, &*heard.route, &*heard.body),
            (3, "onMove", &br#"{"x":1}"#[..])
        );
        let heard = client.message().await;
        assert_eq!((heard.id, &*heard.body), (9, &b"{}"[..]));
        // A code of no route is answered, as to everybody.
        client.line.send(Kind::Data, b"\x01\x09\xff\xff{}").await;
        let heard = client.message().await;
        assert!(
            heard.failed && heard.json()["code"] == "PIT-404",
            "{heard:?}"
        );
    }
}

#[tokio::test]
async fn a_kick_has_no_body() {
    let server = with(|blueprint| blueprint).await;
    for over in DOORS {
        let mut client = pitaya(&server, over).await;
        client.request(0, 1, "connector.main.kick", b"{}").await;
        let mut heard = client.line.package().await;
        if heard.as_ref().is_some_and(|(kind, _)| *kind == Kind::Data) {
            heard = client.line.package().await;
        }
        let (kind, body) = heard.unwrap();
        assert_eq!((kind, &*body), (Kind::Kick, &b""[..]));
        client.line.is_closed().await;
    }
}

#[tokio::test(start_paused = true)]
async fn heartbeats_come_whatever_the_client_says() {
    let server = with(|blueprint| blueprint.heartbeat(INTERVAL)).await;
    for over in DOORS {
        let mut client = pitaya(&server, over).await;
        client.line.patience = INTERVAL * 10;
        let begun = Instant::now();
        for round in 1..=10 {
            assert_eq!(client.line.hear().await, Said::Heartbeat);
            let passed = begun.elapsed();
            assert!(
                (INTERVAL * round..INTERVAL * (round + 1)).contains(&passed),
                "{over:?}: {passed:?}"
            );
            // It never sends one: that it talks is enough.
            client.line.notify(ECHO, &json!({})).await;
        }
        // Its own are answered besides.
        client.line.send(Kind::Heartbeat, b"").await;
        assert_eq!(client.line.hear().await, Said::Heartbeat);
        assert!(begun.elapsed() < INTERVAL * 11);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_silent_for_two_heartbeats_is_cut_off_though_it_hears_some() {
    let server = with(|blueprint| blueprint.heartbeat(INTERVAL)).await;
    for over in DOORS {
        let mut client = pitaya(&server, over).await;
        client.line.patience = INTERVAL * 10;
        let silent = Instant::now();
        while client.line.hear().await == Said::Heartbeat {}
        let waited = silent.elapsed();
        assert!(
            (INTERVAL * 2..INTERVAL * 3).contains(&waited),
            "{over:?}: {waited:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn clients_of_pomelos_hear_no_heartbeats_but_answers() {
    let server = with(|blueprint| blueprint.heartbeat(INTERVAL)).await;
    let mut client = Client::connect(Door::Tcp, door(&server)).await;
    assert_eq!(client.hear().await, Said::Heartbeat, "the first one");
    for _ in 0..4 {
        sleep(INTERVAL).await;
        assert_eq!(client.ask(ECHO, &json!(1)).await, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn where_others_send_no_heartbeats_these_send_some_as_they_know_no_other_way() {
    let server = with(|blueprint| blueprint).await;
    let mut client = pitaya(&server, Door::Tcp).await;
    let idle = tangelo::server::Limits::IDLE;
    assert_eq!(client.sys["heartbeat"], idle.as_secs() / 2);
    client.line.patience = idle;
    for _ in 0..4 {
        assert_eq!(client.line.hear().await, Said::Heartbeat);
        client.line.send(Kind::Heartbeat, b"").await;
        assert_eq!(client.line.hear().await, Said::Heartbeat, "the answer");
    }
}

#[tokio::test]
async fn a_route_of_two_parts_is_one_of_the_front_ends_own_type_for_every_client() {
    let (server, _back) = pair(connector(handlers()), chat(handlers())).await;
    for over in DOORS {
        let mut client = pitaya(&server, over).await;
        client.hears("main.echo", b"[1]", b"[1]").await;
        client.hears("main.nothing", b"{}", b"{}").await;
        for route in [
            "main",
            ".echo",
            "main.",
            ".",
            "",
            "main.none",
            "chat.main",
            "a.b.c.d",
        ] {
            let heard = client.ask(route, b"{}").await;
            assert!(
                heard.failed && heard.json()["code"] == "PIT-404",
                "{route}: {heard:?}"
            );
        }
        // nano's clients name themselves as Pomelo's do.
        let mut client = crate::world::client(&server, over).await;
        assert_eq!(client.ask("main.echo", &json!([2])).await, json!([2]));
        client.is_refused("main.none", &json!({}), 404).await;
    }
}

#[tokio::test]
async fn filters_and_handlers_see_a_route_of_two_parts_whole() {
    let mut seen = Heard::new();
    let tell = seen.teller();
    async fn route(request: Request) -> Json<String> {
        Json(String::from_utf8(request.route().to_vec()).unwrap())
    }
    let blueprint = connector(Handlers::new().add("route", route));
    let server = alone(blueprint.before(move |request: Request| {
        tell(String::from_utf8(request.route().to_vec()).unwrap());
        async move { Ok::<_, Error>(request) }
    }))
    .await;
    let mut client = pitaya(&server, Door::Tcp).await;
    client
        .hears("main.route", b"{}", br#""connector.main.route""#)
        .await;
    assert_eq!(seen.next("the filter").await, "connector.main.route");

    let server = alone(connector(Handlers::new().add("route", route))).await;
    let mut client = pitaya(&server, Door::Tcp).await;
    client
        .hears("main.route", b"{}", br#""connector.main.route""#)
        .await;
}

const DECODE_IO: &str = r#"{"package": "connector.main", "messages": [
    {"name": "echo", "fields": [{"rule": "optional", "type": "int32", "name": "n", "id": 1}]}]}"#;

#[tokio::test]
async fn with_the_serializer_protobuf_bodies_are_defined_or_bytes_and_failures_messages() {
    let server = with(|blueprint| {
        blueprint
            .decode_io_protos(DECODE_IO, DECODE_IO)
            .pitaya_serializer(Serializer::Protobuf)
    })
    .await;
    for over in DOORS {
        let mut client = pitaya(&server, over).await;
        assert_eq!(client.sys["serializer"], "protobuf");
        // A handler that takes JSON, as its body has a definition.
        client.hears(ECHO, b"\x08\x96\x01", b"\x08\x96\x01").await;
        // Compressed, and with what the definition does not know.
        client
            .request(COMPRESSED, 1, ECHO, &deflate(b"\x08\x05\x10\x07"))
            .await;
        assert_eq!(client.message().await.body, b"\x08\x05");
        // One that takes bytes, as it has none.
        client
            .hears("connector.main.backwards", b"\x08\x01", b"\x01\x08")
            .await;
        client.hears("connector.main.nothing", b"", b"").await;
        let heard = client.ask("main.none", b"").await;
        assert!(heard.failed);
        assert_eq!(heard.body, b"\x0a\x07PIT-404\x12\x16no handler `main.none`");
        // Of a route with a definition too.
        let heard = client.ask(ECHO, b"\x08").await;
        assert!(
            heard.failed && heard.body.starts_with(b"\x0a\x07PIT-400\x12"),
            "{heard:?}"
        );
    }
    // Of others, nothing has changed.
    let mut client = client(&server, Door::Tcp).await;
    assert_eq!(
        client.ask("connector.main.nothing", &json!({})).await,
        json!({})
    );
}

#[tokio::test]
async fn with_the_serializer_json_definitions_are_for_others() {
    let server = with(|blueprint| blueprint.decode_io_protos(DECODE_IO, DECODE_IO)).await;
    let mut client = pitaya(&server, Door::Tcp).await;
    client.hears(ECHO, br#"{"n":1}"#, br#"{"n":1}"#).await;
}
