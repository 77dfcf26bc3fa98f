//! Remotes: what servers call on each other by name, with JSON.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tangelo::{
    Result, handlers, remotes,
    rpc::{Code, Status},
    server::{
        Blueprint, Context, FromRequest, Handlers, Json, RemoteRequest, Remotes, Routes, Rpc,
        Server, Session, State,
    },
};
use tangelo_wire::krpc::meta::Meta;

use crate::{
    client::{DOORS, Door},
    krpc::{Peer, call},
    rpc::{Abacus, AddReq, CalculatorClient, CalculatorServer},
    world::{DEADLINE, Heard, Hold, PLACES, World, chat, client, connector, pair, soon, until},
};

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Add {
    uid: String,
    room: String,
}

/// Who calls.
struct CalledBy(String);

impl FromRequest<RemoteRequest> for CalledBy {
    fn from_request(request: &mut RemoteRequest) -> Result<Self> {
        Ok(Self(request.caller().to_owned()))
    }
}

async fn echo(Json(value): Json<Value>) -> Json<Value> {
    Json(value)
}

async fn add(Json(add): Json<Add>) -> Json<Vec<String>> {
    Json(vec![add.uid, add.room])
}

async fn sum(Json((a, b)): Json<(i32, i32)>) -> Json<i32> {
    Json(a + b)
}

async fn nothing() {}

async fn here(context: Arc<Context>) -> Json<String> {
    Json(context.server_id().to_owned())
}

async fn caller(CalledBy(caller): CalledBy) -> Json<String> {
    Json(caller)
}

async fn refuse() -> Result<()> {
    Err(Status::new(-100_001, "the room is closed").into())
}

async fn fail() -> Result<()> {
    Err(tangelo::Error::new("the database is away"))
}

async fn panic() {
    panic!("on purpose, in a remote")
}

/// What its own call met with says nothing of the remote's method.
async fn beyond(rpc: Rpc) -> Result<()> {
    Ok(rpc
        .invoke("chat.main.echo", "", &())
        .to_server("chat-9")
        .await?)
}

fn methods() -> Remotes {
    remotes! { echo, add, addAll: add, sum, nothing, here, caller, refuse, fail, panic, beyond }
}

/// A back end with a remote.
fn with_remote() -> Blueprint {
    chat(Handlers::new()).remote("main", methods())
}

async fn servers() -> (Server, Server) {
    pair(connector(Handlers::new()), with_remote()).await
}

/// Two back ends of one type, and a front end, which know each other.
async fn three() -> (Server, [Server; 2]) {
    let world = World::new();
    let one = world.back("chat-1", with_remote()).await;
    let two = world.back("chat-2", with_remote()).await;
    let front = connector(Handlers::new()).remote("main", methods());
    let front = world.front("connector-1", front).await;
    soon("the servers meet", front.connected()).await;
    for back in [&one, &two] {
        let meets = || back.context().servers().registered("connector").len() == 1;
        until("the front end is known", meets).await;
    }
    (front, [one, two])
}

fn rpc(server: &Server) -> &Rpc {
    server.context().rpc()
}

/// The code a call of this method ends with.
async fn code(server: &Server, name: &str, args: &Value) -> Code {
    let outcome = rpc(server).invoke::<Value>(name, "key", args).await;
    outcome.unwrap_err().code()
}

