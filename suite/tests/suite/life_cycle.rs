//! From the start of a server to its end: components, plugins, hooks, and other servers that come and go.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tangelo::{
    App, Plugin, Result,
    registry::{Instance, Registry},
    remotes,
    rpc::Code,
    server::{Blueprint, Component, Context, Handlers, Json, Routes, Server, StartError, State},
};
use tangelo_wire::krpc::meta::{Direction, Meta};
use tokio::net::{TcpListener, TcpStream};

use crate::{
    client::{Client, Door},
    krpc::{Peer, answer_to, call},
    lanes,
    log::Log,
    world::{
        DEADLINE, Heard, Hold, World, alone, back, back_at_a_place_of_its_own, chat, client,
        connector, door, front, soon, until,
    },
};

type Tell = Arc<dyn Fn(String) + Send + Sync>;

/// Tells what happens to it.
struct Noisy {
    name: &'static str,
    tell: Tell,
    /// Where it fails.
    fails: &'static str,
}

impl Noisy {
    fn happens(&self, what: &str) -> Result<()> {
        (self.tell)(format!("{} {what}", self.name));
        match self.fails == what {
            true => Err(tangelo::Error::new("no luck")),
            false => Ok(()),
        }
    }
}

impl Component for Noisy {
    async fn start(&self, _: &Arc<Context>) -> Result<()> {
        assert_ne!(self.fails, "panic", "on purpose");
        self.happens("start")
    }

    async fn after_start(&self, _: &Arc<Context>) -> Result<()> {
        self.happens("after_start")
    }

    async fn stop(&self, _: &Arc<Context>) -> Result<()> {
        self.happens("stop")
    }
}

/// What happens, in its order.
struct Events(Heard<String>);

impl Events {
    fn new() -> Self {
        Self(Heard::new())
    }

    fn tell(&self) -> Tell {
        Arc::new(self.0.teller())
    }

    fn noisy(&self, name: &'static str) -> Noisy {
        self.fails(name, "")
    }

    fn fails(&self, name: &'static str, fails: &'static str) -> Noisy {
        let tell = self.tell();
        Noisy { name, tell, fails }
    }

    /// The next things that happen, and no others so far.
    async fn are(&mut self, expected: &[&str]) {
        for expected in expected {
            assert_eq!(self.0.next(expected).await, *expected);
        }
        self.0.is_silent();
    }
}

async fn try_start(blueprint: Blueprint, instance: Instance) -> Result<Server, StartError> {
    let registry: Arc<dyn Registry> = Arc::new(tangelo::registry::Memory::new());
    Server::start(blueprint, instance, registry, Routes::new()).await
}

async fn refused(blueprint: Blueprint) -> String {
    let started = try_start(blueprint, back("chat-1")).await;
    started.unwrap_err().to_string()
}

#[tokio::test]
async fn components_start_in_their_order_and_stop_in_the_reverse_one() {
    let mut events = Events::new();
    let blueprint = chat(Handlers::new())
        .load("one", events.noisy("one"))
        .load("two", events.noisy("two"));
    let server = World::new().back("chat-1", blueprint).await;
    events
        .are(&[
            "one start",
            "two start",
            "one after_start",
            "two after_start",
        ])
        .await;
    assert_eq!(soon("it leaves", server.leave(DEADLINE)).await, 0);
    events.are(&["two stop", "one stop"]).await;
}

#[tokio::test]
async fn a_failed_start_stops_what_was_started_in_reverse_and_says_which_failed() {
    let mut events = Events::new();
    let loaded = |last| {
        chat(Handlers::new())
            .load("one", events.noisy("one"))
            .load("two", events.noisy("two"))
            .load("three", last)
            .load("four", events.noisy("four"))
    };
    let told = refused(loaded(events.fails("three", "start"))).await;
    assert_eq!(told, "chat-1: component three does not start: no luck");
    events
        .are(&[
            "one start",
            "two start",
            "three start",
            "two stop",
            "one stop",
        ])
        .await;

    let loaded = |last| {
        chat(Handlers::new())
            .load("one", events.noisy("one"))
            .load("two", last)
    };
    let told = refused(loaded(events.fails("two", "panic"))).await;
    assert!(
        told.starts_with("chat-1: component two does not start: panicked: "),
        "{told}"
    );
    events.are(&["one start", "one stop"]).await;

    let loaded = |last| {
        chat(Handlers::new())
            .load("one", events.noisy("one"))
            .load("two", last)
    };
    let told = refused(loaded(events.fails("two", "after_start"))).await;
    assert_eq!(told, "chat-1: component two fails after its start: no luck");
    let begun = [
        "one start",
        "two start",
        "one after_start",
        "two after_start",
    ];
    events
        .are(&[&begun[..], &["two stop", "one stop"]].concat())
        .await;
}

