//! What filters see, do and cannot do; on front and back ends alike.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tangelo::{
    Error, Result,
    rpc::{Code, Status},
    server::{
        Answered, Blueprint, Context, Extension, Filter, Handlers, IntoReply, Json, Limits,
        Outbound, PushScheduler, PushSender, Request, RouteTo, Routes, Session, filters::Serial,
    },
};

use crate::{
    client::{DOORS, Door, Said},
    log::Log,
    world::{
        Heard, Hold, PLACES, World, alone, both, chat, client, connector, front, pair, soon, until,
    },
};

/// Tells when it is passed, in either direction.
struct Told<T>(&'static str, T);

impl<T: Fn(String) + Send + Sync + 'static> Filter for Told<T> {
    async fn before(&self, _: &mut Request) -> Result<()> {
        (self.1)(format!("before {}", self.0));
        Ok(())
    }

    async fn after(&self, _: &Answered) -> Result<()> {
        (self.1)(format!("after {}", self.0));
        Ok(())
    }
}

/// Tells what it is told.
fn telling(heard: &Heard<String>) -> Handlers {
    let tell = heard.teller();
    Handlers::new().add("tell", move |Json(word): Json<String>| {
        tell(word);
        std::future::ready(())
    })
}

async fn all_of(heard: &mut Heard<String>, count: usize) -> Vec<String> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(heard.next("something is told").await);
    }
    heard.is_silent();
    all
}

#[tokio::test]
async fn before_filters_run_in_the_order_they_were_added_and_after_filters_the_other_way_round() {
    let (mut there, mut here) = (Heard::new(), Heard::new());
    let filtered = |blueprint: Blueprint, heard: &Heard<String>| {
        let (first, last) = (heard.teller(), heard.teller());
        blueprint
            .filter(Told("first", heard.teller()))
            .before(Told("second", heard.teller()))
            .after(Told("third", heard.teller()))
            .before(move |_: Session| {
                first("before fourth".to_owned());
                std::future::ready(())
            })
            .after(move |_: Answered| {
                last("after fifth".to_owned());
                std::future::ready(())
            })
            .global_filter(Told("global", heard.teller()))
            .global_filter(Told("global, later", heard.teller()))
    };
    let front = filtered(connector(telling(&here)), &here);
    let back = filtered(chat(telling(&there)), &there);
    let (server, _back) = pair(front, back).await;
    let own = [
        "before first",
        "before second",
        "before fourth",
        "handler",
        "after fifth",
        "after third",
        "after first",
    ];
    let global = |own: &[&'static str]| {
        let around = ["before global", "before global, later"];
        let back = ["after global, later", "after global"];
        [&around[..], own, &back[..]].concat()
    };
    for over in DOORS {
        let mut client = client(&server, over).await;
        client.ask("connector.main.tell", &json!("handler")).await;
        assert_eq!(all_of(&mut here, 11).await, global(&own));
        client.ask("chat.main.tell", &json!("handler")).await;
        assert_eq!(all_of(&mut here, 4).await, global(&[]));
        assert_eq!(all_of(&mut there, 7).await, own);

        client
            .notify("connector.main.tell", &json!("handler"))
            .await;
        assert_eq!(all_of(&mut here, 11).await, global(&own));
        client.notify("chat.main.tell", &json!("handler")).await;
        assert_eq!(all_of(&mut here, 4).await, global(&[]));
        assert_eq!(all_of(&mut there, 7).await, own);
    }
}

/// What a request says, with something added.
fn amended(mut request: Request, word: &str) -> Result<Request> {
    let mut body: Value = serde_json::from_slice(request.body())?;
    body[word] = json!(true);
    request.set_json(&body)?;
    Ok(request)
}

#[tokio::test]
async fn a_before_filter_may_replace_what_a_request_says() {
    struct Amends;
    impl Filter for Amends {
        async fn before(&self, request: &mut Request) -> Result<()> {
            *request = amended(request.clone(), "by an object")?;
            Ok(())
        }
    }
    let amends = |blueprint: Blueprint| {
        blueprint
            .filter(Amends)
            .before(|request: Request| async { amended(request, "by a function") })
            .global_before(|request: Request| async { amended(request, "on the front end") })
    };
    let (server, _back) = both(Handlers::new, amends).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        for place in PLACES {
            let answer = client.ask(&format!("{place}.main.echo"), &json!({})).await;
            let by_all = json!({
                "by an object": true, "by a function": true, "on the front end": true
            });
            assert_eq!(answer, by_all, "{place}");
        }
    }
}

