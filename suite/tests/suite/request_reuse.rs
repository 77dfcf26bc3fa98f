//! A session's requests follow each other in one place, and find nothing there of those before them.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use serde_json::{Value, json};
use tangelo::{
    Error, Result,
    server::{FromRequest, HandlerExt, Handlers, Json, Request},
};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    client::{DOORS, Said},
    world::{chat, client, connector, pair, soon},
};

const SESSIONS: usize = 8;
const ROUNDS: usize = 60;
const AT_ONCE: usize = 8;
/// Times of those handlers that have little, and of all others.
const LITTLE: Duration = Duration::from_secs(100);
const MUCH: Duration = Duration::from_secs(250);

/// What was laid beside the request before it came to its handler, which lays something there.
struct Beside(Option<u64>);

#[derive(Clone, Copy)]
struct Mark(u64);

impl FromRequest for Beside {
    fn from_request(request: &mut Request) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let before = request.get::<Mark>().map(|mark| mark.0);
        request.insert(Mark(NEXT.fetch_add(1, Ordering::Relaxed)));
        Ok(Self(before))
    }
}

/// How long it has, and how many bytes it came with, which are then taken, replaced or left.
struct Came(Duration, usize);

impl FromRequest for Came {
    fn from_request(request: &mut Request) -> Result<Self> {
        let left = request.deadline().saturating_duration_since(Instant::now());
        let bytes = request.body().len();
        match bytes % 3 {
            0 => drop(request.take_body()),
            1 => request.set_body(b"another"),
            _ => {}
        }
        Ok(Self(left, bytes))
    }
}

/// Some wait for a turn, and some fail.
async fn look(Beside(before): Beside, Came(left, bytes): Came) -> Result<Json<Value>> {
    if bytes.is_multiple_of(5) {
        tokio::task::yield_now().await;
    }
    if fails(bytes) {
        return Err(Error::new("no"));
    }
    Ok(Json(json!([before, left.as_secs(), bytes])))
}

fn fails(bytes: usize) -> bool {
    bytes.is_multiple_of(7)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_finds_nothing_of_the_one_before_it() {
    let handlers = || {
        let short = look.deadline(LITTLE);
        Handlers::new().add("look", look).add("short", short)
    };
    let front = connector(handlers()).change_limits(|limits| limits.deadline = Some(MUCH));
    let (server, _back) = pair(front, chat(handlers())).await;
    let mut sessions = JoinSet::new();
    for number in 0..SESSIONS {
        let mut client = client(&server, DOORS[number % 2]).await;
        sessions.spawn(async move {
            for round in 0..ROUNDS {
                let mut asked = HashMap::new();
                for at in 0..AT_ONCE {
                    // No two rounds alike, and all of them the same each time.
                    let dice = (number * ROUNDS + round) * AT_ONCE + at;
                    let place = ["connector", "chat"][dice * 7 / 3 % 2];
                    let (method, most) = [("look", MUCH), ("short", LITTLE)][dice * 5 / 4 % 2];
                    let text = "x".repeat(dice * 11 % 41);
                    let route = format!("{place}.main.{method}");
                    let id = client.request(&route, &json!(text)).await;
                    asked.insert(id, (route, most.as_secs(), text.len() + 2));
                }
                while !asked.is_empty() {
                    let Said::Reply(id, answer) = client.hear().await else {
                        panic!("nothing else is said");
                    };
                    let (route, most, bytes) = asked.remove(&id).unwrap();
                    if fails(bytes) {
                        assert_eq!(answer["code"], 500, "{route}");
                        continue;
                    }
                    assert_eq!((&answer[0], &answer[2]), (&Value::Null, &json!(bytes)));
                    let left = answer[1].as_u64().unwrap();
                    assert!(left <= most && left > most - 50, "{route}: {left}");
                }
            }
        });
    }
    soon("all is said", sessions.join_all()).await;
}
