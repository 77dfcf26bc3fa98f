//! Which server a session's requests go to.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tangelo::{
    Result, remotes,
    rpc::{Code, Status},
    server::{
        Blueprint, Candidates, Context, FrontendSession, Handlers, Json, Limits, RouteRule,
        RouteTo, Routes, Rpc, Server, Session, crc32,
    },
};

use crate::{
    client::{Client, DOORS, Door},
    rpc::{Abacus, AddReq, CalculatorClient, CalculatorServer},
    world::{
        DEADLINE, Heard, Hold, World, back_at_a_place_of_its_own, chat, client, connector, front,
        soon, until,
    },
};

const HERE: &str = "chat.main.here";
const SET: &str = "connector.main.set";

/// A back end whose `here` says which server it is.
fn telling() -> Blueprint {
    async fn here(context: Arc<Context>) -> Json<String> {
        Json(context.server_id().to_owned())
    }
    chat(Handlers::new().add("here", here)).remote("places", remotes! { here })
}

/// A front end whose `set` changes the session.
fn setting(handlers: Handlers) -> Blueprint {
    async fn set(
        Json((key, value)): Json<(String, Value)>,
        session: FrontendSession,
    ) -> Result<()> {
        session.set(&key, &value)
    }
    connector(handlers.add("set", set))
}

/// So many back ends, and a front end that has met them.
async fn servers(routes: Routes, count: u32) -> (Server, Vec<Server>) {
    let world = World::new().routes(routes);
    let mut backs = Vec::new();
    for number in 1..=count {
        backs.push(world.back(&format!("chat-{number}"), telling()).await);
    }
    let front = world.front("connector-1", setting(Handlers::new())).await;
    soon("the servers meet", front.connected()).await;
    (front, backs)
}

/// A client whose session has this room.
async fn client_in(server: &Server, room: &str) -> Client {
    let mut client = client(server, Door::Tcp).await;
    assert_eq!(client.ask(SET, &json!(["room", room])).await, json!({}));
    client
}

