//! What an application does around the calls its servers make, and what becomes of those that fail.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::Duration,
};

use serde_json::{Value, json};
use tangelo::{
    Result, remotes,
    rpc::{Code, Reply, Status},
    server::{
        Blueprint, Context, FailMode, Handlers, Json, Remotes, Rpc, RpcCall, RpcFilter, RpcLog,
        Server, Session, filters::TooBusy,
    },
};
use tokio::time::Instant;

use crate::{
    client::Door,
    log::Log,
    rpc::{Abacus, AddReq, AddRes, CalculatorClient, CalculatorServer},
    world::{
        DEADLINE, Heard, Hold, World, back_at_a_place_of_its_own, chat, client, connector, front,
        pair, soon, until,
    },
};

async fn echo(Json(value): Json<Value>) -> Json<Value> {
    Json(value)
}

async fn here(context: Arc<Context>) -> Json<String> {
    Json(context.server_id().to_owned())
}

async fn refuse() -> Result<()> {
    Err(Status::new(-100_001, "the room is closed").into())
}

/// A back end with a remote and a service.
fn with_remote() -> Blueprint {
    chat(Handlers::new())
        .remote("main", remotes! { echo, here, refuse })
        .service(|_| CalculatorServer::new(Abacus))
}

/// Two back ends of one type, and a front end that calls them as this says.
async fn calling(front: Blueprint) -> (Server, [Server; 2]) {
    let world = World::new();
    let one = world.back("chat-1", with_remote()).await;
    let two = world.back("chat-2", with_remote()).await;
    let front = world.front("connector-1", front).await;
    soon("the servers meet", front.connected()).await;
    (front, [one, two])
}

fn plain() -> Blueprint {
    connector(Handlers::new())
}

fn rpc(server: &Server) -> &Rpc {
    server.context().rpc()
}

/// A word from a filter: its name, and what it saw.
type Word = (&'static str, String);

/// Tells what it sees.
struct Telling<T> {
    name: &'static str,
    tell: T,
}

impl<T: Fn(Word) + Send + Sync + 'static> RpcFilter for Telling<T> {
    async fn before(&self, call: &mut RpcCall) -> Result<()> {
        tokio::task::yield_now().await;
        let seen = format!("{} to {}", call.name(), call.server_id());
        (self.tell)((self.name, seen));
        Ok(())
    }

    fn after(&self, call: &RpcCall, outcome: &std::result::Result<Reply, Status>) {
        let outcome = match outcome {
            Ok(reply) if call.is_remote() => String::from_utf8(reply.body.to_vec()).unwrap(),
            Ok(reply) => format!("{} bytes", reply.body.len()),
            Err(status) => status.code().to_string(),
        };
        (self.tell)((self.name, outcome));
    }
}

#[tokio::test]
async fn filters_see_calls_in_their_order_and_their_ends_in_reverse() {
    let mut words = Heard::<Word>::new();
    let front = ["one", "two"].into_iter().fold(plain(), |front, name| {
        let tell = words.teller();
        front.rpc_filter(Telling { name, tell })
    });
    let (front, _backs) = calling(front).await;
    let call = rpc(&front).invoke::<Value>("chat.main.echo", "key", &json!([1]));
    assert_eq!(call.to_server("chat-1").await.unwrap(), json!([1]));
    for (name, seen) in [
        ("one", "chat.main.echo to chat-1"),
        ("two", "chat.main.echo to chat-1"),
        ("two", "[1]"),
        ("one", "[1]"),
    ] {
        assert_eq!(words.next("a word").await, (name, seen.to_owned()));
    }
    let calculator: CalculatorClient = rpc(&front).to_server("chat-2");
    calculator.add(AddReq { a: 2, b: 3 }).await.unwrap();
    assert_eq!(words.next("a word").await.1, "Calculator.add to chat-2");
    words.next("the second filter's").await;
    assert_eq!(words.next("a word").await, ("two", "2 bytes".to_owned()));
    words.next("the first filter's").await;

    let refused = rpc(&front).invoke::<()>("chat.main.refuse", "key", &());
    refused.to_server("chat-1").await.unwrap_err();
    words.next("a word").await;
    words.next("a word").await;
    assert_eq!(words.next("a word").await, ("two", "-100001".to_owned()));
}