#[tokio::test]
async fn arguments_and_results_are_json_of_any_shape() {
    let (front, _back) = servers().await;
    let rpc = rpc(&front);
    let all = [
        json!(null),
        json!("text 😀 \u{0}"),
        json!(18_446_744_073_709_551_615_u64),
        json!([1, [2.5, {}], "x"]),
        json!({ "__proto__": { "a": [] }, "": true }),
    ];
    for value in all {
        let answer: Value = rpc.invoke("chat.main.echo", "key", &value).await.unwrap();
        assert_eq!(answer, value);
    }
    let ann = Add {
        uid: "ann".to_owned(),
        room: "r".to_owned(),
    };
    let users: Vec<String> = rpc.invoke("chat.main.add", "key", &ann).await.unwrap();
    assert_eq!(users, ["ann", "r"]);
    let sum: i32 = rpc.invoke("chat.main.sum", "key", &(2, 3)).await.unwrap();
    assert_eq!(sum, 5);
    let () = rpc.invoke("chat.main.nothing", "key", &()).await.unwrap();
    let none: Option<u8> = rpc.invoke("chat.main.nothing", "key", &()).await.unwrap();
    assert_eq!(none, None);
}

#[tokio::test]
async fn a_handler_calls_for_its_session_and_the_route_says_where() {
    async fn ask(session: Session, rpc: Rpc) -> Result<Json<String>> {
        Ok(Json(rpc.invoke("chat.main.here", &session, &()).await?))
    }
    let routes = Routes::new().with_server("chat", |_, servers| {
        Ok(servers.all().nth(1).unwrap().id.clone())
    });
    let world = World::new().routes(routes);
    let mut backs = Vec::new();
    for id in ["chat-1", "chat-2", "chat-3"] {
        let blueprint = with_remote().handler("other", Handlers::new().add("ask", ask));
        backs.push(world.back(id, blueprint).await);
    }
    let front = connector(Handlers::new().add("ask", ask));
    let front = world.front("connector-1", front).await;
    soon("the servers meet", front.connected()).await;
    for over in DOORS {
        let mut client = client(&front, over).await;
        for route in ["connector.main.ask", "chat.other.ask"] {
            assert_eq!(client.ask(route, &json!({})).await, "chat-2");
        }
    }
}

#[tokio::test]
async fn a_key_always_finds_the_same_server_and_different_keys_both() {
    let (front, _backs) = three().await;
    let mut places = Vec::new();
    for number in 0..20 {
        let key = format!("room {number}");
        let place: String = rpc(&front)
            .invoke("chat.main.here", &key, &())
            .await
            .unwrap();
        let again: String = rpc(&front)
            .invoke("chat.main.here", &key, &())
            .await
            .unwrap();
        assert_eq!(place, again);
        places.push(place);
    }
    places.sort();
    places.dedup();
    assert_eq!(places, ["chat-1", "chat-2"]);
}

#[tokio::test]
async fn what_is_called_for_a_session_arrives_in_order_among_its_forwarded_requests() {
    const EACH: u32 = 50;
    async fn tell(Json(number): Json<u32>, session: Session, rpc: Rpc) -> Result<()> {
        Ok(rpc.notify("chat.notes.note", &session, &number).await?)
    }
    let mut noted = Heard::new();
    let note = |noted: &Heard<u32>| {
        let tell = noted.teller();
        move |Json(number): Json<u32>| {
            tell(number);
            std::future::ready(())
        }
    };
    let back = chat(Handlers::new().add("note", note(&noted)))
        .remote("notes", Remotes::new().add("note", note(&noted)));
    let (front, _back) = pair(connector(Handlers::new().add("tell", tell)), back).await;
    for over in DOORS {
        let mut client = client(&front, over).await;
        for number in 0..EACH {
            let routes = ["connector.main.tell", "chat.main.note"];
            client
                .notify(routes[number as usize % 2], &json!(number))
                .await;
        }
        for number in 0..EACH {
            assert_eq!(noted.next("it is noted").await, number);
        }
    }
}

#[tokio::test]
async fn a_server_is_called_by_its_name_also_from_its_own_type_and_by_itself() {
    let (front, backs) = three().await;
    for from in [&front, &backs[0], &backs[1]] {
        for to in ["chat-1", "chat-2"] {
            let call = rpc(from).invoke("chat.main.here", "key", &()).to_server(to);
            let here: String = soon("an answer", async { call.await }).await.unwrap();
            assert_eq!(here, to);
            let call = rpc(from)
                .invoke("chat.main.caller", "key", &())
                .to_server(to);
            let caller: String = call.await.unwrap();
            assert_eq!(caller, from.context().server_id());
        }
    }
}

