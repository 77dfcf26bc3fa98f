//! Sessions that outlive their connection.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::join_all;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tangelo::{
    Result,
    server::{
        Blueprint, Buffered, Channels, FrontendSession, Handlers, Json, Resume, Server, Session,
        Sessions,
    },
};
use tangelo_wire::pomelo::package::Kind;

use crate::{
    client::{self, Client, DOORS, Door, Said},
    proxy::{Plan, Proxy},
    returning::{Returning, greet},
    world::{Heard, Hold, World, alone, chat, connector, door, pair, soon, until},
};

const ECHO: &str = "connector.main.echo";

/// A front end whose sessions can be resumed, and whose clients bind, set, and kick themselves.
fn resumable(handlers: Handlers) -> Blueprint {
    async fn bind(Json(uid): Json<String>, session: FrontendSession) -> Result<()> {
        session.set("room", "lobby")?;
        Ok(session.bind(&uid).await?)
    }
    async fn whoami(session: FrontendSession) -> Result<Json<Value>> {
        let (uid, room) = (session.uid()?, session.get::<String>("room")?);
        Ok(Json(json!([session.id(), &*uid, room])))
    }
    async fn kick(session: FrontendSession) -> Result<()> {
        session.kick("enough").await
    }
    let handlers = handlers.add("bind", bind).add("whoami", whoami);
    connector(handlers.add("kick", kick)).resume(Resume::default())
}

const BIND: &str = "connector.main.bind";
const WHOAMI: &str = "connector.main.whoami";

/// A front end that tells what becomes of its sessions, one word each.
fn tells_all(blueprint: Blueprint, heard: &Heard<String>) -> Blueprint {
    let [away, resumed, gap, closed] = [(); 4].map(|()| heard.teller());
    blueprint
        .on_away(move |session| {
            assert!(session.is_away());
            away("away".to_owned());
        })
        .on_resume(move |session| {
            assert!(!session.is_away());
            resumed("back".to_owned());
        })
        .on_gap(move |_, lost| gap(format!("{lost} lost")))
        .on_close(move |_, reason| closed(format!("closed: {reason}")))
}

fn sessions(server: &Server) -> &Sessions {
    server.context().sessions()
}

/// So many sessions are away.
async fn are_away(server: &Server, count: usize) {
    let what = format!("{count} are away");
    until(&what, || sessions(server).away() == count).await;
}

/// Its connection is cut, and its session knows.
async fn is_cut(returning: &mut Returning, server: &Server) {
    returning.client.half_close().await;
    are_away(server, 1).await;
}

fn push_number(server: &Server, number: u64) {
    for session in sessions(server).all() {
        session.push("on", &number).unwrap();
    }
}

#[tokio::test]
async fn who_does_not_ask_for_it_gets_what_it_always_got() {
    let server = alone(resumable(Handlers::new())).await;
    for over in DOORS {
        let mut client = Client::silent(over, door(&server)).await;
        let answer = client.shake_hands().await;
        assert_eq!(answer, json!({ "code": 200, "sys": {} }));
        // A body in its heartbeat means nothing.
        client.send(Kind::Heartbeat, b"bye").await;
        client.was_ignored(ECHO).await;
        drop(client);
        until("its session has closed", || sessions(&server).count() == 0).await;
    }
}

#[tokio::test]
async fn where_there_is_none_who_asks_for_it_is_served_without() {
    let server = alone(connector(Handlers::new())).await;
    let old = json!({ "token": "x", "received": 1 });
    for wish in [json!(true), json!({}), old] {
        let mut client = Client::silent(Door::Tcp, door(&server)).await;
        assert_eq!(greet(&mut client, &wish).await, None);
        client.send(Kind::HandshakeAck, b"").await;
        client.was_ignored(ECHO).await;
    }
}