#[tokio::test]
async fn on_a_back_end_it_is_the_same_whomever_it_calls() {
    let world = World::new();
    let mut words = Heard::<Word>::new();
    let telling = Telling {
        name: "one",
        tell: words.teller(),
    };
    let filtered =
        with_remote()
            .rpc_filter(telling)
            .rpc_before(|call| match call.args().as_ref() {
                b"\"forbidden\"" => Err(Status::new(Code(-100_002), "not this").into()),
                _ => Ok(()),
            });
    let asks = world.back("chat-1", filtered).await;
    let _same = world.back("chat-2", with_remote()).await;
    let area = Blueprint::new("area").remote("main", remotes! { echo });
    let _area = world.back("area-1", area).await;
    let front = plain().remote("main", remotes! { echo });
    let front = world.front("connector-1", front).await;
    soon("the servers meet", async {
        tokio::join!(front.connected(), asks.connected());
    })
    .await;
    for (name, server) in [
        ("chat.main.echo", "chat-1"),
        ("chat.main.echo", "chat-2"),
        ("area.main.echo", "area-1"),
        ("connector.main.echo", "connector-1"),
    ] {
        for (args, outcome) in [("fine", Ok("\"fine\"")), ("forbidden", Err("-100002"))] {
            let call = rpc(&asks).invoke::<Value>(name, "key", args);
            let told = call.to_server(server).await;
            assert_eq!(told.is_ok(), outcome.is_ok(), "{server}: {told:?}");
            let seen = format!("{name} to {server}");
            assert_eq!(words.next("before").await, ("one", seen));
            let (Ok(ended) | Err(ended)) = outcome;
            assert_eq!(words.next("after").await, ("one", ended.to_owned()));
        }
    }
    words.is_silent();
}

#[tokio::test]
async fn what_goes_to_all_is_seen_once_for_each_server() {
    let mut words = Heard::<Word>::new();
    let telling = Telling {
        name: "one",
        tell: words.teller(),
    };
    let (front, _backs) = calling(plain().rpc_filter(telling)).await;
    let call = rpc(&front).notify("chat.main.here", "key", &()).to_all();
    call.await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(words.next("a word").await.1);
    }
    seen.sort();
    assert_eq!(
        seen,
        [
            "",
            "",
            "chat.main.here to chat-1",
            "chat.main.here to chat-2"
        ],
        "what is sent has no answer"
    );
}

#[tokio::test]
async fn a_filter_ends_a_call_and_all_filters_hear_of_it() {
    let mut words = Heard::<Word>::new();
    let (tell, last) = (words.teller(), words.teller());
    let front = plain()
        .rpc_filter(Telling { name: "one", tell })
        .rpc_before(|call| match call.args().as_ref() {
            b"\"forbidden\"" => Err(Status::new(Code(-100_002), "not this").into()),
            b"\"panic\"" => panic!("on purpose, in a filter"),
            b"\"fail\"" => Err(tangelo::Error::new("away")),
            _ => Ok(()),
        })
        .rpc_filter(Telling {
            name: "last",
            tell: last,
        });
    let (front, _backs) = calling(front).await;
    for (args, code) in [("forbidden", -100_002), ("panic", -620), ("fail", -620)] {
        let call = rpc(&front).invoke::<Value>("chat.main.echo", "key", args);
        let status = call.to_server("chat-1").await.unwrap_err();
        assert_eq!(status.code(), Code(code));
        assert!(!status.message().contains("purpose"));
        assert_eq!(words.next("a word").await.0, "one");
        assert_eq!(words.next("a word").await, ("last", code.to_string()));
        assert_eq!(words.next("a word").await, ("one", code.to_string()));
    }
    words.is_silent();
    let call = rpc(&front)
        .invoke::<Value>("chat.main.echo", "key", "fine")
        .await;
    assert_eq!(call.unwrap(), "fine");
}

