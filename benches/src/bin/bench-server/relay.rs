//! The bare relay: what forwarding costs at the least.
//!
//! The front process puts eight bytes (index and generation of the caller) before each frame and
//! sends it over a connection that all clients share; the back process echoes them, and the front
//! finds the caller again by index. What one task has for another gathers in an outbox and is
//! written by that other task, once per wake-up.
//!
//! The outboxes have no limit: the load generator's requests in flight are one. A server for
//! strangers needs its own.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use atomic_waker::AtomicWaker;
use parking_lot::Mutex;
use slab::Slab;
use tangelo_bench::frame;
use tangelo_bench::pipe::Pipe;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Index and generation of the caller.
const CALLER: usize = 8;

/// What other tasks want written to a connection.
#[derive(Default)]
struct Outbox {
    bytes: Mutex<Vec<u8>>,
    waker: AtomicWaker,
}

impl Outbox {
    /// Appends what `write` writes. True when nothing was waiting: then the caller owes a wake-up.
    fn append(&self, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut bytes = self.bytes.lock();
        let first = bytes.is_empty();
        write(&mut bytes);
        first && !bytes.is_empty()
    }

    /// Writes what others left here, then reads: one step of the task that owns the connection.
    async fn exchange(&self, pipe: &mut Pipe) -> io::Result<usize> {
        poll_fn(|cx| {
            self.waker.register(cx.waker());
            while pipe.poll_flush(cx)?.is_ready() {
                // The output is empty now: the two buffers change places, and none is ever
                // allocated anew.
                std::mem::swap(&mut *self.bytes.lock(), pipe.output());
                if pipe.output().is_empty() {
                    break;
                }
            }
            pipe.poll_fill(cx)
        })
        .await
    }
}

/// A client, as the links see it.
struct Caller {
    /// Tells the client from an earlier one with the same index.
    generation: u32,
    outbox: Arc<Outbox>,
}

/// The clients by index.
#[derive(Default)]
struct Callers {
    slots: Slab<Caller>,
    generation: u32,
}

impl Callers {
    /// Adds a client; its eight bytes go before each of its frames.
    fn insert(&mut self, outbox: Arc<Outbox>) -> [u8; CALLER] {
        self.generation = self.generation.wrapping_add(1);
        let index = self.slots.insert(Caller {
            generation: self.generation,
            outbox,
        });
        (((index as u64) << 32) | u64::from(self.generation)).to_be_bytes()
    }

    fn remove(&mut self, caller: [u8; CALLER]) {
        self.slots.remove(index(caller));
    }

    /// The client that sent `caller`, unless it has gone.
    fn get(&self, caller: [u8; CALLER]) -> Option<&Caller> {
        let generation = u64::from_be_bytes(caller) as u32;
        self.slots
            .get(index(caller))
            .filter(|found| found.generation == generation)
    }
}

fn index(caller: [u8; CALLER]) -> usize {
    (u64::from_be_bytes(caller) >> 32) as usize
}

/// The front process: accepts clients and forwards their frames over `links` connections.
pub(crate) async fn serve(upstream: SocketAddr, links: usize) -> io::Result<()> {
    let callers = Arc::new(Mutex::new(Callers::default()));
    let mut tasks = JoinSet::new();
    let mut outboxes = Vec::new();
    for _ in 0..links {
        let pipe = Pipe::new(TcpStream::connect(upstream).await?)?;
        let outbox = Arc::new(Outbox::default());
        tasks.spawn(run_link(pipe, Arc::clone(&outbox), Arc::clone(&callers)));
        outboxes.push(outbox);
    }
    let next = AtomicUsize::new(0);
    let clients = crate::listen(move |stream| {
        let link = Arc::clone(&outboxes[next.fetch_add(1, Ordering::Relaxed) % outboxes.len()]);
        run_client(stream, link, Arc::clone(&callers))
    });
    tokio::select! {
        ended = clients => ended,
        // A relay without its link is of no use, and must not be measured.
        Some(ended) = tasks.join_next() => ended?,
    }
}

/// Reads a client's frames, and writes what the link has found for it.
async fn run_client(
    stream: TcpStream,
    link: Arc<Outbox>,
    callers: Arc<Mutex<Callers>>,
) -> io::Result<()> {
    let mut pipe = Pipe::new(stream)?;
    let outbox = Arc::new(Outbox::default());
    let caller = callers.lock().insert(Arc::clone(&outbox));
    let ended = loop {
        match outbox.exchange(&mut pipe).await {
            Ok(0) => break Ok(()),
            Ok(_) => {}
            Err(error) => break Err(error),
        }
        let input = pipe.input();
        let mut rest = input;
        let first = link.append(|bytes| {
            while let Some((kind, body, next)) = frame::split(rest) {
                bytes.extend_from_slice(&caller);
                frame::put(bytes, kind, body);
                rest = next;
            }
        });
        if first {
            link.waker.wake();
        }
        let used = input.len() - rest.len();
        pipe.consume(used);
    };
    callers.lock().remove(caller);
    ended
}

/// Writes what the clients left for the back process, and hands its replies to them.
async fn run_link(
    mut pipe: Pipe,
    outbox: Arc<Outbox>,
    callers: Arc<Mutex<Callers>>,
) -> io::Result<()> {
    // Clients are woken after the last reply of a read has found its place, so that each of them
    // writes once.
    let mut to_wake = Vec::new();
    while outbox.exchange(&mut pipe).await? > 0 {
        let input = pipe.input();
        let mut rest = input;
        {
            let callers = callers.lock();
            while let Some(Forwarded {
                caller,
                kind,
                body,
                rest: next,
            }) = split(rest)
            {
                if let Some(found) = callers.get(caller)
                    && found.outbox.append(|bytes| frame::put(bytes, kind, body))
                {
                    to_wake.push(Arc::clone(&found.outbox));
                }
                rest = next;
            }
        }
        for outbox in to_wake.drain(..) {
            outbox.waker.wake();
        }
        let used = input.len() - rest.len();
        pipe.consume(used);
    }
    Err(io::Error::new(
        io::ErrorKind::ConnectionAborted,
        "the back process closed the link",
    ))
}

/// A frame on a link.
struct Forwarded<'a> {
    caller: [u8; CALLER],
    kind: u8,
    body: &'a [u8],
    /// What follows the frame.
    rest: &'a [u8],
}

/// Splits the first whole frame off what travels on a link.
fn split(input: &[u8]) -> Option<Forwarded<'_>> {
    let (&caller, rest) = input.split_first_chunk()?;
    let (kind, body, rest) = frame::split(rest)?;
    Some(Forwarded {
        caller,
        kind,
        body,
        rest,
    })
}

/// The back process: a bare echo whose frames have a caller before them.
pub(crate) async fn serve_back() -> io::Result<()> {
    crate::listen(|stream| async move {
        let mut pipe = Pipe::new(stream)?;
        while pipe.fill().await? > 0 {
            let (input, output) = pipe.split();
            let mut rest = input;
            while let Some(Forwarded {
                caller,
                kind,
                body,
                rest: next,
            }) = split(rest)
            {
                output.extend_from_slice(&caller);
                frame::put(output, kind, body);
                rest = next;
            }
            let used = input.len() - rest.len();
            pipe.consume(used);
            pipe.flush().await?;
        }
        Ok(())
    })
    .await
}