#[tokio::test]
async fn two_servers_of_a_type_that_call_each_other_share_their_connections() {
    let (_front, [one, two]) = three().await;
    let dialed = |server: &Server| server.context().servers().of_type("chat").count();
    assert_eq!((dialed(&one), dialed(&two)), (0, 0), "nobody has asked yet");
    // Whoever comes while the connections are made waits for them.
    let first = (0..20).map(|number| {
        let key = format!("key {number}");
        let call = rpc(&one).invoke::<String>("chat.main.here", &key, &());
        async { call.to_server("chat-2").await.unwrap() }
    });
    soon("all are answered", futures_util::future::join_all(first)).await;
    for (from, to) in [(&one, "chat-2"), (&two, "chat-1"), (&one, "chat-2")] {
        let call = rpc(from).invoke("chat.main.here", "key", &()).to_server(to);
        let here: String = call.await.unwrap();
        assert_eq!(here, to);
        // Typed services go the same way; this one is not there.
        let calculator: CalculatorClient = rpc(from).to_server(to);
        let status = calculator.add(AddReq::default()).await.unwrap_err();
        assert_eq!(status.code(), Code::NOT_FOUND);
    }
    assert_eq!((dialed(&one), dialed(&two)), (1, 0));
}

#[tokio::test]
async fn a_back_end_calls_a_front_end_that_nobody_can_dial() {
    let (front, backs) = three().await;
    assert_eq!(front.rpc_address(), None);
    for back in &backs {
        let call = rpc(back).invoke("connector.main.here", "key", &());
        let here: String = call.to_server("connector-1").await.unwrap();
        assert_eq!(here, "connector-1");
        let here: String = rpc(back)
            .invoke("connector.main.here", "key", &())
            .await
            .unwrap();
        assert_eq!(here, "connector-1");
    }
}

#[tokio::test]
async fn all_servers_of_a_type_answer_by_their_names_also_the_one_that_asks() {
    let (front, backs) = three().await;
    for from in [&front, &backs[0], &backs[1]] {
        let asked = rpc(from).invoke::<String>("chat.main.here", "key", &());
        let answers = asked.to_all().await.unwrap();
        let answers: Vec<_> = answers
            .into_iter()
            .map(|(server, answer)| (server, answer.unwrap()))
            .collect();
        let expected = ["chat-1", "chat-2"].map(|id| (id.to_owned(), id.to_owned()));
        assert_eq!(answers, expected);
    }
}

#[tokio::test]
async fn of_all_servers_each_fails_for_itself_within_one_deadline() {
    let world = World::new();
    let hold = Hold::new();
    let slow = chat(Handlers::new()).remote("some", Remotes::new().add("here", hold.handler()));
    let _slow = world.back("chat-1", slow).await;
    let quick = chat(Handlers::new()).remote("some", remotes! { here });
    let _quick = world.back("chat-2", quick).await;
    let _without = world.back("chat-3", chat(Handlers::new())).await;
    let front = world.front("connector-1", connector(Handlers::new())).await;
    soon("the servers meet", front.connected()).await;

    let asked = rpc(&front).invoke::<String>("chat.some.here", "key", &());
    let answers = asked
        .timeout(Duration::from_millis(100))
        .to_all()
        .await
        .unwrap();
    let code = |server: &str| answers[server].as_ref().unwrap_err().code();
    assert_eq!(answers.len(), 3);
    assert_eq!(code("chat-1"), Code::RPC_TIMEOUT);
    assert_eq!(answers["chat-2"].as_deref().unwrap(), "chat-2");
    assert_eq!(code("chat-3"), Code::NOT_FOUND);

    let unknown = rpc(&front)
        .invoke::<String>("area.some.here", "key", &())
        .to_all();
    assert_eq!(unknown.await.unwrap_err().code(), Code::NOT_FOUND);
}