#[tokio::test]
async fn a_filter_that_reads_the_body_leaves_it_to_the_handler() {
    async fn read(_: Json<Value>, _: tangelo::server::Body) {}
    let (server, _back) = both(Handlers::new, |blueprint| blueprint.before(read)).await;
    let mut client = client(&server, Door::Tcp).await;
    for place in PLACES {
        client.was_ignored(&format!("{place}.main.echo")).await;
    }
    client
        .send_bytes(&crate::client::request(7, "chat.main.echo", b"no"))
        .await;
    assert_eq!(client.reply(7).await["code"], 400);
}

#[tokio::test]
async fn a_before_filter_lays_beside_a_request_what_its_handler_takes() {
    #[derive(Clone)]
    struct Player(String);
    async fn find(mut request: Request) -> Request {
        if request.body() != b"{}" {
            request.insert(Player("Ann".to_owned()));
        }
        request
    }
    async fn name(Extension(Player(name)): Extension<Player>) -> Json<String> {
        Json(name)
    }
    let handlers = || Handlers::new().add("name", name);
    let (server, _back) = both(handlers, |blueprint| blueprint.before(find)).await;
    let mut client = client(&server, Door::Tcp).await;
    for place in PLACES {
        let route = format!("{place}.main.name");
        assert_eq!(client.ask(&route, &json!(1)).await, "Ann");
        client.is_refused(&route, &json!({}), 500).await;
    }
}

#[tokio::test]
async fn a_before_filter_may_amend_the_session_that_handlers_and_after_filters_see() {
    async fn enter(session: Session) -> Result<()> {
        session.set("room", "lobby")
    }
    async fn room(session: Session) -> Result<Json<String>> {
        Ok(Json(session.get("room")?))
    }
    let mut heard = Heard::new();
    let handlers = || Handlers::new().add("room", room);
    let sees = |blueprint: Blueprint| {
        let tell = heard.teller();
        blueprint.after(move |answered: Answered| {
            tell(answered.session().get::<String>("room").unwrap());
            std::future::ready(())
        })
    };
    let local = both(handlers, |blueprint| sees(blueprint).before(enter)).await;
    let global = both(handlers, |blueprint| sees(blueprint).global_before(enter)).await;
    for (server, _back) in [&local, &global] {
        let mut client = client(server, Door::Tcp).await;
        for place in PLACES {
            let answer = client.ask(&format!("{place}.main.room"), &json!({})).await;
            assert_eq!(answer, "lobby");
            assert_eq!(heard.next("the after filter").await, "lobby");
        }
    }
}

#[tokio::test]
async fn an_after_filter_takes_what_a_handler_does_and_how_it_ended() {
    let mut heard = Heard::new();
    let (front, _back) = both(Handlers::new, |blueprint| {
        let tell = heard.teller();
        let see = move |Json(text): Json<String>,
                        session: Session,
                        context: Arc<Context>,
                        answered: Answered| {
            assert_eq!(answered.session().id(), session.id());
            tell(format!(
                "{text} {} {}",
                context.server_type(),
                answered.reply().is_some()
            ));
            async { Ok::<_, Error>(()) }
        };
        let tell = heard.teller();
        // What it cannot take keeps nobody else from running.
        let never = move |Json(_): Json<u32>| {
            tell("never".to_owned());
            std::future::ready(())
        };
        let tell = heard.teller();
        let last = move || {
            tell("last".to_owned());
            std::future::ready(())
        };
        blueprint.after(last).after(never).after(see)
    })
    .await;
    let mut client = client(&front, Door::Tcp).await;
    for place in PLACES {
        assert_eq!(
            client
                .ask(&format!("{place}.main.echo"), &json!("text"))
                .await,
            "text"
        );
        assert_eq!(
            heard.next("it takes all").await,
            format!("text {place} true")
        );
        assert_eq!(heard.next("it takes nothing").await, "last");
    }
}

