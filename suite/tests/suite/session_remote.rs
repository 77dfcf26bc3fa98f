//! What back ends, and other front ends, do with the sessions of a front end.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tangelo::{
    Result,
    rpc::Code,
    server::{
        BackendSessions, BindError, Error, Handlers, Json, Limits, Server, Session, SessionId,
        SessionState,
    },
};

use crate::{
    client::{Client, DOORS, Door, Said},
    world::{Heard, Hold, World, chat, client, connector, pair, soon, until},
};

/// A front end, a back end, and a client.
struct Fixture {
    front: Server,
    back: Server,
    client: Client,
}

impl Fixture {
    async fn new() -> Self {
        Self::with(connector(see()), chat(see())).await
    }

    async fn with(front: tangelo::server::Blueprint, back: tangelo::server::Blueprint) -> Self {
        let (front, back) = pair(front, back).await;
        Self {
            client: client(&front, Door::Tcp).await,
            front,
            back,
        }
    }

    /// The client's session itself.
    fn here(&self) -> Session {
        self.front.context().sessions().all().remove(0)
    }

    /// The same, as the back end has it.
    async fn there(&self) -> Session {
        let id = self.here().id();
        let sessions = self.back.context().backend_sessions();
        sessions.get("connector-1", id).await.unwrap().unwrap()
    }

    /// What a request sees, on both servers.
    async fn seen(&mut self, key: &str) -> Value {
        let here = self.client.ask("connector.main.see", &json!(key)).await;
        let there = self.client.ask("chat.main.see", &json!(key)).await;
        assert_eq!(here, there);
        here
    }
}

/// Tells the user and one setting.
fn see() -> Handlers {
    async fn see(Json(key): Json<String>, session: Session) -> Json<Value> {
        let uid = session.uid().ok().map(|uid| uid.to_string());
        Json(json!([uid, session.get::<Value>(&key).ok()]))
    }
    Handlers::new().add("see", see)
}

fn code(error: Error) -> Code {
    error.into_status().code()
}

#[tokio::test]
async fn a_back_end_binds_and_unbinds_users_and_the_next_request_sees_it() {
    let mut heard = Heard::new();
    let (bound, unbound) = (heard.teller(), heard.teller());
    let front = connector(see())
        .on_bind(move |_, uid| bound(format!("{uid} bound")))
        .on_unbind(move |_, uid| unbound(format!("{uid} unbound")));
    let mut fixture = Fixture::with(front, chat(see())).await;
    let (here, there) = (fixture.here(), fixture.there().await);

    there.bind("玩家").await.unwrap();
    assert_eq!(&*there.uid().unwrap(), "玩家", "this request sees it, too");
    assert_eq!(fixture.seen("x").await, json!(["玩家", null]));
    assert_eq!(fixture.front.context().sessions().by_uid("玩家").len(), 1);
    assert_eq!(heard.next("bound").await, "玩家 bound");
    // Once more is no mistake, another one is.
    there.bind("玩家").await.unwrap();
    let other = there.bind(7).await.unwrap_err();
    assert!(
        matches!(&other, BindError::Bound(to) if **to == *"玩家"),
        "{other}"
    );
    for nobody in ["", &"u".repeat(Limits::UID + 1)] {
        assert!(there.bind(nobody).await.is_err());
    }

    there.unbind().await.unwrap();
    there.unbind().await.unwrap();
    assert!(there.uid().is_err());
    assert!(here.uid().is_err());
    assert_eq!(fixture.seen("x").await, json!([null, null]));
    assert_eq!(heard.next("unbound").await, "玩家 unbound");
    there.bind(7).await.unwrap();
    assert_eq!(fixture.seen("x").await, json!(["7", null]));
}

#[tokio::test]
async fn a_handler_binds_the_session_of_its_request() {
    async fn login(Json(uid): Json<String>, session: Session) -> Result<Json<String>> {
        session.bind(&uid).await?;
        session.set("room", "lobby")?;
        session.push_settings().await?;
        session.push("onLogin", &uid)?;
        Ok(Json(session.uid()?.to_string()))
    }
    let back = chat(see().add("login", login));
    let mut fixture = Fixture::with(connector(see()), back).await;
    let id = fixture.client.request("chat.main.login", &json!("u")).await;
    assert_eq!(fixture.client.push("onLogin").await, "u");
    assert_eq!(fixture.client.reply(id).await, "u");
    assert_eq!(fixture.seen("room").await, json!(["u", "lobby"]));
    fixture
        .client
        .is_refused("chat.main.login", &json!("v"), 500)
        .await;
}

