//! The task of one connection: one poll function, in a fixed order, each step with its quota.

mod finish;
mod gathering;
mod read;
mod role;
mod serve;
#[cfg(test)]
mod tests;
mod unheard;
mod write;

use std::{
    io,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::BytesMut;
use futures_util::stream::FuturesUnordered;
use tangelo_runtime::{Stop, guard::Guarded};
use tangelo_wire::krpc::frame;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
    time::{Instant, Interval, MissedTickBehavior},
};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tracing::{debug, warn};

pub(crate) use self::role::Role;
use self::{
    gathering::Gathering,
    read::Coming,
    role::{LOOKS_PER_PING, Side},
    serve::Running,
    unheard::Unheard,
};
use super::{Afterwards, Connection, Waiter, late};
use crate::{Code, Services, link};

/// Room made for a read, at first and when much comes.
const LEAST_READ: usize = 2 << 10;
/// How long a server that was dialed says nothing to its neighbour, which takes three times that for death.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
/// How often those who leave look whether all has gone quiet.
const LEAVING_TICK: Duration = Duration::from_millis(100);
/// Such looks without a frame before a server that leaves closes a connection whose other side does not
/// know that it leaves.
const QUIET_TICKS: u32 = 3;
/// How long callers who do not know that a server leaves may go on asking it when nothing runs any
/// more: each is refused meanwhile, which tells them.
const LEAVING_GRACE: Duration = Duration::from_secs(2);
/// How long a neighbour may be silent before it has closed, which it does as soon as it has heard that this server
/// leaves and has its answers. On a busy machine it may not have run meanwhile.
const NEIGHBOURS_GRACE: Duration = Duration::from_secs(5);

/// The task of one connection; resolves when the connection has ended and what ran for it is done.
pub(crate) struct Driver<S> {
    /// None once the connection has ended.
    stream: Option<S>,
    connection: Connection,
    services: Arc<Services>,
    role: Role,
    reading: BytesMut,
    /// How much room is made for a read.
    room: usize,
    /// The frame of which only a part has come.
    coming: Option<Coming>,
    writing: BytesMut,
    gathering: Gathering,
    /// Who was answered in this turn and is to be woken for it.
    to_wake: Vec<Arc<dyn Waiter>>,
    /// Watches over the calls of this side.
    late: JoinSet<()>,
    running: FuturesUnordered<Running>,
    /// Bytes of the bodies of those.
    held: usize,
    ticks: Interval,
    silent_ticks: u32,
    unwritten_ticks: u32,
    /// The stream may keep some of what was written.
    unflushed: bool,
    /// Bytes taken for writing at once, the last time.
    taken: usize,
    /// Bytes that waited to be written when that was looked at last.
    backlog: usize,
    /// Since when the peer has taken nothing of what waits for it.
    stuck: Option<Instant>,
    /// What the quota knows to be unread.
    told_unread: usize,
    leaving: Pin<Box<WaitForCancellationFutureOwned>>,
    phase: Phase,
    /// When nothing had to be answered any more by a server that leaves.
    idle_since: Option<Instant>,
    /// How long what runs may go on though nobody hears of it any more.
    unheard: Option<Unheard>,
    /// When this turn began.
    now: Instant,
    /// What it reads takes long to be handled lately.
    is_costly: bool,
    /// What runs takes long lately, or nothing is known of it.
    runs_long: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// This server leaves: it answers what runs and what was sent before its goaway was heard, refuses
    /// what else comes, and closes when all is written.
    Leaving,
    /// The connection has ended; what runs may finish, though nobody hears of it.
    Ended,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Driver<S> {
    pub(crate) fn new(
        stream: S,
        connection: Connection,
        services: Arc<Services>,
        role: Role,
        stop: &Stop,
    ) -> Self {
        Self {
            stream: Some(stream),
            connection,
            services,
            role,
            reading: BytesMut::new(),
            room: LEAST_READ,
            coming: None,
            writing: BytesMut::new(),
            gathering: Gathering::default(),
            to_wake: Vec::new(),
            late: JoinSet::new(),
            running: FuturesUnordered::new(),
            held: 0,
            ticks: ticks(role.tick),
            silent_ticks: 0,
            unwritten_ticks: 0,
            unflushed: false,
            taken: 0,
            backlog: 0,
            stuck: None,
            told_unread: 0,
            leaving: Box::pin(stop.draining()),
            phase: Phase::Open,
            idle_since: None,
            unheard: None,
            now: Instant::now(),
            is_costly: false,
            runs_long: true,
        }
    }

    /// One turn of an open connection; `Ready` when it has ended, with the reason.
    fn turn(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What was put off waits for others' turns, not for what this one reads, runs and polls.
        let written = self.write_put_off(context);
        self.begin_turn()?;
        self.watch_leaving(context);
        let more = self.read(context)?;
        // Who cannot be written to any more may have answered before.
        written?;
        // What has come is heard before its absence is counted.
        self.tick(context)?;
        self.finish_running(context)?;
        let flushed = self.write(context)?;
        self.watch_reader(flushed)?;
        if flushed && self.is_done() && self.connection.shared.seal() {
            return Poll::Ready(Ok(()));
        }
        // What waits to be written wakes this task when it has gone.
        if more && !self.is_unread() {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Whether all is said, and heard, over a connection that one side leaves. A server that leaves
    /// lets its callers close: what they had sent before they heard of it is answered.
    fn is_done(&self) -> bool {
        let connection = &self.connection;
        let nobody_waits = || connection.shared.state.lock().waiting.is_empty();
        let leaves = self.phase == Phase::Leaving && self.running.is_empty();
        let is_neighbour = connection.hello().is_some();
        let patient = || {
            let grace = match is_neighbour {
                true => NEIGHBOURS_GRACE,
                false => LEAVING_GRACE,
            };
            self.idle_since.is_none_or(|since| self.now < since + grace)
        };
        match self.role.side {
            Side::Dialing if connection.peer_leaves() => nobody_waits() && self.running.is_empty(),
            Side::Dialing => leaves && nobody_waits(),
            Side::Accepting if !leaves || !nobody_waits() => false,
            Side::Accepting if !patient() => true,
            Side::Accepting if is_neighbour => false,
            // A plain krpc client learns from the refusal of its next request that this server leaves.
            Side::Accepting => self.silent_ticks >= QUIET_TICKS,
        }
    }

    /// From here to [`write`](Self::write) nobody need wake this task for what he appends.
    fn begin_turn(&mut self) -> io::Result<()> {
        self.now = Instant::now();
        let mut state = self.connection.shared.state.lock();
        state.awake = true;
        if state.closed.is_some() {
            return Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "closed by this side",
            ));
        }
        Ok(())
    }

    fn watch_leaving(&mut self, context: &mut Context<'_>) {
        if self.phase == Phase::Open && self.leaving.as_mut().poll(context).is_ready() {
            self.phase = Phase::Leaving;
            self.ticks = ticks(LEAVING_TICK);
            self.silent_ticks = 0;
            if self.connection.hello().is_some() {
                // If it cannot be said the connection is over, which says it as well.
                let _ = self.connection.tell(link::GOAWAY, |_| {});
            }
        }
    }

    fn tick(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.phase == Phase::Leaving && self.running.is_empty() {
            self.idle_since.get_or_insert(self.now);
        }
        while self.ticks.poll_tick(context).is_ready() {
            self.check_coming()?;
            if self.silent_ticks > 0 && self.reading.is_empty() {
                (self.reading, self.room) = (BytesMut::new(), LEAST_READ);
                self.to_wake = Vec::new();
            }
            self.silent_ticks += 1;
            self.unwritten_ticks += 1;
            if self.phase == Phase::Open && self.silent_ticks > self.role.patience {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "nothing heard"));
            }
            // What is written may have no answer: who hears nothing asks, however much he says.
            let hears_nothing = self.silent_ticks.is_multiple_of(LOOKS_PER_PING);
            let is_due = match self.role.side {
                Side::Dialing => self.unwritten_ticks >= LOOKS_PER_PING || hears_nothing,
                // What a neighbour asks may stand behind much that is slow: that this one lives does not.
                Side::Accepting => {
                    let says_nothing = self.role.tick * self.unwritten_ticks;
                    says_nothing >= SIGN_OF_LIFE && self.connection.hello().is_some()
                }
            };
            if is_due {
                let out = &mut self.connection.shared.state.lock().out;
                out.extend_from_slice(&frame::HEARTBEAT_REQUEST);
            }
        }
        Ok(())
    }

    fn end(&mut self, reason: &io::Result<()>) {
        self.phase = Phase::Ended;
        let peer = self.connection.peer();
        let is_plain = |error: &io::Error| {
            let gone = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
            gone.contains(&error.kind()) && self.reading.is_empty()
        };
        match reason {
            Ok(()) => debug!(%peer, "connection closed"),
            Err(error) if is_plain(error) => debug!(%peer, %error, "connection closed by the peer"),
            Err(error) => {
                if let Some(left_out) = self.connection.shared.quota.line(self.now) {
                    warn!(%peer, %error, left_out, "connection ended");
                }
            }
        }
        self.stream = None;
        (self.reading, self.writing) = (BytesMut::new(), BytesMut::new());
        self.unheard = Some(Unheard::begin());
        self.forget_unread();
        self.connection.shared.end();
    }
}

