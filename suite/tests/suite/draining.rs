//! A server that leaves finishes what it took, and nobody gives it anything new.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tangelo::{
    Result,
    server::{
        Blueprint, Component, Context, Handlers, Job, Json, Once, Routes, Rpc, Server, Session,
        remotes,
    },
};
use tokio::task::JoinSet;

use crate::{
    client::{Client, DOORS, Door, Said},
    world::{
        DEADLINE, Heard, Hold, World, alone, back_at_a_place_of_its_own, chat, client, connector,
        front, pair, soon, until,
    },
};

const ECHO: &str = "chat.main.echo";
const HOLD: &str = "chat.main.hold";
const WORD: &str = "word";

/// What happened, in its order.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    fn add(&self, what: &'static str) {
        self.0.lock().push(what);
    }

    fn all(&self) -> Vec<&'static str> {
        self.0.lock().clone()
    }
}

/// Notes when it stops.
struct Stops(Log);

impl Component for Stops {
    async fn stop(&self, _: &Arc<Context>) -> Result<()> {
        self.0.add("component stops");
        Ok(())
    }
}

/// A front end and so many back ends that have met; sessions are spread over them.
async fn servers(blueprint: impl Fn() -> Blueprint, count: u32) -> (Server, Vec<Server>) {
    let world = World::new();
    let mut backs = Vec::new();
    for number in 1..=count {
        backs.push(world.back(&format!("chat-{number}"), blueprint()).await);
    }
    let front = world.front("connector-1", connector(Handlers::new())).await;
    soon("the servers meet", front.connected()).await;
    (front, backs)
}

/// Whether the front end asks this server anything new.
fn is_up(front: &Server, id: &str) -> bool {
    let servers = front.context().servers();
    servers
        .of_type("chat")
        .any(|remote| remote.instance().id == id && remote.is_up())
}

#[tokio::test]
async fn it_says_so_then_what_it_took_ends_then_components_stop_then_connections_end() {
    let (log, hold, work) = (Log::default(), Hold::new(), Hold::new());
    let (handler, job) = ((hold.clone(), log.clone()), (work.clone(), log.clone()));
    let handlers = Handlers::new().add("hold", move || {
        let (hold, log) = handler.clone();
        async move {
            hold.pass().await;
            log.add("handler ends");
        }
    });
    let run = move || {
        let (work, log) = job.clone();
        async move {
            work.pass().await;
            log.add("job ends");
        }
    };
    let back = chat(handlers)
        .load("stops", Stops(log.clone()))
        .schedule(Job::call("job", Once::in_time(Duration::ZERO), run));
    let (front, back) = pair(connector(Handlers::new()), back).await;
    let mut client = client(&front, Door::Tcp).await;
    let held = client.request(HOLD, &json!({})).await;
    hold.entered(1).await;
    work.entered(1).await;
    let (cut_off, ()) = tokio::join!(soon("it leaves", back.leave(DEADLINE)), async {
        until("it has said so", || !is_up(&front, "chat-1")).await;
        hold.release(1);
        assert_eq!(client.reply(held).await, json!({}));
        assert_eq!(log.all(), ["handler ends"]);
        work.release(1);
    });
    assert_eq!(cut_off, 0);
    assert_eq!(log.all(), ["handler ends", "job ends", "component stops"]);
    client.is_refused(ECHO, &json!({}), 503).await;
}

#[tokio::test]
async fn a_component_that_stops_may_still_ask_other_servers() {
    struct Saves(Box<dyn Fn(Value) + Send + Sync>);
    impl Component for Saves {
        async fn stop(&self, context: &Arc<Context>) -> Result<()> {
            let saved: Value = context.rpc().invoke("store.save.all", "key", &(7,)).await?;
            (self.0)(saved);
            Ok(())
        }
    }
    async fn all(Json((number,)): Json<(u32,)>) -> Json<String> {
        Json(format!("saved {number}"))
    }
    let mut saved = Heard::new();
    let world = World::new();
    let store = Blueprint::new("store").remote("save", remotes! { all });
    let _store = world.back("store-1", store).await;
    let component = Saves(Box::new(saved.teller()));
    let back = world.back("chat-1", chat(Handlers::new()).load("saves", component)).await;
    soon("the servers meet", back.connected()).await;
    assert_eq!(soon("it leaves", back.leave(DEADLINE)).await, 0);
    assert_eq!(saved.next("it was saved").await, "saved 7");
}

