//! What clients are told of failures, and who decides that.

use std::time::Duration;

use serde_json::{Value, json};
use tangelo::{
    Error, Result,
    rpc::{Code, Status},
    server::{
        Answered, Blueprint, HandlerExt, Handlers, IntoReply, Json, Limits, Request, Session,
    },
};

use crate::{
    client::{DOORS, Door},
    world::{Heard, Hold, PLACES, World, alone, both, chat, client, connector, pair, soon},
};

/// Fails as the body says.
async fn fail(Json(how): Json<Value>) -> Result<Json<Value>> {
    let error = match how["status"].as_i64() {
        Some(code) => Status::new(code as i32, "words").into(),
        None => Error::new("a secret for the log"),
    };
    Err(match how.get("body") {
        Some(body) => error.with_body(body),
        None => error,
    })
}

/// How a request may fail, and what its client is told.
fn failures() -> Vec<(Value, Value)> {
    let own = json!({ "code": 777, "x": 1 });
    vec![
        (
            json!({}),
            json!({ "code": 500, "msg": "the server failed" }),
        ),
        (
            json!({ "status": 777 }),
            json!({ "code": 777, "msg": "words" }),
        ),
        (
            json!({ "status": -100_001 }),
            json!({ "code": -100_001, "msg": "words" }),
        ),
        (
            json!({ "status": Code::NOT_FOUND.0 }),
            json!({ "code": 404, "msg": "words" }),
        ),
        (json!({ "body": &own }), own),
        (
            json!({ "body": { "x": 1 } }),
            json!({ "x": 1, "code": 500 }),
        ),
        (
            json!({ "body": { "x": 1 }, "status": 42 }),
            json!({ "x": 1, "code": 42 }),
        ),
        (
            json!({ "body": { "code": 1 }, "status": 42 }),
            json!({ "code": 1 }),
        ),
        (json!({ "body": {} }), json!({ "code": 500 })),
        (json!({ "body": "😀" }), json!("😀")),
        (json!({ "body": [1, 2] }), json!([1, 2])),
        (json!({ "body": null }), json!(null)),
    ]
}

#[tokio::test]
async fn an_error_is_told_as_it_is_and_its_code_always_arrives() {
    async fn before(Json(body): Json<Value>, request: Request) -> Result<()> {
        match request.route().ends_with(b"echo") {
            true => fail(Json(body)).await.map(drop),
            false => Ok(()),
        }
    }
    let handlers = || Handlers::new().add("fail", fail);
    let plain = both(handlers, |blueprint| blueprint).await;
    let filtered = both(handlers, |blueprint| blueprint.before(before)).await;
    for over in DOORS {
        for ((server, _back), methods) in [(&plain, &["fail"][..]), (&filtered, &["fail", "echo"])]
        {
            let mut client = client(server, over).await;
            for place in PLACES {
                for method in methods {
                    for (how, told) in failures() {
                        let route = format!("{place}.main.{method}");
                        assert_eq!(client.ask(&route, &how).await, told, "{route} {how}");
                    }
                }
            }
        }
    }
}

/// All that an error handler gets, in a reply.
fn tell_all(error: &Error, request: &Request) -> Json<Value> {
    Json(json!({
        "handled": error.code(),
        "message": error.message(),
        "carried": error.body(),
        "options": error.options(),
        "route": String::from_utf8_lossy(request.route()),
        "body": serde_json::from_slice::<Value>(request.body()).ok(),
        "session": request.session().id().to_string(),
    }))
}

/// A server that tells it its clients.
fn tells(blueprint: Blueprint) -> Blueprint {
    blueprint.error_handler(|error: Error, request: &Request| tell_all(&error, request))
}

#[tokio::test]
async fn an_error_handler_gets_error_request_and_session_and_says_what_the_client_is_told() {
    async fn id(session: Session) -> Json<String> {
        Json(session.id().to_string())
    }
    async fn refused() -> Result<()> {
        let error = Error::from(Status::new(777, "sold out"));
        Err(error.with_body(json!({ "left": 0 })).with_options(json!(1)))
    }
    let handlers = || Handlers::new().add("refused", refused).add("id", id);
    let (server, _back) = both(handlers, tells).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        for place in PLACES {
            let session = client.ask(&format!("{place}.main.id"), &json!({})).await;
            let route = format!("{place}.main.refused");
            let told = client.ask(&route, &json!({ "a": 1 })).await;
            let all = json!({
                "handled": 777, "message": "sold out", "carried": { "left": 0 }, "options": 1,
                "route": route, "body": { "a": 1 }, "session": session,
            });
            assert_eq!(told, all);
        }
    }
}

