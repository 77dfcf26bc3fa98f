//! Clients that come back to another front end than the one they were on.

use std::net::IpAddr;

use serde_json::{Value, json};
use tangelo::{
    Result,
    registry::Instance,
    server::{
        Blueprint, Channel, Channels, FrontendSession, Handlers, Json, Resume, Server, Session,
        SingleSession,
    },
};
use tokio::sync::watch;

use crate::{
    client::{Client, DOORS, Door, Said},
    proxy::Proxy,
    returning::{Returning, greet},
    world::{
        Heard, Hold, World, back_at_a_place_of_its_own, chat, client, connector, door, front, soon,
        until,
    },
};

const ECHO: &str = "connector.main.echo";
const ENTER: &str = "chat.main.enter";
const WHOAMI: &str = "connector.main.whoami";

/// Two front ends, and a back end with a room.
struct Place {
    fronts: [Server; 2],
    back: Server,
    /// What is told of sessions: `connector-1 away`, and of the room: `anna left`.
    heard: Heard<String>,
    hold: Hold,
}

impl Place {
    async fn new(make: impl Fn(Blueprint) -> Blueprint) -> Self {
        async fn enter(
            Json(uid): Json<String>,
            session: Session,
            channels: Channels,
        ) -> Result<()> {
            session.bind(&uid).await?;
            session.set("room", "lobby")?;
            session.push_settings().await?;
            Ok(channels.get_or_create("room").add(&session)?)
        }
        let (world, heard, hold) = (World::new(), Heard::new(), Hold::new());
        let left = heard.teller();
        let handlers = Handlers::new()
            .add("enter", enter)
            .add("hold", hold.handler());
        let back = chat(handlers).on_leave(move |_, member| left(format!("{} left", member.uid)));
        let back = world.back("chat-1", back).await;
        let start = async |id: &str| {
            let place = Instance {
                port: Some(0),
                ..front(id)
            };
            let blueprint = make(Self::front_end(id, &heard, &hold));
            world.start(blueprint, place).await
        };
        let fronts = [start("connector-1").await, start("connector-2").await];
        for server in &fronts {
            soon("the servers meet", server.connected()).await;
        }
        Self {
            fronts,
            back,
            heard,
            hold,
        }
    }

    fn front_end(id: &str, heard: &Heard<String>, hold: &Hold) -> Blueprint {
        async fn whoami(session: FrontendSession) -> Result<Json<Value>> {
            let (uid, room) = (session.uid()?, session.get::<String>("room")?);
            Ok(Json(json!([session.id(), &*uid, room])))
        }
        let tell = |what: &str| {
            let (tell, what) = (heard.teller(), format!("{id} {what}"));
            move || tell(what.clone())
        };
        let [away, back, bound] = ["away", "back", "bound"].map(tell);
        let (closed, name) = (heard.teller(), id.to_owned());
        let handlers = Handlers::new()
            .add("whoami", whoami)
            .add("hold", hold.handler());
        connector(handlers)
            .resume(Resume::default())
            .on_away(move |_| away())
            .on_resume(move |_| back())
            .on_bind(move |_, _| bound())
            .on_close(move |_, reason| closed(format!("{name} closed: {reason}")))
    }

    fn room(&self) -> Channel {
        self.back.context().channels().get("room").unwrap()
    }

    async fn are_told(&mut self, expected: &[&str]) {
        for expected in expected {
            assert_eq!(self.heard.next(expected).await, *expected);
        }
    }

    /// Who is in the room on its front end.
    async fn enter(&mut self, over: Door) -> Returning {
        let mut returning = Returning::new(over, door(&self.fronts[0])).await;
        returning.ask(ENTER, &json!("anna")).await;
        self.are_told(&["connector-1 bound"]).await;
        returning
    }

    fn counts(&self) -> [usize; 2] {
        [0, 1].map(|at| self.fronts[at].context().sessions().count())
    }
}