#[tokio::test]
async fn a_before_filter_that_fails_answers_and_nothing_after_it_runs_but_all_after_filters() {
    let mut heard = Heard::new();
    let refuses = |blueprint: Blueprint| {
        blueprint
            .filter(Told("one", heard.teller()))
            .before(|_: Session| async { Err::<(), _>(Status::new(777, "members only")) })
            .filter(Told("two", heard.teller()))
    };
    let (server, _back) = both(|| telling(&heard), refuses).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        for place in PLACES {
            let route = format!("{place}.main.tell");
            let answer = client.ask(&route, &json!("handler")).await;
            assert_eq!(answer, json!({ "code": 777, "msg": "members only" }));
            let told = all_of(&mut heard, 3).await;
            assert_eq!(told, ["before one", "after two", "after one"]);
        }
    }
}

/// What an after filter saw.
fn seen(answered: &Answered) -> Value {
    let reply = answered.reply();
    json!({
        "route": String::from_utf8_lossy(answered.request().route()),
        "body": String::from_utf8_lossy(answered.request().body()),
        "error": answered.error().map(Error::code),
        "reply": reply.map(|reply| String::from_utf8_lossy(&reply.body)),
        "options": reply.and_then(|reply| reply.options.as_deref()),
        "session": answered.session().id().to_string(),
    })
}

#[tokio::test]
async fn after_filters_see_request_session_reply_and_error() {
    async fn fine(session: Session) -> impl IntoReply {
        Json(session.id().to_string()).with_options(json!({ "urgent": 1 }))
    }
    async fn fails() -> Result<()> {
        Err(Status::new(777, "no").into())
    }
    async fn panics() {
        panic!("on purpose");
    }
    let (mut local, mut global) = (Heard::new(), Heard::new());
    let sees = |blueprint: Blueprint| {
        let (local, global) = (local.teller(), global.teller());
        let told = |tell: fn(&Answered) -> Value, to: Box<dyn Fn(Value) + Send + Sync>| {
            let to = Arc::new(to);
            move |answered: Answered| {
                to(tell(&answered));
                std::future::ready(())
            }
        };
        blueprint
            .after(told(seen, Box::new(local)))
            .global_after(told(seen, Box::new(global)))
    };
    let handlers = || {
        Handlers::new()
            .add("fine", fine)
            .add("fails", fails)
            .add("panics", panics)
    };
    let (server, _back) = both(handlers, sees).await;
    let mut client = client(&server, Door::Tcp).await;
    for place in PLACES {
        let route = |method: &str| format!("{place}.main.{method}");
        let session = client.ask(&route("fine"), &json!("?")).await;
        let saw = json!({
            "route": route("fine"), "body": "\"?\"", "session": session, "error": null,
            "reply": session.to_string(), "options": { "urgent": 1 },
        });
        assert_eq!(local.next("the local one").await, saw);
        assert_eq!(global.next("the global one").await, saw);
        for (method, code) in [("fails", 777), ("panics", 500), ("nothing", 404)] {
            client.is_refused(&route(method), &json!("?"), code).await;
            let saw = json!({
                "route": route(method), "body": "\"?\"", "session": session, "error": code,
                "reply": null, "options": null,
            });
            assert_eq!(local.next("the local one").await, saw);
            assert_eq!(global.next("the global one").await, saw);
        }
    }
}

#[tokio::test]
async fn all_after_filters_run_whatever_any_of_them_comes_to() {
    async fn fails(_: Answered) -> Result<()> {
        Err(Error::new("on purpose"))
    }
    async fn panics(_: Answered) {
        panic!("on purpose, in an after filter");
    }
    fn panics_at_once(_: Answered) -> std::future::Ready<()> {
        panic!("on purpose, at once");
    }
    let log = Log::keep();
    let mut heard = Heard::new();
    let make = |blueprint: Blueprint| {
        blueprint
            .filter(Told("last", heard.teller()))
            .after(panics_at_once)
            .after(panics)
            .after(fails)
            .filter(Told("first", heard.teller()))
    };
    let (server, _back) = both(Handlers::new, make).await;
    let mut client = client(&server, Door::Tcp).await;
    for (place, lines) in PLACES.into_iter().zip([3, 6]) {
        client.was_ignored(&format!("{place}.main.echo")).await;
        assert_eq!(
            all_of(&mut heard, 4).await,
            ["before last", "before first", "after first", "after last"]
        );
        let logged = log.lines(&["after filter failed", "on purpose"]);
        assert_eq!(logged.len(), lines, "{logged:?}");
    }
}