#[tokio::test]
async fn a_filter_changes_arguments_and_the_server() {
    let front = plain().rpc_before(|call| {
        if call.name() == "chat.main.echo" {
            call.set_args(r#"{"changed":true}"#);
        }
        call.redirect("chat-2");
        Ok(())
    });
    let (front, _backs) = calling(front).await;
    let call = rpc(&front).invoke::<Value>("chat.main.echo", "key", &json!(1));
    assert_eq!(call.await.unwrap(), json!({ "changed": true }));
    for server in ["chat-1", "chat-2", "chat-9"] {
        let call = rpc(&front).invoke::<String>("chat.main.here", "key", &());
        assert_eq!(call.to_server(server).await.unwrap(), "chat-2");
    }
}

#[tokio::test]
async fn a_filter_sees_for_whom_a_call_is_made_and_not_what_the_framework_says() {
    async fn ask(session: Session, rpc: Rpc) -> Result<Json<Value>> {
        Ok(Json(rpc.invoke("chat.main.echo", &session, &1).await?))
    }
    let mut heard = Heard::new();
    let tell = heard.teller();
    let front = connector(Handlers::new().add("ask", ask)).rpc_before(move |call| {
        tell((call.name().into_owned(), call.session().is_some()));
        Ok(())
    });
    let (front, _back) = pair(front, with_remote()).await;
    let mut client = client(&front, Door::Tcp).await;
    client.was_ignored("chat.main.echo").await;
    assert_eq!(client.ask("connector.main.ask", &json!({})).await, 1);
    let seen = heard.next("a call").await;
    assert_eq!(seen, ("chat.main.echo".to_owned(), true));
    rpc(&front)
        .invoke::<Value>("chat.main.echo", "key", &1)
        .await
        .unwrap();
    assert!(!heard.next("a call").await.1);
    heard.is_silent();
}

#[tokio::test]
async fn a_filter_has_no_more_time_than_its_call_and_its_after_may_fail() {
    struct Stuck;
    impl RpcFilter for Stuck {
        async fn before(&self, call: &mut RpcCall) -> Result<()> {
            if call.args().as_ref() == b"\"stuck\"" {
                std::future::pending().await
            }
            Ok(())
        }

        fn after(&self, _: &RpcCall, _: &std::result::Result<Reply, Status>) {
            panic!("on purpose, after a call");
        }
    }
    let mut heard = Heard::new();
    let tell = heard.teller();
    let after = move |_: &RpcCall, outcome: &std::result::Result<Reply, Status>| {
        tell(outcome.as_ref().map(|_| ()).map_err(Status::code));
    };
    let (front, _backs) = calling(plain().rpc_after(after).rpc_filter(Stuck)).await;
    let call = rpc(&front).invoke::<Value>("chat.main.echo", "key", "stuck");
    let status = call.timeout(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(status.code(), Code::RPC_TIMEOUT);
    assert_eq!(heard.next("its end").await, Err(Code::RPC_TIMEOUT));
    let call = rpc(&front).invoke::<Value>("chat.main.echo", "key", "fine");
    assert_eq!(call.await.unwrap(), "fine");
    assert_eq!(heard.next("its end").await, Ok(()));
}

#[tokio::test]
async fn filters_hear_of_a_call_that_its_caller_drops() {
    let hold = Hold::new();
    let slow = chat(Handlers::new()).remote("slow", Remotes::new().add("hold", hold.handler()));
    let mut heard = Heard::new();
    let tell = heard.teller();
    let front = plain().rpc_after(move |_, outcome| tell(outcome.clone().unwrap_err().code()));
    let (front, _back) = pair(front, slow).await;
    let call = rpc(&front).invoke::<()>("chat.slow.hold", "key", &());
    tokio::select! {
        _ = async { call.await } => panic!("it is held"),
        () = hold.entered(1) => {}
    }
    assert_eq!(heard.next("its end").await, Code::USER_CANCEL);
}

#[tokio::test]
async fn an_error_handler_says_what_the_caller_is_told() {
    let mut heard = Heard::new();
    let tell = heard.teller();
    let front = plain()
        .rpc_after(move |_, outcome| tell(outcome.as_ref().map(|_| ()).map_err(Status::code)))
        .rpc_error_handler(|error, call: &RpcCall| {
            let status = error.into_status();
            match &*call.name() {
                "chat.main.other" => Ok(Reply::json(r#""in its place""#)),
                "Calculator.add" => {
                    let answer = AddRes {
                        ret_code: 0,
                        sum: 7,
                    };
                    Ok(Reply::protobuf(
                        0,
                        tangelo::rpc::codegen::prost::Message::encode_to_vec(&answer),
                    ))
                }
                "chat.main.refuse" if status.code() == Code(-100_001) => Err(tangelo::Error::from(
                    Status::new(Code(-100_009), "in other words"),
                )),
                _ => panic!("on purpose, in an error handler"),
            }
        });
    let (front, _back) = pair(
        front,
        chat(Handlers::new()).remote("main", remotes! { refuse }),
    )
    .await;
    let other = rpc(&front)
        .invoke::<String>("chat.main.other", "key", &())
        .await;
    assert_eq!(other.unwrap(), "in its place");
    assert_eq!(heard.next("its end").await, Ok(()));
    let calculator: CalculatorClient = rpc(&front).by_route("chat", "key").unwrap();
    assert_eq!(calculator.add(AddReq::default()).await.unwrap().sum, 7);
    assert_eq!(heard.next("its end").await, Ok(()));
    let refused = rpc(&front)
        .invoke::<()>("chat.main.refuse", "key", &())
        .await;
    let status = refused.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code(-100_009), "in other words")
    );
    assert_eq!(heard.next("its end").await, Err(Code(-100_009)));
    // It hears also of calls that found no server.
    let nowhere = rpc(&front)
        .invoke::<()>("area.main.nowhere", "key", &())
        .await;
    assert_eq!(nowhere.unwrap_err().code(), Code::BUSINESS_ERROR);
    assert_eq!(heard.next("its end").await, Err(Code::BUSINESS_ERROR));
}

#[tokio::test]
async fn the_log_has_a_line_for_each_call() {
    let log = Log::keep();
    let (front, _backs) = calling(plain().rpc_filter(RpcLog)).await;
    let long = "x".repeat(600);
    let call = rpc(&front).invoke::<Value>("chat.main.echo", "key", &json!(["a\n", long]));
    call.to_server("chat-1").await.unwrap();
    let call = rpc(&front).invoke::<()>("chat.main.refuse", "key", &());
    call.to_server("chat-2").await.unwrap_err();
    let calculator: CalculatorClient = rpc(&front).to_server("chat-1");
    calculator.add(AddReq { a: 2, b: 3 }).await.unwrap();

    let lines = log.lines(&["rpc-log:"]);
    assert_eq!(lines.len(), 3, "{lines:?}");
    for (line, parts) in lines.iter().zip([
        ["route=chat.main.echo", "server=\"chat-1\"", "code=0"],
        [
            "route=chat.main.refuse",
            "server=\"chat-2\"",
            "code=-100001",
        ],
        ["route=Calculator.add", "server=\"chat-1\"", "code=0"],
    ]) {
        for part in parts {
            assert!(line.contains(part), "{part}: {line}");
        }
        let (_, used) = line.split_once("time_used_ms=").unwrap();
        let used = used.split_whitespace().next().unwrap();
        let digits = used.split_once('.').map_or("", |(_, digits)| digits);
        assert!(digits.len() <= 3 && used.parse::<f64>().is_ok(), "{line}");
    }
    let first = lines.first().unwrap();
    let shown: String = first.chars().filter(|c| *c == 'x').collect();
    assert!(
        first.contains(r"a\\n") && (490..512).contains(&shown.len()),
        "{first}"
    );
    assert!(!lines[2].contains("args="), "what is no text is not shown");
}

#[tokio::test]
async fn too_busy_makes_no_calls_while_the_runtime_lags_and_makes_them_when_it_does_not() {
    let filter = Arc::new(TooBusy::default());
    let front = plain().rpc_filter(Arc::clone(&filter));
    let (front, _backs) = calling(front).await;
    let call = || async {
        rpc(&front)
            .invoke::<String>("chat.main.here", "key", &())
            .await
    };
    let not_busy = || async {
        soon("it is not busy", async {
            while call().await.is_err() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    };
    not_busy().await;
    // Nothing of this test runs meanwhile.
    let (_nobody, blocked) = mpsc::channel::<()>();
    let _ = blocked.recv_timeout(Duration::from_millis(600));
    let status = call().await.unwrap_err();
    assert_eq!(status.code(), Code::QUEUE_FULL);
    assert_eq!(status.message(), "the server is too busy");
    not_busy().await;
}

/// Two places for back ends of one type, the first without a server, the front end that knows them, and
/// a key that belongs to the first.
async fn half_there() -> (World, Server, [Server; 1], String) {
    let places = ["chat-1", "chat-2"].map(back_at_a_place_of_its_own);
    let door = front("connector-1");
    let world = World::fixed(&[&places[0], &places[1], &door]);
    let there = world.start(with_remote(), places[1].clone()).await;
    let server = world.start(plain(), door).await;
    let known = server.context().servers();
    let is_up = || known.of_type("chat").any(|remote| remote.is_connected());
    until("one is there", is_up).await;
    let mut key = None;
    for number in 0.. {
        let tried = format!("room {number}");
        let call = rpc(&server).invoke::<String>("chat.main.here", &tried, &());
        match call.await {
            Ok(_) => {}
            Err(status) => {
                assert_eq!(status.code(), Code::NO_CONNECTION);
                key = Some(tried);
                break;
            }
        }
    }
    (world, server, [there], key.unwrap())
}

#[tokio::test]
async fn failover_asks_another_server_of_the_type_but_not_for_one_that_was_named() {
    let (_world, front, _back, key) = half_there().await;
    let call = || rpc(&front).invoke::<String>("chat.main.here", &key, &());
    assert_eq!(
        call().await.unwrap_err().code(),
        Code::NO_CONNECTION,
        "failfast"
    );
    assert_eq!(call().fail_mode(FailMode::OVER).await.unwrap(), "chat-2");
    let named = call().to_server("chat-1").fail_mode(FailMode::OVER);
    assert_eq!(named.await.unwrap_err().code(), Code::NO_CONNECTION);

    let over = rpc(&front).clone().with_fail_mode(FailMode::OVER);
    let calculator: CalculatorClient = over.by_route("chat", &key).unwrap();
    assert_eq!(calculator.add(AddReq { a: 2, b: 3 }).await.unwrap().sum, 5);
    // What it was told by the server it reached is not asked elsewhere.
    let refused = over.invoke::<()>("chat.main.refuse", &key, &()).await;
    assert_eq!(refused.unwrap_err().code(), Code(-100_001));
    let missing = over.invoke::<()>("chat.main.missing", &key, &()).await;
    assert_eq!(missing.unwrap_err().code(), Code::NOT_FOUND);
}

#[tokio::test]
async fn so_it_does_where_a_back_end_calls() {
    let places = ["chat-1", "chat-2"].map(back_at_a_place_of_its_own);
    let area = back_at_a_place_of_its_own("area-1");
    let world = World::fixed(&[&places[0], &places[1], &area]);
    let _there = world.start(with_remote(), places[1].clone()).await;
    let asks = world.start(Blueprint::new("area"), area).await;
    let known = asks.context().servers();
    let is_up = || known.of_type("chat").any(|remote| remote.is_connected());
    until("one is there", is_up).await;
    let mut refused = 0;
    for number in 0..20 {
        let key = format!("room {number}");
        let call = || rpc(&asks).invoke::<String>("chat.main.here", &key, &());
        if let Err(status) = call().await {
            assert_eq!(status.code(), Code::NO_CONNECTION);
            refused += 1;
        }
        let again = call().fail_mode(FailMode::OVER);
        assert_eq!(again.await.unwrap(), "chat-2");
    }
    assert!((1..20).contains(&refused), "{refused}");
}

#[tokio::test]
async fn the_blueprint_says_what_becomes_of_calls_that_fail() {
    let places = ["chat-1", "chat-2"].map(back_at_a_place_of_its_own);
    let door = front("connector-1");
    let world = World::fixed(&[&places[0], &places[1], &door]);
    let _there = world.start(with_remote(), places[1].clone()).await;
    let mode = "failover".parse().unwrap();
    let server = world.start(plain().rpc_fail_mode(mode), door).await;
    let known = server.context().servers();
    let is_up = || known.of_type("chat").any(|remote| remote.is_connected());
    until("one is there", is_up).await;
    for number in 0..10 {
        let key = format!("room {number}");
        let here: String = rpc(&server)
            .invoke("chat.main.here", &key, &())
            .await
            .unwrap();
        assert_eq!(here, "chat-2");
    }
}

#[tokio::test]
async fn a_call_that_a_filter_has_redirected_goes_nowhere_else() {
    let places = ["chat-1", "chat-2"].map(back_at_a_place_of_its_own);
    let door = front("connector-1");
    let world = World::fixed(&[&places[0], &places[1], &door]);
    let _there = world.start(with_remote(), places[1].clone()).await;
    let front = plain().rpc_fail_mode(FailMode::OVER).rpc_before(|call| {
        call.redirect("chat-1");
        Ok(())
    });
    let front = world.start(front, door).await;
    let call = rpc(&front).invoke::<String>("chat.main.here", "key", &());
    assert_eq!(call.await.unwrap_err().code(), Code::NO_CONNECTION);
}

#[tokio::test]
async fn what_may_have_run_is_asked_again_only_if_the_caller_allows_it() {
    for allowed in [false, true] {
        let (hold, count) = (Hold::new(), Arc::new(AtomicU32::new(0)));
        let slow = || {
            let (hold, count) = (hold.clone(), Arc::clone(&count));
            let run = move || {
                count.fetch_add(1, Ordering::SeqCst);
                let hold = hold.clone();
                async move { hold.pass().await }
            };
            with_remote().remote("slow", Remotes::new().add("run", run))
        };
        let world = World::new();
        let backs = [
            world.back("chat-1", slow()).await,
            world.back("chat-2", slow()).await,
        ];
        let front = world.front("connector-1", plain()).await;
        soon("the servers meet", front.connected()).await;
        let here: String = rpc(&front)
            .invoke("chat.main.here", "key", &())
            .await
            .unwrap();
        let mut backs = backs.iter();
        let first = backs
            .find(|back| back.context().server_id() == here)
            .unwrap();

        let call = rpc(&front)
            .invoke::<()>("chat.slow.run", "key", &())
            .timeout(DEADLINE)
            .fail_mode(FailMode::OVER);
        let call = if allowed { call.may_run_twice() } else { call };
        let (outcome, ()) = tokio::join!(async { call.await }, async {
            hold.entered(1).await;
            assert!(first.leave(Duration::ZERO).await > 0);
            hold.release(1);
        });
        let runs = count.load(Ordering::SeqCst);
        if allowed {
            outcome.unwrap();
            assert_eq!(runs, 2);
        } else {
            assert_eq!(outcome.unwrap_err().code(), Code::CONNECTION_BROKEN);
            assert_eq!(runs, 1);
        }
    }
}

#[tokio::test]
async fn failsafe_asks_again_until_the_server_is_there() {
    let place = back_at_a_place_of_its_own("chat-1");
    let door = front("connector-1");
    let world = World::fixed(&[&place, &door]);
    let (again, mut tried) = (FailMode::safe(9, Duration::from_millis(20)), Heard::new());
    let tell = tried.teller();
    let front = plain().rpc_before(move |_| {
        tell(());
        Ok(())
    });
    let front = world.start(front, door).await;
    let call = rpc(&front).invoke::<String>("chat.main.here", "key", &());
    let (here, _back) = tokio::join!(
        async { call.timeout(DEADLINE).fail_mode(again).await },
        async {
            tried.next("it is tried").await;
            world.start(with_remote(), place.clone()).await
        }
    );
    assert_eq!(here.unwrap(), "chat-1");
    tried.is_silent();
}

#[tokio::test]
async fn failsafe_asks_again_also_where_the_registry_knows_no_server_for_the_moment() {
    let world = World::new();
    let back = world.back("chat-1", with_remote()).await;
    let server = world.front("connector-1", plain()).await;
    soon("the servers meet", server.connected()).await;
    soon("it leaves", back.leave(DEADLINE)).await;
    until("it is gone", || {
        server.context().servers().of_type("chat").count() == 0
    })
    .await;
    let again = FailMode::safe(9, Duration::from_millis(20));
    let call = rpc(&server).invoke::<String>("chat.main.here", "key", &());
    let call = call.timeout(DEADLINE).fail_mode(again);
    let (here, _back) = tokio::join!(async { call.await }, async {
        world.back("chat-1", with_remote()).await
    });
    assert_eq!(here.unwrap(), "chat-1");
}

/// A front end that knows of a back end which is not there.
async fn nobody_there() -> Server {
    let (place, door) = (back_at_a_place_of_its_own("chat-1"), front("connector-1"));
    let world = World::fixed(&[&place, &door]);
    world.start(plain(), door).await
}

/// How long a call took that found nobody.
async fn took(rpc: &Rpc) -> Duration {
    let begun = Instant::now();
    let outcome = rpc.invoke::<()>("chat.main.here", "key", &()).await;
    assert_eq!(outcome.unwrap_err().code(), Code::NO_CONNECTION);
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn failsafe_ends_after_so_many_times_and_does_not_wait_for_what_comes_too_late() {
    let front = nobody_there().await;
    let ms = Duration::from_millis;
    for (mode, expected) in [
        (FailMode::FAST, ms(0)),
        (FailMode::OVER, ms(0)),
        (FailMode::SAFE, ms(200 + 400 + 600)),
        (FailMode::safe(2, ms(30)), ms(30 + 60)),
        (FailMode::safe(2, ms(2_000)), ms(2_000)),
        (FailMode::safe(2, ms(3_000)), ms(0)),
        (FailMode::safe(2, Duration::MAX), ms(0)),
    ] {
        let took = took(&rpc(&front).clone().with_fail_mode(mode)).await;
        assert!(
            took >= expected && took < expected + ms(20),
            "{mode:?}: {took:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_not_multiplied_by_calls_that_are_made_again() {
    const CALLS: usize = 100;
    let front = nobody_there().await;
    let again = FailMode::safe(1, Duration::from_secs(1));
    let rpc = rpc(&front).clone().with_fail_mode(again);
    let took = futures_util::future::join_all((0..CALLS).map(|_| took(&rpc))).await;
    let again = took.iter().filter(|took| !took.is_zero()).count();
    // Ten a second, and one for each five calls.
    assert!((20..=30).contains(&again), "{again} of {CALLS}");
}
