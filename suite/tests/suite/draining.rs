//! A server that leaves finishes what it took, and nobody gives it anything new.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;

use serde_json::{Value, json};
use tangelo::{
    App, Result, remotes,
    rpc::Code,
    server::{
        Answered, Blueprint, Component, Context, Every, Handlers, Job, JobError, Json, ManualClock,
        Once, Routes, Rpc, Server, Session,
    },
};
use tokio::{io::AsyncWriteExt, sync::Semaphore, task::JoinSet};

use crate::{
    client::{Client, DOORS, Door, Said},
    krpc::{Peer, call},
    rpc::{Abacus, CalculatorServer},
    world::{DEADLINE, Heard, Hold, World, alone, chat, client, connector, pair, soon, until},
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
        .schedule(Job::call("job", Once::after(Duration::ZERO), run));
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
async fn after_filters_run_to_their_end_before_components_stop() {
    let (log, here, there) = (Log::default(), Hold::new(), Hold::new());
    let filtered = |blueprint: Blueprint, hold: &Hold| {
        let (filter, hold) = (log.clone(), hold.clone());
        let after = move |_: Answered| {
            let (log, hold) = (filter.clone(), hold.clone());
            async move {
                hold.pass().await;
                log.add("filter ends");
                Ok::<_, tangelo::Error>(())
            }
        };
        blueprint.after(after).load("stops", Stops(log.clone()))
    };
    let (front, back) = pair(
        filtered(connector(Handlers::new()), &here),
        filtered(chat(Handlers::new()), &there),
    )
    .await;
    let mut client = client(&front, Door::Tcp).await;
    client.was_ignored(ECHO).await;
    client.was_ignored("connector.main.echo").await;
    for (server, hold) in [(&front, &here), (&back, &there)] {
        hold.entered(1).await;
        let (cut_off, ()) = tokio::join!(soon("it ends", server.shutdown(DEADLINE)), async {
            let leaves = || server.context().jobs().add(late()) == Err(JobError::Leaving);
            until("it leaves", leaves).await;
            hold.release(1);
        });
        assert_eq!(cut_off, 0);
    }
    let ends = ["filter ends", "component stops"];
    assert_eq!(log.all(), [ends, ends].concat());
}

/// A job that a server that leaves does not take.
fn late() -> Job {
    Job::call("late", Every::hours(1), async || {})
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
    let back = world
        .back("chat-1", chat(Handlers::new()).load("saves", component))
        .await;
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
    let back = world
        .back("chat-1", chat(Handlers::new().add("ask", ask)))
        .await;
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

/// So many clients of this front end.
async fn clients(count: u32, front: &Server) -> Vec<Client> {
    let mut clients = Vec::new();
    for number in 0..count {
        clients.push(client(front, DOORS[number as usize % 2]).await);
    }
    clients
}

/// So many sessions have said that they are where the test wants them.
async fn all(there: &Semaphore, sessions: u32) {
    let all = there.acquire_many(sessions);
    soon("all sessions are there", all).await.unwrap().forget();
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
        let busy = Arc::new(Semaphore::new(0));
        let mut load = Self {
            stop: Arc::clone(&stop),
            sessions: JoinSet::new(),
        };
        for mut client in clients(sessions, front).await {
            let (stop, tell) = (Arc::clone(&stop), Arc::clone(&busy));
            load.sessions.spawn(async move {
                let mut answered = 0;
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(client.ask(ECHO, &json!(WORD)).await, WORD);
                    answered += 1;
                    if answered == 1 {
                        tell.add_permits(1);
                    }
                }
                answered
            });
        }
        all(&busy, sessions).await;
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
async fn sessions_whose_server_is_named_are_refused_when_it_leaves_and_no_others() {
    const SESSIONS: u32 = 200;
    // Odd sessions have what they have on one server and nowhere else.
    let is_odd = |session: &Session| {
        session
            .id()
            .to_string()
            .ends_with(['1', '3', '5', '7', '9'])
    };
    let routes = Routes::new().with_server("chat", move |session, _| {
        Ok(if is_odd(session) { "chat-1" } else { "chat-2" }.to_owned())
    });
    let world = World::new().routes(routes);
    let leaves = world.back("chat-1", chat(Handlers::new())).await;
    let _stays = world.back("chat-2", chat(Handlers::new())).await;
    let odd = move |session: Session| async move { Json(is_odd(&session)) };
    let front = connector(Handlers::new().add("odd", odd));
    let front = world.front("connector-1", front).await;
    soon("the servers meet", front.connected()).await;

    let stop = Arc::<AtomicBool>::default();
    let busy = Arc::new(Semaphore::new(0));
    let mut sessions = JoinSet::new();
    for mut client in clients(SESSIONS, &front).await {
        let is_odd = client.ask("connector.main.odd", &json!({})).await == true;
        assert_eq!(client.ask(ECHO, &json!(WORD)).await, WORD);
        let (stop, busy) = (Arc::clone(&stop), Arc::clone(&busy));
        sessions.spawn(async move {
            let mut refused = 0;
            while !stop.load(Ordering::Relaxed) {
                let answer = client.ask(ECHO, &json!(WORD)).await;
                if answer == WORD {
                    assert_eq!(refused, 0, "it is gone");
                    continue;
                }
                assert_eq!(answer["code"], 503, "surely not run");
                refused += 1;
                if refused == 1 {
                    busy.add_permits(1);
                }
            }
            assert_eq!(refused > 0, is_odd);
        });
    }
    assert_eq!(soon("it leaves", leaves.leave(DEADLINE)).await, 0);
    all(&busy, SESSIONS / 2).await;
    stop.store(true, Ordering::Relaxed);
    soon("all are answered", sessions.join_all()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_front_end_that_leaves_answers_every_request_that_has_begun() {
    const SESSIONS: u32 = 1_000;
    const AT_ONCE: u32 = 4;
    let begun = Arc::<AtomicU32>::default();
    let count = || {
        let begun = Arc::clone(&begun);
        Handlers::new().add("count", move || {
            begun.fetch_add(1, Ordering::Relaxed);
            async {
                tokio::task::yield_now().await;
                Json(WORD)
            }
        })
    };
    let (front, back) = pair(connector(count()), chat(count())).await;
    let busy = Arc::new(Semaphore::new(0));
    let mut sessions = JoinSet::new();
    for mut client in clients(SESSIONS, &front).await {
        let tell = Arc::clone(&busy);
        sessions.spawn(async move {
            let mut answered = 0;
            for _ in 0..AT_ONCE {
                client.request("chat.main.count", &json!({})).await;
            }
            loop {
                match client.hear().await {
                    Said::Reply(_, answer) if answer == WORD => answered += 1,
                    Said::Reply(_, answer) => assert_eq!(answer["code"], 503),
                    Said::End => return answered,
                    other => panic!("{other:?}"),
                }
                if answered == 1 {
                    tell.add_permits(1);
                }
                let route = ["chat.main.count", "connector.main.count"][answered as usize % 2];
                client.request(route, &json!({})).await;
            }
        });
    }
    all(&busy, SESSIONS).await;
    assert_eq!(
        soon("its doors close", front.close_doors(DEADLINE)).await,
        0
    );
    assert_eq!(soon("it leaves", front.leave(DEADLINE)).await, 0);
    let answered = soon("all hear the end", sessions.join_all()).await;
    assert_eq!(answered.iter().sum::<u32>(), begun.load(Ordering::Relaxed));
    assert_eq!(soon("its back end leaves", back.leave(DEADLINE)).await, 0);
}

#[tokio::test]
async fn notifies_that_were_taken_are_done() {
    const NOTIFIES: u32 = 20;
    let (hold, done) = (Hold::new(), Arc::<AtomicU32>::default());
    let handler = (hold.clone(), Arc::clone(&done));
    let note = move || {
        let (hold, done) = handler.clone();
        async move {
            hold.pass().await;
            done.fetch_add(1, Ordering::Relaxed);
        }
    };
    let (front, back) = pair(
        connector(Handlers::new()),
        chat(Handlers::new().add("note", note)),
    )
    .await;
    for over in DOORS {
        let mut client = client(&front, over).await;
        for _ in 0..NOTIFIES {
            client.notify("chat.main.note", &json!({})).await;
        }
        hold.entered(NOTIFIES).await;
    }
    let (cut_off, ()) = tokio::join!(soon("it leaves", back.leave(DEADLINE)), async {
        until("it has said so", || !is_up(&front, "chat-1")).await;
        hold.release(2 * NOTIFIES as usize);
    });
    assert_eq!((cut_off, done.load(Ordering::Relaxed)), (0, 2 * NOTIFIES));
}

#[tokio::test]
async fn what_was_sent_before_the_word_was_heard_is_answered_and_strangers_are_refused() {
    let (_, back) = pair(
        connector(Handlers::new()),
        Blueprint::new("chat").service(|_| CalculatorServer::new(Abacus)),
    )
    .await;
    let mut neighbour = Peer::of(&back).await;
    let mut stranger = Peer::of(&back).await;
    let hello = b"\x0a\x06area-1\x12\x04area\x18\x01\x20\x00\x28\x01";
    neighbour.ask(call(10, 1), hello).await;
    // 2 and 3.
    let add = *b"\x08\x02\x10\x03";
    assert_eq!(stranger.ask(call(100, 1), &add).await.meta.ret_code, 0);
    let (cut_off, ()) = tokio::join!(soon("it leaves", back.leave(DEADLINE)), async {
        let word = neighbour.hear().await.meta;
        assert_eq!((word.service_id, word.msg_id, word.sequence), (10, 2, 0));
        // As if it had been on its way.
        let answer = neighbour.ask(call(100, 1), &add).await;
        assert_eq!(answer.meta.ret_code, 0);
        let refused = stranger.ask(call(100, 1), &add).await;
        assert_eq!(Code(refused.meta.ret_code), Code::SERVER_SHUTDOWN);
        neighbour.stream.shutdown().await.unwrap();
        stranger.stream.shutdown().await.unwrap();
    });
    assert_eq!(cut_off, 0);
}

#[tokio::test]
async fn a_job_that_outlives_the_patience_is_cut_off_and_counted_and_components_still_stop() {
    let (log, work) = (Log::default(), Hold::new());
    let blueprint = chat(Handlers::new())
        .load("stops", Stops(log.clone()))
        .schedule(Job::call(
            "job",
            Once::after(Duration::ZERO),
            work.handler(),
        ));
    let back = World::new().back("chat-1", blueprint).await;
    work.entered(1).await;
    let leaves = back.leave(Duration::from_millis(50));
    assert_eq!(soon("it leaves", leaves).await, 1);
    assert_eq!(log.all(), ["component stops"]);
}

#[tokio::test]
async fn a_component_that_does_not_stop_is_cut_off_after_a_second_and_counted() {
    struct Hangs;
    impl Component for Hangs {
        async fn stop(&self, _: &Arc<Context>) -> Result<()> {
            std::future::pending().await
        }
    }
    let log = Log::default();
    let blueprint = chat(Handlers::new())
        .load("stops", Stops(log.clone()))
        .load("hangs", Hangs);
    let back = World::new().back("chat-1", blueprint).await;
    assert_eq!(soon("it leaves", back.leave(Duration::ZERO)).await, 1);
    assert_eq!(log.all(), ["component stops"], "those before it stop too");
}

#[tokio::test]
async fn no_job_begins_when_a_server_leaves() {
    const ECHO: &str = "connector.main.echo";
    let (hold, clock) = (Hold::new(), ManualClock::new(SystemTime::UNIX_EPOCH));
    let mut runs = Heard::new();
    let tell = runs.teller();
    let job = Job::call("job", Every::secs(1), move || {
        tell(());
        async {}
    });
    let blueprint = connector(Handlers::new().add("hold", hold.handler()));
    let server = alone(blueprint.clock(clock.clock()).schedule(job)).await;
    clock.advance(Duration::from_secs(1));
    runs.next("it runs").await;
    let mut client = client(&server, Door::Tcp).await;
    let held = client.request("connector.main.hold", &json!({})).await;
    hold.entered(1).await;
    let ((), cut_off) = tokio::join!(
        async {
            client.is_refused(ECHO, &json!({}), 503).await;
            clock.advance(Duration::from_secs(1));
            for _ in 0..10 {
                client.is_refused(ECHO, &json!({}), 503).await;
            }
            runs.is_silent();
            hold.release(1);
            client.reply(held).await;
        },
        soon("its doors close", server.close_doors(DEADLINE)),
    );
    assert_eq!(cut_off, 0);
    assert_eq!(server.context().jobs().add(late()), Err(JobError::Leaving));
}

#[tokio::test]
async fn servers_of_one_process_need_each_other_until_their_clients_are_served() {
    async fn there() -> Json<&'static str> {
        Json("there")
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("drain-process");
    fs::create_dir_all(&folder).unwrap();
    let servers = json!({
        "connector": [{"id": "connector-1", "port": 0, "clientPort": 0, "frontend": true}],
        "chat": [{"id": "chat-1", "port": 0}],
        "store": [{"id": "store-1", "port": 0}],
    });
    fs::write(folder.join("servers.json"), servers.to_string()).unwrap();
    let hold = Hold::new();
    let held = hold.clone();
    let ask = move |session: Session, rpc: Rpc| {
        let hold = held.clone();
        async move {
            hold.pass().await;
            let there: Value = rpc.invoke("store.is.there", &session, &()).await?;
            Ok::<_, tangelo::Error>(Json(there))
        }
    };
    let running = App::new()
        .config(folder)
        .server("connector", |server| server.heartbeat(None))
        .server("chat", move |server| {
            server.handler("main", Handlers::new().add("ask", ask.clone()))
        })
        .server("store", |server| server.remote("is", remotes! { there }))
        .start()
        .await
        .unwrap();
    let mut client = client(running.server("connector-1").unwrap(), Door::Tcp).await;
    let asked = client.request("chat.main.ask", &json!({})).await;
    hold.entered(1).await;
    let (cut_off, ()) = tokio::join!(soon("it ends", running.shutdown(DEADLINE)), async {
        client.is_refused("chat.main.ask", &json!({}), 503).await;
        hold.release(1);
        assert_eq!(client.reply(asked).await, "there");
        client.is_closed().await;
    });
    assert_eq!(cut_off, 0);
}
