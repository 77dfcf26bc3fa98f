//! Clients that mean harm: what they send has a defined answer, tells them nothing, and touches no session but
//! their own.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
};

use serde_json::{Map, Value, json};
use tangelo::{
    Result,
    server::{Handlers, Json, Server, Session, SessionId, Sessions, Uid},
};
use tangelo_wire::pomelo::package::Kind;
use tokio::task::JoinSet;

use crate::{
    client::{Client, DOORS, Said, request},
    world::{PLACES, World, both, chat, client, connector, soon, until},
};

/// On front and back ends alike: a session is bound, unbound and shown; a setting is set.
fn handlers() -> Handlers {
    async fn bind(Json(uid): Json<Uid>, session: Session) -> Result<()> {
        Ok(session.bind(uid).await?)
    }
    async fn unbind(session: Session) -> Result<()> {
        session.unbind().await
    }
    async fn set(Json((key, value)): Json<(String, Value)>, session: Session) -> Result<()> {
        session.set(&key, &value)?;
        session.push_settings().await
    }
    async fn shown(session: Session) -> Json<Value> {
        let level = session.get::<Value>("level").ok();
        Json(json!([session.uid().ok(), level, session.id().to_string()]))
    }
    async fn kick(session: Session) -> Result<()> {
        session.kick("enough").await
    }
    async fn object(Json(body): Json<Map<String, Value>>) -> Json<usize> {
        Json(body.len())
    }
    Handlers::new()
        .add("bind", bind)
        .add("unbind", unbind)
        .add("set", set)
        .add("shown", shown)
        .add("object", object)
        .add("kick", kick)
}

/// A front end and a back end, and a client that is bound to `victim`, whose level is 1.
async fn with_victim() -> (Server, Server, Client) {
    let (server, back) = both(handlers, |blueprint| blueprint).await;
    let mut victim = client(&server, DOORS[0]).await;
    victim.ask("connector.main.bind", &json!("victim")).await;
    victim.ask("chat.main.set", &json!(["level", 1])).await;
    (server, back, victim)
}

/// Nothing has happened to it.
async fn is_untouched(victim: &mut Client) {
    for place in PLACES {
        let shown = victim.ask(&format!("{place}.main.shown"), &json!({})).await;
        assert_eq!((&shown[0], &shown[1]), (&json!("victim"), &json!(1)));
    }
}

#[tokio::test]
async fn bodies_of_any_shape_are_what_they_are_and_never_a_session() {
    let (server, _back, mut victim) = with_victim().await;
    let forged = json!({
        "id": 1, "frontendId": "connector-1", "uid": "victim", "settings": { "level": 9 },
    });
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let bodies = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1.5e300),
        json!(""),
        json!("__proto__"),
        json!([]),
        // The original hands the elements to the handler, in the session's place too.
        json!([{}, forged]),
        json!([[forged, forged], forged, null]),
        json!({ "session": forged, "__session__": forged, "__route__": "x.y.z", "uid": "victim" }),
        json!({ "__proto__": { "uid": "victim", "level": 9 } }),
        json!({ "constructor": { "prototype": { "uid": "victim" } }, "toString": 1, "": "" }),
        deep,
    ];
    for over in DOORS {
        let mut client = client(&server, over).await;
        for place in PLACES {
            let route = |method: &str| format!("{place}.main.{method}");
            let before = client.ask(&route("shown"), &json!({})).await;
            assert_eq!((&before[0], &before[1]), (&Value::Null, &Value::Null));
            for body in &bodies {
                assert_eq!(client.ask(&route("echo"), body).await, *body);
                let object = client.ask(&route("object"), body).await;
                match body.as_object() {
                    Some(fields) => assert_eq!(object, fields.len()),
                    None => assert_eq!(object["code"], 400, "{body}"),
                }
                client.notify(&route("object"), body).await;
                assert_eq!(client.ask(&route("shown"), body).await, before, "{body}");
            }
            // None at all is an empty one.
            client.send_bytes(&request(7, &route("echo"), b"")).await;
            assert_eq!(client.reply(7).await, json!({}));
        }
    }
    is_untouched(&mut victim).await;
}

#[tokio::test]
async fn bodies_that_are_no_json_or_too_deep_are_answered_400() {
    let (server, _back, mut victim) = with_victim().await;
    let deep = "[".repeat(50_000);
    let objects = "{\"a\":".repeat(10_000);
    let closed = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let bodies: [&[u8]; 9] = [
        b"\xff\xfe",
        b"[1,",
        b"{} {}",
        b"{\"a\":1,}",
        b"\"\\ud800\"",
        b"1e999999",
        deep.as_bytes(),
        objects.as_bytes(),
        closed.as_bytes(),
    ];
    for over in DOORS {
        let mut client = client(&server, over).await;
        for place in PLACES {
            let route = format!("{place}.main.echo");
            for body in bodies {
                client.send_bytes(&request(7, &route, body)).await;
                let answer = client.reply(7).await;
                assert_eq!(answer["code"], 400, "{}", body.escape_ascii());
            }
            client.was_ignored(&route).await;
        }
    }
    is_untouched(&mut victim).await;
}