#[tokio::test]
async fn a_session_goes_with_its_client_and_its_channels_with_it() {
    for over in DOORS {
        let mut place = Place::new(|blueprint| blueprint).await;
        let mut returning = place.enter(over).await;
        let before = returning.ask(WHOAMI, &json!({})).await;
        returning.client.half_close().await;
        place.are_told(&["connector-1 away"]).await;
        for number in 0..3 {
            place.room().push("on", &json!(number)).unwrap();
        }
        let resume = returning.back(door(&place.fronts[1])).await;
        assert_eq!((&resume["received"], resume.get("gap")), (&json!(2), None));
        for number in 0..3 {
            assert_eq!(returning.push("on").await, number);
        }
        assert_eq!(returning.ask(WHOAMI, &json!({})).await, before);
        let moved = "connector-1 closed: the client is back on another server";
        let mut told = [
            place.heard.next("it is told").await,
            place.heard.next("so is this").await,
        ];
        told.sort();
        assert_eq!(told, [moved, "connector-2 bound"]);
        place.are_told(&["connector-2 back"]).await;
        // The room has it still, as a session of the other server.
        place.room().push("on", &json!(3)).unwrap();
        assert_eq!(returning.push("on").await, 3);
        let members = place.room().members();
        assert_eq!(members.len(), 1);
        assert_eq!(&*members[0].frontend_id, "connector-2");
        assert_eq!(returning.ask("chat.main.echo", &json!(1)).await, 1);
        assert_eq!(place.counts(), [0, 1]);
        // And back again, from a connection that looks alive.
        let resume = returning.back(door(&place.fronts[0])).await;
        assert_eq!((&resume["received"], resume.get("gap")), (&json!(4), None));
        assert_eq!(returning.ask(WHOAMI, &json!({})).await, before);
        until("it is there alone", || place.counts() == [1, 0]).await;
        returning
            .client
            .send(tangelo_wire::pomelo::package::Kind::Heartbeat, b"bye")
            .await;
        loop {
            if place.heard.next("the room hears").await == "anna left" {
                break;
            }
        }
    }
}