#[tokio::test]
async fn what_a_client_missed_is_told_in_order_and_once() {
    let server = alone(resumable(Handlers::new())).await;
    for over in DOORS {
        let mut returning = Returning::new(over, door(&server)).await;
        returning.ask(ECHO, &json!(1)).await;
        // Told before the cut and not heard, told while away, told after.
        (0..5).for_each(|number| push_number(&server, number));
        assert_eq!(returning.push("on").await, 0);
        is_cut(&mut returning, &server).await;
        (5..10).for_each(|number| push_number(&server, number));
        let resume = returning.back(door(&server)).await;
        assert_eq!(resume["received"], 1);
        assert_eq!(resume.get("gap"), None);
        (10..12).for_each(|number| push_number(&server, number));
        for number in 1..12 {
            assert_eq!(returning.push("on").await, number);
        }
        assert_eq!(returning.ask(ECHO, &json!(2)).await, 2);
        assert_eq!(
            (sessions(&server).count(), sessions(&server).away()),
            (1, 0)
        );
        returning.client.send(Kind::Heartbeat, b"bye").await;
        until("it has left", || sessions(&server).count() == 0).await;
    }
}

#[tokio::test]
async fn a_session_keeps_its_id_its_user_and_its_settings() {
    let mut heard = Heard::new();
    let server = alone(tells_all(resumable(Handlers::new()), &heard)).await;
    for over in DOORS {
        let mut returning = Returning::new(over, door(&server)).await;
        returning.ask(BIND, &json!("anna")).await;
        let before = returning.ask(WHOAMI, &json!({})).await;
        for _ in 0..3 {
            is_cut(&mut returning, &server).await;
            assert_eq!(heard.next("away").await, "away");
            assert_eq!(sessions(&server).by_uid("anna").len(), 1);
            returning.back(door(&server)).await;
            assert_eq!(returning.ask(WHOAMI, &json!({})).await, before);
            assert_eq!(heard.next("back").await, "back");
        }
        let peer = sessions(&server).all()[0].address();
        assert!(peer.port() > 0);
        returning.client.send(Kind::Heartbeat, b"bye").await;
        assert_eq!(heard.next("closed").await, "closed: the client left");
        heard.is_silent();
    }
}

#[tokio::test]
async fn its_channels_on_a_back_end_keep_it_and_their_pushes_wait_for_it() {
    async fn enter(session: Session, channels: Channels) -> Result<()> {
        session.bind("anna").await?;
        channels.get_or_create("room").add(&session)?;
        Ok(())
    }
    let back = chat(Handlers::new().add("enter", enter));
    let (front, back) = pair(resumable(Handlers::new()), back).await;
    let room = || back.context().channels().get("room").unwrap();
    let mut returning = Returning::new(Door::Tcp, door(&front)).await;
    returning.ask("chat.main.enter", &json!({})).await;
    is_cut(&mut returning, &front).await;
    for number in 0..3 {
        room().push("on", &json!(number)).unwrap();
    }
    assert_eq!(room().members().len(), 1);
    returning.back(door(&front)).await;
    for number in 0..3 {
        assert_eq!(returning.push("on").await, number);
    }
    assert_eq!(returning.ask("chat.main.echo", &json!(1)).await, 1);
}

