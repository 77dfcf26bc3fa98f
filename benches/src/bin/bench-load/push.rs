//! Members of a channel, and somebody who publishes.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;
use tangelo_bench::frame;
use tangelo_bench::pipe::Pipe;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::client::{Client, Plan, RESPONSE, put_request, read_more, split_varint, stamp};
use crate::measured::Measured;
use crate::{Arguments, Window};

const JOIN: &str = "echo.pushHandler.join";
const PUBLISH: &str = "echo.pushHandler.publish";
/// The route of what members are told.
const TOLD: &str = "onPush";
/// The first byte of a message that nobody asked for.
const PUSH: u8 = 0x06;

/// How long the last deliveries are awaited. What is missing then is an error.
const DRAIN: Duration = Duration::from_secs(3);
/// Publishes are noted here by their number; more are never under way.
const SLOTS: usize = 64;
/// Members of one shard note what they saw in one place.
const SHARDS: usize = 8;

/// What is under way, and what was seen of it.
struct Board {
    /// What is published, but for its number.
    body: Vec<u8>,
    measurement: Range<Instant>,
    slots: Vec<Slot>,
    /// How many more publishes may be under way.
    free: Semaphore,
    seen: Vec<Mutex<Measured>>,
}

/// One publish under way.
#[derive(Default)]
struct Slot {
    /// Microseconds from the beginning of the measurement, or before it.
    sent_us: AtomicU64,
    /// Members that have not got it.
    missing: AtomicU32,
}

/// Everybody joins; then one publishes, with as many under way as there may be: one is when the last
/// member has got it.
pub(crate) async fn run(arguments: &Arguments, plan: Plan) -> Result<Measured, Box<dyn Error>> {
    if plan.websocket {
        return Err("members are told over TCP alone".into());
    }
    let plan = Arc::new(plan);
    let body = plan.body();
    let outstanding = usize::from(arguments.in_flight).min(SLOTS);
    let joining = stream::iter(0..arguments.connections)
        .map(|_| join(arguments.addr, Arc::clone(&plan)))
        .buffer_unordered(crate::AT_ONCE);
    let joined = timeout(crate::CONNECT, joining.try_collect::<Vec<_>>()).await;
    let joined = joined.map_err(|_| "not all members have joined in time")??;
    let publisher = Client::connect(arguments.addr, plan).await?.into_pipe();

    let window = Window::after(arguments);
    let seen = (0..SHARDS).map(|_| Measured::new(0).map(Mutex::new));
    let board = Arc::new(Board {
        body,
        measurement: window.measurement.clone(),
        slots: std::iter::repeat_with(Slot::default).take(SLOTS).collect(),
        free: Semaphore::new(outstanding),
        seen: seen.collect::<io::Result<_>>()?,
    });
    let mut members = JoinSet::new();
    for (number, pipe) in joined.into_iter().enumerate() {
        members.spawn(listen(pipe, Arc::clone(&board), number % SHARDS));
    }
    let mut total = Measured::new(window.to_us)?;
    let published = publish(publisher, &board, arguments.connections as u32, outstanding).await;
    if let Err(error) = published {
        total.error(1, || error.to_string());
    }
    while let Some(ended) = members.try_join_next() {
        if let Err(error) = ended? {
            total.error(1, || error.to_string());
        }
    }
    let missing = board
        .slots
        .iter()
        .map(|slot| slot.missing.load(Ordering::Acquire));
    let missing: u32 = missing.sum();
    if missing > 0 {
        total.error(missing.into(), || {
            format!("{missing} deliveries never came")
        });
    }
    members.shutdown().await;
    for seen in &board.seen {
        let seen = std::mem::replace(&mut *seen.lock(), Measured::new(0)?);
        total.add(seen)?;
    }
    Ok(total)
}