#[tokio::test]
async fn a_handler_that_runs_may_still_ask_other_servers_and_tell_its_client() {
    async fn there(Json(()): Json<()>) -> Json<&'static str> {
        Json("there")
    }
    let hold = Hold::new();
    let held = hold.clone();
    let ask = move |session: Session, rpc: Rpc| {
        let hold = held.clone();
        async move {
            hold.pass().await;
            session.push("on", WORD)?;
            let answer: Value = rpc.invoke("store.is.there", &session, &()).await?;
            Ok::<_, tangelo::Error>(Json(answer))
        }
    };
    let world = World::new();
    let store = Blueprint::new("store").remote("is", remotes! { there });
    let _store = world.back("store-1", store).await;
    let back = world.back("chat-1", chat(Handlers::new().add("ask", ask))).await;
    let front = world.front("connector-1", connector(Handlers::new())).await;
    soon("the servers meet", async {
        tokio::join!(front.connected(), back.connected());
    })
    .await;
    let mut client = client(&front, Door::Tcp).await;
    let asked = client.request("chat.main.ask", &json!({})).await;
    hold.entered(1).await;
    let (cut_off, ()) = tokio::join!(soon("it leaves", back.leave(DEADLINE)), async {
        until("it has said so", || !is_up(&front, "chat-1")).await;
        hold.release(1);
        assert_eq!(client.push("on").await, WORD);
        assert_eq!(client.reply(asked).await, "there");
    });
    assert_eq!(cut_off, 0);
}

/// Sessions that ask and ask, each its next as soon as it is answered, until they are stopped.
struct Load {
    stop: Arc<AtomicBool>,
    sessions: JoinSet<u32>,
}

impl Load {
    /// So many sessions, each of which was answered once.
    async fn of(sessions: u32, front: &Server) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let mut busy = Heard::new();
        let mut load = Self {
            stop: Arc::clone(&stop),
            sessions: JoinSet::new(),
        };
        for number in 0..sessions {
            let mut client = client(front, DOORS[number as usize % 2]).await;
            let (stop, busy) = (Arc::clone(&stop), busy.teller());
            load.sessions.spawn(async move {
                let mut answered = 0;
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(client.ask(ECHO, &json!(WORD)).await, WORD);
                    answered += 1;
                    if answered == 1 {
                        busy(());
                    }
                }
                answered
            });
            // Those that are connected ask while the others connect.
            busy.next("a session is answered").await;
        }
        load
    }

    /// What each session was answered.
    async fn end(self) -> Vec<u32> {
        self.stop.store(true, Ordering::Relaxed);
        soon("all are answered", self.sessions.join_all()).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_thousands_of_sessions_none_notices_that_one_of_several_back_ends_leaves() {
    const SESSIONS: u32 = 2_000;
    let (front, backs) = servers(|| chat(Handlers::new()), 3).await;
    let load = Load::of(SESSIONS, &front).await;
    for back in &backs[..2] {
        assert_eq!(soon("it leaves", back.leave(DEADLINE)).await, 0);
    }
    let answered = load.end().await;
    assert_eq!(answered.len(), SESSIONS as usize);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sessions_that_belong_to_the_one_that_leaves_are_refused_and_no_others() {
    const SESSIONS: u32 = 500;
    async fn here(context: Arc<Context>) -> Json<String> {
        Json(context.server_id().to_owned())
    }
    // Whose state is on one server goes nowhere else.
    let routes = Routes::new().to_server("chat", |session, _| {
        Ok(match session.id().0 % 2 {
            0 => "chat-1".into(),
            _ => "chat-2".into(),
        })
    });
    let _ = (routes, here, SESSIONS);
}