#[tokio::test]
async fn typed_services_are_called_by_name_of_server_and_on_all_of_a_type() {
    let world = World::new();
    let with_it = || chat(Handlers::new()).service(|_| CalculatorServer::new(Abacus));
    let one = world.back("chat-1", with_it()).await;
    let _two = world.back("chat-2", chat(Handlers::new())).await;
    let front = world.front("connector-1", connector(Handlers::new())).await;
    soon("the servers meet", front.connected()).await;
    for from in [&front, &one] {
        let calculator: CalculatorClient = rpc(from).to_server("chat-1");
        assert_eq!(calculator.add(AddReq { a: 2, b: 3 }).await.unwrap().sum, 5);
        let nobody: CalculatorClient = rpc(from).to_server("chat-9");
        let status = nobody.add(AddReq { a: 2, b: 3 }).await.unwrap_err();
        assert_eq!(status.code(), Code::NO_CONNECTION);

        let add = |calculator: CalculatorClient| calculator.add(AddReq { a: 2, b: 3 });
        let answers = rpc(from).to_all("chat", add).await.unwrap();
        assert_eq!(answers["chat-1"].as_ref().unwrap().sum, 5);
        assert_eq!(
            answers["chat-2"].as_ref().unwrap_err().code(),
            Code::NOT_FOUND
        );
        let tell = |calculator: CalculatorClient| calculator.add(AddReq { a: 2, b: 3 }).one_way();
        let told = rpc(from).to_all("chat", tell).await.unwrap();
        assert!(told.len() == 2 && told.values().all(|told| told.is_ok()));
    }
}

#[tokio::test]
async fn what_needs_no_answer_is_sent_to_one_or_to_all_and_to_oneself() {
    let mut noted = Heard::new();
    let blueprint = |id: &'static str| {
        let tell = noted.teller();
        let note = move |Json(word): Json<String>| {
            tell((id, word));
            std::future::ready(())
        };
        chat(Handlers::new()).remote("notes", Remotes::new().add("note", note))
    };
    let world = World::new();
    let one = world.back("chat-1", blueprint("chat-1")).await;
    let _two = world.back("chat-2", blueprint("chat-2")).await;
    let front = world.front("connector-1", connector(Handlers::new())).await;
    soon("the servers meet", front.connected()).await;

    for from in [&front, &one] {
        for to in ["chat-1", "chat-2"] {
            let notify = rpc(from).notify("chat.notes.note", "key", "one");
            notify.to_server(to).await.unwrap();
            assert_eq!(noted.next("a note").await, (to, "one".to_owned()));
        }
        let told = rpc(from).notify("chat.notes.note", "key", "all").to_all();
        assert!(told.await.unwrap().into_values().all(|told| told.is_ok()));
        let mut heard = [noted.next("a note").await.0, noted.next("a note").await.0];
        heard.sort_unstable();
        assert_eq!(heard, ["chat-1", "chat-2"]);
    }
    // Whether it could be done, nobody says.
    rpc(&front)
        .notify("chat.notes.other", "key", "lost")
        .await
        .unwrap();
    let nobody = rpc(&front)
        .notify("chat.notes.note", "key", "lost")
        .to_server("chat-9");
    assert_eq!(nobody.await.unwrap_err().code(), Code::NO_CONNECTION);
    noted.is_silent();
}

