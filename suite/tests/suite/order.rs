//! What a session is told arrives in the order it was produced, also under load.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tangelo::{
    Result,
    server::{
        Blueprint, Buffered, Channels, FrontendSession, Handlers, Json, Outbound, PushScheduler,
        PushSender, Server, Session,
    },
};
use tangelo_runtime::{Stop, Tasks};
use tracing::Span;

use crate::{
    client::{Client, DOORS, Said, request},
    world::{Heard, World, alone, chat, client, connector, small_ears, soon, with_room},
};

const SESSIONS: usize = 20;
const REQUESTS: u32 = 200;
/// Requests of a session at once.
const AT_ONCE: u32 = 40;

/// What each session has been told so far, under a key.
#[derive(Clone, Default)]
struct Count(Arc<Mutex<HashMap<String, u32>>>);

impl Count {
    /// Calls `tell` with the next number, before anyone can have the one after it.
    fn next<T>(&self, key: &str, tell: impl FnOnce(u32) -> T) -> T {
        let mut counts = self.0.lock();
        let count = counts.entry(key.to_owned()).or_default();
        *count += 1;
        tell(*count)
    }
}

/// `produce` pushes some numbers to its own session, and answers with the next one; `yields` times
/// it lets others go first.
fn produce(place: &'static str) -> Handlers {
    let count = Count::default();
    let produce = move |Json((yields, pushes)): Json<(u32, u32)>, session: Session| {
        let count = count.clone();
        async move {
            for _ in 0..yields {
                tokio::task::yield_now().await;
            }
            let key = session.id().to_string();
            for _ in 0..pushes {
                count.next(&key, |number| session.push(place, &number))?;
            }
            // From here to the answer nothing else runs for this session.
            Ok::<_, tangelo::Error>(Json(json!({ place: count.next(&key, |number| number) })))
        }
    };
    Handlers::new().add("produce", produce)
}

/// `shout` pushes a number to everybody, and answers with it.
fn shout() -> Handlers {
    async fn join(session: Session, channels: Channels) -> Result<()> {
        Ok(channels.get_or_create("all").add(&session)?)
    }
    let count = Count::default();
    let shout = move |channels: Channels| {
        let all = channels.get_or_create("all");
        let number = count.next("all", |number| {
            all.push("all", &number).unwrap();
            number
        });
        std::future::ready(Json(json!({ "all": number })))
    };
    produce("there").add("join", join).add("shout", shout)
}