impl super::Shared {
    /// Closes it unless something was said since; who comes later is told that it was not sent.
    fn seal(&self) -> bool {
        let mut state = self.state.lock();
        let is_quiet = state.out.is_empty() && state.waiting.is_empty();
        if is_quiet {
            state.closed.get_or_insert(Code::CONNECTION_BROKEN);
        }
        is_quiet
    }

    /// Nothing can be sent any more, and whoever waits is told.
    fn end(&self) {
        let waiting = {
            let mut state = self.state.lock();
            state.closed.get_or_insert(Code::CONNECTION_BROKEN);
            state.out = BytesMut::new();
            state.waiting.drain()
        };
        self.is_over.store(true, Ordering::Release);
        self.sender.leave();
        self.ended.cancel();
        for (waiter, token) in waiting {
            waiter.answer(token, Err(Code::CONNECTION_BROKEN.into()));
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Future for Driver<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.connection.shared.driver.register(context.waker());
        if self.phase != Phase::Ended {
            if self.late.is_empty() {
                let connection = self.connection.clone();
                self.late.spawn(late::watch(connection));
            }
            let reason = ready!(self.turn(context));
            self.end(&reason);
        }
        self.finish_unheard(context)
    }
}

impl<S> Driver<S> {
    fn forget_unread(&mut self) {
        let told = std::mem::take(&mut self.told_unread);
        self.connection.shared.quota.unread(told, 0);
    }
}

impl<S> Drop for Driver<S> {
    /// A task that is dropped, rather than ended, leaves nobody waiting either.
    fn drop(&mut self) {
        self.forget_unread();
        self.connection.shared.end();
        // It may hold the connection, which holds it.
        let afterwards = std::mem::take(&mut self.connection.shared.state.lock().afterwards);
        for Afterwards { work, .. } in afterwards {
            drop(Guarded::new(work));
        }
    }
}

fn ticks(tick: Duration) -> Interval {
    let mut ticks = tokio::time::interval_at(Instant::now() + tick, tick);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