#[tokio::test]
async fn a_setting_shows_in_the_request_that_set_it_and_elsewhere_once_it_is_pushed() {
    let mut fixture = Fixture::new().await;
    fixture.here().set("stays", &1).unwrap();
    let there = fixture.there().await;
    there.set("room", "a").unwrap();
    there.set("level", &2).unwrap();
    assert_eq!(there.get::<String>("room").unwrap(), "a");
    assert_eq!(fixture.seen("room").await, json!([null, null]));

    there.push_setting("room").await.unwrap();
    assert_eq!(fixture.seen("room").await, json!([null, "a"]));
    assert_eq!(fixture.seen("level").await, json!([null, null]));
    there.push_settings().await.unwrap();
    assert_eq!(fixture.seen("level").await, json!([null, 2]));

    there.remove("room");
    assert!(there.get::<Value>("room").is_err());
    assert_eq!(fixture.seen("room").await, json!([null, "a"]));
    there.push_setting("room").await.unwrap();
    assert_eq!(fixture.seen("room").await, json!([null, null]));
    assert_eq!(fixture.seen("stays").await, json!([null, 1]));
}

#[tokio::test]
async fn what_a_request_has_not_changed_is_not_pushed_over_what_others_have() {
    let fixture = Fixture::new().await;
    fixture.here().set("room", "a").unwrap();
    let there = fixture.there().await;
    fixture.here().set("room", "b").unwrap();
    assert_eq!(there.get::<String>("room").unwrap(), "a", "as it was");
    there.set("level", &1).unwrap();
    there.push_setting("room").await.unwrap();
    there.push_settings().await.unwrap();
    assert_eq!(fixture.here().get::<String>("room").unwrap(), "b");

    // What was pushed is not pushed again.
    fixture.here().set("level", &2).unwrap();
    there.push_settings().await.unwrap();
    assert_eq!(fixture.here().get::<u32>("level").unwrap(), 2);
}

