//! What an application is told of its sessions: bound, unbound, closed.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use serde_json::json;
use tangelo::{
    Result,
    rpc::Code,
    server::{BindError, Blueprint, CloseReason, FrontendSession, Handlers, Json},
};

use crate::{
    client::{DOORS, Door, Said},
    world::{Heard, alone, client, connector, soon, until},
};

/// A front end whose clients bind, unbind, set and kick themselves.
fn front_end() -> Blueprint {
    async fn bind(Json(uid): Json<String>, session: FrontendSession) -> Result<()> {
        Ok(session.bind(&uid).await?)
    }
    async fn unbind(session: FrontendSession) -> Result<()> {
        session.unbind().await
    }
    async fn set(Json(room): Json<String>, session: FrontendSession) -> Result<()> {
        session.set("room", &room)
    }
    async fn kick(Json(reason): Json<String>, session: FrontendSession) -> Result<()> {
        session.kick(&reason).await
    }
    let handlers = Handlers::new()
        .add("bind", bind)
        .add("unbind", unbind)
        .add("set", set)
        .add("kick", kick);
    connector(handlers)
}

const BIND: &str = "connector.main.bind";
const UNBIND: &str = "connector.main.unbind";
const KICK: &str = "connector.main.kick";

/// A front end that tells all that happens, one word each.
fn tells_all(heard: &Heard<String>) -> Blueprint {
    let (bound, unbound, closed) = (heard.teller(), heard.teller(), heard.teller());
    front_end()
        .on_bind(move |_, uid| bound(format!("{uid} bound")))
        .on_unbind(move |_, uid| unbound(format!("{uid} unbound")))
        .on_close(move |session, reason| {
            let uid = session
                .uid()
                .map_or("nobody".to_owned(), |uid| uid.to_string());
            closed(format!("{uid} closed: {reason}"));
        })
}

#[tokio::test]
async fn what_happens_to_a_session_is_told_in_its_order() {
    let mut heard = Heard::new();
    let server = alone(tells_all(&heard)).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        client.ask(BIND, &json!("u")).await;
        assert_eq!(heard.next("bound").await, "u bound");
        // Once more is nothing new, and one that is refused did not happen.
        client.ask(BIND, &json!("u")).await;
        client.is_refused(BIND, &json!("v"), 500).await;
        client.ask(UNBIND, &json!({})).await;
        assert_eq!(heard.next("unbound").await, "u unbound");
        client.ask(UNBIND, &json!({})).await;
        client.ask(BIND, &json!("v")).await;
        assert_eq!(heard.next("bound").await, "v bound");
        drop(client);
        assert_eq!(heard.next("closed").await, "v closed: the client left");
    }
    heard.is_silent();
}

#[tokio::test]
async fn a_session_that_closes_still_has_its_user_and_settings() {
    let mut heard = Heard::new();
    let teller = heard.teller();
    let server = alone(front_end().on_close(move |session, _| {
        let uid = session.uid().unwrap().to_string();
        teller((uid, session.get::<String>("room").unwrap(), session.id()));
    }));
    let server = server.await;
    let mut client = client(&server, Door::Tcp).await;
    client.ask(BIND, &json!("u")).await;
    client.ask("connector.main.set", &json!("lobby")).await;
    let id = server.context().sessions().by_uid("u")[0].id();
    drop(client);
    let last = heard.next("closed").await;
    assert_eq!(last, ("u".to_owned(), "lobby".to_owned(), id));
}

#[tokio::test]
async fn the_reason_of_a_close_is_told() {
    let mut heard = Heard::new();
    let teller = heard.teller();
    let server = alone(front_end().on_close(move |_, reason| teller(reason.clone()))).await;

    let mut kicked = client(&server, Door::Tcp).await;
    kicked.request(KICK, &json!("cheating")).await;
    let reason = CloseReason::Kicked("cheating".into());
    assert_eq!(heard.next("kicked").await, reason);
    while kicked.hear().await != Said::End {}

    let mut broken = client(&server, Door::Tcp).await;
    broken.send_bytes(&[77; 4]).await;
    let reason = heard.next("failed").await;
    assert!(matches!(reason, CloseReason::Failed(_)), "{reason:?}");

    let _stays = client(&server, Door::WebSocket).await;
    server.close_doors(crate::world::DEADLINE).await;
    assert_eq!(heard.next("left").await, CloseReason::Leaving);
}