#[tokio::test]
async fn after_filters_delay_neither_the_reply_nor_what_comes_next() {
    let hold = Hold::new();
    let holds = |blueprint: Blueprint| {
        let hold = hold.clone();
        blueprint.after(move |_: Answered| {
            let hold = hold.clone();
            async move { hold.pass().await }
        })
    };
    let (server, _back) = both(Handlers::new, holds).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        for place in PLACES {
            let echo = format!("{place}.main.echo");
            client.was_ignored(&echo).await;
            client.was_ignored(&echo).await;
            hold.entered(2).await;
            hold.release(2);
        }
    }
}

#[tokio::test]
async fn what_an_after_filter_says_comes_behind_the_reply() {
    async fn tell(answered: Answered) -> Result<()> {
        answered.session().push("onAnswered", &1)
    }
    let (server, _back) = both(Handlers::new, |blueprint| blueprint.after(tell)).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        for place in PLACES {
            let mut ids = Vec::new();
            for number in 0..20 {
                ids.push(
                    client
                        .request(&format!("{place}.main.echo"), &json!(number))
                        .await,
                );
            }
            let mut answered = 0;
            for _ in 0..2 * ids.len() {
                match client.hear().await {
                    Said::Reply(..) => answered += 1,
                    Said::Push(..) => answered -= 1,
                    other => panic!("{other:?}"),
                }
                assert!(answered >= 0, "a push before its reply");
            }
        }
    }
}

/// A push scheduler that keeps all until it is told to hand it on.
#[derive(Clone, Default)]
struct Keeps(Arc<Mutex<Vec<(Outbound, PushSender)>>>);

impl PushScheduler for Keeps {
    fn schedule(&self, message: Outbound, sender: &PushSender) {
        self.0.lock().push((message, sender.clone()));
    }
}

#[tokio::test]
async fn after_filters_run_when_a_push_scheduler_has_the_reply_and_not_when_the_client_has() {
    async fn fails() -> Result<()> {
        Err(Error::new("on purpose").with_options(json!("error")))
    }
    async fn fine() -> impl IntoReply {
        Json(1).with_options(json!("reply"))
    }
    let (keeps, mut heard) = (Keeps::default(), Heard::new());
    let kept = keeps.clone();
    let tell = heard.teller();
    let handlers = || Handlers::new().add("fails", fails).add("fine", fine);
    let front = connector(handlers())
        .push_scheduler(keeps.clone())
        .global_error_handler(|error: Error, _: &Request| Json(error.code()))
        .global_after(move |answered: Answered| {
            let error = answered.error().map(Error::code);
            tell((error, kept.0.lock().len()));
            std::future::ready(())
        });
    let (server, _back) = pair(front, chat(handlers())).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        for (route, error, options) in [
            ("connector.main.fine", None, Some(json!("reply"))),
            ("chat.main.fine", None, Some(json!("reply"))),
            ("connector.main.fails", Some(500), Some(json!("error"))),
            ("chat.main.fails", Some(500), Some(json!("error"))),
            ("chat.main.nothing", Some(404), None),
            ("nobody.main.echo", Some(404), None),
        ] {
            let id = client.request(route, &json!({})).await;
            let told = heard.next("the after filter").await;
            assert_eq!(told, (error, 1), "{route}");
            let (message, sender) = keeps.0.lock().pop().unwrap();
            assert_eq!(message.options().cloned(), options, "{route}");
            sender.send(message);
            client.reply(id).await;
        }
    }
}

#[tokio::test]
async fn after_filters_that_run_count_among_the_requests_in_flight() {
    let hold = Hold::new();
    let holds = {
        let hold = hold.clone();
        move |_: Answered| {
            let hold = hold.clone();
            async move { hold.pass().await }
        }
    };
    let limits = Limits {
        in_flight: 2,
        ..Limits::default()
    };
    let server = alone(connector(Handlers::new()).limits(limits).after(holds)).await;
    let mut client = client(&server, Door::Tcp).await;
    const ECHO: &str = "connector.main.echo";
    client.was_ignored(ECHO).await;
    client.was_ignored(ECHO).await;
    hold.entered(2).await;
    client.is_refused(ECHO, &json!({}), 429).await;
    hold.release(1);
    soon("a place is free", async {
        while client.ask(ECHO, &json!({})).await != json!({}) {}
    })
    .await;
    hold.release(2);
}

