//! What is promised to one session is kept to thousands at once: the order of what it asks, over forwards as
//! well, and that nothing is lost when servers leave meanwhile.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tangelo::server::{Context, Handlers, Json, Server, Session};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    client::{Client, DOORS, Said},
    world::{DEADLINE, World, chat, client, connector, soon},
};

const SESSIONS: u32 = 2_000;
/// What a session asks before it waits for the answers.
const AT_ONCE: u32 = 5;

/// The numbers of one session, in the order they ran on one server.
type Ran = HashMap<(Value, String), Vec<u32>>;

/// What ran, of all sessions on all servers.
#[derive(Clone, Debug, Default)]
struct Notes(Arc<Mutex<Ran>>);

impl Notes {
    /// `note` notes the number it is told, pushes it, and answers with it and the server's name.
    fn handlers(&self) -> Handlers {
        let notes = self.clone();
        Handlers::new().add(
            "note",
            move |Json((session, number)): Json<(Value, u32)>,
                  told: Session,
                  here: Arc<Context>| {
                let server = here.server_id().to_owned();
                let key = (session, server.clone());
                notes.0.lock().entry(key).or_default().push(number);
                let told = told.push(&server, &number);
                std::future::ready(told.map(|()| Json((number, server))))
            },
        )
    }

    /// Each number of each session ran, once, and on no server before one that came earlier; how many ran in
    /// all.
    fn are_complete(&self, asked: &HashMap<u32, u32>) -> u64 {
        let mut all = HashMap::<_, Vec<u32>>::new();
        for ((session, server), numbers) in self.0.lock().iter() {
            assert!(numbers.is_sorted(), "{session} on {server}: {numbers:?}");
            let session = session.as_u64().unwrap() as u32;
            all.entry(session).or_default().extend(numbers);
        }
        assert_eq!(all.len(), asked.len());
        for (session, numbers) in &mut all {
            numbers.sort_unstable();
            let expected: Vec<_> = (1..=asked[session]).collect();
            assert_eq!(*numbers, expected, "{session}: each once");
        }
        all.values().map(|numbers| numbers.len() as u64).sum()
    }
}

/// So many front ends and back ends that have met.
async fn servers(notes: &Notes, fronts: u32, backs: u32) -> (Vec<Server>, Vec<Server>) {
    let world = World::new();
    let mut there = Vec::new();
    for number in 1..=backs {
        let id = format!("chat-{number}");
        there.push(world.back(&id, chat(notes.handlers())).await);
    }
    let mut here = Vec::new();
    for number in 1..=fronts {
        let id = format!("connector-{number}");
        let front = world.front(&id, connector(notes.handlers())).await;
        soon("the servers meet", front.connected()).await;
        here.push(front);
    }
    (here, there)
}

/// One session that numbers what it asks.
struct Asker {
    client: Client,
    session: u32,
    asked: u32,
    /// The last number each server has pushed.
    pushed: HashMap<String, u32>,
}

impl Asker {
    /// So many, on all front ends; none has asked anything.
    async fn many(fronts: &[Server]) -> Vec<Self> {
        let mut askers = Vec::new();
        for session in 0..SESSIONS {
            askers.push(Self::of(&fronts[session as usize % 2], session).await);
        }
        askers
    }

    async fn of(front: &Server, session: u32) -> Self {
        let over = DOORS[session as usize / 2 % 2];
        Self {
            client: client(front, over).await,
            session,
            asked: 0,
            pushed: HashMap::new(),
        }
    }

    /// Asks one after the other without waiting, one of them without an answer, and hears all in order. Says
    /// which servers answered.
    async fn round(&mut self, places: &[&str]) -> Vec<String> {
        let mut open = Vec::new();
        for nth in 0..AT_ONCE {
            self.asked += 1;
            let place = places[self.asked as usize % places.len()];
            let (route, body) = (
                format!("{place}.main.note"),
                json!([self.session, self.asked]),
            );
            if nth == 1 {
                self.client.notify(&route, &body).await;
            } else {
                let id = self.client.request(&route, &body).await;
                open.push((id, self.asked));
            }
        }
        let mut servers = Vec::new();
        // Each is pushed, that without an answer too.
        let mut pushes = 0;
        while !open.is_empty() || pushes < AT_ONCE {
            match self.client.hear().await {
                Said::Push(server, number) => {
                    let number = number.as_u64().unwrap() as u32;
                    let before = self.pushed.insert(server, number).unwrap_or_default();
                    assert!(before < number, "{number} after {before}");
                    pushes += 1;
                }
                Said::Reply(id, answer) => {
                    let at = open.iter().position(|(asked, _)| *asked == id);
                    let (_, number) = open.remove(at.expect("answered once"));
                    assert_eq!(answer[0], number, "{answer}");
                    let server = answer[1].as_str().unwrap();
                    assert_eq!(self.pushed[server], number, "behind its push, in its order");
                    servers.push(server.to_owned());
                }
                other => panic!("{other:?}"),
            }
        }
        servers
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_each_session_asks_runs_and_is_answered_in_its_order_on_front_and_back_ends() {
    const ROUNDS: u32 = 3;
    let notes = Notes::default();
    let (fronts, _backs) = servers(&notes, 2, 3).await;
    let mut sessions = JoinSet::new();
    for mut asker in Asker::many(&fronts).await {
        sessions.spawn(async move {
            for _ in 0..ROUNDS {
                asker.round(&["chat", "connector", "chat"]).await;
            }
            // It stays until all are done.
            asker
        });
    }
    let askers = soon("all are answered", sessions.join_all()).await;
    let asked = askers.iter().map(|asker| (asker.session, asker.asked));
    let ran = notes.are_complete(&asked.collect());
    assert_eq!(ran, u64::from(SESSIONS * ROUNDS * AT_ONCE));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn when_back_ends_leave_all_of_it_runs_once_and_in_its_order_on_each_server() {
    let notes = Notes::default();
    let (fronts, backs) = servers(&notes, 2, 3).await;
    let (stop, busy) = (Arc::<AtomicBool>::default(), Arc::new(Semaphore::new(0)));
    let mut sessions = JoinSet::new();
    for mut asker in Asker::many(&fronts).await {
        let (stop, busy) = (Arc::clone(&stop), Arc::clone(&busy));
        sessions.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                asker.round(&["chat"]).await;
                busy.add_permits(1);
            }
            let stayed = asker.round(&["chat"]).await;
            assert!(stayed.iter().all(|server| server == "chat-3"));
            asker
        });
    }
    for back in &backs[..2] {
        // All the time somebody asks.
        let rounds = busy.acquire_many(SESSIONS);
        soon("sessions ask", rounds).await.unwrap().forget();
        assert_eq!(soon("it leaves", back.leave(DEADLINE)).await, 0);
    }
    stop.store(true, Ordering::Relaxed);
    let askers = soon("all are answered", sessions.join_all()).await;
    let asked = askers.iter().map(|asker| (asker.session, asker.asked));
    let ran = notes.are_complete(&asked.collect());
    assert!(ran >= u64::from(3 * SESSIONS * AT_ONCE));
}