/// A connection that has joined the channel.
async fn join(address: SocketAddr, plan: Arc<Plan>) -> io::Result<Pipe> {
    let mut pipe = Client::connect(address, plan).await?.into_pipe();
    put_request(pipe.output(), 1, JOIN, b"{}");
    loop {
        read_more(&mut pipe).await?;
        while let Some((kind, message, _)) = frame::split(pipe.input()) {
            // A heartbeat may come before.
            let joined = kind == frame::DATA;
            if joined {
                answered(message)?;
            }
            let used = frame::HEADER + message.len();
            pipe.consume(used);
            if joined {
                return Ok(pipe);
            }
        }
    }
}

/// An answer of the server that says 200.
fn answered(message: &[u8]) -> io::Result<()> {
    let code = message.split_first().and_then(|(&flag, rest)| {
        let (_, body) = split_varint(rest)?;
        let body: serde_json::Value = serde_json::from_slice(body).ok()?;
        (flag == RESPONSE && body["code"] == 200).then_some(())
    });
    code.ok_or_else(|| {
        let text = String::from_utf8_lossy(message);
        io::Error::other(format!("instead of 200 the server said {text}"))
    })
}

/// Publishes until the measurement ends, and waits until everybody has got everything.
async fn publish(
    mut pipe: Pipe,
    board: &Board,
    members: u32,
    outstanding: usize,
) -> io::Result<()> {
    let mut number = 0_u32;
    let mut body = board.body.clone();
    while Instant::now() < board.measurement.end {
        tokio::select! {
            permit = board.free.acquire() => {
                permit.map_err(io::Error::other)?.forget();
                // Those that may be said as well leave by the same write.
                let more = board.free.forget_permits(SLOTS);
                for _ in 0..=more {
                    number += 1;
                    let slot = &board.slots[number as usize % SLOTS];
                    slot.missing.store(members, Ordering::Relaxed);
                    slot.sent_us.store(board.now_us(Instant::now()), Ordering::Release);
                    stamp(&mut body, number);
                    put_request(pipe.output(), number, PUBLISH, &body);
                }
                pipe.flush().await?;
            }
            read = read_more(&mut pipe) => {
                read?;
                while let Some((kind, message, _)) = frame::split(pipe.input()) {
                    if kind == frame::DATA {
                        answered(message)?;
                    }
                    let used = frame::HEADER + message.len();
                    pipe.consume(used);
                }
            }
        }
    }
    // What is still missing then is counted by its slot.
    let _ = timeout(DRAIN, board.free.acquire_many(outstanding as u32)).await;
    Ok(())
}

/// Takes what the channel says, in its order, with nothing left out.
async fn listen(mut pipe: Pipe, board: Arc<Board>, shard: usize) -> io::Result<()> {
    let mut number = 0;
    let mut body = board.body.clone();
    loop {
        let now = Instant::now();
        let mut rest = pipe.input();
        let length = rest.len();
        while let Some((kind, message, next)) = frame::split(rest) {
            rest = next;
            if kind != frame::DATA {
                continue;
            }
            number += 1;
            stamp(&mut body, number);
            if told(message) != Some(&body[..]) {
                let text = String::from_utf8_lossy(message);
                let problem = format!("instead of push {number} a member got {text}");
                return Err(io::Error::other(problem));
            }
            let slot = &board.slots[number as usize % SLOTS];
            if board.measurement.contains(&now) {
                let took = board.now_us(now) - slot.sent_us.load(Ordering::Acquire);
                board.seen[shard].lock().latency.saturating_record(took);
            }
            if slot.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
                board.free.add_permits(1);
            }
        }
        let used = length - rest.len();
        pipe.consume(used);
        read_more(&mut pipe).await?;
    }
}

/// The body of a push.
fn told(message: &[u8]) -> Option<&[u8]> {
    let (&[flag, length], rest) = message.split_first_chunk()?;
    let (route, body) = rest.split_at_checked(length.into())?;
    (flag == PUSH && route == TOLD.as_bytes()).then_some(body)
}

impl Board {
    /// Microseconds on a clock that began long before the measurement.
    fn now_us(&self, now: Instant) -> u64 {
        const BEFORE: Duration = Duration::from_secs(1000);
        (now + BEFORE - self.measurement.start).as_micros() as u64
    }
}