#[tokio::test]
async fn as_many_requests_as_may_wait_in_a_before_filter_and_one_more_is_answered_429() {
    let hold = Hold::new();
    let holds = {
        let hold = hold.clone();
        move |_: Session| {
            let hold = hold.clone();
            async move { hold.pass().await }
        }
    };
    let server = alone(connector(Handlers::new()).before(holds)).await;
    let mut client = client(&server, Door::Tcp).await;
    const ECHO: &str = "connector.main.echo";
    let mut ids = Vec::new();
    for number in 0..64 {
        ids.push(client.request(ECHO, &json!(number)).await);
    }
    client.is_refused(ECHO, &json!({}), 429).await;
    hold.release(64);
    for (number, id) in ids.into_iter().enumerate() {
        assert_eq!(client.reply(id).await, number);
    }
}

#[tokio::test]
async fn a_panic_in_a_before_filter_is_answered_500_and_nothing_else_happens() {
    async fn panics(Json(body): Json<Value>) {
        if body == json!("later") {
            tokio::task::yield_now().await;
            panic!("on purpose, later");
        }
    }
    fn panics_at_once(Json(body): Json<Value>) -> std::future::Ready<()> {
        assert_ne!(body, json!("at once"), "on purpose");
        std::future::ready(())
    }
    let make = |blueprint: Blueprint| blueprint.before(panics).before(panics_at_once);
    let (server, _back) = both(Handlers::new, make).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        for place in PLACES {
            let echo = format!("{place}.main.echo");
            client.is_refused(&echo, &json!("later"), 500).await;
            client.is_refused(&echo, &json!("at once"), 500).await;
            client.notify(&echo, &json!("later")).await;
            client.was_ignored(&echo).await;
        }
    }
}

/// Lets others go first as often as the body says.
async fn yields(Json(body): Json<Value>) {
    for _ in 0..body["yields"].as_u64().unwrap_or_default() {
        tokio::task::yield_now().await;
    }
}

/// Tells the number in the body.
fn numbers(heard: &Heard<u64>) -> Handlers {
    let tell = heard.teller();
    Handlers::new().add("number", move |Json(body): Json<Value>| {
        tell(body["number"].as_u64().unwrap());
        std::future::ready(())
    })
}

#[tokio::test]
async fn requests_of_a_session_start_in_the_order_they_came_also_when_filters_await() {
    let mut heard = Heard::new();
    let make = |blueprint: Blueprint| blueprint.before(yields).global_before(yields);
    let (server, _back) = both(|| numbers(&heard), make).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        // The earlier one came the longer it takes.
        for route in [["connector"; 2], ["chat"; 2]] {
            for number in 0..60 {
                let route = format!("{}.main.number", route[number as usize % 2]);
                let body = json!({ "number": number, "yields": 60 - number });
                if number % 7 == 0 {
                    client.notify(&route, &body).await;
                } else {
                    client.request(&route, &body).await;
                }
            }
            for number in 0..60 {
                assert_eq!(heard.next("a handler starts").await, number);
            }
            for _ in 0..51 {
                assert!(matches!(client.hear().await, Said::Reply(_, _)));
            }
        }
    }
}