#[tokio::test]
async fn an_error_handler_hears_of_whatever_fails_on_its_server() {
    async fn panics() {
        panic!("on purpose");
    }
    async fn takes(_: Json<u32>) {}
    async fn before(request: Request) -> Result<()> {
        match request.body() {
            b"\"refuse\"" => Err(Status::new(777, "refused").into()),
            b"\"panic\"" => panic!("on purpose, in a filter"),
            _ => Ok(()),
        }
    }
    let hold = Hold::new();
    let handlers = || {
        let soon = Duration::from_millis(50);
        Handlers::new()
            .add("panics", panics)
            .add("takes", takes)
            .add("hold", hold.handler().deadline(soon))
    };
    let make = |blueprint: Blueprint| tells(blueprint.before(before));
    let (server, _back) = both(handlers, make).await;
    let mut client = client(&server, Door::Tcp).await;
    for place in PLACES {
        for (method, body, code) in [
            ("panics", json!({}), 500),
            ("takes", json!("text"), 400),
            ("nothing", json!({}), 404),
            ("hold", json!({}), 504),
            ("echo", json!("refuse"), 777),
            ("echo", json!("panic"), 500),
        ] {
            let answer = client.ask(&format!("{place}.main.{method}"), &body).await;
            assert_eq!(answer["handled"], code, "{place} {method} {answer}");
        }
    }
}

#[tokio::test]
async fn an_error_handler_on_a_front_end_hears_of_the_deadline_of_the_server() {
    let hold = Hold::new();
    let limits = Limits {
        deadline: Some(Duration::from_millis(50)),
        ..Limits::default()
    };
    let server = connector(Handlers::new().add("hold", hold.handler()));
    let server = alone(tells(server.limits(limits))).await;
    let mut client = client(&server, Door::Tcp).await;
    let answer = client.ask("connector.main.hold", &json!({})).await;
    assert_eq!(answer["handled"], 504);
}

#[tokio::test]
async fn a_request_whose_time_is_up_while_an_earlier_one_holds_it_back_is_told_as_others_are() {
    async fn at_once() {}
    let hold = Hold::new();
    let make = |blueprint: Blueprint| {
        let hold = hold.clone();
        let before = move |Json(body): Json<Value>| {
            let hold = hold.clone();
            async move {
                if body == "hold" {
                    hold.pass().await;
                }
            }
        };
        let blueprint = tells(blueprint.before(before));
        blueprint.global_error_handler(|error: Error, request: &Request| tell_all(&error, request))
    };
    let soon = Duration::from_millis(50);
    let handlers = || Handlers::new().add("at_once", at_once.deadline(soon));
    let (server, _back) = both(handlers, make).await;
    let mut client = client(&server, Door::Tcp).await;
    for place in PLACES {
        let echo = format!("{place}.main.echo");
        let earlier = client.request(&echo, &json!("hold")).await;
        hold.entered(1).await;
        let route = format!("{place}.main.at_once");
        let answer = client.ask(&route, &json!({})).await;
        assert_eq!(answer["handled"], 504, "{answer}");
        hold.release(1);
        client.reply(earlier).await;
    }
}

#[tokio::test]
async fn an_error_handler_may_pass_on_an_error_with_another_body() {
    let make = |blueprint: Blueprint| {
        blueprint.error_handler(|error: Error, _: &Request| {
            let reason = error.message().to_owned();
            error.with_body(json!({ "reason": reason }))
        })
    };
    let (server, _back) = both(|| Handlers::new().add("fail", fail), make).await;
    let mut client = client(&server, Door::Tcp).await;
    for place in PLACES {
        let how = json!({ "status": 42 });
        let answer = client.ask(&format!("{place}.main.fail"), &how).await;
        assert_eq!(answer, json!({ "code": 42, "reason": "words" }));
    }
}

#[tokio::test]
async fn an_error_handler_that_panics_is_as_if_there_were_none() {
    fn panics(_: Error, _: &Request) -> Json<Value> {
        panic!("on purpose, in an error handler");
    }
    let make = |blueprint: Blueprint| blueprint.error_handler(panics).global_error_handler(panics);
    let (server, _back) = both(|| Handlers::new().add("fail", fail), make).await;
    let mut client = client(&server, Door::Tcp).await;
    for place in PLACES {
        for (how, told) in failures() {
            assert_eq!(client.ask(&format!("{place}.main.fail"), &how).await, told);
        }
    }
    client.is_refused("nobody.main.echo", &json!({}), 404).await;
}

#[tokio::test]
async fn after_filters_see_the_error_of_which_an_error_handler_made_a_reply() {
    let mut heard = Heard::new();
    let make = |blueprint: Blueprint| {
        let tell = heard.teller();
        blueprint
            .error_handler(|_: Error, _: &Request| Json("all is well").with_options(json!(7)))
            .after(move |answered: Answered| {
                let reply = answered.reply().unwrap();
                let options = reply.options.as_deref().cloned();
                tell((
                    answered.error().map(Error::code),
                    reply.body.clone(),
                    options,
                ));
                std::future::ready(())
            })
    };
    let (server, _back) = both(|| Handlers::new().add("fail", fail), make).await;
    let mut client = client(&server, Door::Tcp).await;
    for place in PLACES {
        let route = format!("{place}.main.fail");
        assert_eq!(client.ask(&route, &json!({})).await, "all is well");
        let (error, reply, options) = heard.next("the after filter").await;
        assert_eq!(
            (error, &*reply, options),
            (Some(500), &b"\"all is well\""[..], Some(json!(7)))
        );
    }
}