#[tokio::test]
async fn requests_under_way_are_answered_over_there_and_not_run_twice() {
    for at in ["connector", "chat"] {
        let mut place = Place::new(|blueprint| blueprint).await;
        let mut returning = place.enter(Door::Tcp).await;
        let id = returning
            .client
            .request(&format!("{at}.main.hold"), &json!({}))
            .await;
        place.hold.entered(1).await;
        returning.client.half_close().await;
        place.are_told(&["connector-1 away"]).await;
        let mut new = Client::silent(Door::Tcp, door(&place.fronts[1])).await;
        let wish = returning.wish();
        let release = async {
            // It is on its way there, or will be.
            tokio::task::yield_now().await;
            place.hold.release(1);
        };
        let (resume, ()) = tokio::join!(greet(&mut new, &wish), release);
        assert_eq!(resume.unwrap()["received"], 2);
        new.send(tangelo_wire::pomelo::package::Kind::HandshakeAck, b"")
            .await;
        let again = crate::client::request(id, &format!("{at}.main.hold"), b"{}");
        new.send_bytes(&again).await;
        loop {
            match new.hear().await {
                Said::Receipt(_) => {}
                said => break assert_eq!(said, Said::Reply(id, json!({}))),
            }
        }
        assert_eq!(new.ask(ECHO, &json!(1)).await, 1);
    }
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_answered_502_over_there() {
    let mut place = Place::new(|blueprint| blueprint).await;
    let mut returning = place.enter(Door::Tcp).await;
    let id = returning.client.request("chat.main.hold", &json!({})).await;
    place.hold.entered(1).await;
    returning.back(door(&place.fronts[1])).await;
    assert_eq!(returning.reply(id).await["code"], 502);
    place.hold.release(1);
    assert_eq!(returning.ask("chat.main.echo", &json!(1)).await, 1);
}

#[tokio::test]
async fn who_comes_back_here_while_it_is_asked_for_there_stays_here_with_its_channels() {
    let mut place = Place::new(|blueprint| blueprint).await;
    let mut returning = place.enter(Door::Tcp).await;
    let id = returning.client.request("chat.main.hold", &json!({})).await;
    place.hold.entered(1).await;
    let mut there = Client::silent(Door::Tcp, door(&place.fronts[1])).await;
    let wish = returning.wish();
    let here = async {
        // The room has moved, and the session waits for its request.
        let is_there = || &*place.room().members()[0].frontend_id == "connector-2";
        until("the room has moved", is_there).await;
        let connections = place.fronts[0].context().connections();
        until("the old connection is cut", || connections.count() == 0).await;
        returning.back(door(&place.fronts[0])).await
    };
    let (lost, resume) = tokio::join!(greet(&mut there, &wish), here);
    assert_eq!(lost.unwrap()["lost"], "unknown");
    assert_eq!(resume["received"], 2);
    let is_back = || &*place.room().members()[0].frontend_id == "connector-1";
    until("the room is back", is_back).await;
    place.room().push("on", &json!(1)).unwrap();
    assert_eq!(returning.push("on").await, 1);
    place.hold.release(1);
    assert_eq!(returning.reply(id).await, json!({}));
}

#[tokio::test]
async fn a_back_end_that_is_gone_holds_nobody() {
    let mut place = Place::new(|blueprint| blueprint).await;
    let mut returning = place.enter(Door::Tcp).await;
    let before = returning.ask(WHOAMI, &json!({})).await;
    place.back.shutdown(std::time::Duration::ZERO).await;
    let resume = returning.back(door(&place.fronts[1])).await;
    assert_eq!(resume["received"], 2);
    assert_eq!(returning.ask(WHOAMI, &json!({})).await, before);
}

#[tokio::test]
async fn where_a_user_has_one_session_alone_it_moves_with_the_user() {
    for single in [SingleSession::refuse_new(), SingleSession::kick_old()] {
        let mut place = Place::new(|blueprint| blueprint.single_session(single.clone())).await;
        let mut returning = place.enter(Door::WebSocket).await;
        let before = returning.ask(WHOAMI, &json!({})).await;
        returning.back(door(&place.fronts[1])).await;
        assert_eq!(returning.ask(WHOAMI, &json!({})).await, before);
        assert_eq!(place.counts(), [0, 1]);
        assert_eq!(place.room().members().len(), 1);
    }
}

#[tokio::test]
async fn a_server_that_is_gone_has_taken_its_sessions_along() {
    let mut place = Place::new(|blueprint| blueprint).await;
    let mut returning = place.enter(Door::Tcp).await;
    place.fronts[0]
        .shutdown(std::time::Duration::from_secs(5))
        .await;
    let resume = returning.back(door(&place.fronts[1])).await;
    assert_eq!(resume["lost"], "elsewhere");
    assert_eq!(returning.ask(ECHO, &json!(1)).await, 1);
}

#[tokio::test]
async fn a_token_that_is_none_is_none_elsewhere_too() {
    let mut place = Place::new(|blueprint| blueprint).await;
    let mut returning = place.enter(Door::Tcp).await;
    let mut flipped = returning.token.clone().into_bytes();
    flipped[20] = if flipped[20] == b'A' { b'B' } else { b'A' };
    let wish = json!({ "token": String::from_utf8(flipped).unwrap(), "received": 0 });
    for lost in std::iter::repeat_n("unknown", 32).chain(["too many attempts"]) {
        let mut client = Client::silent(Door::Tcp, door(&place.fronts[1])).await;
        assert_eq!(greet(&mut client, &wish).await.unwrap()["lost"], lost);
    }
    // The session has not noticed.
    returning.ask(WHOAMI, &json!({})).await;
    assert_eq!(place.room().members().len(), 1);
}

#[tokio::test]
async fn who_lost_the_answer_over_there_comes_there_again_with_the_old_token() {
    let mut place = Place::new(|blueprint| blueprint).await;
    let mut returning = place.enter(Door::Tcp).await;
    let mut client = Client::silent(Door::Tcp, door(&place.fronts[1])).await;
    let resume = greet(&mut client, &returning.wish()).await.unwrap();
    assert_eq!(resume["received"], 1);
    drop(client);
    place.room().push("on", &json!(7)).unwrap();
    let resume = returning.back(door(&place.fronts[1])).await;
    assert_eq!(resume["received"], 1);
    assert_eq!(returning.push("on").await, 7);
}

#[tokio::test]
async fn what_a_room_says_is_heard_in_order_and_once_by_those_who_wander() {
    const NUMBERS: u64 = 400;
    let place = Place::new(|blueprint| blueprint).await;
    let mut wanderers = Vec::new();
    for name in 0..6 {
        let mut returning = Returning::new(DOORS[name % 2], door(&place.fronts[name % 2])).await;
        returning.ask(ENTER, &json!(format!("user {name}"))).await;
        wanderers.push(returning);
    }
    let doors = [door(&place.fronts[0]), door(&place.fronts[1])];
    let wander = wanderers
        .into_iter()
        .enumerate()
        .map(|(name, mut returning)| async move {
            let mut at = name % 2;
            let mut next = 0;
            while next < NUMBERS {
                for _ in 0..10 + 7 * name {
                    if next == NUMBERS {
                        break;
                    }
                    assert_eq!(returning.push("on").await, next, "user {name}");
                    next += 1;
                }
                at = 1 - at;
                if next % 2 == 0 {
                    returning.client.half_close().await;
                }
                let resume = returning.back(doors[at]).await;
                assert_eq!(
                    (resume.get("lost"), resume.get("gap")),
                    (None, None),
                    "{resume}"
                );
            }
        });
    let speak = async {
        for number in 0..NUMBERS {
            place.room().push("on", &json!(number)).unwrap();
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
    };
    let wandering = futures_util::future::join_all(wander);
    soon("all is heard", async { tokio::join!(wandering, speak) }).await;
    assert_eq!(place.room().members().len(), 6);
}

#[tokio::test]
async fn what_was_said_over_the_old_road_is_heard_before_what_is_said_over_the_new_one() {
    async fn enter(session: Session, channels: Channels) -> Result<()> {
        session.bind("anna").await?;
        Ok(channels.get_or_create("room").add(&session)?)
    }
    let [chat_place, first, second] = ["chat-1", "connector-1", "connector-2"].map(|id| {
        let place = back_at_a_place_of_its_own(id);
        Instance {
            client_port: id.starts_with("connector").then_some(0),
            frontend: id.starts_with("connector"),
            ..place
        }
    });
    let back = chat(Handlers::new().add("enter", enter));
    let back = World::fixed(&[&chat_place])
        .start(back, chat_place.clone())
        .await;
    // What the back end says to the first front end can be held back.
    let (gate, is_open) = watch::channel(true);
    let host: IpAddr = chat_place.host.parse().unwrap();
    let target = (host, chat_place.port.unwrap()).into();
    let proxy = Proxy::gated(target, is_open).await;
    let behind_gate = Instance {
        host: proxy.address.ip().to_string(),
        port: Some(proxy.address.port()),
        ..chat_place.clone()
    };
    let front_end = || connector(Handlers::new()).resume(Resume::default());
    let start = async |chat: &Instance, place: &Instance| {
        let world = World::fixed(&[chat, &first, &second]);
        let server = world.start(front_end(), place.clone()).await;
        soon("the servers meet", server.connected()).await;
        server
    };
    let (first, second) = tokio::join!(start(&behind_gate, &first), start(&chat_place, &second));

    let mut wanderer = Returning::new(Door::Tcp, door(&first)).await;
    wanderer.ask(ENTER, &json!("anna")).await;
    let mut other = client(&second, Door::Tcp).await;
    let room = back.context().channels().get("room").unwrap();

    gate.send_replace(false);
    room.push("on", &json!(1)).unwrap();
    wanderer.client.half_close().await;
    let goes = async {
        let resume = wanderer.back(door(&second)).await;
        assert_eq!(resume.get("lost"), None, "{resume}");
        for expected in 1..=3 {
            assert_eq!(wanderer.push("on").await, expected);
        }
    };
    let says = async {
        until("the session is elsewhere", || {
            let members = room.members();
            members
                .iter()
                .all(|member| &*member.frontend_id == "connector-2")
        })
        .await;
        room.push("on", &json!(2)).unwrap();
        // Whoever does not wait for the old road has given the session away by now.
        for _ in 0..20 {
            other.ask(ECHO, &json!({})).await;
        }
        gate.send_replace(true);
        room.push("on", &json!(3)).unwrap();
    };
    tokio::join!(goes, says);
}
