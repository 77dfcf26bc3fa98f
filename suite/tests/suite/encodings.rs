//! Codes in place of routes, and bodies that are not JSON.

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use tangelo::server::{
    Blueprint, Channels, Error, Handlers, Json, Limits, Result, Server, Session,
};
use tangelo_wire::pomelo::{
    message::{self, Kind as MessageKind, Route},
    package::Kind,
    protobuf::{Definitions, Dialect, ProtoMessage},
};

use crate::{
    client::{Client, DOORS, Door, Said},
    world::{Heard, World, alone, chat, connector, door, pair},
};

const CLIENT: &str = r#"{
    "connector.main.echo": {"optional uInt32 n": 1, "optional string s": 2, "repeated uInt32 l": 3},
    "chat.main.echo": {"optional uInt32 n": 1, "optional string s": 2, "repeated uInt32 l": 3},
    "connector.main.tell": {"required uInt32 n": 1}}"#;
const SERVER: &str = r#"{
    "connector.main.echo": {"optional uInt32 n": 1, "optional string s": 2, "optional uInt32 code": 9},
    "chat.main.echo": {"optional uInt32 n": 1, "optional string s": 2, "optional uInt32 code": 9},
    "connector.main.whole": {"required uInt32 n": 1},
    "onMove": {"required uInt32 x": 1, "optional sInt32 y": 2}}"#;

fn with_protos(blueprint: Blueprint) -> Blueprint {
    blueprint.client_protos(CLIENT).server_protos(SERVER)
}

/// What a server said, as it stands.
#[derive(Debug, PartialEq)]
enum Raw {
    Reply(u32, Bytes),
    Push(std::result::Result<String, u16>, Bytes),
}

async fn raw(client: &mut Client) -> Raw {
    let Some((Kind::Data, body)) = client.package().await else {
        panic!("expected a message");
    };
    let message = message::decode(body).unwrap();
    let body = Bytes::copy_from_slice(message.body());
    match (message.kind(), message.route()) {
        (MessageKind::Response, _) => Raw::Reply(message.id(), body),
        (_, Route::Name(name)) => Raw::Push(Ok(String::from_utf8(name.to_vec()).unwrap()), body),
        (_, Route::Code(code)) => Raw::Push(Err(code), body),
    }
}

fn reply(id: u32, body: &[u8]) -> Raw {
    Raw::Reply(id, Bytes::copy_from_slice(body))
}

fn push(route: &str, body: &[u8]) -> Raw {
    Raw::Push(Ok(route.to_owned()), Bytes::copy_from_slice(body))
}

/// Shakes hands with these words for `sys`; what the server says of it.
async fn greet(server: &Server, over: Door, sys: &Value) -> (Client, Value) {
    let mut client = Client::silent(over, door(server)).await;
    let hello = json!({ "sys": sys }).to_string();
    client.send(Kind::Handshake, hello.as_bytes()).await;
    let Said::Hello(mut answer) = client.hear().await else {
        panic!("no answer to the handshake");
    };
    assert_eq!(answer["code"], 200);
    client.send(Kind::HandshakeAck, b"").await;
    (client, answer["sys"].take())
}

async fn stock(server: &Server, over: Door) -> Client {
    greet(
        server,
        over,
        &json!({"type": "js-websocket", "protoVersion": 0}),
    )
    .await
    .0
}

/// A client that takes neither codes nor definitions.
async fn plain(server: &Server, over: Door) -> Client {
    greet(server, over, &json!({"type": "tangelo-js"})).await.0
}

async fn request(client: &mut Client, id: u32, route: &str, body: &[u8]) {
    let mut out = BytesMut::new();
    message::encode_request(id, route, body, &mut out).unwrap();
    client.send(Kind::Data, &out).await;
}

async fn request_code(client: &mut Client, id: u8, code: u16, body: &[u8]) {
    let [high, low] = code.to_be_bytes();
    let mut out = vec![1, id, high, low];
    out.extend_from_slice(body);
    client.send(Kind::Data, &out).await;
}

/// Pushes what it is told under the route it is told.
async fn push_back(session: Session, Json((route, body)): Json<(String, Value)>) -> Result<()> {
    session.push(&route, &body)
}

