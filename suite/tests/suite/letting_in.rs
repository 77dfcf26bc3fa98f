//! What an application says of handshakes: which clients it serves, what it asks and answers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tangelo::{
    Error, Result,
    rpc::Status,
    server::{Blueprint, CloseReason, Handlers, Hello, Limits, Resume, Server, Session},
};
use tangelo_wire::pomelo::package::Kind;

use crate::{
    client::{Client, DOORS, Door, Said, hello},
    world::{Heard, Hold, alone, connector, door, until},
};

const ECHO: &str = "connector.main.echo";

/// Says this, and hears the answer.
pub(crate) async fn greet(server: &Server, over: Door, said: &Value) -> (Client, Value) {
    let mut client = Client::silent(over, door(server)).await;
    client
        .send(Kind::Handshake, said.to_string().as_bytes())
        .await;
    let Said::Hello(answer) = client.hear().await else {
        panic!("no answer to the handshake");
    };
    (client, answer)
}

/// Hears this instead of being let in, and that the connection closes.
pub(crate) async fn is_turned_away(server: &Server, over: Door, said: &Value, answer: Value) {
    let (mut client, heard) = greet(server, over, said).await;
    assert_eq!(heard, answer, "{said}");
    client.is_closed().await;
}

fn asking(hello: &Value) -> Value {
    json!({ "sys": { "type": "suite", "version": "1" }, "user": hello })
}