#[tokio::test]
async fn what_a_server_tells_itself_runs_as_often_at_once_as_over_a_connection() {
    const AT_ONCE: usize = 16_384;
    let hold = Hold::new();
    let slow = chat(Handlers::new()).remote("slow", Remotes::new().add("hold", hold.handler()));
    let back = World::new().back("chat-1", slow).await;
    let notify = || async { rpc(&back).notify("chat.slow.hold", "key", &()).await };
    for _ in 0..AT_ONCE {
        notify().await.unwrap();
    }
    hold.entered(AT_ONCE as u32).await;
    assert_eq!(notify().await.unwrap_err().code(), Code::QUEUE_FULL);
    hold.release(1);
    soon("there is room again", async {
        while notify().await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Handlers that pass on with `?` what a call ended with, or make the same themselves.
fn asking() -> Handlers {
    async fn ask(Json((name, to, args)): Json<(String, String, Value)>, rpc: Rpc) -> Result<()> {
        rpc.invoke::<Value>(&name, "", &args).to_server(&to).await?;
        Ok(())
    }
    async fn of_type(Json(name): Json<String>, rpc: Rpc) -> Result<()> {
        rpc.invoke::<Value>(&name, "", &()).await?;
        Ok(())
    }
    async fn client(Json(server_type): Json<String>, rpc: Rpc) -> Result<()> {
        rpc.by_route::<CalculatorClient>(&server_type, "")?;
        Ok(())
    }
    async fn make(Json(code): Json<i32>) -> Result<()> {
        Err(Status::new(code, "made here").into())
    }
    handlers! { ask, ofType: of_type, client, make }
}

#[tokio::test]
async fn what_a_call_met_with_is_not_said_of_the_request_that_made_it() {
    let failed = json!({ "code": 500, "msg": "the server failed" });
    let back = chat(asking()).remote("main", methods());
    let (front, _back) = pair(connector(asking()), back).await;
    for over in DOORS {
        let mut client = client(&front, over).await;
        for place in PLACES {
            for (method, body) in [
                ("ask", json!(["chat.main.echo", "chat-9", 1])),
                ("ask", json!(["chat.main.nobody", "chat-1", 1])),
                ("ask", json!(["chat.main.sum", "chat-1", "text"])),
                ("ask", json!(["chat.main.beyond", "chat-1", null])),
                ("ofType", json!("nobody.main.echo")),
                ("ofType", json!("no name")),
                ("client", json!("nobody")),
            ] {
                let answer = client.ask(&format!("{place}.main.{method}"), &body).await;
                assert_eq!(answer, failed, "{place} {method} {body}");
            }
            let own = json!(["chat.main.refuse", "chat-1", null]);
            let answer = client.ask(&format!("{place}.main.ask"), &own).await;
            assert_eq!(
                answer,
                json!({ "code": -100_001, "msg": "the room is closed" })
            );
            for (made, told) in [
                (503, 503),
                (Code::NO_CONNECTION.0, 503),
                (Code::NOT_FOUND.0, 404),
            ] {
                let answer = client
                    .ask(&format!("{place}.main.make"), &json!(made))
                    .await;
                assert_eq!(answer, json!({ "code": told, "msg": "made here" }));
            }
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let (front, back) = servers().await;
    let names = [
        "area.main.echo",
        "chat.other.echo",
        "chat.main.other",
        "chat.main.toString",
        "chat.main.__proto__",
        "chat.main.constructor",
        "chat.Main.echo",
        "chat.main.",
        "chat.main",
        "chat",
        "",
        "chat.main.echo.more",
    ];
    for from in [&front, &back] {
        for name in names {
            assert_eq!(
                code(from, name, &json!({})).await,
                Code::NOT_FOUND,
                "{name}"
            );
        }
    }
    let call = rpc(&back).invoke::<Value>("connector.main.echo", "key", &());
    let status = call.to_server("chat-1").await.unwrap_err();
    assert_eq!(
        status.code(),
        Code::NOT_FOUND,
        "the other type's names are not answered here"
    );
}

#[tokio::test]
async fn arguments_a_method_does_not_take_and_results_nobody_expects_have_their_codes() {
    let (front, back) = servers().await;
    for from in [&front, &back] {
        for args in [
            json!(null),
            json!([1]),
            json!([1, 2, 3]),
            json!({ "uid": 1 }),
        ] {
            for name in ["chat.main.sum", "chat.main.add"] {
                let refused = code(from, name, &args).await;
                assert_eq!(refused, Code::DECODE_REQ_ERROR, "{name}({args})");
            }
        }
        let no_number = rpc(from)
            .invoke::<u32>("chat.main.echo", "key", "word")
            .await;
        assert_eq!(no_number.unwrap_err().code(), Code::DECODE_RES_ERROR);
        let no_text = rpc(from)
            .invoke::<String>("chat.main.nothing", "key", &())
            .await;
        assert_eq!(no_text.unwrap_err().code(), Code::DECODE_RES_ERROR);
    }
}

#[tokio::test]
async fn json_may_be_127_deep_and_no_deeper() {
    fn deep(levels: usize) -> Value {
        (1..levels).fold(json!([]), |inner, _| json!([inner]))
    }
    let (front, back) = servers().await;
    for from in [&front, &back] {
        let most = deep(127);
        let answer: Value = rpc(from)
            .invoke("chat.main.echo", "key", &most)
            .await
            .unwrap();
        assert_eq!(answer, most);
        let refused = code(from, "chat.main.echo", &deep(128)).await;
        assert_eq!(refused, Code::DECODE_REQ_ERROR);
    }
}

#[tokio::test]
async fn a_method_that_refuses_fails_or_panics_is_told_as_a_handler_is() {
    let (front, back) = servers().await;
    for from in [&front, &back] {
        let refused = rpc(from)
            .invoke::<Value>("chat.main.refuse", "key", &())
            .await;
        let status = refused.unwrap_err();
        assert_eq!(status.code(), Code(-100_001));
        assert_eq!(status.message(), "the room is closed");
        for method in ["fail", "panic", "beyond"] {
            let failed = rpc(from).invoke::<Value>(&format!("chat.main.{method}"), "key", &());
            let status = failed.await.unwrap_err();
            assert_eq!(status.code(), Code::BUSINESS_ERROR, "{method}");
            for secret in ["database", "purpose"] {
                assert!(!status.message().contains(secret), "{}", status.message());
            }
        }
        let alive: i32 = rpc(from)
            .invoke("chat.main.sum", "key", &(2, 3))
            .await
            .unwrap();
        assert_eq!(alive, 5);
    }
}

#[tokio::test]
async fn a_method_that_takes_too_long_is_a_timeout_also_where_it_is_called_from_itself() {
    let hold = Hold::new();
    let slow = chat(Handlers::new()).remote("slow", Remotes::new().add("hold", hold.handler()));
    let (front, back) = pair(connector(Handlers::new()), slow).await;
    for from in [&front, &back] {
        let call = rpc(from).invoke::<()>("chat.slow.hold", "key", &());
        let status = call.timeout(Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(status.code(), Code::RPC_TIMEOUT);
        hold.entered(1).await;
        let impatient = rpc(from).clone().with_timeout(Duration::from_millis(50));
        let status = impatient
            .invoke::<()>("chat.slow.hold", "key", &())
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::RPC_TIMEOUT);
        hold.entered(1).await;
    }
}

#[tokio::test]
async fn calls_a_method_makes_have_the_time_its_caller_has_left() {
    let mut heard = Heard::new();
    let tell = heard.teller();
    struct Left(Duration);
    impl FromRequest<RemoteRequest> for Left {
        fn from_request(request: &mut RemoteRequest) -> Result<Self> {
            Ok(Self(
                request
                    .deadline()
                    .duration_since(tokio::time::Instant::now()),
            ))
        }
    }
    async fn outer(rpc: Rpc) -> Result<()> {
        Ok(rpc.invoke("area.inner.inner", "key", &()).await?)
    }
    let inner = move |Left(left): Left| {
        tell(left);
        std::future::ready(())
    };
    let world = World::new();
    let area = Blueprint::new("area").remote("inner", Remotes::new().add("inner", inner));
    let _area = world.back("area-1", area).await;
    let back = chat(Handlers::new()).remote("outer", remotes! { outer });
    let back = world.back("chat-1", back).await;
    let front = world.front("connector-1", connector(Handlers::new())).await;
    soon("the servers meet", async {
        tokio::join!(front.connected(), back.connected());
    })
    .await;
    let call = rpc(&front).invoke::<()>("chat.outer.outer", "key", &());
    call.timeout(Duration::from_millis(900)).await.unwrap();
    let left = heard.next("the inner one is called").await;
    assert!(left <= Duration::from_millis(900), "{left:?}");
}

#[tokio::test]
async fn a_server_that_is_lost_is_a_broken_connection_for_what_ran_and_none_after() {
    let hold = Hold::new();
    let slow = chat(Handlers::new()).remote("slow", Remotes::new().add("hold", hold.handler()));
    let (front, back) = pair(connector(Handlers::new()), slow).await;
    let running = rpc(&front).invoke::<()>("chat.slow.hold", "key", &());
    let (outcome, ()) = tokio::join!(async { running.await }, async {
        hold.entered(1).await;
        assert!(back.leave(Duration::ZERO).await > 0);
    });
    assert_eq!(outcome.unwrap_err().code(), Code::CONNECTION_BROKEN);
    until("nobody is there", || {
        front.context().servers().of_type("chat").count() == 0
    })
    .await;
    let refused = code(&front, "chat.slow.hold", &json!({})).await;
    assert_eq!(refused, Code::NO_CONNECTION);
    let by_name = rpc(&front)
        .invoke::<()>("chat.slow.hold", "key", &())
        .to_server("chat-1");
    assert_eq!(by_name.await.unwrap_err().code(), Code::NO_CONNECTION);
    let all = rpc(&front)
        .invoke::<()>("chat.slow.hold", "key", &())
        .to_all();
    assert!(all.await.unwrap().is_empty(), "there is nobody to ask");
}

#[tokio::test]
async fn a_server_that_leaves_answers_what_runs_and_refuses_new_calls() {
    let hold = Hold::new();
    let slow = with_remote().remote("slow", Remotes::new().add("hold", hold.handler()));
    let (front, back) = pair(connector(Handlers::new()), slow).await;
    let running = rpc(&front).invoke::<()>("chat.slow.hold", "key", &());
    let leaves = async {
        hold.entered(1).await;
        let refuses = async {
            loop {
                // By name, as the registry has forgotten it.
                let call = rpc(&front).invoke::<String>("chat.main.here", "key", &());
                if let Err(status) = call.to_server("chat-1").await {
                    let gone = [Code::SERVER_SHUTDOWN, Code::NO_CONNECTION];
                    assert!(gone.contains(&status.code()), "{status}");
                    break;
                }
            }
            hold.release(1);
        };
        let refuses = soon("it refuses", refuses);
        tokio::join!(soon("it leaves", back.leave(DEADLINE)), refuses).0
    };
    let (outcome, cut_off) = tokio::join!(async { running.await }, leaves);
    outcome.unwrap();
    assert_eq!(cut_off, 0);
}

#[tokio::test]
async fn arguments_longer_than_a_frame_are_refused_before_they_are_sent() {
    let (front, _back) = servers().await;
    let long = json!("x".repeat(1_000_000));
    let refused = code(&front, "chat.main.echo", &long).await;
    assert_eq!(refused, Code::ENCODE_REQ_ERROR);
    let sum: i32 = rpc(&front)
        .invoke("chat.main.sum", "key", &(2, 3))
        .await
        .unwrap();
    assert_eq!(sum, 5);
}

#[tokio::test]
async fn a_method_takes_what_a_handler_does_but_a_session() {
    async fn greet(
        Json(name): Json<String>,
        State(greeting): State<&'static str>,
        channels: tangelo::server::Channels,
        servers: tangelo::server::Servers,
    ) -> Json<Value> {
        let members = channels.get_or_create(&name).members().len();
        let servers = servers.registered("connector").len();
        Json(json!([greeting, name, members, servers]))
    }
    let back = chat(Handlers::new())
        .state("hello")
        .remote("main", remotes! { greet });
    let (front, _back) = pair(connector(Handlers::new()), back).await;
    let answer: Value = rpc(&front)
        .invoke("chat.main.greet", "key", "ann")
        .await
        .unwrap();
    assert_eq!(answer, json!(["hello", "ann", 0, 1]));
}

#[tokio::test]
async fn names_that_collide_or_are_none_keep_a_server_from_starting() {
    let twice = || Remotes::new().add("add", add).add("add", sum);
    let mistakes = [
        (
            with_remote().remote("main", Remotes::new()),
            "there are two remotes `main`",
        ),
        (
            chat(Handlers::new()).remote("sums", twice()),
            "remote `sums` has two methods `add`",
        ),
        (
            chat(Handlers::new()).remote("a.b", Remotes::new()),
            "`a.b` is no name for a remote",
        ),
        (
            chat(Handlers::new()).remote("", Remotes::new()),
            "`` is no name for a remote",
        ),
        (
            chat(Handlers::new()).remote("sums", Remotes::new().add("", sum)),
            "`` is no name for a method of remote `sums`",
        ),
    ];
    for (blueprint, mistake) in mistakes {
        let error = World::new()
            .try_back("chat-1", blueprint)
            .await
            .unwrap_err();
        assert!(error.to_string().contains(mistake), "{error}");
    }
}

#[tokio::test]
async fn a_stranger_who_has_not_said_hello_is_refused() {
    const INVOKE: (i32, i32) = (14, 1);
    let (_front, back) = servers().await;
    let mut stranger = Peer::of(&back).await;
    let echo = b"\x0a\x0echat.main.echo\x12\x041234";
    let meta = Meta {
        timeout_ms: 1000,
        ..call(INVOKE.0, INVOKE.1)
    };
    let answer = stranger.ask(meta, echo).await;
    assert_eq!(Code(answer.meta.ret_code), Code::SERVICE_NOT_ALLOWED);
    assert_eq!(answer.body, b""[..]);
}

#[tokio::test]
async fn bytes_that_are_no_call_are_answered_and_the_next_call_works() {
    const HELLO: (i32, i32) = (10, 1);
    const INVOKE: (i32, i32) = (14, 1);
    let (front, back) = servers().await;
    let mut peer = Peer::of(&back).await;
    let hello = b"\x0a\x06area-1\x12\x04area\x18\x01\x20\x00\x28\x01";
    assert_eq!(
        peer.ask(call(HELLO.0, HELLO.1), hello).await.meta.ret_code,
        0
    );
    let refused: [(&[u8], Code); 5] = [
        (b"\xff\xff\xff", Code::DECODE_REQ_ERROR),
        (b"\x0a\x02\xff\xfe", Code::DECODE_REQ_ERROR),
        (b"", Code::NOT_FOUND),
        (b"\x0a\x0echat.main.echo", Code::DECODE_REQ_ERROR),
        (b"\x0a\x0echat.main.echo\x12\x01{", Code::DECODE_REQ_ERROR),
    ];
    for (body, code) in refused {
        let answer = peer.ask(call(INVOKE.0, INVOKE.1), body).await;
        assert_eq!(Code(answer.meta.ret_code), code, "{}", body.escape_ascii());
    }
    let echo = b"\x0a\x0echat.main.echo\x12\x041234";
    let answer = peer.ask(call(INVOKE.0, INVOKE.1), echo).await;
    assert_eq!(answer.body, b"\x1a\x041234"[..]);
    let other = peer.ask(call(INVOKE.0, 2), echo).await;
    assert_eq!(Code(other.meta.ret_code), Code::NOT_FOUND);
    let mut client = client(&front, Door::Tcp).await;
    client.was_ignored("chat.main.echo").await;
}