/// Where the rooms of many sessions are.
async fn places(server: &Server, rooms: u32) -> Vec<String> {
    let mut places = Vec::new();
    for room in 0..rooms {
        let mut client = client_in(server, &format!("room {room}")).await;
        places.push(
            client
                .ask(HERE, &json!({}))
                .await
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    places
}

fn by_room() -> Routes {
    Routes::new().with("chat", |session| session.get("room"))
}

#[tokio::test]
async fn sessions_with_the_same_key_share_a_server_on_every_front_end() {
    let world = World::new().routes(by_room());
    let mut backs = Vec::new();
    for number in 1..=3 {
        backs.push(world.back(&format!("chat-{number}"), telling()).await);
    }
    let one = world.front("connector-1", setting(Handlers::new())).await;
    let other = world.front("connector-2", setting(Handlers::new())).await;
    soon("the servers meet", async {
        tokio::join!(one.connected(), other.connected());
    })
    .await;
    let there = places(&one, 20).await;
    assert_eq!(there, places(&other, 20).await);
    let mut different = there;
    different.sort();
    different.dedup();
    assert_eq!(different, ["chat-1", "chat-2", "chat-3"]);
}

#[tokio::test]
async fn a_server_that_comes_or_goes_moves_no_sessions_but_its_own() {
    const ROOMS: u32 = 40;
    let world = World::new().routes(by_room());
    let mut backs = Vec::new();
    for number in 1..=3 {
        backs.push(world.back(&format!("chat-{number}"), telling()).await);
    }
    let front = world.front("connector-1", setting(Handlers::new())).await;
    soon("the servers meet", front.connected()).await;
    let before = places(&front, ROOMS).await;

    let fourth = world.back("chat-4", telling()).await;
    until("the fourth is known", || {
        front.context().servers().of_type("chat").count() == 4
    })
    .await;
    soon("the servers meet", front.connected()).await;
    let with_it = places(&front, ROOMS).await;
    let moved = before.iter().zip(&with_it).filter(|(old, new)| old != new);
    let moved: Vec<_> = moved.map(|(_, new)| new.as_str()).collect();
    assert!(!moved.is_empty() && moved.iter().all(|new| *new == "chat-4"));

    soon("it leaves", fourth.leave(DEADLINE)).await;
    until("it is gone", || {
        front.context().servers().of_type("chat").count() == 3
    })
    .await;
    assert_eq!(places(&front, ROOMS).await, before);
}

#[tokio::test]
async fn the_originals_rule_is_crc32_modulo_the_number_of_servers() {
    for server_type in ["chat", "default"] {
        let routes = by_room().rule(server_type, RouteRule::Crc32);
        let (front, _backs) = servers(routes, 3).await;
        for (room, place) in places(&front, 10).await.into_iter().enumerate() {
            let index = crc32(&format!("room {room}")) % 3;
            assert_eq!(place, format!("chat-{}", index + 1));
        }
    }
}

#[tokio::test]
async fn a_route_may_name_the_server() {
    let named = |session: &Session, servers: &Candidates| {
        assert_eq!(servers.server_type(), "chat");
        assert!(servers.all().all(|server| servers.is_up(&server.id)));
        session.get("room")
    };
    let (front, _backs) = servers(Routes::new().with_server("chat", named), 3).await;
    for server in ["chat-1", "chat-3"] {
        let mut client = client_in(&front, server).await;
        assert_eq!(client.ask(HERE, &json!({})).await, server);
    }
    for nobody in ["chat-9", "connector-1", ""] {
        let mut client = client_in(&front, nobody).await;
        client.is_refused(HERE, &json!({}), 503).await;
    }
}

#[tokio::test]
async fn a_server_that_is_down_keeps_its_sessions_unless_the_route_passes_over_it() {
    let passes_over = |session: &Session, servers: &Candidates| {
        let own = servers.by_key(&session.get::<String>("room")?);
        let own = own.filter(|own| servers.is_up(&own.id));
        let other = || servers.all().find(|other| servers.is_up(&other.id));
        Ok(own.or_else(other).unwrap().id.clone())
    };
    for (routes, all_answered) in [
        (by_room(), false),
        (Routes::new().with_server("chat", passes_over), true),
    ] {
        let [up, down] = ["chat-1", "chat-2"].map(back_at_a_place_of_its_own);
        let door = front("connector-1");
        let world = World::fixed(&[&up, &down, &door]).routes(routes);
        let _up = world.start(telling(), up).await;
        let front = world.start(setting(Handlers::new()), door).await;
        let servers = front.context().servers();
        let one_is_up = || servers.of_type("chat").any(|remote| remote.is_connected());
        until("one is up", one_is_up).await;
        let mut answered = Vec::new();
        for room in 0..16 {
            let mut client = client_in(&front, &format!("room {room}")).await;
            let answer = client.ask(HERE, &json!({})).await;
            assert!(answer == "chat-1" || answer["code"] == 503, "{answer}");
            answered.push(answer == "chat-1");
        }
        assert!(answered.contains(&true));
        assert_eq!(!answered.contains(&false), all_answered);
    }
}

#[tokio::test]
async fn a_route_may_leave_the_choice_to_the_rule() {
    let named = |session: &Session, servers: &Candidates| {
        let room: String = session.get("room")?;
        Ok(servers.by_key(&room).unwrap().id.clone())
    };
    let (front, _backs) = servers(Routes::new().with_server("chat", named), 3).await;
    let (keyed, _other_backs) = servers(by_room(), 3).await;
    assert_eq!(places(&front, 10).await, places(&keyed, 10).await);
}

#[tokio::test]
async fn a_route_that_fails_or_panics_is_answered_and_the_session_lives_on() {
    let room = |session: &Session| {
        let room: String = session.get("room")?;
        match room.as_str() {
            "panic" => panic!("on purpose, in a route"),
            "full" => Err(Status::new(Code::FLOW_LIMIT, "full").into()),
            _ => Ok(room),
        }
    };
    let ways = [
        Routes::new().with("chat", room),
        Routes::new().with_server("chat", move |session, _| room(session)),
        Routes::new().with_async("chat", move |session, _| {
            std::future::ready(room(&session).map(RouteTo::Server))
        }),
        Routes::new().with_async("chat", move |session, _| async move {
            room(&session).map(RouteTo::Server)
        }),
    ];
    for routes in ways {
        let (front, _backs) = servers(routes, 2).await;
        let mut client = client(&front, Door::WebSocket).await;
        client.is_refused(HERE, &json!({}), 500).await;
        for (room, code) in [("panic", 500), ("full", 429)] {
            client.ask(SET, &json!(["room", room])).await;
            client.is_refused(HERE, &json!({}), code).await;
        }
        client.ask(SET, &json!(["room", "chat-1"])).await;
        assert!(client.ask(HERE, &json!({})).await.is_string());
    }
}

#[tokio::test]
async fn default_is_for_every_type_without_a_route_of_its_own() {
    let first = |_: &Session, servers: &Candidates| Ok(servers.all().next().unwrap().id.clone());
    let last = |_: &Session| Ok("unused".to_owned());
    let routes = Routes::new()
        .with_server("default", first)
        .with("area", last);
    let (front, _backs) = servers(routes, 3).await;
    for _ in 0..5 {
        let mut client = client(&front, Door::Tcp).await;
        assert_eq!(client.ask(HERE, &json!({})).await, "chat-1");
    }
    // Nobody is asked where there is nobody to choose.
    let mut client = client(&front, Door::Tcp).await;
    client.is_refused("area.main.here", &json!({}), 404).await;
}

/// A route that is known when the test says so: to the server of the session's room.
fn held(hold: &Hold) -> Routes {
    let hold = hold.clone();
    Routes::new().with_async("chat", move |session: Session, _| {
        let hold = hold.clone();
        async move {
            hold.pass().await;
            Ok(RouteTo::Key(session.get("room")?))
        }
    })
}

/// A front end and a back end whose `note` says what has begun, in its order, and where.
async fn noting(routes: Routes, limits: Limits) -> (Server, Server, Heard<(&'static str, u32)>) {
    let noted = Heard::new();
    let note = |place: &'static str| {
        let tell = noted.teller();
        Handlers::new().add("note", move |Json(number): Json<u32>| {
            tell((place, number));
            std::future::ready(Json(number))
        })
    };
    let world = World::new().routes(routes);
    let back = world.back("chat-1", chat(note("there"))).await;
    let front = setting(note("here")).limits(limits);
    let front = world.front("connector-1", front).await;
    soon("the servers meet", front.connected()).await;
    (front, back, noted)
}

#[tokio::test]
async fn later_requests_are_held_back_until_an_async_route_is_known() {
    for over in DOORS {
        let hold = Hold::new();
        let (front, _back, mut noted) = noting(held(&hold), Limits::default()).await;
        let mut client = client(&front, over).await;
        client.ask(SET, &json!(["room", "r"])).await;
        let (here, there) = ("connector.main.note", "chat.main.note");
        client.notify(there, &json!(1)).await;
        let second = client.request(there, &json!(2)).await;
        client.notify(here, &json!(3)).await;
        let fourth = client.request(here, &json!(4)).await;
        client.notify(there, &json!(5)).await;
        hold.entered(1).await;
        // Heartbeats and others go on, what this session asked for does not.
        let mut other = self::client(&front, over).await;
        other.was_ignored("connector.main.echo").await;
        noted.is_silent();
        hold.release(1);
        let mut begun = HashMap::<_, Vec<_>>::new();
        for _ in 0..5 {
            let (place, number) = noted.next("a request begins").await;
            begun.entry(place).or_default().push(number);
        }
        assert_eq!(begun["there"], [1, 2, 5]);
        assert_eq!(begun["here"], [3, 4]);
        let mut answers = [client.hear().await, client.hear().await];
        answers.sort_by_key(|answer| format!("{answer:?}"));
        let expected = [(second, 2), (fourth, 4)]
            .map(|(id, number)| crate::client::Said::Reply(id, json!(number)));
        assert_eq!(answers, expected);
        // Known from now on.
        assert_eq!(client.ask(there, &json!(6)).await, 6);
        assert_eq!(noted.next("it begins").await, ("there", 6));
    }
}

#[tokio::test]
async fn an_async_route_is_asked_once_until_the_session_changes() {
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let routes = Routes::new().with_async("chat", move |session: Session, _| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            tokio::task::yield_now().await;
            Ok(RouteTo::Server(session.get("room")?))
        }
    });
    let (front, _backs) = servers(routes, 2).await;
    let mut client = client_in(&front, "chat-2").await;
    for _ in 0..3 {
        assert_eq!(client.ask(HERE, &json!({})).await, "chat-2");
        client.was_ignored("chat.main.echo").await;
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    client.ask(SET, &json!(["room", "chat-1"])).await;
    assert_eq!(client.ask(HERE, &json!({})).await, "chat-1");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_request_whose_route_is_not_known_in_time_is_answered_504_and_the_next_begins() {
    let hold = Hold::new();
    let limits = Limits {
        deadline: Some(Duration::from_millis(300)),
        ..Limits::default()
    };
    let (front, _back, mut noted) = noting(held(&hold), limits).await;
    let mut client = client_in(&front, "r").await;
    let late = client.request("chat.main.note", &json!(1)).await;
    hold.entered(1).await;
    assert_eq!(client.reply(late).await["code"], 504);
    noted.is_silent();
    // Another one asks again; what stands behind it begins when its time is up.
    let late = client.request("chat.main.note", &json!(2)).await;
    hold.entered(1).await;
    let asked = Instant::now();
    until("the next one has more time than this one", || {
        asked.elapsed() > Duration::from_millis(100)
    })
    .await;
    let next = client.request("connector.main.note", &json!(3)).await;
    assert_eq!(client.reply(late).await["code"], 504);
    assert_eq!(client.reply(next).await, 3);
    assert_eq!(noted.next("it begins").await, ("here", 3));
    noted.is_silent();
}

#[tokio::test]
async fn as_many_requests_may_wait_for_a_route_as_may_run() {
    let hold = Hold::new();
    let limits = Limits {
        in_flight: 3,
        ..Limits::default()
    };
    let (front, _back, mut noted) = noting(held(&hold), limits).await;
    let mut client = client_in(&front, "r").await;
    let mut waiting = Vec::new();
    for number in 1..=3 {
        waiting.push(client.request("chat.main.note", &json!(number)).await);
    }
    client
        .is_refused("connector.main.note", &json!(4), 429)
        .await;
    client.notify("connector.main.note", &json!(5)).await;
    hold.entered(1).await;
    hold.release(1);
    for (number, id) in (1..=3).zip(waiting) {
        assert_eq!(client.reply(id).await, number);
        assert_eq!(noted.next("it begins").await, ("there", number));
    }
    client.was_ignored("connector.main.echo").await;
    noted.is_silent();
}

#[tokio::test]
async fn what_was_held_back_does_not_begin_when_its_client_has_gone() {
    struct Tell(Box<dyn Fn(()) + Send + Sync>);
    impl Drop for Tell {
        fn drop(&mut self) {
            (self.0)(());
        }
    }
    let (mut asked, mut dropped) = (Heard::new(), Heard::new());
    let (tell_asked, tell_dropped) = (asked.teller(), dropped.teller());
    let routes = Routes::new().with_async("chat", move |_, _| {
        tell_asked(());
        let tell = Tell(Box::new(tell_dropped.clone()));
        async move {
            let _tell = tell;
            std::future::pending().await
        }
    });
    let (front, _back, mut noted) = noting(routes, Limits::default()).await;
    let mut client = client(&front, Door::Tcp).await;
    client.notify("chat.main.note", &json!(1)).await;
    client.notify("connector.main.note", &json!(2)).await;
    asked.next("the route is asked").await;
    drop(client);
    dropped.next("nobody asks any more").await;
    until("the session is gone", || {
        front.context().sessions().count() == 0
    })
    .await;
    noted.is_silent();
}

#[tokio::test]
async fn what_a_session_asks_goes_elsewhere_from_when_its_server_leaves() {
    let hold = Hold::new();
    let places = ["chat-1", "chat-2"].map(back_at_a_place_of_its_own);
    let door = front("connector-1");
    let world = World::fixed(&[&places[0], &places[1], &door]).routes(by_room());
    let mut backs = HashMap::new();
    for place in &places {
        let blueprint = telling().handler("held", Handlers::new().add("hold", hold.handler()));
        let back = world.start(blueprint, place.clone()).await;
        backs.insert(place.id.clone(), back);
    }
    let front = world.start(setting(Handlers::new()), door).await;
    soon("the servers meet", front.connected()).await;

    // One has a session, and something to do for it.
    let mut old = client_in(&front, "r").await;
    let leaving = old.ask(HERE, &json!({})).await.as_str().unwrap().to_owned();
    let staying = if leaving == "chat-1" {
        "chat-2"
    } else {
        "chat-1"
    };
    let held = old.request("chat.held.hold", &json!({})).await;
    hold.entered(1).await;
    let remote = front.context().servers().of_type("chat");
    let remote = remote
        .into_iter()
        .find(|remote| remote.instance().id == leaving)
        .unwrap();
    assert!(remote.takes_new());
    let leaves = backs[&leaving].leave(DEADLINE);
    let meanwhile = async {
        until("it says that it leaves", || !remote.takes_new()).await;
        // A new session of the same room goes elsewhere, and the old one: nobody is refused.
        let mut new = client_in(&front, "r").await;
        assert_eq!(new.ask(HERE, &json!({})).await, staying);
        // Nobody knows what a key has where, so it counts as new.
        let rpc = front.context().rpc();
        let by_key: String = rpc.invoke("chat.places.here", "r", &()).await.unwrap();
        assert_eq!(by_key, staying);
        assert_eq!(old.ask(HERE, &json!({})).await, staying);
        old.ask(SET, &json!(["other", 1])).await;
        assert_eq!(old.ask(HERE, &json!({})).await, staying);
        hold.release(1);
        assert_eq!(old.reply(held).await, json!({}));
        new
    };
    let (_, mut new) = soon("it leaves", async { tokio::join!(leaves, meanwhile) }).await;
    until("it is gone", || remote.has_left()).await;
    assert_eq!(old.ask(HERE, &json!({})).await, staying);
    assert_eq!(new.ask(HERE, &json!({})).await, staying);

    let place = places.iter().find(|place| place.id == leaving).unwrap();
    let _back = world.start(telling(), place.clone()).await;
    until("it is back", || remote.takes_new() && remote.is_connected()).await;
    let mut newest = client_in(&front, "r").await;
    assert_eq!(newest.ask(HERE, &json!({})).await, *leaving);
}

/// It leaves, and the front end has heard of it.
async fn leave(back: &Server, front: &Server) {
    assert_eq!(soon("it leaves", back.leave(DEADLINE)).await, 0);
    let is_known = |id| {
        let mut servers = front.context().servers().of_type("chat");
        servers.any(|remote| remote.instance().id == id)
    };
    let id = back.context().server_id();
    until("the front end has heard of it", || !is_known(id)).await;
}

#[tokio::test]
async fn what_is_being_routed_while_its_server_leaves_goes_to_another() {
    for over in DOORS {
        let hold = Hold::new();
        let (front, backs) = servers(held(&hold), 2).await;
        let mut client = client(&front, over).await;
        client.ask(SET, &json!(["room", "r"])).await;
        hold.release(1);
        let leaving = client.ask(HERE, &json!({})).await;
        hold.entered(1).await;
        let is_leaving = |back: &&Server| leaving == back.context().server_id();
        let (leaving, staying): (Vec<_>, Vec<_>) = backs.iter().partition(is_leaving);
        client.ask(SET, &json!(["other", 1])).await;
        let asked = client.request(HERE, &json!({})).await;
        hold.entered(1).await;
        leave(leaving[0], &front).await;
        hold.release(1);
        let answer = client.reply(asked).await;
        assert_eq!(answer, staying[0].context().server_id());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_does_what_a_route_that_is_not_async_takes_its_time_for() {
    let (begins, mut begun) = tokio::sync::mpsc::channel(1);
    let (goes_on, going_on) = std::sync::mpsc::sync_channel::<()>(1);
    let going_on = parking_lot::Mutex::new(going_on);
    let slow = move |session: &Session| {
        if session.get("slow").unwrap_or(false) {
            begins.try_send(()).unwrap();
            going_on.lock().recv_timeout(DEADLINE).unwrap();
        }
        session.get("room")
    };
    let (front, backs) = servers(Routes::new().with("chat", slow), 2).await;
    let mut client = client_in(&front, "r").await;
    let leaving = client.ask(HERE, &json!({})).await;
    let is_leaving = |back: &&Server| leaving == back.context().server_id();
    let (leaving, staying): (Vec<_>, Vec<_>) = backs.iter().partition(is_leaving);
    client.ask(SET, &json!(["slow", true])).await;
    let asked = client.request(HERE, &json!({})).await;
    soon("it is asked", begun.recv()).await.unwrap();
    leave(leaving[0], &front).await;
    goes_on.send(()).unwrap();
    let answer = client.reply(asked).await;
    assert_eq!(answer, staying[0].context().server_id());
}

#[tokio::test]
async fn an_async_route_is_asked_again_when_the_server_it_names_has_left_meanwhile() {
    let hold = Hold::new();
    let asked = Arc::<AtomicU32>::default();
    let routes = Routes::new().with_async("chat", {
        let (hold, asked) = (hold.clone(), Arc::clone(&asked));
        move |_, _| {
            let (hold, nth) = (hold.clone(), asked.fetch_add(1, Ordering::Relaxed) + 1);
            async move {
                hold.pass().await;
                Ok(RouteTo::Server(format!("chat-{nth}")))
            }
        }
    });
    let (front, backs) = servers(routes, 2).await;
    let mut client = client(&front, Door::Tcp).await;
    let request = client.request(HERE, &json!({})).await;
    let later = client.request(HERE, &json!({})).await;
    hold.entered(1).await;
    leave(&backs[0], &front).await;
    hold.release(2);
    assert_eq!(client.reply(request).await, "chat-2");
    assert_eq!(client.reply(later).await, "chat-2");
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn an_async_route_that_names_one_that_leaves_is_not_asked_for_ever() {
    let (hold, asked) = (Hold::new(), Arc::<AtomicU32>::default());
    let routes = Routes::new().with_async("chat", {
        let asked = Arc::clone(&asked);
        move |_, _| {
            asked.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Ok(RouteTo::Server("chat-1".to_owned())))
        }
    });
    let places = ["chat-1", "chat-2"].map(back_at_a_place_of_its_own);
    let door = front("connector-1");
    let world = World::fixed(&[&places[0], &places[1], &door]).routes(routes);
    let held = telling().handler("held", Handlers::new().add("hold", hold.handler()));
    let leaves = world.start(held, places[0].clone()).await;
    let _stays = world.start(telling(), places[1].clone()).await;
    let front = world.start(setting(Handlers::new()), door).await;
    soon("the servers meet", front.connected()).await;
    let mut client = client(&front, Door::Tcp).await;
    let held = client.request("chat.held.hold", &json!({})).await;
    hold.entered(1).await;
    let mut remotes = front.context().servers().of_type("chat");
    let remote = remotes
        .find(|remote| remote.instance().id == "chat-1")
        .unwrap();
    let (cut_off, ()) = tokio::join!(soon("it leaves", leaves.leave(DEADLINE)), async {
        until("it says that it leaves", || !remote.takes_new()).await;
        asked.store(0, Ordering::Relaxed);
        client.is_refused(HERE, &json!({}), 503).await;
        assert_eq!(asked.load(Ordering::Relaxed), 4);
        hold.release(1);
        assert_eq!(client.reply(held).await, json!({}));
    });
    assert_eq!(cut_off, 0);
}

#[tokio::test]
async fn calls_for_a_session_go_where_its_requests_go_also_by_an_async_route() {
    async fn sum(session: Session, rpc: Rpc) -> Result<Json<i32>> {
        let calculator: CalculatorClient = rpc.by_route("chat", &session)?;
        Ok(Json(calculator.add(AddReq { a: 2, b: 3 }).await?.sum))
    }
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let routes = Routes::new().with_async("chat", move |session: Session, _| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            tokio::task::yield_now().await;
            Ok(RouteTo::Server(session.get("room")?))
        }
    });
    let world = World::new().routes(routes);
    let with_it = telling().service(|_| CalculatorServer::new(Abacus));
    let _one = world.back("chat-1", with_it).await;
    let _other = world.back("chat-2", telling()).await;
    let front = setting(Handlers::new().add("sum", sum));
    let front = world.front("connector-1", front).await;
    soon("the servers meet", front.connected()).await;

    let mut client = client_in(&front, "chat-1").await;
    assert_eq!(client.ask("connector.main.sum", &json!({})).await, 5);
    assert_eq!(client.ask(HERE, &json!({})).await, "chat-1");
    assert_eq!(asked.load(Ordering::SeqCst), 1, "one answer is for both");
    client.ask(SET, &json!(["room", "chat-2"])).await;
    client
        .is_refused("connector.main.sum", &json!({}), 500)
        .await;
    client.ask(SET, &json!(["room", "chat-9"])).await;
    client
        .is_refused("connector.main.sum", &json!({}), 500)
        .await;
}