fn greeting<F, T>(hook: impl Fn(Hello, Session) -> F + Send + Sync + 'static) -> Blueprint
where
    F: Future<Output = Result<T>> + Send + 'static,
    T: serde::Serialize,
{
    connector(Handlers::new()).on_handshake(hook)
}

#[tokio::test]
async fn clients_of_a_kind_or_version_that_is_not_served_are_answered_501_and_the_end() {
    let check = |client_type: &str, version: &str| client_type == "suite" && version != "0";
    let server = alone(connector(Handlers::new()).check_client(check)).await;
    for over in DOORS {
        Client::connect(over, door(&server))
            .await
            .was_ignored(ECHO)
            .await;
        for sys in [
            json!({"type": "suite", "version": "0"}),
            json!({"type": "other", "version": "1"}),
            json!({"type": 1, "version": "1"}),
            json!({}),
        ] {
            let said = json!({ "sys": sys });
            is_turned_away(&server, over, &said, json!({ "code": 501 })).await;
        }
        // Who says nothing of itself is not asked about.
        is_turned_away(&server, over, &json!({}), json!({ "code": 500 })).await;
    }
}

#[tokio::test]
async fn a_check_that_panics_is_answered_500_and_the_server_lives_on() {
    let check = |_: &str, version: &str| match version {
        "1" => true,
        other => panic!("what is {other}?"),
    };
    let server = alone(connector(Handlers::new()).check_client(check)).await;
    let said = json!({ "sys": { "version": "2" } });
    let answer = json!({ "code": 500, "msg": "the server failed" });
    is_turned_away(&server, Door::Tcp, &said, answer).await;
    Client::connect(Door::Tcp, door(&server))
        .await
        .was_ignored(ECHO)
        .await;
}

#[tokio::test]
async fn the_application_sees_what_the_client_says_and_its_answer_is_told() {
    let blueprint = greeting(async |hello: Hello, session: Session| {
        session.set("map", &hello.user["map"])?;
        Ok(json!({
            "hello": hello.user, "of": [hello.client_type, hello.client_version],
            "id": session.id(), "smile": "\u{1f600}",
        }))
    });
    let handlers = Handlers::new().add("map", async |session: Session| {
        Ok::<_, Error>(tangelo::server::Json(session.get::<Value>("map")?))
    });
    let server = alone(blueprint.handler("more", handlers)).await;
    for over in DOORS {
        let (mut client, answer) = greet(&server, over, &asking(&json!({"map": "sea"}))).await;
        let [session] = &server.context().sessions().all()[..] else {
            panic!("expected one session");
        };
        let user = json!({
            "hello": {"map": "sea"}, "of": ["suite", "1"],
            "id": session.id(), "smile": "\u{1f600}",
        });
        assert_eq!(answer, json!({ "code": 200, "sys": {}, "user": user }));
        client.send(Kind::HandshakeAck, b"").await;
        assert_eq!(client.ask("connector.more.map", &json!({})).await, "sea");
        drop(client);
        until("it has gone", || server.context().sessions().count() == 0).await;
    }
}

#[tokio::test]
async fn what_is_said_to_who_is_being_let_in_is_heard_behind_the_acknowledgement_in_order() {
    let hold = Hold::new();
    let holding = hold.clone();
    let server = alone(greeting(move |_, session: Session| {
        let hold = holding.clone();
        async move {
            session.bind("ann").await?;
            session.push("onFirst", &1)?;
            hold.pass().await;
            Ok(())
        }
    }))
    .await;
    let ann = |route, number| {
        let sessions = server.context().sessions();
        assert_eq!(sessions.push_by_uid("ann", route, &number).unwrap(), 1);
    };
    for over in DOORS {
        let mut client = Client::silent(over, door(&server)).await;
        client.send(Kind::Handshake, hello().as_bytes()).await;
        hold.entered(1).await;
        ann("onJudged", 2);
        hold.release(1);
        assert!(matches!(client.hear().await, Said::Hello(_)));
        ann("onAnswered", 3);
        // It has been looked at meanwhile, and is not heard.
        client.send(Kind::Heartbeat, b"").await;
        client.send(Kind::HandshakeAck, b"").await;
        assert_eq!(client.push("onFirst").await, 1);
        assert_eq!(client.push("onJudged").await, 2);
        assert_eq!(client.push("onAnswered").await, 3);
        client.was_ignored(ECHO).await;
        drop(client);
        until("it has gone", || server.context().sessions().count() == 0).await;
    }
}

#[tokio::test]
async fn who_is_kicked_while_being_let_in_hears_why_and_nothing_else() {
    let server = alone(greeting(async |_, session: Session| {
        session.push("onFirst", &1)?;
        session.kick("not you").await?;
        std::future::pending::<Result<()>>().await
    }))
    .await;
    for over in DOORS {
        let mut client = Client::silent(over, door(&server)).await;
        client.send(Kind::Handshake, hello().as_bytes()).await;
        assert_eq!(
            client.hear().await,
            Said::Kick(json!({ "reason": "not you" }))
        );
        client.is_closed().await;
    }
}

#[tokio::test]
async fn nothing_and_null_add_nothing_to_the_answer() {
    let nothing = alone(greeting(async |_, _| Ok(()))).await;
    let null = alone(greeting(async |_, _| Ok(Value::Null))).await;
    for server in [&nothing, &null] {
        let (_, answer) = greet(server, Door::Tcp, &asking(&json!(1))).await;
        assert_eq!(answer, json!({ "code": 200, "sys": {} }));
    }
}

#[tokio::test]
async fn whom_the_application_refuses_is_told_why_and_is_gone() {
    let mut closed = Heard::new();
    let tell = closed.teller();
    let blueprint = greeting(async |hello: Hello, _| match hello.user.as_str() {
        Some("banned") => Err(Status::new(403, "you know why").into()),
        Some("old") => Err(Error::from(Status::new(426, "update")).with_body(json!({"to": "2"}))),
        Some("fine") => Err(Status::new(200, "not at all").into()),
        _ => Err::<(), _>(Error::new("for the log alone")),
    });
    let blueprint = blueprint.on_close(move |_, reason| tell(reason.clone()));
    let server = alone(blueprint).await;
    for over in DOORS {
        for (who, answer) in [
            ("banned", json!({ "code": 403, "msg": "you know why" })),
            (
                "old",
                json!({ "code": 426, "msg": "update", "user": {"to": "2"} }),
            ),
            ("fine", json!({ "code": 500, "msg": "not at all" })),
            ("else", json!({ "code": 500, "msg": "the server failed" })),
        ] {
            is_turned_away(&server, over, &asking(&json!(who)), answer).await;
            let reason = closed.next("the session closes").await;
            assert!(matches!(reason, CloseReason::Failed(_)), "{reason:?}");
        }
    }
    assert_eq!(server.context().sessions().count(), 0);
}

#[tokio::test]
async fn a_panic_is_answered_500_wherever_it_is() {
    let at_once = |_: Hello, _: Session| -> std::future::Ready<Result<()>> { panic!("at once") };
    let later = async |_: Hello, _: Session| -> Result<()> {
        tokio::task::yield_now().await;
        panic!("later")
    };
    for server in [alone(greeting(at_once)).await, alone(greeting(later)).await] {
        let answer = json!({ "code": 500, "msg": "the server failed" });
        is_turned_away(&server, Door::Tcp, &asking(&json!(1)), answer).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_application_that_takes_too_long_is_not_waited_for() {
    let server = alone(greeting(async |_, _| {
        std::future::pending::<()>().await;
        Ok(())
    }))
    .await;
    for over in DOORS {
        let begun = tokio::time::Instant::now();
        let mut client = Client::silent(over, door(&server)).await;
        client.patience = Duration::from_secs(60);
        client.send(Kind::Handshake, hello().as_bytes()).await;
        let late = json!({ "code": 504, "msg": "the handshake took too long" });
        assert_eq!(client.hear().await, Said::Hello(late));
        let waited = begun.elapsed();
        assert!(
            (Limits::GREETING..Limits::GREETING * 2).contains(&waited),
            "{waited:?}"
        );
        client.is_closed().await;
    }
}

/// What comes late is not cut off before the application has had its time.
#[tokio::test(start_paused = true)]
async fn the_application_has_its_time_whenever_the_client_comes_and_the_client_then_has_its_own() {
    let server = alone(greeting(async |_, _| {
        tokio::time::sleep(Limits::GREETING - Duration::from_millis(1)).await;
        Ok(())
    }))
    .await;
    let mut client = Client::silent(Door::Tcp, door(&server)).await;
    client.patience = Duration::from_secs(60);
    tokio::time::sleep(Limits::HANDSHAKE - Duration::from_millis(500)).await;
    client.send(Kind::Handshake, hello().as_bytes()).await;
    assert_eq!(
        client.hear().await,
        Said::Hello(json!({ "code": 200, "sys": {} }))
    );
    let answered = tokio::time::Instant::now();
    client.is_closed().await;
    let waited = answered.elapsed();
    assert!(
        (Limits::HANDSHAKE..Limits::HANDSHAKE * 2).contains(&waited),
        "{waited:?}"
    );
}

#[tokio::test]
async fn while_the_application_is_asked_nothing_else_counts_and_others_are_served() {
    let hold = Hold::new();
    let holding = hold.clone();
    let server = alone(greeting(move |hello: Hello, _| {
        let hold = holding.clone();
        async move {
            if hello.user == "slow" {
                hold.pass().await;
            }
            Ok(())
        }
    }))
    .await;
    for over in DOORS {
        let mut slow = Client::silent(over, door(&server)).await;
        slow.send(
            Kind::Handshake,
            asking(&json!("slow")).to_string().as_bytes(),
        )
        .await;
        hold.entered(1).await;
        slow.send(Kind::Handshake, hello().as_bytes()).await;
        slow.send(Kind::HandshakeAck, b"").await;
        slow.request(ECHO, &json!("too early")).await;
        Client::connect(over, door(&server))
            .await
            .was_ignored(ECHO)
            .await;
        hold.release(1);
        assert_eq!(
            slow.hear().await,
            Said::Hello(json!({ "code": 200, "sys": {} }))
        );
        slow.send(Kind::HandshakeAck, b"").await;
        slow.was_ignored(ECHO).await;
    }
}

/// Says that it was dropped.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_client_that_goes_meanwhile_is_not_asked_about_any_longer() {
    let (hold, dropped) = (Hold::new(), Arc::new(AtomicUsize::new(0)));
    let (holding, counted) = (hold.clone(), Arc::clone(&dropped));
    let server = alone(greeting(move |_, _| {
        let (hold, dropped) = (holding.clone(), Dropped(Arc::clone(&counted)));
        async move {
            let _dropped = dropped;
            hold.pass().await;
            Ok(())
        }
    }))
    .await;
    for (number, over) in DOORS.into_iter().enumerate() {
        let mut client = Client::silent(over, door(&server)).await;
        client.send(Kind::Handshake, hello().as_bytes()).await;
        hold.entered(1).await;
        drop(client);
        until("it is dropped", || {
            dropped.load(Ordering::Relaxed) == number + 1
        })
        .await;
        until("it has gone", || server.context().sessions().count() == 0).await;
    }
}

#[tokio::test]
async fn a_server_that_leaves_waits_for_no_answer_of_the_application() {
    let hold = Hold::new();
    let holding = hold.clone();
    let server = alone(greeting(move |_, _| {
        let hold = holding.clone();
        async move {
            hold.pass().await;
            Ok(())
        }
    }))
    .await;
    let mut client = Client::silent(Door::Tcp, door(&server)).await;
    client.send(Kind::Handshake, hello().as_bytes()).await;
    hold.entered(1).await;
    server.shutdown(Duration::from_secs(10)).await;
    client.is_closed().await;
}

#[tokio::test]
async fn a_client_that_comes_back_to_its_session_is_not_asked_about_again_and_one_that_finds_none_is()
 {
    let mut asked = Heard::new();
    let tell = asked.teller();
    let blueprint = greeting(move |hello: Hello, _| {
        tell(hello.user);
        async { Ok("welcome") }
    });
    let server = alone(blueprint.resume(Resume::default())).await;
    let says =
        |token: &Value, user: &str| json!({"sys": {"resume": {"token": token}}, "user": user});
    for over in DOORS {
        let new = json!({"sys": {"resume": true}, "user": "new"});
        let (mut client, answer) = greet(&server, over, &new).await;
        assert_eq!(asked.next("it is asked").await, "new");
        assert_eq!(answer["user"], "welcome");
        client.send(Kind::HandshakeAck, b"").await;
        assert_eq!(client.hear().await, Said::Receipt(0));
        client.was_ignored(ECHO).await;
        drop(client);

        let token = &answer["sys"]["resume"]["token"];
        let (_back, answer) = greet(&server, over, &says(token, "back")).await;
        assert_eq!(answer["sys"]["resume"]["received"], 1);
        assert!(answer.get("user").is_none());
        asked.is_silent();

        let (_lost, answer) = greet(&server, over, &says(&json!("none"), "lost")).await;
        assert_eq!(asked.next("it is asked").await, "lost");
        assert_eq!(answer["sys"]["resume"]["lost"], "unknown");
        assert_eq!(answer["user"], "welcome");
    }
}

#[tokio::test]
async fn whom_the_application_refuses_gets_nothing_to_come_back_with() {
    let blueprint = greeting(async |_, _| Err::<(), _>(Status::new(403, "no").into()));
    let server = alone(blueprint.resume(Resume::default())).await;
    for resume in [json!(true), json!({"token": "none"})] {
        let said = json!({"sys": {"resume": resume}});
        let answer = json!({ "code": 403, "msg": "no" });
        is_turned_away(&server, Door::WebSocket, &said, answer).await;
    }
    assert_eq!(server.context().sessions().count(), 0);
}