#[tokio::test]
async fn a_component_that_does_not_stop_well_keeps_none_from_stopping() {
    let mut events = Events::new();
    let blueprint = chat(Handlers::new())
        .load("one", events.noisy("one"))
        .load("two", events.fails("two", "stop"));
    let server = World::new().back("chat-1", blueprint).await;
    events
        .are(&[
            "one start",
            "two start",
            "one after_start",
            "two after_start",
        ])
        .await;
    assert_eq!(soon("it leaves", server.leave(DEADLINE)).await, 0);
    events.are(&["two stop", "one stop"]).await;
}

/// Says in the log that it stops.
struct Saying;

impl Component for Saying {
    async fn stop(&self, _: &Arc<Context>) -> Result<()> {
        tracing::info!("saved");
        Ok(())
    }
}

#[tokio::test]
async fn what_a_server_says_while_it_ends_stands_with_its_name() {
    let log = Log::keep();
    let blueprint = chat(Handlers::new())
        .load("scores", Saying)
        .before_shutdown(async |_: Arc<Context>| {
            tracing::info!("the last minute");
            Ok(())
        });
    let server = World::new().back("chat-1", blueprint).await;
    soon("it ends", server.shutdown(DEADLINE)).await;
    for said in ["saved", "the last minute"] {
        let lines = log.lines(&[said]);
        assert!(
            lines
                .iter()
                .all(|line| line.contains(r#"server{id="chat-1"}"#)),
            "{lines:?}"
        );
        assert_eq!(lines.len(), 1, "{said}");
    }
}

#[tokio::test]
async fn handlers_find_components_by_type_or_by_name() {
    struct Counter(u32);
    struct Other;
    impl Component for Counter {}
    impl Component for Other {}
    async fn count(Json(name): Json<String>, context: Arc<Context>) -> Json<Value> {
        let named = context.component_named::<Counter>(&name);
        let first = context.component::<Counter>();
        let other = context.component_named::<Other>(&name).is_some();
        let count = |counter: Option<Arc<Counter>>| counter.map(|counter| counter.0);
        Json(json!([count(first), count(named), other]))
    }
    let blueprint = connector(Handlers::new().add("count", count))
        .load("other", Other)
        .load("one", Counter(1))
        .load("two", Counter(2));
    let server = alone(blueprint).await;
    let mut client = client(&server, Door::Tcp).await;
    for (name, found) in [
        ("one", json!([1, 1, false])),
        ("two", json!([1, 2, false])),
        ("other", json!([1, null, true])),
        ("none", json!([1, null, false])),
    ] {
        assert_eq!(
            client.ask("connector.main.count", &json!(name)).await,
            found
        );
    }
    assert!(server.context().component::<Noisy>().is_none());
}

#[tokio::test]
async fn two_components_of_one_name_are_a_mistake() {
    let events = Events::new();
    let blueprint = chat(Handlers::new())
        .load("one", events.noisy("one"))
        .component("one", |_| async { Ok::<_, tangelo::Error>(async {}) });
    assert_eq!(
        refused(blueprint).await,
        "chat-1: there are two components `one`"
    );
}

#[tokio::test]
async fn hooks_are_called_at_their_moments() {
    let mut events = Events::new();
    let hook = |what: &'static str| {
        let tell = events.tell();
        move |context: Arc<Context>| async move {
            tell(format!("{} {what}", context.server_id()));
            Ok(())
        }
    };
    let blueprint = chat(Handlers::new())
        .before_start(hook("before_start"))
        .after_start(hook("after_start"))
        .after_start_all(hook("after_start_all"))
        .before_shutdown(hook("before_shutdown"))
        .before_shutdown(hook("first before_shutdown"))
        .load("one", events.noisy("one"));
    let server = World::new().back("chat-1", blueprint).await;
    events
        .are(&[
            "chat-1 before_start",
            "one start",
            "one after_start",
            "chat-1 after_start",
            "chat-1 after_start_all",
        ])
        .await;
    assert_eq!(soon("it ends", server.shutdown(DEADLINE)).await, 0);
    events
        .are(&[
            "chat-1 first before_shutdown",
            "chat-1 before_shutdown",
            "one stop",
        ])
        .await;
}

#[tokio::test]
async fn a_hook_that_fails_keeps_a_server_from_starting_and_its_port_is_free_again() {
    let mut events = Events::new();
    let place = back_at_a_place_of_its_own("chat-1");
    let tell = events.tell();
    let loaded = || {
        let (name, tell, fails) = ("one", Arc::clone(&tell), "");
        chat(Handlers::new()).load(name, Noisy { name, tell, fails })
    };
    let fails = async |_| Err(tangelo::Error::new("not today"));
    let started = try_start(loaded().before_start(fails), place.clone()).await;
    assert_eq!(
        started.unwrap_err().to_string(),
        "chat-1: before_start: not today"
    );
    let started = try_start(loaded().after_start(fails), place.clone()).await;
    assert_eq!(
        started.unwrap_err().to_string(),
        "chat-1: after_start: not today"
    );
    events
        .are(&["one start", "one after_start", "one stop"])
        .await;
    let panics = |_| async { panic!("on purpose") };
    let started = try_start(loaded().before_start(panics), place.clone()).await;
    let told = started.unwrap_err().to_string();
    assert_eq!(told, "chat-1: before_start: panicked: on purpose");
    try_start(loaded(), place).await.unwrap();
}

#[tokio::test]
async fn before_a_shutdown_everything_still_works_and_has_the_drains_time() {
    let hold = Hold::new();
    let held = hold.clone();
    let server = alone(connector(Handlers::new()).before_shutdown(|_| async move {
        held.pass().await;
        Ok(())
    }))
    .await;
    let mut old = client(&server, Door::Tcp).await;
    let ((), cut_off) = tokio::join!(
        async {
            hold.entered(1).await;
            old.was_ignored("connector.main.echo").await;
            let mut new = client(&server, Door::WebSocket).await;
            new.was_ignored("connector.main.echo").await;
            hold.release(1);
            old.is_closed().await;
            new.is_closed().await;
        },
        soon("it ends", server.shutdown(DEADLINE)),
    );
    assert_eq!(cut_off, 0);

    let forever = |_| std::future::pending::<Result<()>>();
    let server = alone(connector(Handlers::new()).before_shutdown(forever)).await;
    let patience = Duration::from_millis(50);
    assert_eq!(soon("it ends", server.shutdown(patience)).await, 0);
}

/// Opens its doors when it may.
struct Slow(Hold);

impl Component for Slow {
    async fn start(&self, _: &Arc<Context>) -> Result<()> {
        self.0.pass().await;
        Ok(())
    }

    async fn after_start(&self, _: &Arc<Context>) -> Result<()> {
        self.0.pass().await;
        Ok(())
    }
}

#[tokio::test]
async fn doors_open_last() {
    let (hold, hook) = (Hold::new(), Hold::new());
    let pass = hook.clone();
    let place = Instance {
        client_port: Some(0),
        frontend: true,
        ..back_at_a_place_of_its_own("connector-1")
    };
    // A port for clients that is known before it listens.
    let free = std::net::TcpListener::bind((place.host.as_str(), 0)).unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let place = Instance {
        client_port: Some(address.port()),
        ..place
    };
    let world = World::fixed(&[&place]);
    let gate = Blueprint::new("gate").heartbeat(None);
    let gate = world.start(gate, front("gate-1")).await;
    let blueprint = connector(Handlers::new())
        .load("slow", Slow(hold.clone()))
        .after_start(move |_| async move {
            pass.pass().await;
            Ok(())
        });
    let elsewhere = alone(connector(Handlers::new())).await;
    let mut busy = client(&elsewhere, Door::Tcp).await;
    let mut events = Heard::new();
    let (opens, comes) = (events.teller(), events.teller());
    let ((), server, ()) = tokio::join!(
        async {
            for (held, moment) in [(&hold, "start"), (&hold, "after_start"), (&hook, "hook")] {
                held.entered(1).await;
                // Whoever could come in would have come by now.
                for _ in 0..20 {
                    busy.was_ignored("connector.main.echo").await;
                }
                assert!(
                    !gate
                        .context()
                        .servers()
                        .of_type("connector")
                        .any(|it| it.is_up())
                );
                opens(moment);
                held.release(1);
            }
        },
        world.start(blueprint, place.clone()),
        async {
            until("it listens", || {
                std::net::TcpStream::connect(address).is_ok()
            })
            .await;
            let stream = TcpStream::connect(address).await.unwrap();
            let mut client = Client::over(Door::Tcp, stream).await;
            client.shake_hands().await;
            comes("client");
        },
    );
    for expected in ["start", "after_start", "hook", "client"] {
        assert_eq!(events.next("in this order").await, expected);
    }
    soon("the gate meets it", gate.connected()).await;
    assert_eq!(door(&server), address);
}

#[tokio::test]
async fn who_is_asked_over_a_connection_it_dialed_before_its_doors_open_has_surely_not_run() {
    async fn there() -> Json<bool> {
        Json(true)
    }
    let (hold, mut met) = (Hold::new(), Heard::new());
    let (door, place) = (front("connector-1"), back_at_a_place_of_its_own("chat-1"));
    let world = World::fixed(&[&place, &door]);
    let tell = met.teller();
    let back = chat(Handlers::new()).on_servers_added(move |_, added| tell(added[0].id.clone()));
    let back = world.start(back, place).await;
    let call = || {
        let call = back
            .context()
            .rpc()
            .invoke::<bool>("connector.is.there", "key", &());
        call.to_server("connector-1")
    };
    let blueprint = connector(Handlers::new())
        .remote("is", remotes! { there })
        .load("slow", Slow(hold.clone()));
    let ((), _server) = tokio::join!(
        async {
            hold.entered(1).await;
            assert_eq!(met.next("it has dialed").await, "connector-1");
            assert_eq!(call().await.unwrap_err().code(), Code::NO_CONNECTION);
            hold.release(2);
        },
        world.start(blueprint, door),
    );
    assert!(call().await.unwrap());
}

#[tokio::test]
async fn all_have_started_when_the_last_of_the_configuration_has_in_whatever_process() {
    let chats = ["chat-1", "chat-2"].map(back_at_a_place_of_its_own);
    let area = back_at_a_place_of_its_own("area-1");
    // Two have no port: nobody can dial them.
    let gate = Instance {
        port: None,
        ..front("gate-1")
    };
    let timer = Instance {
        port: None,
        ..back("timer-1")
    };
    let all = [&chats[0], &chats[1], &area, &gate, &timer];
    let world = World::fixed(&all);
    let mut events = Heard::new();
    let teller = events.teller();
    let start = async |instance: &Instance| {
        let tell = teller.clone();
        let blueprint = Blueprint::new(&instance.server_type).after_start_all(
            move |context: Arc<Context>| async move {
                tell(context.server_id().to_owned());
                Ok(())
            },
        );
        world.start(blueprint, instance.clone()).await
    };
    let _timer = start(&timer).await;
    let gate = start(&gate).await;
    let first = start(&chats[0]).await;
    let area = start(&area).await;
    let is_up = |server: &Server, id: &str| {
        let servers = server.context().servers();
        let (server_type, _) = id.split_once('-').unwrap();
        servers
            .of_type(server_type)
            .any(|remote| remote.instance().id == id && remote.is_up())
    };
    for (server, id) in [
        (&gate, "chat-1"),
        (&gate, "area-1"),
        (&area, "chat-1"),
        (&first, "area-1"),
    ] {
        until("they meet", || is_up(server, id)).await;
    }
    events.is_silent();
    let _second = start(&chats[1]).await;
    let mut heard = Vec::new();
    for _ in 0..5 {
        heard.push(events.next("all have started").await);
    }
    heard.sort();
    // Servers of a type are not connected: they hear of each other from the others.
    assert_eq!(heard, ["area-1", "chat-1", "chat-2", "gate-1", "timer-1"]);
    events.is_silent();
}

#[tokio::test]
async fn that_a_server_has_started_is_heard_before_it_has_answered_the_hello() {
    let place = back_at_a_place_of_its_own("chat-1");
    let address = (place.host.clone(), place.port.unwrap());
    let listener = TcpListener::bind(address).await.unwrap();
    let door = front("connector-1");
    let world = World::fixed(&[&place, &door]);
    let mut events = Heard::new();
    let tell = events.teller();
    let front = connector(Handlers::new()).after_start_all(move |_| {
        tell("all have started");
        std::future::ready(Ok(()))
    });
    let _front = world.start(front, door).await;
    let mut lanes = Vec::new();
    for number in 1..=lanes::lanes() {
        let (stream, _) = soon("it dials", listener.accept()).await.unwrap();
        let mut peer = Peer::over(stream);
        let hello = peer.hear().await.meta;
        if number == lanes::lanes() {
            // It starts, and tells it over a lane whose answer is on its way.
            let started = Meta {
                sequence: 0,
                ..call(16, 1)
            };
            events.is_silent();
            peer.send(&started, b"\x0a\x06chat-1").await;
        }
        peer.send(&answer_to(&hello, 0), b"\x1a\x06chat-1\x20\x01")
            .await;
        lanes.push(peer);
    }
    events.next("it has heard of both").await;
}

#[tokio::test]
async fn other_servers_are_told_as_they_come_and_go() {
    let places = ["chat-1", "chat-2"].map(back_at_a_place_of_its_own);
    let door = front("connector-1");
    let world = World::fixed(&[&places[0], &places[1], &door]);
    let mut events = Heard::new();
    let blueprint = telling(&events).on_servers_added(|_, _| panic!("on purpose"));
    let first = world.start(chat(Handlers::new()), places[0].clone()).await;
    let front = world.start(blueprint, door).await;
    let event = |what, id: &str| (what, id.to_owned());
    assert_eq!(
        events.next("it is there already").await,
        event("added", "chat-1")
    );
    let second = world.start(chat(Handlers::new()), places[1].clone()).await;
    assert_eq!(events.next("it comes").await, event("added", "chat-2"));
    assert_eq!(soon("it leaves", second.leave(DEADLINE)).await, 0);
    assert_eq!(events.next("it goes").await, event("removed", "chat-2"));
    assert_eq!(soon("it leaves", first.leave(DEADLINE)).await, 0);
    assert_eq!(events.next("it goes").await, event("removed", "chat-1"));
    assert_eq!(soon("it leaves", front.leave(DEADLINE)).await, 0);
    events.is_silent();
}

/// A front end that tells of other servers.
fn telling(events: &Heard<(&'static str, String)>) -> Blueprint {
    told(connector(Handlers::new()), events)
}

fn told(blueprint: Blueprint, events: &Heard<(&'static str, String)>) -> Blueprint {
    let tell = |what: &'static str| {
        let tell = events.teller();
        move |_: &Arc<Context>, servers: &[Arc<Instance>]| {
            for server in servers {
                tell((what, server.id.clone()));
            }
        }
    };
    blueprint
        .on_servers_added(tell("added"))
        .on_servers_removed(tell("removed"))
        .on_servers_replaced(tell("replaced"))
}

#[tokio::test]
async fn a_back_end_is_told_of_back_ends_of_each_type_and_of_front_ends() {
    let world = World::new();
    let mut events = Heard::new();
    let blueprint = told(chat(Handlers::new()), &events);
    let back = world.back("chat-1", blueprint).await;
    let event = |what, id: &str| (what, id.to_owned());
    let others = [
        world.back("chat-2", chat(Handlers::new())).await,
        world.back("area-1", Blueprint::new("area")).await,
        // Nobody can dial this one.
        world.front("connector-1", connector(Handlers::new())).await,
    ];
    let ids = ["chat-2", "area-1", "connector-1"];
    let mut come = Vec::new();
    for _ in ids {
        come.push(events.next("it comes").await);
    }
    for (id, other) in ids.into_iter().zip(others) {
        assert!(come.contains(&event("added", id)), "{id}: {come:?}");
        assert_eq!(soon("it leaves", other.shutdown(DEADLINE)).await, 0);
        assert_eq!(events.next("it goes").await, event("removed", id));
    }
    events.is_silent();
    assert_eq!(soon("it leaves", back.leave(DEADLINE)).await, 0);
}

#[tokio::test]
async fn a_server_that_was_killed_and_is_back_at_once_is_another_one() {
    let place = back_at_a_place_of_its_own("chat-1");
    let address = (place.host.clone(), place.port.unwrap());
    let listener = TcpListener::bind(address).await.unwrap();
    let door = front("connector-1");
    let world = World::fixed(&[&place, &door]);
    let mut events = Heard::new();
    let _front = world.start(telling(&events), door).await;
    for (life, event) in [(1, "added"), (2, "replaced")] {
        // One for each lane; they end together.
        let mut lanes = Vec::new();
        for _ in 0..lanes::lanes() {
            let (stream, _) = soon("it dials", listener.accept()).await.unwrap();
            let mut peer = Peer::over(stream);
            let hello = peer.hear().await.meta;
            let answer = Meta {
                direction: Direction::Response,
                timeout_ms: 0,
                ..hello
            };
            peer.send(&answer, &[&b"\x1a\x06chat-1\x20"[..], &[life]].concat())
                .await;
            lanes.push(peer);
        }
        let heard = events.next("it is there").await;
        assert_eq!(heard, (event, "chat-1".to_owned()));
    }
    events.is_silent();
}

#[tokio::test]
async fn plugins_bring_components_listeners_and_states_to_the_servers_they_choose() {
    #[derive(Clone)]
    struct Word(&'static str);
    struct Brings(Tell);
    impl Plugin for Brings {
        fn application(&self, app: App) -> App {
            app.state(Word("shared"))
        }

        fn server(&self, instance: &Instance, blueprint: Blueprint) -> Blueprint {
            let noisy = Noisy {
                name: "brought",
                tell: Arc::clone(&self.0),
                fails: "",
            };
            let blueprint = match instance.frontend {
                true => blueprint.load("brought", noisy),
                false => blueprint,
            };
            let tell = Arc::clone(&self.0);
            blueprint.on_servers_added(move |context, added| {
                tell(format!("{} sees {}", context.server_id(), added[0].id));
            })
        }
    }
    async fn word(State(word): State<Word>) -> Json<&'static str> {
        Json(word.0)
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("plugins");
    fs::create_dir_all(&folder).unwrap();
    let servers = json!({
        "connector": [{"id": "connector-1", "clientPort": 0, "frontend": true}],
        "chat": [{"id": "chat-1", "port": 0}],
    });
    fs::write(folder.join("servers.json"), servers.to_string()).unwrap();
    let mut events = Events::new();
    let own = events.tell();
    let running = App::new()
        .config(folder)
        .plugin(Brings(events.tell()))
        .server("connector", move |server| {
            let noisy = Noisy {
                name: "own",
                tell: Arc::clone(&own),
                fails: "",
            };
            let server = server.heartbeat(None).load("own", noisy);
            server.handler("main", Handlers::new().add("word", word))
        })
        .server("chat", |server| server)
        .start()
        .await
        .unwrap();
    for expected in [
        "brought start",
        "own start",
        "brought after_start",
        "own after_start",
    ] {
        assert_eq!(events.0.next("plugins come first").await, expected);
    }
    let mut seen = [events.0.next("one").await, events.0.next("the other").await];
    seen.sort();
    assert_eq!(seen, ["chat-1 sees connector-1", "connector-1 sees chat-1"]);
    let mut client = client(running.server("connector-1").unwrap(), Door::Tcp).await;
    assert_eq!(
        client.ask("connector.main.word", &json!({})).await,
        "shared"
    );
    assert_eq!(soon("it ends", running.shutdown(DEADLINE)).await, 0);
    events.are(&["own stop", "brought stop"]).await;
}