#[tokio::test]
async fn several_are_told_and_a_panic_of_one_keeps_nothing_from_the_others() {
    let mut heard = Heard::new();
    let (first, last) = (heard.teller(), heard.teller());
    let blueprint = front_end()
        .on_bind(move |_, _| first("first"))
        .on_bind(|_, _| panic!("on purpose"))
        .on_bind(move |_, _| last("last"))
        .on_close(|_, _| panic!("on purpose"));
    let server = alone(blueprint).await;
    let mut client = client(&server, Door::Tcp).await;
    assert_eq!(client.ask(BIND, &json!("u")).await, json!({}));
    assert_eq!(heard.next("first").await, "first");
    assert_eq!(heard.next("last").await, "last");
    drop(client);
    until("it is gone", || server.context().sessions().count() == 0).await;
}

#[tokio::test]
async fn who_is_told_may_use_the_session_and_is_told_of_that_afterwards() {
    let mut heard = Heard::new();
    let (bound, unbound, closed) = (heard.teller(), heard.teller(), heard.teller());
    let blueprint = front_end()
        .on_bind(move |session, uid| {
            session.unbind().now_or_never().unwrap().unwrap();
            session.push("onBound", &uid).unwrap();
            let here = session.context().sessions().by_uid(uid).len();
            bound(format!("{uid} bound, {here} here"));
        })
        .on_unbind(move |session, uid| {
            let sessions = session.context().sessions();
            assert!(sessions.kick_by_id(session.id(), "no second chance"));
            unbound(format!("{uid} unbound"));
        })
        .on_close(move |session, _| closed(format!("closed, bound: {}", session.uid().is_ok())));
    let server = alone(blueprint).await;
    let mut client = client(&server, Door::Tcp).await;
    client.request(BIND, &json!("u")).await;
    assert_eq!(heard.next("bound").await, "u bound, 0 here");
    assert_eq!(heard.next("unbound").await, "u unbound");
    assert_eq!(heard.next("closed").await, "closed, bound: false");
    soon("the client goes", async {
        while client.hear().await != Said::End {}
    })
    .await;
}

#[tokio::test]
async fn who_is_told_too_slowly_is_told_all_the_same_and_more_is_refused() {
    let mut heard = Heard::new();
    let (bound, unbound, refused) = (heard.teller(), heard.teller(), heard.teller());
    let first = AtomicBool::new(true);
    let blueprint = front_end()
        .on_bind(move |session, uid| {
            bound(format!("{uid} bound"));
            if !first.swap(false, Ordering::Relaxed) {
                return;
            }
            // 64 may wait: an unbind and a bind, thirty-two times.
            for number in 0..33 {
                session.unbind().now_or_never().unwrap().unwrap();
                let again = session.bind(number).now_or_never().unwrap();
                match again {
                    Ok(()) => assert!(number < 32, "{number}"),
                    Err(BindError::Failed(status)) => {
                        assert_eq!((number, status.code()), (32, Code::FLOW_LIMIT));
                        refused("refused".to_owned());
                    }
                    Err(other) => panic!("{other}"),
                }
            }
        })
        .on_unbind(move |_, uid| unbound(format!("{uid} unbound")));
    let server = alone(blueprint).await;
    let mut client = client(&server, Door::Tcp).await;
    assert_eq!(client.ask(BIND, &json!("u")).await, json!({}));
    assert_eq!(heard.next("bound").await, "u bound");
    assert_eq!(heard.next("refused").await, "refused");
    assert_eq!(heard.next("unbound").await, "u unbound");
    for number in 0..32 {
        assert_eq!(heard.next("bound").await, format!("{number} bound"));
        assert_eq!(heard.next("unbound").await, format!("{number} unbound"));
    }
    heard.is_silent();
    assert_eq!(client.ask(BIND, &json!("v")).await, json!({}));
}