#[tokio::test]
async fn requests_start_in_order_though_some_pass_filters_and_route_functions_and_others_none() {
    let mut heard = Heard::new();
    // Only requests for the front end pass a filter, and only those for the back end a route function.
    let routes = Routes::new().with_async("chat", |_, _| async {
        tokio::task::yield_now().await;
        Ok(RouteTo::Key("any".to_owned()))
    });
    let world = World::new().routes(routes);
    let _back = world.back("chat-1", chat(numbers(&heard))).await;
    let filtered = connector(numbers(&heard)).before(yields);
    let server = world.start(filtered, front("connector-1")).await;
    soon("the servers meet", server.connected()).await;
    let mut client = client(&server, Door::Tcp).await;
    for number in 0..40 {
        // Both tell through one channel, so those for the back end, which is farther, come last.
        let place = if number < 20 { "connector" } else { "chat" };
        let body = json!({ "number": number, "yields": 20 });
        client.request(&format!("{place}.main.number"), &body).await;
    }
    for number in 0..40 {
        assert_eq!(heard.next("a handler starts").await, number);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_sessions_keep_their_order_in_filters_that_wait() {
    const SESSIONS: u64 = 1000;
    const REQUESTS: u64 = 6;
    type Seen = Arc<Mutex<HashMap<(u64, &'static str), Vec<u64>>>>;
    let seen = Seen::default();
    let notes = |place: &'static str| {
        let seen = Arc::clone(&seen);
        let note = move |Json(body): Json<Value>, session: Session| {
            let number = body["number"].as_u64().unwrap();
            let key = (session.id().into(), place);
            seen.lock().entry(key).or_default().push(number);
            std::future::ready(Json(number))
        };
        Handlers::new().add("note", note)
    };
    let filtered = |blueprint: Blueprint| blueprint.filter(Serial::default()).before(yields);
    let front = filtered(connector(notes("connector"))).global_before(yields);
    let (server, _back) = pair(front, filtered(chat(notes("chat")))).await;
    let mut clients = Vec::new();
    for session in 0..SESSIONS {
        let mut client = client(&server, DOORS[session as usize % 2]).await;
        for number in 0..REQUESTS {
            let route = format!("{}.main.note", PLACES[number as usize % 2]);
            let body = json!({ "number": number, "yields": (session + number) % 5 });
            client.request(&route, &body).await;
        }
        clients.push(client);
    }
    for client in &mut clients {
        for _ in 0..REQUESTS {
            let Said::Reply(_, number) = client.hear().await else {
                panic!("expected an answer");
            };
            assert!(number.is_u64(), "{number}");
        }
    }
    let seen = seen.lock();
    assert_eq!(seen.len() as u64, 2 * SESSIONS);
    for numbers in seen.values() {
        assert!(numbers.is_sorted() && numbers.len() as u64 == REQUESTS / 2);
    }
}

#[tokio::test]
async fn what_waits_in_a_before_filter_holds_back_its_own_session_alone() {
    let (hold, mut heard) = (Hold::new(), Heard::new());
    let holds = {
        let hold = hold.clone();
        move |Json(body): Json<Value>| {
            let hold = hold.clone();
            async move {
                if body["hold"] == true {
                    hold.pass().await;
                }
            }
        }
    };
    let make = |blueprint: Blueprint| blueprint.before(holds.clone());
    let (server, _back) = both(|| numbers(&heard), make).await;
    for place in PLACES {
        let route = format!("{place}.main.number");
        let (mut one, mut other) = (
            client(&server, Door::Tcp).await,
            client(&server, Door::Tcp).await,
        );
        let first = one
            .request(&route, &json!({ "number": 1, "hold": true }))
            .await;
        hold.entered(1).await;
        let second = one.request(&route, &json!({ "number": 2 })).await;
        other.ask(&route, &json!({ "number": 3 })).await;
        assert_eq!(heard.next("the other's").await, 3);
        heard.is_silent();
        hold.release(1);
        assert_eq!(heard.next("the first").await, 1);
        assert_eq!(heard.next("the second").await, 2);
        one.reply(first).await;
        one.reply(second).await;
    }
}

#[tokio::test]
async fn a_request_that_waits_in_a_before_filter_is_answered_504_and_the_next_one_goes_on() {
    async fn hangs(Json(body): Json<Value>) {
        if body == "hang" {
            std::future::pending::<()>().await;
        }
    }
    let limits = Limits {
        deadline: Some(Duration::from_millis(100)),
        ..Limits::default()
    };
    let make = |blueprint: Blueprint| blueprint.before(hangs).limits(limits);
    let (server, _back) = both(Handlers::new, make).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        for place in PLACES {
            let echo = format!("{place}.main.echo");
            client.is_refused(&echo, &json!("hang"), 504).await;
            client.was_ignored(&echo).await;
        }
    }
}

#[tokio::test]
async fn after_filters_hear_of_a_request_whose_time_is_up() {
    let (hold, mut heard) = (Hold::new(), Heard::new());
    let limits = Limits {
        deadline: Some(Duration::from_millis(100)),
        ..Limits::default()
    };
    let make = |blueprint: Blueprint| {
        let tell = heard.teller();
        let after = move |answered: Answered| {
            let error = answered.error().map(Error::code);
            tell((answered.session().frontend_id().to_owned(), error));
            std::future::ready(())
        };
        blueprint
            .limits(limits)
            .after(after.clone())
            .global_after(after)
    };
    let handlers = || Handlers::new().add("hold", hold.handler());
    let (server, _back) = both(handlers, make).await;
    let mut client = client(&server, Door::Tcp).await;
    for place in PLACES {
        client
            .is_refused(&format!("{place}.main.hold"), &json!({}), 504)
            .await;
        for _ in 0..2 {
            let (_, error) = heard.next("an after filter runs").await;
            assert_eq!(error, Some(504));
        }
    }
}

#[tokio::test]
async fn global_filters_are_around_all_that_clients_request() {
    let mut heard = Heard::new();
    let tell = heard.teller();
    let server = connector(Handlers::new()).global_after(move |answered: Answered| {
        tell(answered.error().map(Error::code));
        std::future::ready(())
    });
    let (server, _back) = pair(server, chat(Handlers::new())).await;
    let mut client = client(&server, Door::Tcp).await;
    for (route, code) in [
        ("connector.main.echo", None),
        ("chat.main.echo", None),
        ("connector.main.nothing", Some(404)),
        ("chat.main.nothing", Some(404)),
        ("nobody.main.echo", Some(404)),
        ("nowhere", Some(404)),
    ] {
        let answer = client.ask(route, &json!({})).await;
        assert_eq!(
            answer["code"].as_i64().map(|code| code as i32),
            code,
            "{route}"
        );
        assert_eq!(heard.next("the filter runs").await, code, "{route}");
    }
}

#[tokio::test]
async fn global_after_filters_run_when_a_client_leaves_before_it_is_answered() {
    let (hold, mut heard) = (Hold::new(), Heard::new());
    let tell = heard.teller();
    let server = connector(Handlers::new()).global_after(move |answered: Answered| {
        tell(answered.error().map(Error::code));
        std::future::ready(())
    });
    let handlers = Handlers::new().add("hold", hold.handler());
    let (server, _back) = pair(server, chat(handlers)).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        client.request("chat.main.hold", &json!({})).await;
        hold.entered(1).await;
        drop(client);
        assert_eq!(heard.next("the filter runs").await, Some(502));
        hold.release(1);
    }
}

