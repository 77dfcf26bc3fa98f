//! All sessions of a front end: finding, counting, kicking, telling, importing settings.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use tangelo::{
    Result,
    server::{Handlers, Json, Limits, Server, Session, SessionId, SessionState, Sessions, Uid},
};

use crate::{
    client::{Client, DOORS, Door, Said, connect, request},
    world::{alone, client, connector, door, pair, small_ears, soon, until},
};

async fn bind(Json(uid): Json<Uid>, session: Session) -> Result<()> {
    Ok(session.bind(uid).await?)
}

/// A front end whose clients bind themselves.
async fn front_end() -> Server {
    alone(connector(Handlers::new().add("bind", bind))).await
}

const BIND: &str = "connector.main.bind";

/// A client bound to this user, and its session.
async fn bound(server: &Server, over: Door, uid: Value) -> (Client, Session) {
    let before: Vec<_> = ids(&server.context().sessions().all());
    let mut client = client(server, over).await;
    assert_eq!(client.ask(BIND, &uid).await, json!({}));
    let after = server.context().sessions().all().into_iter();
    let mut new = after.filter(|session| !before.contains(&session.id()));
    (client, new.next().unwrap())
}

fn ids(sessions: &[Session]) -> Vec<SessionId> {
    let mut ids: Vec<_> = sessions.iter().map(Session::id).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn sessions_are_found_by_id_and_by_user_counted_and_listed() {
    let server = front_end().await;
    let sessions = server.context().sessions();
    let (_a, first) = bound(&server, Door::Tcp, json!("u")).await;
    let (_b, second) = bound(&server, Door::WebSocket, json!("u")).await;
    let (_c, other) = bound(&server, Door::Tcp, json!("v")).await;
    let stranger = client(&server, Door::Tcp).await;

    assert_eq!(sessions.count(), 4);
    assert_eq!(sessions.all().len(), 4);
    let mut all_bound = vec![first.id(), second.id(), other.id()];
    all_bound.sort();
    assert_eq!(ids(&sessions.bound()), all_bound);
    let found: Vec<_> = sessions.by_uid("u").iter().map(Session::id).collect();
    assert_eq!(
        found,
        [first.id(), second.id()],
        "in the order they were bound"
    );
    assert!(sessions.by_uid("w").is_empty());
    assert_eq!(&*sessions.get(other.id()).unwrap().uid().unwrap(), "v");
    assert!(sessions.get(SessionId::from(1)).is_none());
    drop(stranger);
    until("one is gone", || sessions.count() == 3).await;
    assert_eq!(ids(&sessions.all()), all_bound);
}

#[tokio::test]
async fn any_text_is_a_user_and_a_number_is_its_digits() {
    let server = front_end().await;
    let sessions = server.context().sessions();
    let odd = [
        "constructor",
        "__proto__",
        " ",
        "\u{0}",
        "玩家😀",
        "null",
        "0",
    ];
    for uid in odd.map(Value::from) {
        let (_client, session) = bound(&server, Door::Tcp, uid.clone()).await;
        assert_eq!(*session.uid().unwrap(), *uid.as_str().unwrap());
        assert_eq!(sessions.by_uid(uid.as_str().unwrap()).len(), 1, "{uid}");
    }
    until("all are gone", || sessions.count() == 0).await;
    for (number, digits) in [
        (json!(10001), "10001"),
        (json!(0), "0"),
        (json!(u64::MAX), "18446744073709551615"),
    ] {
        let (_client, _) = bound(&server, Door::Tcp, number).await;
        assert_eq!(sessions.by_uid(digits).len(), 1, "{digits}");
    }
    let mut client = client(&server, Door::Tcp).await;
    for nobody in [json!(true), json!(null), json!(1.5), json!(["u"])] {
        client.is_refused(BIND, &nobody, 400).await;
    }
}

#[tokio::test]
async fn a_users_id_may_be_as_long_as_the_limit_and_not_a_byte_longer() {
    let server = front_end().await;
    let longest = "u".repeat(Limits::UID);
    let mut refused = client(&server, Door::Tcp).await;
    refused
        .is_refused(BIND, &json!(format!("{longest}u")), 500)
        .await;
    refused.is_refused(BIND, &json!(""), 500).await;
    assert!(server.context().sessions().bound().is_empty());
    bound(&server, Door::Tcp, json!(longest)).await;
}

#[tokio::test]
async fn the_sessions_of_a_user_are_kicked_and_no_others() {
    let server = front_end().await;
    let sessions = server.context().sessions();
    let mut kicked = Vec::new();
    for over in DOORS {
        kicked.push(bound(&server, over, json!("u")).await.0);
    }
    let (mut other, _) = bound(&server, Door::Tcp, json!("v")).await;
    assert_eq!(sessions.kick_by_uid("u", "you \"know\" why"), 2);
    assert_eq!(sessions.kick_by_uid("u", "again"), 0);
    assert_eq!(sessions.count(), 1, "they are gone at once");
    for client in &mut kicked {
        let why = json!({ "reason": "you \"know\" why" });
        assert_eq!(client.hear().await, Said::Kick(why));
        client.is_closed().await;
    }
    other.was_ignored("connector.main.echo").await;
}

#[tokio::test]
async fn a_session_is_kicked_by_its_id_once() {
    let server = front_end().await;
    let sessions = server.context().sessions();
    let (mut client, session) = bound(&server, Door::Tcp, json!("u")).await;
    assert_eq!(session.state(), SessionState::Inited);
    assert!(sessions.kick_by_id(session.id(), "bye"));
    assert_eq!(session.state(), SessionState::Closed);
    assert!(!sessions.kick_by_id(session.id(), "again"));
    assert!(!sessions.push_by_id(session.id(), "on", &1).unwrap());
    assert!(session.bind("u").await.is_err());
    let unbound = session.unbind().await.unwrap_err().into_status();
    assert_eq!(unbound.message(), "no such session");
    assert!(sessions.by_uid("u").is_empty() && sessions.count() == 0);
    assert_eq!(client.hear().await, Said::Kick(json!({ "reason": "bye" })));
    client.is_closed().await;
}

#[tokio::test]
async fn a_client_hears_what_it_was_told_before_it_was_kicked_and_nothing_after() {
    let server = front_end().await;
    for over in DOORS {
        let (mut client, session) = bound(&server, over, json!("u")).await;
        for number in 0..500 {
            session.push("on", &number).unwrap();
        }
        session.kick("enough").await.unwrap();
        session.push("on", &"too late").unwrap();
        for number in 0..500 {
            assert_eq!(client.push("on").await, number);
        }
        assert_eq!(
            client.hear().await,
            Said::Kick(json!({ "reason": "enough" }))
        );
        client.is_closed().await;
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_is_kicked_all_the_same() {
    let server = front_end().await;
    let mut deaf = Client::over(Door::Tcp, small_ears(&server).await).await;
    deaf.shake_hands().await;
    assert_eq!(deaf.ask(BIND, &json!("u")).await, json!({}));
    let session = server.context().sessions().by_uid("u").remove(0);
    // More than the sockets take.
    let long = "x".repeat(60 << 10);
    for _ in 0..16 {
        session.push("on", &long).unwrap();
    }
    session.kick("deaf").await.unwrap();
    assert_eq!(server.context().sessions().count(), 0);
    let hangs_up = async { while deaf.try_send(b"x").await {} };
    soon("the server hangs up, read or not", hangs_up).await;
}

#[tokio::test]
async fn clients_are_told_by_user_and_by_session() {
    let server = front_end().await;
    let sessions = server.context().sessions();
    let (mut first, session) = bound(&server, Door::Tcp, json!("u")).await;
    let (mut second, _) = bound(&server, Door::WebSocket, json!("u")).await;
    let (mut other, _) = bound(&server, Door::Tcp, json!("v")).await;
    assert_eq!(sessions.push_by_uid("u", "on", &json!(1)).unwrap(), 2);
    assert!(sessions.push_by_id(session.id(), "on", &json!(2)).unwrap());
    assert_eq!(sessions.push_by_uid("w", "on", &json!(3)).unwrap(), 0);
    assert!(
        !sessions
            .push_by_id(SessionId::from(7), "on", &json!(4))
            .unwrap()
    );
    assert_eq!(first.push("on").await, 1);
    assert_eq!(first.push("on").await, 2);
    assert_eq!(second.push("on").await, 1);
    for client in [&mut first, &mut second, &mut other] {
        client.was_ignored("connector.main.echo").await;
    }
}

#[tokio::test]
async fn settings_are_imported_into_the_session_that_is_named() {
    let server = front_end().await;
    let sessions = server.context().sessions();
    let (_client, session) = bound(&server, Door::Tcp, json!("u")).await;
    let (_other, other) = bound(&server, Door::Tcp, json!("u")).await;
    sessions.import(session.id(), "room", &"lobby").unwrap();
    sessions.import(session.id(), "level", &1).unwrap();
    let more = json!({ "level": 2, "__proto__": { "admin": true }, "constructor": 3 });
    sessions.import_all(session.id(), &more).unwrap();
    assert_eq!(session.get::<String>("room").unwrap(), "lobby", "it merges");
    assert_eq!(session.get::<u32>("level").unwrap(), 2);
    assert_eq!(
        session.get::<Value>("__proto__").unwrap(),
        json!({ "admin": true })
    );
    assert_eq!(session.get::<u32>("constructor").unwrap(), 3);
    for key in ["admin", "toString", "hasOwnProperty"] {
        assert!(session.get::<Value>(key).is_err(), "{key}");
    }
    assert!(
        other.get::<Value>("room").is_err(),
        "no other session is touched"
    );
    session.remove("room");
    assert!(session.get::<Value>("room").is_err());

    for refused in [
        sessions.import(SessionId::from(7), "room", &1),
        sessions.import_all(SessionId::from(7), &more),
    ] {
        let refused = refused.unwrap_err();
        assert_eq!(refused.as_status().message(), "no such session");
        assert_eq!(refused.code(), 500);
    }
    for no_object in [json!([1]), json!("level"), json!(null)] {
        assert!(sessions.import_all(session.id(), no_object).is_err());
    }
    assert_eq!(session.get::<u32>("level").unwrap(), 2, "as it was");
}

#[tokio::test]
async fn settings_may_be_as_long_as_the_limit_and_not_a_byte_longer() {
    let server = front_end().await;
    let sessions = server.context().sessions();
    let (_client, session) = bound(&server, Door::Tcp, json!("u")).await;
    let longest = "x".repeat(Limits::SETTINGS - r#"{"a":""}"#.len());
    session.set("a", &longest).unwrap();
    assert!(session.set("a", &format!("{longest}x")).is_err());
    assert!(session.set("b", &1).is_err());
    assert!(sessions.import(session.id(), "b", &1).is_err());
    assert_eq!(session.get::<String>("a").unwrap(), longest, "as it was");
    let two = json!({ "b": 1, "c": 2 });
    assert!(sessions.import_all(session.id(), &two).is_err());
    assert!(session.get::<u32>("b").is_err(), "all or nothing");
    session.remove("a");
    sessions.import_all(session.id(), two).unwrap();
}

#[tokio::test]
async fn the_address_is_the_clients_on_front_and_back_ends() {
    async fn address(session: Session) -> Json<String> {
        Json(session.address().to_string())
    }
    let handlers = || Handlers::new().add("address", address);
    let (server, _back) = pair(connector(handlers()), crate::world::chat(handlers())).await;
    for over in DOORS {
        let stream = connect(door(&server)).await;
        let own = stream.local_addr().unwrap().to_string();
        let mut client = Client::over(over, stream).await;
        client.shake_hands().await;
        for route in ["connector.main.address", "chat.main.address"] {
            assert_eq!(client.ask(route, &json!({})).await, own);
        }
    }
}

#[tokio::test]
async fn a_handler_on_a_front_end_has_all_sessions_and_one_on_a_back_end_has_not() {
    async fn count(sessions: Sessions) -> Json<usize> {
        Json(sessions.count())
    }
    let handlers = || Handlers::new().add("count", count);
    let (server, _back) = pair(connector(handlers()), crate::world::chat(handlers())).await;
    let mut client = client(&server, Door::Tcp).await;
    assert_eq!(client.ask("connector.main.count", &json!({})).await, 1);
    client.is_refused("chat.main.count", &json!({}), 500).await;
}

#[tokio::test]
async fn nothing_runs_that_a_client_asked_for_after_what_it_was_kicked_for() {
    async fn attack(session: Session) -> Result<()> {
        session.kick("attack").await
    }
    let ran = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&ran);
    let count = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        std::future::ready(())
    };
    let handlers = Handlers::new().add("attack", attack).add("count", count);
    let server = alone(connector(handlers)).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        let mut at_once = request(1, "connector.main.attack", b"").to_vec();
        for id in 2..60 {
            at_once.extend_from_slice(&request(id, "connector.main.count", b""));
        }
        client.send_bytes(&at_once).await;
        assert_eq!(client.reply(1).await, json!({}));
        let why = json!({ "reason": "attack" });
        assert_eq!(client.hear().await, Said::Kick(why));
        client.is_closed().await;
        assert_eq!(ran.load(Ordering::Relaxed), 0);
    }
}