async fn servers(scheduled: impl Fn(Blueprint) -> Blueprint) -> (Vec<Server>, Server) {
    async fn bind(Json(uid): Json<String>, session: FrontendSession) -> Result<()> {
        Ok(session.bind(&uid).await?)
    }
    let world = World::new();
    let back = world.back("chat-1", chat(shout())).await;
    let mut fronts = Vec::new();
    for id in ["connector-1", "connector-2"] {
        let blueprint = connector(produce("here").add("bind", bind));
        let front = world.front(id, scheduled(blueprint)).await;
        soon("the servers meet", front.connected()).await;
        fronts.push(front);
    }
    (fronts, back)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pushes_and_replies_of_every_session_keep_their_order_under_load() {
    keep_their_order(|blueprint| blueprint).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn also_when_they_are_buffered() {
    let interval = Duration::from_millis(2);
    keep_their_order(|front| front.push_scheduler(Buffered::new().flush_interval(interval))).await;
}

/// A scheduler of an application's own that hands everything on at once.
struct AtOnce;

impl PushScheduler for AtOnce {
    fn schedule(&self, message: Outbound, sender: &PushSender) {
        sender.send(message);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn also_when_they_pass_a_scheduler_that_hands_them_on_at_once() {
    keep_their_order(|front| front.push_scheduler(AtOnce)).await;
}

async fn keep_their_order(scheduled: impl Fn(Blueprint) -> Blueprint) {
    let (fronts, _back) = servers(scheduled).await;
    let mut clients = Vec::new();
    for number in 0..SESSIONS {
        let front = fronts.get(number % 2).unwrap();
        let over = *DOORS.get(number / 2 % 2).unwrap();
        let mut client = client(front, over).await;
        client
            .ask("connector.main.bind", &json!(number.to_string()))
            .await;
        clients.push(client);
    }
    for client in &mut clients {
        assert_eq!(client.ask("chat.main.join", &json!({})).await, json!({}));
    }
    let (tasks, mut finished) = (Tasks::new(Stop::new()), Heard::new());
    for (number, client) in clients.into_iter().enumerate() {
        let tell = finished.teller();
        tasks.spawn(Span::none(), async move {
            tell(talk(client, number as u32).await);
        });
    }
    let mut shouts = 0;
    for _ in 0..SESSIONS {
        shouts += finished.next("a session is done and in order").await;
    }
    assert!(shouts > 100, "{shouts}");
}

/// Sends all requests, and hears everything in order. Returns how many of them were shouts.
async fn talk(mut client: Client, seed: u32) -> u32 {
    let mut random = seed.wrapping_mul(2_654_435_761) | 1;
    let mut below = move |limit: u32| {
        // xorshift
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        random % limit
    };
    let (mut sent, mut answered, mut shouts) = (0, 0, 0);
    let mut heard = HashMap::from([("here", 0), ("there", 0), ("all", 0)]);
    let mut open = HashMap::new();
    while answered < REQUESTS {
        while sent < REQUESTS && sent - answered < AT_ONCE {
            let body = json!([below(4), below(4)]);
            let route = match below(8) {
                0 => "chat.main.shout",
                1..=3 => "connector.main.produce",
                _ => "chat.main.produce",
            };
            shouts += u32::from(route == "chat.main.shout");
            open.insert(client.request(route, &body).await, route);
            sent += 1;
        }
        match client.hear().await {
            Said::Push(route, number) => {
                let last = heard.get_mut(route.as_str()).unwrap();
                // The first shout may have been long before this session joined.
                assert!(
                    number == *last + 1 || route == "all" && *last == 0,
                    "{route}: {number} after {last}"
                );
                *last = u32::try_from(number.as_u64().unwrap()).unwrap();
            }
            Said::Reply(id, answer) => {
                answered += 1;
                let route = open.remove(&id).unwrap();
                match (route, &answer) {
                    ("chat.main.shout", Value::Object(all)) => {
                        let number = all["all"].as_u64().unwrap();
                        assert!(
                            u64::from(heard["all"]) >= number,
                            "{number} before its push"
                        );
                    }
                    ("connector.main.produce", answer) => next(&mut heard, "here", answer),
                    (_, answer) => next(&mut heard, "there", answer),
                }
            }
            other => panic!("{other:?}"),
        }
    }
    shouts
}

fn next(heard: &mut HashMap<&str, u32>, place: &str, answer: &Value) {
    let last = heard.get_mut(place).unwrap();
    assert_eq!(answer[place], *last + 1, "{place}: {answer} after {last}");
    *last += 1;
}

#[tokio::test]
async fn pushes_go_before_the_reply_also_when_the_client_reads_late() {
    async fn large(Json(number): Json<u32>, session: Session) -> Result<Json<Value>> {
        session.push("on", &number)?;
        Ok(Json(json!([number, "x".repeat(60_000)])))
    }
    let blueprint = connector(Handlers::new().add("large", large));
    let server = alone(with_room(blueprint)).await;
    for over in DOORS {
        let mut client = Client::over(over, small_ears(&server).await).await;
        client.shake_hands().await;
        // More than sockets hold: the server is behind with writing when it handles the last ones.
        for number in 1..=400_u32 {
            let body = number.to_string();
            let large = request(number, "connector.main.large", body.as_bytes());
            client.send_bytes(&large).await;
        }
        for number in 1..=400 {
            assert_eq!(client.push("on").await, number);
            assert_eq!(client.reply(number).await[0], number);
        }
    }
}