#[tokio::test]
async fn a_handler_whose_filters_are_not_through_when_its_client_leaves_does_not_begin() {
    let (hold, mut heard) = (Hold::new(), Heard::new());
    let holds = {
        let hold = hold.clone();
        move |_: Session| {
            let hold = hold.clone();
            async move { hold.pass().await }
        }
    };
    let (never, after) = (heard.teller(), heard.teller());
    let handlers = Handlers::new().add("never", move || {
        never("begun".to_owned());
        std::future::ready(())
    });
    let server = connector(handlers)
        .before(holds)
        .after(move |answered: Answered| {
            after(format!("{:?}", answered.error().map(Error::code)));
            std::future::ready(())
        });
    let server = alone(server).await;
    let mut client = client(&server, Door::Tcp).await;
    client.request("connector.main.never", &json!({})).await;
    hold.entered(1).await;
    drop(client);
    until("its session closes", || {
        server.context().sessions().count() == 0
    })
    .await;
    hold.release(1);
    assert_eq!(heard.next("the after filter").await, "Some(502)");
    heard.is_silent();
}

/// Counts those that live.
#[derive(Debug)]
struct Lives(Arc<AtomicUsize>);

impl Lives {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Lives {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn nothing_is_left_of_a_request_however_it_ends() {
    async fn panics() {
        panic!("on purpose");
    }
    async fn panics_after(_: Answered) {
        panic!("on purpose");
    }
    async fn hangs(Json(body): Json<Value>) {
        if body == "hang" {
            std::future::pending::<()>().await;
        }
    }
    let (count, all) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let limits = Limits {
        deadline: Some(Duration::from_millis(100)),
        ..Limits::default()
    };
    let make = |blueprint: Blueprint| {
        let (count, all) = (Arc::clone(&count), Arc::clone(&all));
        blueprint
            .limits(limits)
            .before(move |mut request: Request| {
                all.fetch_add(1, Ordering::Relaxed);
                request.insert(Lives::new(&count));
                std::future::ready(request)
            })
            .before(hangs)
            .after(panics_after)
    };
    let hold = Hold::new();
    let handlers = || {
        Handlers::new()
            .add("panics", panics)
            .add("hold", hold.handler())
    };
    let (server, _back) = both(handlers, make).await;
    for over in DOORS {
        for place in PLACES {
            let (mut stays, mut leaves) =
                (client(&server, over).await, client(&server, over).await);
            // What comes behind one that hangs comes to no filter.
            for (method, body) in [
                ("echo", "x"),
                ("panics", "x"),
                ("hold", "x"),
                ("nothing", "x"),
                ("echo", "hang"),
                ("echo", "x"),
            ] {
                let route = format!("{place}.main.{method}");
                stays.request(&route, &json!(body)).await;
                leaves.request(&route, &json!(body)).await;
            }
            for _ in 0..6 {
                assert!(matches!(stays.hear().await, Said::Reply(..)));
            }
        }
    }
    assert!(all.load(Ordering::Relaxed) >= 20);
    until("all are gone", || count.load(Ordering::Relaxed) == 0).await;
}

#[tokio::test]
async fn what_a_filter_does_beside_the_requests_ends_with_its_server() {
    struct Runs<T>(T);
    impl<T: Fn(String) + Send + Sync + 'static> Filter for Runs<T> {
        async fn run(&self, server: &Arc<Context>) {
            struct Ends<'a, T: Fn(String)>(&'a T);
            impl<T: Fn(String)> Drop for Ends<'_, T> {
                fn drop(&mut self) {
                    (self.0)("ends".to_owned());
                }
            }
            (self.0)(format!("runs on {}", server.server_id()));
            let _ends = Ends(&self.0);
            std::future::pending().await
        }
    }
    let mut heard = Heard::new();
    let server = alone(connector(Handlers::new()).filter(Runs(heard.teller()))).await;
    assert_eq!(heard.next("it runs").await, "runs on connector-1");
    server.close_doors(Duration::from_secs(1)).await;
    heard.is_silent();
    server.leave(Duration::from_secs(1)).await;
    assert_eq!(heard.next("it ends").await, "ends");
}