#[tokio::test]
async fn what_an_error_carries_travels_from_back_end_to_front_end() {
    let mut heard = Heard::new();
    let tell = heard.teller();
    let server = connector(Handlers::new()).global_after(move |answered: Answered| {
        let error = answered.error().unwrap();
        tell((
            error.code(),
            error.body().cloned(),
            error.options().cloned(),
        ));
        std::future::ready(())
    });
    async fn refused() -> Result<()> {
        let error = Error::from(Status::new(777, "sold out"));
        Err(error
            .with_body(json!({ "left": 0 }))
            .with_options(json!({ "urgent": 1 })))
    }
    let (server, _back) = pair(server, chat(Handlers::new().add("refused", refused))).await;
    let mut client = client(&server, Door::Tcp).await;
    let answer = client.ask("chat.main.refused", &json!({})).await;
    assert_eq!(answer, json!({ "left": 0, "code": 777 }));
    let (code, body, options) = heard.next("the after filter").await;
    assert_eq!(code, 777);
    assert_eq!(body, Some(json!({ "left": 0 })));
    assert_eq!(options, Some(json!({ "urgent": 1 })));
}

#[tokio::test]
async fn the_global_error_handler_is_for_what_fails_on_the_way_and_the_local_one_for_the_rest() {
    async fn before(request: Request) -> Result<()> {
        match request.body() {
            b"\"refuse\"" => Err(Status::new(777, "refused").into()),
            _ => Ok(()),
        }
    }
    let hold = Hold::new();
    let limits = Limits {
        deadline: Some(Duration::from_millis(100)),
        ..Limits::default()
    };
    let front = connector(Handlers::new().add("fail", fail))
        .limits(limits)
        .global_before(before)
        .error_handler(|_: Error, _: &Request| Json("local"))
        .global_error_handler(|error: Error, _: &Request| Json(json!({ "global": error.code() })));
    let back = chat(
        Handlers::new()
            .add("fail", fail)
            .add("hold", hold.handler()),
    );
    let (server, back) = pair(front, back).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        let global = |code: i32| json!({ "global": code });
        for (route, body, told) in [
            ("connector.main.echo", json!("refuse"), global(777)),
            ("chat.main.echo", json!("refuse"), global(777)),
            ("nobody.main.echo", json!({}), global(404)),
            ("nowhere", json!({}), global(404)),
            ("chat.main.hold", json!({}), global(504)),
            ("connector.main.fail", json!({}), json!("local")),
            ("connector.main.nothing", json!({}), json!("local")),
            // The back end has its own, or none.
            (
                "chat.main.fail",
                json!({ "status": 42 }),
                json!({ "code": 42, "msg": "words" }),
            ),
        ] {
            assert_eq!(client.ask(route, &body).await, told, "{route}");
        }
    }
    let mut client = client(&server, Door::Tcp).await;
    hold.release(99);
    back.leave(Duration::from_secs(1)).await;
    let answer = client.ask("chat.main.echo", &json!({})).await;
    assert_eq!(answer, json!({ "global": 503 }));
}

#[tokio::test]
async fn the_global_error_handler_hears_of_a_back_end_that_is_lost() {
    let world = World::new();
    let hold = Hold::new();
    let back = world
        .back("chat-1", chat(Handlers::new().add("hold", hold.handler())))
        .await;
    let front = connector(Handlers::new())
        .global_error_handler(|error: Error, _: &Request| Json(json!({ "global": error.code() })));
    let server = world.front("connector-1", front).await;
    soon("the servers meet", server.connected()).await;
    let mut client = client(&server, Door::Tcp).await;
    let id = client.request("chat.main.hold", &json!({})).await;
    hold.entered(1).await;
    back.leave(Duration::ZERO).await;
    assert_eq!(client.reply(id).await, json!({ "global": 502 }));
}

#[tokio::test]
async fn what_is_refused_by_a_limit_is_no_error_handlers_matter() {
    let hold = Hold::new();
    let limits = Limits {
        in_flight: 1,
        ..Limits::default()
    };
    let server = connector(Handlers::new().add("hold", hold.handler()))
        .limits(limits)
        .global_error_handler(|error: Error, request: &Request| tell_all(&error, request));
    let server = alone(tells(server)).await;
    let mut client = client(&server, Door::Tcp).await;
    let id = client.request("connector.main.hold", &json!({})).await;
    hold.entered(1).await;
    client
        .is_refused("connector.main.echo", &json!({}), 429)
        .await;
    hold.release(1);
    client.reply(id).await;
}