fn pushing() -> Handlers {
    Handlers::new().add("push_back", push_back)
}

#[tokio::test]
async fn routes_have_codes_both_ways_here_and_on_a_back_end() {
    let blueprint = connector(pushing())
        .dictionary(["onMove", "onStop"])
        .handlers_elsewhere(["chat.main.echo".to_owned()]);
    let (server, _back) = pair(blueprint, chat(Handlers::new())).await;
    for over in DOORS {
        let (mut client, sys) = greet(&server, over, &json!({"type": "js-websocket"})).await;
        let codes = json!({"chat.main.echo": 1, "connector.main.echo": 2,
            "connector.main.push_back": 3, "onMove": 4, "onStop": 5});
        assert_eq!((&sys["dict"], &sys["routeToCode"]), (&codes, &codes));
        assert_eq!(sys["codeToRoute"]["4"], "onMove");
        assert_eq!(sys["useDict"], true);
        assert!(sys.get("useProto").is_none() && sys.get("protos").is_none());
        for (id, code) in [(1, 1), (2, 2)] {
            request_code(&mut client, id, code, b"[7]").await;
            assert_eq!(raw(&mut client).await, reply(id.into(), b"[7]"));
        }
        request_code(&mut client, 3, 3, br#"["onStop",{}]"#).await;
        assert_eq!(raw(&mut client).await, Raw::Push(Err(5), "{}".into()));
        assert_eq!(raw(&mut client).await, reply(3, b"{}"));
        // What has no code goes as text, and so may everything that a client says.
        let body = json!(["onElse", 1]);
        request(
            &mut client,
            4,
            "connector.main.push_back",
            body.to_string().as_bytes(),
        )
        .await;
        assert_eq!(raw(&mut client).await, push("onElse", b"1"));
        assert_eq!(raw(&mut client).await, reply(4, b"{}"));
    }
}

#[tokio::test]
async fn a_code_of_no_route_is_answered_404_and_the_connection_lives() {
    let server = alone(connector(Handlers::new()).dictionary(["onMove"])).await;
    for over in DOORS {
        let mut client = stock(&server, over).await;
        for code in [0, 3, u16::MAX] {
            request_code(&mut client, 1, code, b"{}").await;
            assert_eq!(client.reply(1).await["code"], 404, "{code}");
            // A notify under it is dropped.
            let [high, low] = code.to_be_bytes();
            client.send(Kind::Data, &[3, high, low]).await;
        }
        client.was_ignored("connector.main.echo").await;
    }
}

#[tokio::test]
async fn bodies_with_a_definition_are_protobuf_and_handlers_see_json() {
    let (server, _back) = pair(with_protos(connector(pushing())), chat(Handlers::new())).await;
    for over in DOORS {
        let (mut client, sys) = greet(&server, over, &json!({"type": "js-websocket"})).await;
        assert_eq!(sys["useProto"], true);
        assert_eq!(
            sys["protos"]["server"]["onMove"]["y"],
            json!({"option": "optional", "type": "sInt32", "tag": 2})
        );
        assert_eq!(
            sys["protos"]["client"]["connector.main.tell"]["__tags"],
            json!({"1": "n"})
        );
        assert!(sys.get("useDict").is_none() && sys.get("dict").is_none());
        for route in ["connector.main.echo", "chat.main.echo"] {
            // As a browser writes it: a wrong wire type, and CESU-8.
            let body = b"\x0a\xac\x02\x12\x06\xed\xa0\xbd\xed\xb8\x80\x1a\x02\x01\x02";
            request(&mut client, 1, route, body).await;
            // The list has no definition in the answer.
            assert_eq!(
                raw(&mut client).await,
                reply(1, b"\x08\xac\x02\x12\x04\xf0\x9f\x98\x80"),
                "{route}"
            );
        }
        request(
            &mut client,
            2,
            "connector.main.push_back",
            br#"["onMove",{"x":1,"y":-1}]"#,
        )
        .await;
        assert_eq!(raw(&mut client).await, push("onMove", b"\x08\x01\x10\x01"));
        assert_eq!(
            raw(&mut client).await,
            reply(2, b"{}"),
            "no definition, so JSON"
        );
        request(
            &mut client,
            3,
            "connector.main.push_back",
            br#"["onElse",{"x":1}]"#,
        )
        .await;
        assert_eq!(raw(&mut client).await, push("onElse", br#"{"x":1}"#));
        assert_eq!(raw(&mut client).await, reply(3, b"{}"));
        // An id may be used again, for something else.
        request(
            &mut client,
            1,
            "connector.main.push_back",
            br#"["onElse",1]"#,
        )
        .await;
        assert_eq!(raw(&mut client).await, push("onElse", b"1"));
        assert_eq!(raw(&mut client).await, reply(1, b"{}"));
    }
}

#[tokio::test]
async fn codes_and_protobuf_go_together() {
    let server = alone(with_protos(connector(pushing())).dictionary(["onMove"])).await;
    for over in DOORS {
        let mut client = stock(&server, over).await;
        request_code(&mut client, 1, 1, b"\x08\x05").await;
        assert_eq!(raw(&mut client).await, reply(1, b"\x08\x05"));
        request_code(&mut client, 2, 2, br#"["onMove",{"x":1}]"#).await;
        assert_eq!(
            raw(&mut client).await,
            Raw::Push(Err(3), b"\x08\x01"[..].into())
        );
        assert_eq!(raw(&mut client).await, reply(2, b"{}"));
    }
}

#[tokio::test]
async fn a_body_that_is_not_as_its_definition_says_is_answered_400() {
    let mut heard = Heard::new();
    let tell = heard.teller();
    let tell = move |Json(body): Json<Value>| {
        tell(body);
        std::future::ready(())
    };
    let handlers = Handlers::new().add("tell", tell);
    let server = alone(with_protos(connector(handlers))).await;
    for over in DOORS {
        let mut client = stock(&server, over).await;
        let bad: [&[u8]; 5] = [
            b"\x08",
            b"\x20\x01",
            b"\x12\x05ab",
            b"{\"n\":1}",
            b"\x1a\xff\xff\x03\x01",
        ];
        for body in bad {
            request(&mut client, 1, "connector.main.echo", body).await;
            // The answer has a definition too, and room for the code.
            assert_eq!(
                raw(&mut client).await,
                reply(1, b"\x48\x90\x03"),
                "{body:?}"
            );
            request(&mut client, 2, "connector.main.tell", body).await;
            assert_eq!(client.reply(2).await["code"], 400, "{body:?}");
            let mut notify = BytesMut::new();
            message::encode_notify("connector.main.tell", body, &mut notify).unwrap();
            client.send(Kind::Data, &notify).await;
        }
        let mut notify = BytesMut::new();
        message::encode_notify("connector.main.tell", b"\x08\x07", &mut notify).unwrap();
        client.send(Kind::Data, &notify).await;
        assert_eq!(heard.next("the good one").await, json!({"n": 7}));
        heard.is_silent();
    }
}

#[tokio::test]
async fn as_in_pomelo_an_empty_body_is_an_empty_object_whatever_is_required() {
    let mut heard = Heard::new();
    let tell = heard.teller();
    let tell = move |Json(body): Json<Value>| {
        tell(body);
        std::future::ready(())
    };
    let server = alone(with_protos(connector(Handlers::new().add("tell", tell)))).await;
    let mut client = stock(&server, Door::Tcp).await;
    request(&mut client, 1, "connector.main.tell", b"").await;
    assert_eq!(client.reply(1).await, json!({}));
    assert_eq!(heard.next("the request").await, json!({}));
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_answered_500_and_a_push_is_not_sent() {
    async fn whole(Json(body): Json<Value>) -> Json<Value> {
        Json(body)
    }
    let handlers = pushing().add("whole", whole);
    let server = alone(with_protos(connector(handlers))).await;
    for over in DOORS {
        let mut client = stock(&server, over).await;
        for body in ["{}", r#"{"n":"far"}"#, "[1]", "null"] {
            request(&mut client, 1, "connector.main.whole", body.as_bytes()).await;
            // It has no room for a code.
            assert_eq!(raw(&mut client).await, reply(1, b""), "{body}");
        }
        request(
            &mut client,
            1,
            "connector.main.whole",
            br#"{"n":3,"else":1}"#,
        )
        .await;
        assert_eq!(raw(&mut client).await, reply(1, b"\x08\x03"));
        request(&mut client, 2, "connector.main.echo", b"\x1a\x01\x01").await;
        assert_eq!(
            raw(&mut client).await,
            reply(2, b""),
            "nothing of it has a definition"
        );

        for body in [json!({}), json!({"x": -1}), json!([1])] {
            let body = json!(["onMove", body]).to_string();
            request(&mut client, 3, "connector.main.push_back", body.as_bytes()).await;
            assert_eq!(raw(&mut client).await, reply(3, b"{}"), "{body}");
        }
    }
}

#[tokio::test]
async fn what_fits_of_a_failure_is_told() {
    async fn fail() -> Result<()> {
        Err(Error::new("for the log").with_body(json!({"code": 777, "n": 5, "s": ["no text"]})))
    }
    let handlers = Handlers::new().add("fail", fail);
    let failing = r#"{"connector.main.fail": {"required string name": 1, "optional uInt32 code": 2, "optional uInt32 n": 3, "optional string s": 4},
        "nobody.at.home": {"optional uInt32 code": 2}}"#;
    let server = alone(connector(handlers).server_protos(failing)).await;
    let mut client = stock(&server, Door::WebSocket).await;
    request(&mut client, 1, "connector.main.fail", b"{}").await;
    assert_eq!(raw(&mut client).await, reply(1, b"\x10\x89\x06\x18\x05"));
    request(&mut client, 2, "nobody.at.home", b"{}").await;
    assert!(matches!(raw(&mut client).await, Raw::Reply(2, body) if body[0] == 0x10));
}

#[tokio::test]
async fn everybody_in_a_channel_hears_a_push_as_he_reads_it() {
    async fn enter(Json(name): Json<String>, session: Session, channels: Channels) -> Result<()> {
        session.bind(&name).await?;
        channels.get_or_create("room").add(&session)?;
        Ok(())
    }
    async fn say(channels: Channels, Json(body): Json<Value>) -> Result<()> {
        channels.get_or_create("room").push("onMove", &body)?;
        Ok(())
    }
    let back = chat(Handlers::new().add("enter", enter).add("say", say));
    let blueprint = with_protos(connector(Handlers::new())).dictionary(["onMove"]);
    let (server, _back) = pair(blueprint, back).await;
    let mut everybody = Vec::new();
    for over in DOORS {
        let extended = json!({"type": "ours", "protoExtended": true});
        everybody.push((stock(&server, over).await, Err(2), &b"\x08\x01"[..]));
        everybody.push((greet(&server, over, &extended).await.0, Err(2), b"\x08\x01"));
        everybody.push((
            plain(&server, over).await,
            Ok("onMove".to_owned()),
            br#"{"x":1}"#,
        ));
    }
    for (place, (client, _, _)) in everybody.iter_mut().enumerate() {
        let name = format!("\"{place}\"");
        request(client, 1, "chat.main.enter", name.as_bytes()).await;
        assert_eq!(raw(client).await, reply(1, b"{}"));
    }
    for _ in 0..3 {
        request(&mut everybody[0].0, 2, "chat.main.say", br#"{"x":1}"#).await;
        for (place, (client, route, body)) in everybody.iter_mut().enumerate() {
            assert_eq!(
                raw(client).await,
                Raw::Push(route.clone(), Bytes::from_static(body))
            );
            if place == 0 {
                assert_eq!(raw(client).await, reply(2, b"{}"));
            }
        }
    }
    // One that fits nobody's definition is heard by those who have none.
    request(&mut everybody[0].0, 3, "chat.main.say", b"[1]").await;
    for (place, (client, route, _)) in everybody.iter_mut().enumerate() {
        if route.is_ok() {
            assert_eq!(raw(client).await, push("onMove", b"[1]"));
        } else if place == 0 {
            assert_eq!(raw(client).await, reply(3, b"{}"));
        }
    }
}

#[tokio::test]
async fn what_a_client_has_kept_it_is_not_told_again_and_it_counts() {
    let server = alone(with_protos(connector(Handlers::new())).dictionary(["onMove"])).await;
    for over in DOORS {
        let (_, sys) = greet(&server, over, &json!({})).await;
        let kept =
            json!({"dictVersion": sys["dictVersion"], "protoVersion": sys["protos"]["version"]});
        let (mut client, told) = greet(&server, over, &kept).await;
        assert_eq!(told, json!({"useDict": true, "useProto": true}));
        request_code(&mut client, 1, 1, b"\x08\x05").await;
        assert_eq!(raw(&mut client).await, reply(1, b"\x08\x05"));

        let other = json!({"dictVersion": "another", "protoVersion": "another"});
        let (_, told) = greet(&server, over, &other).await;
        assert_eq!(told, sys);
    }
}

#[tokio::test]
async fn clients_that_take_neither_are_told_neither() {
    let server = alone(with_protos(connector(Handlers::new())).dictionary(["onMove"])).await;
    for none in ["tangelo-js", "pomelo-node-tcp-client"] {
        let (mut client, sys) = greet(&server, Door::Tcp, &json!({"type": none})).await;
        assert_eq!(sys, json!({}));
        client.was_ignored("connector.main.echo").await;
    }
}

#[tokio::test]
async fn further_types_are_for_clients_that_ask_for_them_and_json_for_others() {
    let both = r#"{"connector.main.echo": {"optional bool yes": 1, "optional bytes of": 2, "repeated uInt64 l": 3}}"#;
    let server = alone(
        connector(Handlers::new())
            .client_protos(both)
            .server_protos(both),
    )
    .await;
    for over in DOORS {
        let asks = json!({"type": "ours", "protoExtended": true});
        let (mut client, sys) = greet(&server, over, &asks).await;
        assert_eq!(sys["protoExtended"], true);
        assert_eq!(
            sys["protos"]["client"]["connector.main.echo"]["yes"]["type"],
            "bool"
        );
        // Field 9 is of a version that this server does not know.
        let body = b"\x08\x01\x12\x01\xff\x1a\x03\x01\xac\x02\x4a\x01x";
        request(&mut client, 1, "connector.main.echo", body).await;
        assert_eq!(
            raw(&mut client).await,
            reply(1, b"\x08\x01\x12\x01\xff\x1a\x03\x01\xac\x02")
        );

        let (mut client, sys) = greet(&server, over, &json!({})).await;
        assert_eq!(sys, json!({}), "nothing is left");
        client.was_ignored("connector.main.echo").await;
    }
}

#[tokio::test]
async fn a_client_may_wait_for_as_many_answers_as_may_run() {
    let hold = crate::world::Hold::new();
    let slow = r#"{"connector.main.hold": {"optional uInt32 code": 1}}"#;
    let handlers = Handlers::new().add("hold", hold.handler());
    let server = alone(connector(handlers).server_protos(slow)).await;
    let mut client = stock(&server, Door::Tcp).await;
    let most = Limits::default().in_flight;
    for id in 1..=most + 1 {
        request(&mut client, id, "connector.main.hold", b"{}").await;
    }
    // One too many, by its definition.
    assert_eq!(raw(&mut client).await, reply(most + 1, b"\x08\xad\x03"));
    hold.release(most as usize);
    for _ in 0..most {
        assert!(matches!(raw(&mut client).await, Raw::Reply(_, body) if body.is_empty()));
    }
}

#[tokio::test]
async fn a_server_with_a_mistake_in_its_definitions_does_not_start() {
    let world = World::new();
    for (blueprint, problem) in [
        (
            connector(Handlers::new()).client_protos("{"),
            "client_protos: no definitions: EOF",
        ),
        (
            connector(Handlers::new()).server_protos(r#"{"on": {"required there x": 1}}"#),
            "server_protos: on: `x`: there is no type or message `there`",
        ),
        (
            connector(Handlers::new()).dictionary((0..65_535).map(|n| n.to_string())),
            "a dictionary of 65536 routes, the limit is 65535",
        ),
        (
            connector(Handlers::new()).dictionary([""]),
            "an empty route",
        ),
    ] {
        let error = world
            .try_front("connector-1", blueprint)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(problem), "{error}");
    }
    let most = connector(Handlers::new()).dictionary((0..65_534).map(|n| n.to_string()));
    assert!(world.try_front("connector-1", most).await.is_ok());
}

#[tokio::test]
async fn both_can_be_switched_off() {
    let blueprint = with_protos(connector(Handlers::new())).dictionary(["onMove"]);
    let server = alone(blueprint.use_dict(false).use_protobuf(false)).await;
    let (mut client, sys) = greet(&server, Door::Tcp, &json!({})).await;
    assert_eq!(sys, json!({}));
    client.was_ignored("connector.main.echo").await;
}

/// The definitions that the server told work for a client that has nothing else.
#[tokio::test]
async fn a_client_can_do_with_what_it_is_told() {
    let server = alone(with_protos(connector(Handlers::new()))).await;
    let mut client = stock(&server, Door::WebSocket).await;
    let of = |json| Definitions::new(&ProtoMessage::parse(json).unwrap(), Dialect::Pomelo).0;
    let (says, reads) = (of(CLIENT), of(SERVER));
    let route = "connector.main.echo";
    let body = json!({"n": 70_000, "s": "大家好 😀", "l": [1, 2, 3]});
    let bytes = says
        .encode(says.of(route).unwrap(), body.to_string().as_bytes())
        .unwrap();
    request(&mut client, 1, route, &bytes).await;
    let Raw::Reply(1, answer) = raw(&mut client).await else {
        panic!("expected the answer");
    };
    let answer = reads.decode(reads.of(route).unwrap(), &answer).unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(answer, json!({"n": 70_000, "s": "大家好 😀"}));
}

const DECODE_IO: &str = r#"{"package": null, "messages": [
    {"name": "onMove", "fields": [{"rule": "required", "type": "int32", "name": "x", "id": 1}]},
    {"name": "connector", "messages": [{"name": "main", "messages": [{"name": "echo", "fields": [
        {"rule": "optional", "type": "sint32", "name": "n", "id": 1},
        {"rule": "repeated", "type": "uint32", "name": "l", "id": 2, "options": {"packed": true}},
        {"rule": "optional", "type": "int32", "name": "code", "id": 3}]}]}]}]}"#;

#[tokio::test]
async fn bodies_may_be_googles_protobuf() {
    let blueprint = connector(pushing()).decode_io_protos(DECODE_IO, DECODE_IO);
    let server = alone(blueprint.dictionary(["onMove"])).await;
    for over in DOORS {
        let (mut client, sys) = greet(&server, over, &json!({"type": "js-websocket"})).await;
        assert_eq!(
            (&sys["useProto"], &sys["useDict"]),
            (&json!(true), &json!(true))
        );
        let told: Value = serde_json::from_str(DECODE_IO).unwrap();
        assert_eq!(sys["protos"]["client"], told);
        assert_eq!(sys["protos"]["server"], told);

        let body = b"\x08\x01\x12\x03\x01\xac\x02";
        request_code(&mut client, 1, 1, body).await;
        assert_eq!(raw(&mut client).await, reply(1, body));
        request_code(&mut client, 2, 2, br#"["onMove",{"x":-1}]"#).await;
        let minus_one = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        assert_eq!(
            raw(&mut client).await,
            Raw::Push(Err(3), minus_one[..].into())
        );
        assert_eq!(raw(&mut client).await, reply(2, b"{}"));

        request_code(&mut client, 3, 1, b"\x08").await;
        assert_eq!(raw(&mut client).await, reply(3, b"\x18\x90\x03"), "400");
        for unfit in [json!({}), json!({"x": 1, "y": 2}), json!([])] {
            let body = json!(["onMove", unfit]).to_string();
            request_code(&mut client, 4, 2, body.as_bytes()).await;
            assert_eq!(raw(&mut client).await, reply(4, b"{}"), "{body}");
        }
    }
}

#[tokio::test]
async fn a_server_has_pomelos_definitions_or_googles() {
    let world = World::new();
    for (blueprint, problem) in [
        (
            with_protos(connector(Handlers::new())).decode_io_protos(DECODE_IO, "{}"),
            "not both",
        ),
        (
            connector(Handlers::new()).decode_io_protos("{}", "["),
            "decode_io_protos: no messages of ProtoBuf.js",
        ),
    ] {
        let error = world.try_front("connector-1", blueprint).await.unwrap_err();
        assert!(error.to_string().contains(problem), "{error}");
    }
}