#[tokio::test]
async fn a_request_that_runs_is_answered_once_also_if_it_is_sent_again() {
    let (here, there) = (Hold::new(), Hold::new());
    let front = resumable(Handlers::new().add("hold", here.handler()));
    let back = chat(Handlers::new().add("hold", there.handler()));
    let (front, _back) = pair(front, back).await;
    for over in DOORS {
        for (route, hold) in [("connector.main.hold", &here), ("chat.main.hold", &there)] {
            for answered_while_away in [false, true] {
                let mut returning = Returning::new(over, door(&front)).await;
                let id = returning.client.request(route, &json!({})).await;
                hold.entered(1).await;
                is_cut(&mut returning, &front).await;
                if answered_while_away {
                    hold.release(1);
                }
                returning.back(door(&front)).await;
                let again = client::request(id, route, b"{}");
                returning.client.send_bytes(&again).await;
                if !answered_while_away {
                    hold.release(1);
                }
                assert_eq!(returning.reply(id).await, json!({}));
                assert_eq!(returning.ask(ECHO, &json!(1)).await, 1);
                returning.client.send(Kind::Heartbeat, b"bye").await;
                until("it has left", || sessions(&front).count() == 0).await;
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_was_not_heard_is_told_again_and_its_request_not_run_twice() {
    let ran = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&ran);
    let run = move |Json(number): Json<u64>| {
        log.lock().push(number);
        async move { Json(number) }
    };
    let server = alone(resumable(Handlers::new().add("run", run))).await;
    let mut returning = Returning::new(Door::Tcp, door(&server)).await;
    let id = returning
        .client
        .request("connector.main.run", &json!(7))
        .await;
    until("it has run", || ran.lock().len() == 1).await;
    is_cut(&mut returning, &server).await;
    let resume = returning.back(door(&server)).await;
    assert_eq!(resume["received"], 1);
    let again = client::request(id, "connector.main.run", b"7");
    returning.client.send_bytes(&again).await;
    assert_eq!(returning.reply(id).await, 7);
    assert_eq!(returning.ask(ECHO, &json!(1)).await, 1);
    assert_eq!(*ran.lock(), [7]);
}

#[tokio::test]
async fn a_new_connection_takes_over_from_one_that_looks_alive() {
    let mut heard = Heard::new();
    let server = alone(tells_all(resumable(Handlers::new()), &heard)).await;
    for over in DOORS {
        let mut returning = Returning::new(over, door(&server)).await;
        returning.ask(ECHO, &json!(1)).await;
        push_number(&server, 7);
        let mut new = Client::silent(over, door(&server)).await;
        let resume = greet(&mut new, &returning.wish()).await.unwrap();
        assert_eq!(resume["received"], 1);
        // The old one is cut.
        while returning.client.hear().await != Said::End {}
        new.send(Kind::HandshakeAck, b"").await;
        while let Said::Receipt(_) = new.hear().await {}
        assert_eq!(heard.next("away").await, "away");
        assert_eq!(heard.next("back").await, "back");
        assert_eq!(server.context().connections().count(), 1);
        drop(new);
        are_away(&server, 1).await;
        assert_eq!(heard.next("away").await, "away");
        sessions(&server).all()[0].kick("done").await.unwrap();
        assert_eq!(heard.next("closed").await, "closed: kicked: done");
    }
}

#[tokio::test]
async fn a_client_that_lacks_more_than_is_kept_is_told_of_a_gap() {
    let mut heard = Heard::new();
    let hold = Hold::new();
    let handlers = Handlers::new().add("hold", hold.handler());
    let blueprint = resumable(handlers).change_resume(|resume| resume.window(2 << 10));
    let server = alone(tells_all(blueprint, &heard)).await;
    let mut returning = Returning::new(Door::WebSocket, door(&server)).await;
    let answered = returning.client.request(ECHO, &json!(1)).await;
    let running = returning
        .client
        .request("connector.main.hold", &json!({}))
        .await;
    hold.entered(1).await;
    is_cut(&mut returning, &server).await;
    (0..100).for_each(|number| push_number(&server, number));
    let resume = returning.back(door(&server)).await;
    let gap = resume["gap"].as_u64().unwrap();
    // The answer to the first request is lost; that to the second will come.
    assert!((2..101).contains(&gap), "{resume}");
    assert_eq!(resume["received"], 2);
    assert_eq!(resume["pending"], json!([running]));
    assert_ne!(answered, running);
    for number in gap - 1..100 {
        assert_eq!(returning.push("on").await, number);
    }
    hold.release(1);
    returning.reply(running).await;
    for expected in ["away", "back", &format!("{gap} lost")] {
        assert_eq!(heard.next("it is told").await, expected);
    }
}

#[tokio::test]
async fn what_is_said_while_a_client_comes_back_does_not_send_it_away_again() {
    let mut heard = Heard::new();
    let blueprint = resumable(Handlers::new()).change_resume(|resume| resume.window(2 << 10));
    let server = alone(tells_all(blueprint, &heard)).await;
    let mut returning = Returning::new(Door::Tcp, door(&server)).await;
    is_cut(&mut returning, &server).await;
    (0..100).for_each(|number| push_number(&server, number));
    // It is lost again before it has acknowledged anything.
    let mut client = Client::silent(Door::Tcp, door(&server)).await;
    greet(&mut client, &returning.wish()).await.unwrap();
    drop(client);
    are_away(&server, 1).await;
    (100..110).for_each(|number| push_number(&server, number));
    let mut client = Client::silent(Door::Tcp, door(&server)).await;
    let resume = greet(&mut client, &returning.wish()).await.unwrap();
    returning.follow(&resume);
    let gap = resume["gap"].as_u64().unwrap();
    // The window is full: without a place of their own, these would push the first of it out.
    (110..113).for_each(|number| push_number(&server, number));
    client.send(Kind::HandshakeAck, b"").await;
    returning.client = client;
    for number in gap..113 {
        assert_eq!(returning.push("on").await, number);
    }
    for expected in ["away", "back", &format!("{gap} lost")] {
        assert_eq!(heard.next("it is told").await, expected);
    }
    // And from here the window is what it was.
    is_cut(&mut returning, &server).await;
    (0..100).for_each(|number| push_number(&server, number));
    assert_eq!(returning.back(door(&server)).await["gap"], gap - 10);
}

#[tokio::test]
async fn what_a_client_says_it_has_makes_room_for_more() {
    let blueprint = resumable(Handlers::new()).change_resume(|resume| resume.window(4 << 10));
    let server = alone(blueprint).await;
    let mut returning = Returning::new(Door::Tcp, door(&server)).await;
    for round in 0..20 {
        for number in 0..10 {
            push_number(&server, number);
            assert_eq!(returning.push("on").await, number, "{round}");
        }
        returning.tell_received().await;
    }
    returning.ask(ECHO, &json!(1)).await;
    is_cut(&mut returning, &server).await;
    let resume = returning.back(door(&server)).await;
    assert_eq!(resume.get("gap"), None);
    // To have more than was sent is no way to anything.
    returning.received += 1;
    returning.tell_received().await;
    assert_eq!(returning.ask(ECHO, &json!(2)).await, 2);
}

#[tokio::test(start_paused = true)]
async fn who_is_away_for_too_long_is_closed_and_not_before() {
    let mut heard = Heard::new();
    let blueprint = resumable(Handlers::new()).change_resume(|resume| resume.time(20));
    let server = alone(tells_all(blueprint, &heard)).await;
    let mut returning = Returning::new(Door::Tcp, door(&server)).await;
    returning.ask(ECHO, &json!(1)).await;
    returning.client.half_close().await;
    assert_eq!(heard.next("away").await, "away");
    tokio::time::sleep(Duration::from_millis(19_900)).await;
    assert_eq!(sessions(&server).away(), 1);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let closed = "closed: the client did not come back in time";
    assert_eq!(heard.next("closed").await, closed);
    let resume = returning.back(door(&server)).await;
    assert_eq!(resume["lost"], "unknown");
    assert_eq!(returning.ask(ECHO, &json!(2)).await, 2);
}

#[tokio::test]
async fn as_many_may_be_away_as_the_limit_says_and_not_one_more() {
    let mut heard = Heard::new();
    let blueprint = resumable(Handlers::new()).change_resume(|resume| resume.max_away(2));
    let server = alone(tells_all(blueprint, &heard)).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut returning = Returning::new(Door::Tcp, door(&server)).await;
        returning.ask(ECHO, &json!(1)).await;
        clients.push(returning);
    }
    for away in 1..=2 {
        clients[away - 1].client.half_close().await;
        are_away(&server, away).await;
        assert_eq!(heard.next("away").await, "away");
    }
    clients[2].client.half_close().await;
    assert_eq!(heard.next("closed").await, "closed: the client left");
    // One that comes back makes room.
    clients[0].back(door(&server)).await;
    assert_eq!(heard.next("back").await, "back");
    let mut last = Returning::new(Door::Tcp, door(&server)).await;
    last.ask(ECHO, &json!(1)).await;
    last.client.half_close().await;
    assert_eq!(heard.next("away").await, "away");
    are_away(&server, 2).await;
}

#[tokio::test]
async fn a_server_that_leaves_does_not_wait_for_who_is_away() {
    let mut heard = Heard::new();
    let server = alone(tells_all(resumable(Handlers::new()), &heard)).await;
    let mut returning = Returning::new(Door::Tcp, door(&server)).await;
    returning.ask(ECHO, &json!(1)).await;
    is_cut(&mut returning, &server).await;
    assert_eq!(heard.next("away").await, "away");
    let cut_off = soon("it leaves", server.shutdown(Duration::from_secs(15))).await;
    assert_eq!(cut_off, 0);
    assert_eq!(heard.next("closed").await, "closed: this server leaves");
}

#[tokio::test]
async fn an_old_token_is_good_until_the_client_has_shown_that_it_has_the_new_one() {
    let server = alone(resumable(Handlers::new())).await;
    let mut returning = Returning::new(Door::Tcp, door(&server)).await;
    returning.ask(ECHO, &json!(1)).await;
    push_number(&server, 1);
    is_cut(&mut returning, &server).await;
    let first = returning.wish();
    for _ in 0..3 {
        // The answer does not reach it, so that it has the old one.
        let mut client = Client::silent(Door::Tcp, door(&server)).await;
        let resume = greet(&mut client, &first).await.unwrap();
        assert_ne!(resume["token"], first["token"]);
        assert!(resume.get("lost").is_none());
    }
    returning.back(door(&server)).await;
    assert_eq!(returning.push("on").await, 1);
    assert_eq!(returning.ask(ECHO, &json!(2)).await, 2);
    let mut stranger = Client::silent(Door::Tcp, door(&server)).await;
    let resume = greet(&mut stranger, &first).await.unwrap();
    assert_eq!(resume["lost"], "unknown");
    // Its session has not noticed.
    assert_eq!(returning.ask(ECHO, &json!(3)).await, 3);
}

#[tokio::test]
async fn a_token_that_is_none_gives_a_new_session_and_says_nothing_else() {
    let mut heard = Heard::new();
    let server = alone(tells_all(resumable(Handlers::new()), &heard)).await;
    let mut returning = Returning::new(Door::Tcp, door(&server)).await;
    returning.ask(BIND, &json!("anna")).await;
    let mut flipped = returning.token.clone().into_bytes();
    flipped[20] = if flipped[20] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).unwrap();
    let mut answers = Vec::new();
    for token in ["", "x", "*", &"A".repeat(20), &"A".repeat(600), &flipped] {
        let mut client = Client::silent(Door::Tcp, door(&server)).await;
        let wish = json!({ "token": token, "received": 0 });
        let mut resume = greet(&mut client, &wish).await.unwrap();
        client.send(Kind::HandshakeAck, b"").await;
        assert_eq!(client.hear().await, Said::Receipt(0));
        client.is_refused(WHOAMI, &json!({}), 500).await;
        resume["token"] = json!("");
        answers.push(resume);
        client.send(Kind::Heartbeat, b"bye").await;
        assert_eq!(heard.next("it left").await, "closed: the client left");
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers[0]["lost"], "unknown");
    returning.ask(WHOAMI, &json!({})).await;
}

#[tokio::test]
async fn who_tries_too_many_tokens_is_not_listened_to() {
    let server = alone(resumable(Handlers::new())).await;
    let mut returning = Returning::new(Door::Tcp, door(&server)).await;
    returning.ask(ECHO, &json!(1)).await;
    let mut answers = Vec::new();
    for _ in 0..33 {
        let mut client = Client::silent(Door::Tcp, door(&server)).await;
        let wish = json!({ "token": "x", "received": 0 });
        answers.push(greet(&mut client, &wish).await.unwrap()["lost"].clone());
    }
    assert!(answers[..32].iter().all(|lost| lost == "unknown"));
    assert_eq!(answers[32], "too many attempts");
    // Nor is a good one from there.
    let resume = returning.back(door(&server)).await;
    assert_eq!(resume["lost"], "too many attempts");
}

#[tokio::test]
async fn tokens_whose_time_is_over_are_no_attempts_nor_are_those_of_other_servers() {
    let world = World::new();
    let server = world.front("connector-1", resumable(Handlers::new())).await;
    let other = world.front("connector-2", resumable(Handlers::new())).await;
    let mut of_other = Returning::new(Door::Tcp, door(&other)).await;
    of_other.ask(ECHO, &json!(1)).await;
    let mut over = Returning::new(Door::Tcp, door(&server)).await;
    over.client.send(Kind::Heartbeat, b"bye").await;
    until("it has left", || sessions(&server).count() == 0).await;
    let mut returning = Returning::new(Door::Tcp, door(&server)).await;
    returning.ask(ECHO, &json!(1)).await;
    for _ in 0..40 {
        for (wish, lost) in [(over.wish(), "unknown"), (of_other.wish(), "elsewhere")] {
            let mut client = Client::silent(Door::Tcp, door(&server)).await;
            assert_eq!(greet(&mut client, &wish).await.unwrap()["lost"], lost);
        }
    }
    assert_eq!(returning.back(door(&server)).await["received"], 1);
    // The other server has it still.
    assert_eq!(of_other.back(door(&other)).await["received"], 1);
}

#[tokio::test]
async fn what_is_lost_while_a_client_comes_back_is_told_the_next_time() {
    let blueprint = resumable(Handlers::new()).change_resume(|resume| resume.window(2 << 10));
    let server = alone(blueprint).await;
    for over in DOORS {
        let mut returning = Returning::new(over, door(&server)).await;
        is_cut(&mut returning, &server).await;
        let mut client = Client::silent(over, door(&server)).await;
        let resume = greet(&mut client, &returning.wish()).await.unwrap();
        assert_eq!(resume.get("gap"), None);
        // It has been told of no gap, and now there is one.
        (0..100).for_each(|number| push_number(&server, number));
        client.send(Kind::HandshakeAck, b"").await;
        client.is_closed().await;
        assert_eq!(sessions(&server).away(), 1);
        let gap = returning.back(door(&server)).await["gap"].as_u64().unwrap();
        for number in gap..100 {
            assert_eq!(returning.push("on").await, number);
        }
        returning.client.send(Kind::Heartbeat, b"bye").await;
        until("it has left", || sessions(&server).count() == 0).await;
    }
}

#[tokio::test]
async fn where_a_push_scheduler_is_it_is_the_same() {
    let hold = Hold::new();
    let handlers = Handlers::new().add("hold", hold.handler());
    let every = Duration::from_millis(1);
    let blueprint = resumable(handlers).push_scheduler(Buffered::new().flush_interval(every));
    let server = alone(blueprint).await;
    for over in DOORS {
        let mut returning = Returning::new(over, door(&server)).await;
        returning.ask(ECHO, &json!(1)).await;
        let id = returning
            .client
            .request("connector.main.hold", &json!({}))
            .await;
        hold.entered(1).await;
        is_cut(&mut returning, &server).await;
        push_number(&server, 1);
        hold.release(1);
        returning.back(door(&server)).await;
        assert_eq!(returning.push("on").await, 1);
        assert_eq!(returning.reply(id).await, json!({}));
        returning.client.send(Kind::Heartbeat, b"bye").await;
        until("it has left", || sessions(&server).count() == 0).await;
    }
}

#[tokio::test]
async fn who_is_kicked_while_away_is_gone() {
    let mut heard = Heard::new();
    let server = alone(tells_all(resumable(Handlers::new()), &heard)).await;
    let mut returning = Returning::new(Door::Tcp, door(&server)).await;
    returning.ask(BIND, &json!("anna")).await;
    is_cut(&mut returning, &server).await;
    assert_eq!(heard.next("away").await, "away");
    assert_eq!(sessions(&server).kick_by_uid("anna", "enough"), 1);
    assert_eq!(heard.next("closed").await, "closed: kicked: enough");
    let resume = returning.back(door(&server)).await;
    assert_eq!(resume["lost"], "unknown");
}

#[tokio::test]
async fn who_speaks_nonsense_or_is_kicked_does_not_come_back() {
    let mut heard = Heard::new();
    let server = alone(tells_all(resumable(Handlers::new()), &heard)).await;
    for over in DOORS {
        let mut returning = Returning::new(over, door(&server)).await;
        returning.ask(ECHO, &json!(1)).await;
        returning.client.send_bytes(&[9, 9, 9, 9, 9]).await;
        assert!(
            heard
                .next("closed")
                .await
                .starts_with("closed: bad package")
        );
        let mut returning = Returning::new(over, door(&server)).await;
        returning
            .client
            .request("connector.main.kick", &json!({}))
            .await;
        assert_eq!(heard.next("closed").await, "closed: kicked: enough");
        while returning.client.hear().await != Said::End {}
        assert_eq!(returning.back(door(&server)).await["lost"], "unknown");
        drop(returning);
        assert_eq!(heard.next("away").await, "away");
        sessions(&server).all()[0].kick("").await.unwrap();
        heard.next("closed").await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_acknowledge_is_away_as_before() {
    let mut heard = Heard::new();
    let blueprint = resumable(Handlers::new()).change_resume(|resume| resume.time(20));
    let server = alone(tells_all(blueprint, &heard)).await;
    let mut returning = Returning::new(Door::Tcp, door(&server)).await;
    returning.ask(ECHO, &json!(1)).await;
    returning.client.half_close().await;
    assert_eq!(heard.next("away").await, "away");
    // With something to tell it the server waits as quietly.
    push_number(&server, 1);
    let mut client = Client::silent(Door::Tcp, door(&server)).await;
    let resume = greet(&mut client, &returning.wish()).await.unwrap();
    assert_eq!(resume["received"], 1);
    client.is_closed().await;
    assert_eq!(sessions(&server).away(), 1);
    heard.is_silent();
    // Its time began when it went.
    assert!(heard.next("closed").await.contains("in time"));
}

/// Numbers that look like chance and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most as u64) as usize
    }
}

/// A client that says numbers in order, over connections that are cut.
struct Chatterbox {
    returning: Returning,
    name: usize,
    /// All that it has said: odd ones are notifies.
    said: Vec<Bytes>,
    replies: Vec<u32>,
    pushes: Vec<u64>,
}

const NUMBERS: usize = 60;

impl Chatterbox {
    fn package(name: usize, number: usize) -> Bytes {
        let (route, body) = ("connector.main.count", format!("[{name},{number}]"));
        if number.is_multiple_of(2) {
            return client::request(number as u32 + 1, route, body.as_bytes());
        }
        let mut out = bytes::BytesMut::new();
        let message = &mut out;
        tangelo_wire::pomelo::message::encode_notify(route, body.as_bytes(), message).unwrap();
        client::package(Kind::Data, &out)
    }

    async fn chatter(mut self, address: std::net::SocketAddr) -> Self {
        let mut next = 0;
        while self.pushes.len() < NUMBERS || self.replies.len() < NUMBERS / 2 {
            // A few at a time, and then what is heard of them.
            let last = (self.pushes.len() + 5).min(NUMBERS);
            let mut cut = false;
            while next < last && !cut {
                if next == self.said.len() {
                    self.said.push(Self::package(self.name, next));
                }
                cut = !self.returning.client.try_send(&self.said[next]).await;
                next += usize::from(!cut);
            }
            if !cut {
                match self.returning.hear().await {
                    Said::Push(_, number) => self.pushes.push(number.as_u64().unwrap()),
                    Said::Reply(id, _) => self.replies.push(id),
                    Said::End => cut = true,
                    other => panic!("{other:?}"),
                }
            }
            while cut {
                let Some(resume) = self.returning.try_back(address).await else {
                    continue;
                };
                assert_eq!(resume.get("lost"), None, "{resume}");
                assert_eq!(resume.get("gap"), None, "{resume}");
                next = resume["received"].as_u64().unwrap() as usize;
                cut = false;
            }
        }
        self
    }
}

#[tokio::test]
async fn whatever_is_cut_everything_is_done_and_told_in_order_and_once() {
    const CLIENTS: usize = 48;
    let counted = Arc::new(Mutex::new(vec![Vec::new(); CLIENTS]));
    let log = Arc::clone(&counted);
    let count = move |Json((name, number)): Json<(usize, u64)>, session: FrontendSession| {
        log.lock()[name].push(number);
        session.push("counted", &number).unwrap();
        async {
            tokio::task::yield_now().await;
        }
    };
    let server = alone(resumable(Handlers::new().add("count", count))).await;
    let mut dice = Dice(0x5eed);
    let plan = move || Plan {
        up: 700 + dice.below(2000),
        down: 700 + dice.below(1000),
        hangs: dice.below(4) == 0,
    };
    let proxy = Proxy::new(door(&server), plan).await;
    let mut clients = Vec::new();
    for name in 0..CLIENTS {
        let returning = Returning::new(DOORS[name % 2], door(&server)).await;
        let chatterbox = Chatterbox {
            returning,
            name,
            said: Vec::new(),
            replies: Vec::new(),
            pushes: Vec::new(),
        };
        clients.push(async {
            let mut chatterbox = chatterbox;
            // From its own connection to one that will be cut.
            while chatterbox.returning.try_back(proxy.address).await.is_none() {}
            chatterbox.chatter(proxy.address).await
        });
    }
    for chatterbox in soon("all is said", join_all(clients)).await {
        let numbers = Vec::from_iter(0..NUMBERS as u64);
        assert_eq!(chatterbox.pushes, numbers);
        let ids = Vec::from_iter((0..NUMBERS as u32).step_by(2).map(|number| number + 1));
        let mut replies = chatterbox.replies;
        replies.sort_unstable();
        assert_eq!(replies, ids);
        assert_eq!(counted.lock()[chatterbox.name], numbers);
    }
}