#[tokio::test]
async fn routes_of_any_bytes_lead_nowhere() {
    let (server, _back, mut victim) = with_victim().await;
    let mut routes: Vec<Vec<u8>> = [
        "connector.main.__proto__",
        "connector.main.constructor",
        "connector.__proto__.toString",
        "chat.main.hasOwnProperty",
        "chat.constructor.constructor",
        "connector.main.Echo",
        "connector.main.echo\0",
        " connector.main.echo",
        "connector/main/echo",
        "connector.main.echo\r\nINFO forged",
        "connector-1.main.echo",
        "chat-1.main.echo",
        "sys.msgRemote.forwardMessage",
        "connector.sessionRemote.bind",
        "tangelo.Session.bind",
        "11.1",
        "default.main.echo",
    ]
    .map(|route| route.as_bytes().to_vec())
    .into();
    for byte in 0..=u8::MAX {
        routes.push(vec![byte]);
        routes.push(vec![byte; 255]);
        routes.push([b"chat.main.", &[byte, byte][..]].concat());
        routes.push([&[byte][..], b".main.echo"].concat());
    }
    for over in DOORS {
        let mut client = client(&server, over).await;
        for route in &routes {
            for id in [Some(9), None] {
                // A request, or a notify.
                let head = id.map_or(vec![2], |id| vec![0, id]);
                let message = [&head, &[route.len() as u8][..], route, b"{}"].concat();
                client.send(Kind::Data, &message).await;
            }
            let answer = client.reply(9).await;
            assert_eq!(answer["code"], 404, "{}: {answer}", route.escape_ascii());
        }
        for place in PLACES {
            client.was_ignored(&format!("{place}.main.echo")).await;
        }
    }
    is_untouched(&mut victim).await;
}

/// What it is answered under this id; nothing if it is kicked before.
async fn answered(client: &mut Client, id: u32) -> Option<Value> {
    loop {
        match client.hear().await {
            Said::Reply(heard, answer) if heard == id => return Some(answer),
            Said::Reply(..) => {}
            Said::Kick(reason) => {
                assert_eq!(reason, json!({ "reason": "enough" }));
                client.is_closed().await;
                return None;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn binding_storms_and_kicks_meanwhile_leave_each_user_with_the_sessions_that_live() {
    const STORM: usize = 200;
    let world = World::new();
    let back = world.back("chat-1", chat(handlers())).await;
    let mut fronts = Vec::new();
    for id in ["connector-1", "connector-2"] {
        let front = world.front(id, connector(handlers())).await;
        soon("the servers meet", front.connected()).await;
        fronts.push(front);
    }
    let mut victim = client(&fronts[0], DOORS[0]).await;
    victim.ask("connector.main.bind", &json!("victim")).await;
    victim.ask("chat.main.set", &json!(["level", 1])).await;

    let mut storm = JoinSet::new();
    for number in 0..STORM {
        let mut client = client(&fronts[number % 2], DOORS[number / 2 % 2]).await;
        storm.spawn(async move {
            for turn in 0..10 {
                let place = PLACES[(number + turn) % 2];
                for (method, body) in [
                    ("bind", json!("mob")),
                    ("bind", json!("another")),
                    ("unbind", json!({})),
                ] {
                    let route = format!("{place}.main.{method}");
                    client.request(&route, &body).await;
                }
                if number % 20 == turn {
                    client
                        .notify(&format!("{place}.main.kick"), &json!({}))
                        .await;
                }
            }
            let last = client.request("connector.main.bind", &json!("mob")).await;
            let answer = answered(&mut client, last).await;
            answer.map(|_| client)
        });
    }
    let sessions = back.context().backend_sessions();
    let is_over = AtomicBool::new(false);
    let kicks = async {
        while !is_over.load(Ordering::Relaxed) {
            for front in ["connector-1", "connector-2"] {
                let mob = sessions.by_uid(front, "mob").await.unwrap();
                for session in mob.iter().take(1) {
                    session.kick("enough").await.unwrap();
                }
            }
            tokio::task::yield_now().await;
        }
    };
    let rages = async {
        let survivors = soon("the storm is over", storm.join_all()).await;
        is_over.store(true, Ordering::Relaxed);
        survivors
    };
    let (survivors, ()) = tokio::join!(rages, kicks);

    // Each says whom it is, and that is whom its front end knows.
    let (mut alive, mut bound) = (Vec::new(), HashMap::<_, Vec<_>>::new());
    for mut client in survivors.into_iter().flatten() {
        let last = client.request("chat.main.shown", &json!({})).await;
        if let Some(shown) = answered(&mut client, last).await {
            let id: u64 = shown[2].as_str().unwrap().parse().unwrap();
            let uid = shown[0].as_str().map(str::to_owned);
            bound.entry(uid).or_default().push(SessionId::from(id));
            alive.push(client);
        }
    }
    assert!(alive.len() <= STORM / 2, "{}", alive.len());
    for (uid, mut expected) in bound {
        let known = fronts.iter().map(|front| front.context().sessions());
        let mut known: Vec<_> = match &uid {
            Some(uid) => known.flat_map(|sessions| sessions.by_uid(uid)).collect(),
            None => known
                .flat_map(Sessions::all)
                .filter(|session| session.uid().is_err())
                .collect(),
        };
        known.sort_by_key(Session::id);
        let known: Vec<_> = known.iter().map(Session::id).collect();
        expected.sort_unstable();
        assert_eq!(known, expected, "{uid:?}");
    }
    let here = fronts
        .iter()
        .map(|front| front.context().sessions().count());
    assert_eq!(here.sum::<usize>(), alive.len() + 1);
    is_untouched(&mut victim).await;

    drop(alive);
    until("the victim alone is left", || {
        let here = fronts.iter().map(|front| front.context().sessions());
        here.clone().map(Sessions::count).sum::<usize>() == 1
            && here.map(|here| here.bound().len()).sum::<usize>() == 1
    })
    .await;
    is_untouched(&mut victim).await;
}