#[tokio::test]
async fn settings_past_the_limit_are_refused_and_those_at_the_limit_pushed() {
    let fixture = Fixture::new().await;
    let there = fixture.there().await;
    let longest = "x".repeat(Limits::SETTINGS - r#"{"a":"","b":1}"#.len());
    there.set("b", &1).unwrap();
    there.set("a", &format!("{longest}x")).unwrap();
    let refused = there.push_settings().await.unwrap_err();
    assert_eq!(code(refused), Code::BUSINESS_ERROR);
    assert!(fixture.here().get::<u32>("b").is_err(), "all or nothing");

    // Corrected, it is pushed, with what was refused along with it.
    there.set("a", &longest).unwrap();
    there.push_settings().await.unwrap();
    assert_eq!(fixture.here().get::<u32>("b").unwrap(), 1);
    assert_eq!(fixture.here().get::<String>("a").unwrap(), longest);
    // More than fits a frame between servers.
    there.set("a", &"x".repeat(2 << 20)).unwrap();
    assert!(there.push_setting("a").await.is_err());
}

#[tokio::test]
async fn any_key_is_a_setting() {
    let mut fixture = Fixture::new().await;
    let there = fixture.there().await;
    let keys = ["__proto__", "constructor", "", "a.b", "\u{0}", "键", "\"}"];
    for (number, key) in keys.iter().enumerate() {
        there.set(key, &json!({ "n": number })).unwrap();
    }
    there.push_settings().await.unwrap();
    for (number, key) in keys.iter().enumerate() {
        assert_eq!(
            fixture.seen(key).await,
            json!([null, { "n": number }]),
            "{key}"
        );
    }
    for key in ["n", "toString", "prototype"] {
        assert_eq!(fixture.seen(key).await, json!([null, null]), "{key}");
    }
}

#[tokio::test]
async fn a_back_end_kicks_a_session_and_its_client_is_told_why() {
    let mut fixture = Fixture::new().await;
    let there = fixture.there().await;
    there.push("on", &1).unwrap();
    there.kick("off \"you\" go").await.unwrap();
    assert_eq!(there.state(), SessionState::Closed);
    assert_eq!(fixture.front.context().sessions().count(), 0);
    assert_eq!(fixture.client.push("on").await, 1);
    let why = json!({ "reason": "off \"you\" go" });
    assert_eq!(fixture.client.hear().await, Said::Kick(why));
    fixture.client.is_closed().await;
    // One that is gone is no error.
    there.kick("again").await.unwrap();
}

#[tokio::test]
async fn back_ends_find_kick_and_tell_by_session_and_by_user() {
    let fixture = Fixture::new().await;
    let back = fixture.back.context().backend_sessions();
    let front = fixture.front.context().sessions();
    let mut clients = vec![fixture.client];
    for over in DOORS {
        clients.push(client(&fixture.front, over).await);
    }
    let [a, b, c] = &front.all()[..] else {
        panic!("three clients");
    };
    a.bind("u").await.unwrap();
    b.bind("u").await.unwrap();
    a.set("room", "lobby").unwrap();
    let at = "connector-1";

    let found = back.get(at, a.id()).await.unwrap().unwrap();
    assert_eq!((found.id(), found.frontend_id()), (a.id(), at));
    assert_eq!(found.get::<String>("room").unwrap(), "lobby");
    assert_eq!(found.address(), a.address());
    assert_eq!(back.by_uid(at, "u").await.unwrap().len(), 2);
    for nobody in ["v", ""] {
        assert!(back.by_uid(at, nobody).await.unwrap().is_empty());
        assert_eq!(back.kick_by_uid(at, nobody, "x").await.unwrap(), 0);
        assert_eq!(back.push_by_uid(at, nobody, "on", &1).await.unwrap(), 0);
    }

    assert_eq!(back.push_by_uid(at, "u", "on", &"u").await.unwrap(), 2);
    assert!(back.push_by_id(at, c.id(), "on", &"c").await.unwrap());
    let mut told = Vec::new();
    for client in &mut clients {
        told.push(client.push("on").await);
    }
    told.sort_by_key(ToString::to_string);
    assert_eq!(told, ["c", "u", "u"]);

    assert!(back.kick_by_id(at, c.id(), "c goes").await.unwrap());
    assert_eq!(front.count(), 2);
    assert_eq!(back.kick_by_uid(at, "u", "u goes").await.unwrap(), 2);
    assert_eq!(front.count(), 0);
    for client in &mut clients {
        assert!(matches!(client.hear().await, Said::Kick(_)));
        client.is_closed().await;
    }
}

#[tokio::test]
async fn front_ends_of_other_types_and_the_own_one_are_asked_the_same_way() {
    async fn push_to(
        Json((at, uid)): Json<(String, String)>,
        sessions: BackendSessions,
    ) -> Result<Json<usize>> {
        Ok(Json(sessions.push_by_uid(&at, uid, "on", "hello").await?))
    }
    let world = World::new();
    let handlers = Handlers::new().add("pushTo", push_to);
    let reachable = |id| tangelo::registry::Instance {
        port: Some(0),
        ..crate::world::front(id)
    };
    let connector = world.start(connector(handlers), reachable("connector-1"));
    let connector = connector.await;
    let gate = tangelo::server::Blueprint::new("gate").heartbeat(None);
    let gate = world.start(gate, reachable("gate-1")).await;
    soon("they meet", connector.connected()).await;

    let mut asks = client(&connector, Door::Tcp).await;
    let mut hears = client(&gate, Door::Tcp).await;
    gate.context().sessions().all()[0].bind("u").await.unwrap();
    connector.context().sessions().all()[0]
        .bind("u")
        .await
        .unwrap();
    let ask = "connector.main.pushTo";
    assert_eq!(asks.ask(ask, &json!(["gate-1", "u"])).await, 1);
    assert_eq!(hears.push("on").await, "hello");
    asks.request(ask, &json!(["connector-1", "u"])).await;
    assert_eq!(asks.push("on").await, "hello");
    assert!(matches!(asks.hear().await, Said::Reply(_, told) if told == 1));
    asks.is_refused(ask, &json!(["connector-9", "u"]), 500)
        .await;

    // A session of another front end is as good as one from a back end.
    let sessions = connector.context().backend_sessions();
    let there = sessions.by_uid("gate-1", "u").await.unwrap().remove(0);
    there.unbind().await.unwrap();
    assert!(gate.context().sessions().by_uid("u").is_empty());
    there.push("on", "still there").unwrap();
    assert_eq!(hears.push("on").await, "still there");
}

#[tokio::test]
async fn another_front_end_of_the_same_type_is_dialed_when_it_is_asked() {
    let world = World::new();
    let asks = world.front("connector-1", connector(see())).await;
    let there = tangelo::registry::Instance {
        port: Some(0),
        ..crate::world::front("connector-2")
    };
    let there = world.start(connector(see()), there).await;
    let mut client = client(&there, Door::Tcp).await;
    let id = there.context().sessions().all()[0].id();
    let sessions = asks.context().backend_sessions();
    let session = sessions.get("connector-2", id).await.unwrap().unwrap();
    session.bind("u").await.unwrap();
    session.push("on", &1).unwrap();
    assert_eq!(client.push("on").await, 1);
    assert_eq!(
        sessions.kick_by_uid("connector-2", "u", "x").await.unwrap(),
        1
    );
    assert!(matches!(client.hear().await, Said::Kick(_)));
    // One without a port cannot be.
    let _mute = world.front("connector-3", connector(see())).await;
    let asked = sessions.get("connector-3", id).await.unwrap_err();
    assert_eq!(code(asked), Code::NO_CONNECTION);
}

#[tokio::test]
async fn what_a_back_end_says_of_a_session_arrives_in_its_order() {
    let mut fixture = Fixture::new().await;
    let there = fixture.there().await;
    let back = fixture.back.context().backend_sessions();
    for number in 0..50 {
        there.push("on", &number).unwrap();
        there.set("n", &number).unwrap();
        let confirmed = back.push_by_id("connector-1", there.id(), "on", &number);
        let (told, pushed) = futures_util::join!(confirmed, there.push_setting("n"));
        assert!(told.unwrap());
        pushed.unwrap();
        assert_eq!(fixture.here().get::<u32>("n").unwrap(), number);
    }
    for number in 0..50 {
        assert_eq!(fixture.client.push("on").await, number);
        assert_eq!(fixture.client.push("on").await, number);
    }
}

#[tokio::test]
async fn a_session_that_closed_meanwhile_is_no_such_session_and_no_ghost_stays() {
    let fixture = Fixture::new().await;
    let there = fixture.there().await;
    there.set("room", "a").unwrap();
    drop(fixture.client);
    let sessions = fixture.front.context().sessions();
    until("it is gone", || sessions.count() == 0).await;

    assert_eq!(there.state(), SessionState::Inited, "it has not heard yet");
    assert!(matches!(there.bind("u").await, Err(BindError::Closed)));
    assert_eq!(there.state(), SessionState::Closed);
    for refused in [there.unbind().await, there.push_settings().await] {
        let status = refused.unwrap_err().into_status();
        assert_eq!(
            (status.code(), status.message()),
            (Code::NOT_FOUND, "no such session")
        );
    }
    there.kick("gone").await.unwrap();
    there.push("on", &1).unwrap();
    assert!(sessions.by_uid("u").is_empty());
    let back = fixture.back.context().backend_sessions();
    assert!(back.get("connector-1", there.id()).await.unwrap().is_none());
}

#[tokio::test]
async fn an_id_from_before_a_restart_of_the_front_end_names_nobody() {
    let world = World::new();
    let back = world.back("chat-1", chat(see())).await;
    let mut stale = Vec::new();
    for life in 0..3 {
        let front = world.front("connector-1", connector(see())).await;
        soon("the servers meet", front.connected()).await;
        let clients = join_all((0..5).map(|_| client(&front, Door::Tcp))).await;
        let sessions = back.context().backend_sessions();
        for old in &stale {
            let old: &Session = old;
            let (at, id) = ("connector-1", old.id());
            assert!(front.context().sessions().get(id).is_none());
            assert!(sessions.get(at, id).await.unwrap().is_none());
            assert!(!sessions.kick_by_id(at, id, "x").await.unwrap());
            assert!(!sessions.push_by_id(at, id, "on", &1).await.unwrap());
            assert!(
                matches!(old.bind("u").await, Err(BindError::Closed)),
                "life {life}"
            );
        }
        assert_eq!(front.context().sessions().count(), 5);
        for session in front.context().sessions().all() {
            let found = sessions.get("connector-1", session.id()).await.unwrap();
            stale.push(found.unwrap());
        }
        drop(clients);
        front.close_doors(Duration::ZERO).await;
        front.leave(Duration::ZERO).await;
        until("it is gone", || {
            let road = back.context().backend_sessions();
            let asked = road.get("connector-1", SessionId::from(1));
            futures_util::FutureExt::now_or_never(asked).is_some_and(|asked| asked.is_err())
        })
        .await;
    }
}

#[tokio::test]
async fn a_front_end_that_is_not_there_is_told_so_at_once() {
    let fixture = Fixture::new().await;
    let there = fixture.there().await;
    let back = fixture.back.context().backend_sessions();
    let nowhere = back.get("connector-9", there.id()).await.unwrap_err();
    assert_eq!(code(nowhere), Code::NO_CONNECTION);

    fixture.front.close_doors(Duration::ZERO).await;
    fixture.front.leave(Duration::ZERO).await;
    drop(fixture.client);
    until("the back end has noticed", || {
        let lost = futures_util::FutureExt::now_or_never(there.bind("u"));
        matches!(lost, Some(Err(BindError::Failed(_))))
    })
    .await;
    there.set("room", "a").unwrap();
    for lost in [
        there.unbind().await,
        there.push_settings().await,
        there.kick("x").await,
        back.kick_by_uid("connector-1", "u", "x").await.map(drop),
    ] {
        let lost = code(lost.unwrap_err());
        let surely_not = [
            Code::NO_CONNECTION,
            Code::SEND_FAILED,
            Code::SERVER_SHUTDOWN,
        ];
        assert!(surely_not.contains(&lost), "{lost:?}");
    }
    assert_eq!(there.get::<String>("room").unwrap(), "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_front_end_that_does_not_answer_is_waited_for_three_seconds() {
    let (release, released) = std::sync::mpsc::sync_channel::<()>(1);
    let released = parking_lot::Mutex::new(released);
    let front = connector(see()).on_close(move |_, _| {
        // Workers go on; what one of them had next would wait with it.
        tokio::task::block_in_place(|| {
            let _ = released.lock().recv_timeout(crate::world::DEADLINE);
        });
    });
    let fixture = Fixture::with(front, chat(see())).await;
    let there = fixture.there().await;
    let begun = tokio::time::Instant::now();
    let late = there.kick("x").await.unwrap_err();
    assert_eq!(code(late), Code::RPC_TIMEOUT);
    assert!(begun.elapsed() >= Duration::from_secs(3));
    release.send(()).unwrap();
}

#[tokio::test]
async fn of_many_binds_at_once_one_wins() {
    let mut fixture = Fixture::new().await;
    let there = fixture.there().await;
    for round in 0..5 {
        let binds = (0..50).map(|user| there.bind(format!("{round}-{user}")));
        let outcomes = join_all(binds).await;
        let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(won, 1);
        let winner = fixture.here().uid().unwrap();
        for lost in outcomes.into_iter().filter_map(Result::err) {
            assert!(matches!(lost, BindError::Bound(to) if to == winner));
        }
        assert_eq!(fixture.seen("x").await, json!([*winner, null]));
        assert_eq!(fixture.front.context().sessions().bound().len(), 1);
        there.unbind().await.unwrap();
    }
}

#[tokio::test]
async fn a_kick_during_binds_leaves_nobody_behind() {
    let fixture = Fixture::new().await;
    for round in 0..20 {
        let _client = client(&fixture.front, Door::Tcp).await;
        let sessions = fixture.front.context().sessions();
        let new = sessions.all().into_iter().map(|session| session.id()).max();
        let back = fixture.back.context().backend_sessions();
        let there = back
            .get("connector-1", new.unwrap())
            .await
            .unwrap()
            .unwrap();
        let bind = async {
            for _ in 0..round {
                let _ = there.bind("u").await;
                let _ = there.unbind().await;
            }
            there.bind("u").await
        };
        let (kicked, _) = futures_util::join!(there.kick("now"), bind);
        kicked.unwrap();
        assert!(matches!(there.bind("u").await, Err(BindError::Closed)));
        assert!(sessions.by_uid("u").is_empty(), "{round}");
    }
}

#[tokio::test]
async fn a_request_still_running_when_its_client_goes_binds_nothing() {
    let hold = Hold::new();
    let (held, mut heard) = (hold.clone(), Heard::new());
    let tell = heard.teller();
    let late = move |session: Session| {
        let (hold, tell) = (held.clone(), tell.clone());
        async move {
            hold.pass().await;
            tell(session.bind("u").await.unwrap_err().to_string());
        }
    };
    let handlers = || Handlers::new().add("late", late.clone());
    let (front, _back) = pair(connector(handlers()), chat(handlers())).await;
    for route in ["connector.main.late", "chat.main.late"] {
        let mut client = client(&front, Door::Tcp).await;
        client.request(route, &json!({})).await;
        hold.entered(1).await;
        drop(client);
        until("it is gone", || front.context().sessions().count() == 0).await;
        hold.release(1);
        assert_eq!(heard.next("refused").await, "no such session");
    }
    assert!(front.context().sessions().by_uid("u").is_empty());
}