#[tokio::test]
async fn a_server_that_leaves_lets_after_filters_finish() {
    let (hold, mut heard) = (Hold::new(), Heard::new());
    let after = {
        let (hold, tell) = (hold.clone(), heard.teller());
        move |_: Answered| {
            let (hold, tell) = (hold.clone(), tell.clone());
            async move {
                hold.pass().await;
                tell("done".to_owned());
            }
        }
    };
    let server = alone(connector(Handlers::new()).after(after)).await;
    let mut client = client(&server, Door::Tcp).await;
    client.was_ignored("connector.main.echo").await;
    hold.entered(1).await;
    let closes = server.close_doors(Duration::from_secs(10));
    let release = async { hold.release(1) };
    assert_eq!(tokio::join!(closes, release).0, 0);
    assert_eq!(heard.next("the after filter").await, "done");
}

#[tokio::test]
async fn an_application_code_and_the_code_of_a_limit_pass_a_filter_untouched() {
    let make = |blueprint: Blueprint| {
        blueprint.before(|Json(code): Json<i32>| async move {
            Err::<(), _>(match code {
                0 => Status::from(Code::FLOW_LIMIT),
                code => Status::new(code, "own"),
            })
        })
    };
    let (server, _back) = both(Handlers::new, make).await;
    let mut client = client(&server, Door::Tcp).await;
    for place in PLACES {
        let echo = format!("{place}.main.echo");
        assert_eq!(client.ask(&echo, &json!(0)).await["code"], 429);
        for code in [1, 777, -100_001] {
            assert_eq!(client.ask(&echo, &json!(code)).await["code"], code);
        }
    }
}
