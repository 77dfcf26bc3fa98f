//! The task of one connection: one poll function, in a fixed order, each step with its quota.

use std::{
    io,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::stream::{FuturesUnordered, Stream};
use tangelo_runtime::{
    LogLines, Stop,
    guard::{self, Guarded},
};
use tangelo_wire::krpc::{
    frame::{self, Frame},
    meta::{Direction, Meta},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Interval, MissedTickBehavior, Sleep},
};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tracing::{debug, warn};

use super::{Afterwards, Connection, ReplyTo};
use crate::{Code, Headers, Reply, Request, Service, Services, Status, link};

/// Frames handled before other connections get their turn.
const FRAMES_PER_POLL: usize = 256;
/// Room made for a read.
const READ_BUFFER: usize = 64 << 10;
/// How often the dialing side looks at silence in the time after which it sends a heartbeat.
const LOOKS_PER_PING: u32 = 4;
/// How often those who leave look whether all has gone quiet.
const LEAVING_TICK: Duration = Duration::from_millis(100);
/// Such looks without a frame before a server that leaves closes a connection whose other side does not
/// know that it leaves.
const QUIET_TICKS: u32 = 3;
/// Lines about failed requests in a second; the rest is counted.
const LOG_LINES_PER_SECOND: u32 = 20;
/// How long a request may run whose caller did not say how long it waits.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

/// Which side of a connection this is, and how long it bears silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    side: Side,
    /// How often silence is looked at.
    tick: Duration,
    /// Ticks of silence that are borne; at the next it is taken for death.
    patience: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Dialing,
    Accepting,
}

impl Role {
    /// It connected, and sends a heartbeat in every `ping` of silence; the third is death.
    pub(crate) fn dialing(ping: Duration) -> Self {
        Self {
            side: Side::Dialing,
            tick: ping / LOOKS_PER_PING,
            patience: 3 * LOOKS_PER_PING - 1,
        }
    }

    /// It was connected to; `idle` without a frame is death.
    pub(crate) fn accepting(idle: Duration) -> Self {
        const LOOKS: u32 = 36;
        Self {
            side: Side::Accepting,
            tick: idle / LOOKS,
            patience: LOOKS,
        }
    }
}

/// The task of one connection; resolves when the connection has ended and what ran for it is done.
pub(crate) struct Driver<S> {
    stream: S,
    connection: Connection,
    services: Arc<Services>,
    role: Role,
    reading: BytesMut,
    writing: BytesMut,
    running: FuturesUnordered<Running>,
    /// Bytes of the bodies of those.
    held: usize,
    ticks: Interval,
    silent_ticks: u32,
    unwritten_ticks: u32,
    /// The stream may keep some of what was written.
    unflushed: bool,
    leaving: Pin<Box<WaitForCancellationFutureOwned>>,
    phase: Phase,
    failures: LogLines,
    /// When this turn began.
    now: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// This server leaves: it answers what runs, refuses what comes, and closes when all is written.
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
            stream,
            connection,
            services,
            role,
            reading: BytesMut::new(),
            writing: BytesMut::new(),
            running: FuturesUnordered::new(),
            held: 0,
            ticks: ticks(role.tick),
            silent_ticks: 0,
            unwritten_ticks: 0,
            unflushed: false,
            leaving: Box::pin(stop.draining()),
            phase: Phase::Open,
            failures: LogLines::default(),
            now: Instant::now(),
        }
    }

    /// One turn of an open connection; `Ready` when it has ended, with the reason.
    fn turn(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.begin_turn()?;
        self.watch_leaving(context);
        let more = self.read(context)?;
        // What has come is heard before its absence is counted.
        self.tick(context)?;
        self.finish_running(context)?;
        let flushed = self.write(context)?;
        if flushed && self.is_done() && self.connection.shared.seal() {
            return Poll::Ready(Ok(()));
        }
        if more {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Whether all is said, and heard, over a connection that one side leaves. A server that leaves
    /// lets its callers close: what they had sent before they heard of it is answered, with a refusal.
    fn is_done(&self) -> bool {
        let connection = &self.connection;
        let nobody_waits = || connection.shared.state.lock().waiting.is_empty();
        let leaves = self.phase == Phase::Leaving && self.running.is_empty();
        match self.role.side {
            Side::Dialing if connection.peer_leaves() => nobody_waits() && self.running.is_empty(),
            Side::Dialing => leaves && nobody_waits(),
            Side::Accepting if connection.hello().is_some() => false,
            // A plain krpc client learns from the refusal of its next request that this server leaves.
            Side::Accepting => leaves && nobody_waits() && self.silent_ticks >= QUIET_TICKS,
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
        while self.ticks.poll_tick(context).is_ready() {
            self.silent_ticks += 1;
            self.unwritten_ticks += 1;
            if self.phase == Phase::Open && self.silent_ticks > self.role.patience {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "nothing heard"));
            }
            // What is written may have no answer: who hears nothing asks, however much he says.
            let says_nothing = self.unwritten_ticks >= LOOKS_PER_PING;
            let hears_nothing = self.silent_ticks.is_multiple_of(LOOKS_PER_PING);
            if self.role.side == Side::Dialing && (says_nothing || hears_nothing) {
                let out = &mut self.connection.shared.state.lock().out;
                out.extend_from_slice(&frame::HEARTBEAT_REQUEST);
            }
        }
        Ok(())
    }

    fn finish_running(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        loop {
            while let Poll::Ready(Some(ended)) = Pin::new(&mut self.running).poll_next(context) {
                self.held -= ended.held;
                self.respond(ended.to, &ended.outcome)?;
            }
            if !self.take_afterwards() {
                return Ok(());
            }
        }
    }

    /// What is left to do for requests that have been answered joins those that run.
    fn take_afterwards(&mut self) -> bool {
        let shared = &self.connection.shared;
        if !shared.has_afterwards.load(Ordering::Acquire) {
            return false;
        }
        let afterwards = {
            let mut state = shared.state.lock();
            shared.has_afterwards.store(false, Ordering::Release);
            std::mem::take(&mut state.afterwards)
        };
        for Afterwards { of, deadline, work } in afterwards {
            self.running.push(Running {
                answer: Guarded::new(work),
                deadline: Box::pin(tokio::time::sleep_until(deadline)),
                to: ReplyTo::nobody(of),
                held: 0,
            });
        }
        true
    }

    /// Reads and handles what is there; true when the quota ended it.
    fn read(&mut self, context: &mut Context<'_>) -> io::Result<bool> {
        let mut frames = 0;
        loop {
            while let Some(frame) = self.next_frame()? {
                self.silent_ticks = 0;
                self.receive(frame, context)?;
                frames += 1;
                if frames >= FRAMES_PER_POLL || !tokio::task::coop::has_budget_remaining() {
                    return Ok(true);
                }
            }
            self.reading.reserve(READ_BUFFER);
            let stream = Pin::new(&mut self.stream);
            match tokio_util::io::poll_read_buf(stream, context, &mut self.reading)? {
                Poll::Ready(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Poll::Ready(_) => {}
                Poll::Pending => return Ok(false),
            }
        }
    }

    fn next_frame(&mut self) -> io::Result<Option<Frame>> {
        let shared = &self.connection.shared;
        let layout = shared.dialect.layout();
        let frame = frame::decode(&mut self.reading, layout, shared.limits.frame)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        if let Some(told) = frame.as_ref().and_then(|frame| frame.meta.told) {
            shared.dialect.learn(told);
        }
        Ok(frame)
    }

    fn receive(&mut self, frame: Frame, context: &mut Context<'_>) -> io::Result<()> {
        match frame.meta.direction {
            Direction::Response => {
                self.answer(frame);
                Ok(())
            }
            Direction::Request => self.serve(frame, context),
        }
    }

    fn answer(&self, frame: Frame) {
        let waiter = self
            .connection
            .shared
            .state
            .lock()
            .waiting
            .take(frame.meta.sequence);
        let Some((waiter, token)) = waiter else {
            debug!(sequence = frame.meta.sequence, "an answer nobody waits for");
            return;
        };
        let Frame { meta, body, .. } = frame;
        let dialect = &self.connection.shared.dialect;
        let code = dialect.code(&meta);
        if code == Code::SERVER_SHUTDOWN {
            // All that plain krpc servers say when they leave.
            self.connection.set_peer_leaves();
        }
        let outcome = match dialect.open(&meta, body) {
            None => Err(Code::DECODE_RES_ERROR.into()),
            Some(body) if body.is_empty() && code.is_frameworks() => Err(code.into()),
            Some(body) => Ok(Reply::protobuf(code.0, body)),
        };
        waiter.answer(token, outcome);
    }

    /// Polls what answers this request once, in place; it waits in the set only if it is not ready.
    fn serve(&mut self, frame: Frame, context: &mut Context<'_>) -> io::Result<()> {
        let Frame { meta, body, .. } = frame;
        let to = ReplyTo {
            service_id: meta.service_id,
            msg_id: meta.msg_id,
            sequence: meta.sequence,
            compress: meta.compress,
            encrypt: meta.encrypt,
        };
        if (meta.service_id, meta.msg_id) == link::HEARTBEAT {
            let shared = &self.connection.shared;
            let mut state = shared.state.lock();
            state.out.extend_from_slice(&frame::HEARTBEAT_RESPONSE);
            return check_reads(state.out.len() + state.unsent, shared);
        }
        let deadline = self.now
            + u64::try_from(meta.timeout_ms)
                .ok()
                .filter(|timeout| *timeout > 0)
                .map_or(DEFAULT_DEADLINE, Duration::from_millis);
        let (service, body) = match self.admit(&meta, body) {
            Ok(admitted) => admitted,
            Err(code) => return self.respond(to, &Err(code.into())),
        };
        let held = body.len();
        let request = Request {
            service_id: meta.service_id,
            msg_id: meta.msg_id,
            body,
            deadline: Some(deadline),
            connection: Some(self.connection.clone()),
            sequence: meta.sequence,
            one_way: meta.sequence == 0,
            headers: headers(meta),
            context: None,
        };
        let called = guard::catch(|| service.call(request)).map_err(failed);
        let mut answer = match called {
            Ok(answer) => Guarded::new(answer),
            Err(status) => return self.respond(to, &Err(status)),
        };
        match Pin::new(&mut answer).poll(context) {
            Poll::Ready(outcome) => self.respond(to, &outcome.unwrap_or_else(|p| Err(failed(p)))),
            Poll::Pending => {
                let deadline = Box::pin(tokio::time::sleep_until(deadline));
                self.held += held;
                self.running.push(Running {
                    answer,
                    deadline,
                    to,
                    held,
                });
                Ok(())
            }
        }
    }

    /// Who answers, and the body as it was before it travelled; or why nobody does, which then stands in
    /// the access log.
    fn admit(&self, meta: &Meta, body: Bytes) -> Result<(&Arc<dyn Service>, Bytes), Code> {
        let dialect = &self.connection.shared.dialect;
        let admitted = self.find(meta, body.len()).and_then(|service| {
            let body = dialect.open(meta, body).ok_or(Code::DECODE_REQ_ERROR)?;
            Ok((service, body))
        });
        admitted.inspect_err(|code| self.services.refused(&self.connection, meta, *code))
    }

    fn find(&self, meta: &Meta, size: usize) -> Result<&Arc<dyn Service>, Code> {
        let service = self.services.find(meta.service_id)?;
        if self.phase == Phase::Leaving && !link::is_system(meta.service_id) {
            return Err(Code::SERVER_SHUTDOWN);
        }
        let limits = &self.connection.shared.limits;
        if self.running.len() >= limits.running || self.held + size > limits.held {
            return Err(Code::QUEUE_FULL);
        }
        Ok(service)
    }

    /// Why a request of the other side has no reply.
    fn log(&mut self, to: ReplyTo, status: &Status) {
        if status.code() == Code::SERVER_SHUTDOWN {
            return;
        }
        if let Some(left_out) = self.failures.line(self.now, LOG_LINES_PER_SECOND) {
            let (service, msg_id, reason) = (to.service_id, to.msg_id, status.reason());
            let from = self
                .connection
                .hello()
                .map(|hello| &*hello.identity.server_id);
            let peer = self.connection.peer();
            warn!(from, %peer, service, msg_id, %reason, left_out, "request failed");
        }
    }

    fn respond(&mut self, to: ReplyTo, outcome: &Result<Reply, Status>) -> io::Result<()> {
        if let Err(status) = outcome {
            self.log(to, status);
        }
        if !to.is_awaited() {
            return Ok(());
        }
        let shared = &self.connection.shared;
        let waits = shared.respond(to, outcome).or_else(|error| {
            let (service, message) = (to.service_id, to.msg_id);
            warn!(service, message, %error, "a reply could not be sent");
            shared.respond(to, &Err(Code::ENCODE_RES_ERROR.into()))
        });
        check_reads(waits.map_err(io::Error::other)?, shared)
    }

    /// Writes what has gathered; true when nothing is left.
    fn write(&mut self, context: &mut Context<'_>) -> io::Result<bool> {
        loop {
            if self.writing.is_empty() {
                // TLS keeps what the socket had no room for.
                if self.unflushed && Pin::new(&mut self.stream).poll_flush(context)?.is_pending() {
                    return Ok(false);
                }
                self.unflushed = false;
                self.writing.clear();
                let mut state = self.connection.shared.state.lock();
                std::mem::swap(&mut self.writing, &mut state.out);
                state.unsent = self.writing.len();
                if self.writing.is_empty() {
                    state.awake = false;
                    return Ok(true);
                }
            }
            let stream = Pin::new(&mut self.stream);
            match stream.poll_write(context, &self.writing)? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(written) => {
                    self.writing.advance(written);
                    self.unwritten_ticks = 0;
                    self.unflushed = true;
                }
                Poll::Pending => {
                    // The socket wakes this task when there is room, so nobody else need.
                    self.connection.shared.state.lock().unsent = self.writing.len();
                    return Ok(false);
                }
            }
        }
    }

    fn end(&mut self, reason: &io::Result<()>) {
        self.phase = Phase::Ended;
        let peer = self.connection.peer();
        match reason {
            Ok(()) => debug!(%peer, "connection closed"),
            Err(error)
                if error.kind() == io::ErrorKind::UnexpectedEof && self.reading.is_empty() =>
            {
                debug!(%peer, "connection closed by the peer");
            }
            Err(error) => warn!(%peer, %error, "connection ended"),
        }
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
            let reason = ready!(self.turn(context));
            self.end(&reason);
        }
        loop {
            let polled = Pin::new(&mut self.running).poll_next(context);
            if self.take_afterwards() || matches!(polled, Poll::Ready(Some(_))) {
                continue;
            }
            return polled.map(drop);
        }
    }
}

impl<S> Drop for Driver<S> {
    /// A task that is dropped, rather than ended, leaves nobody waiting either.
    fn drop(&mut self) {
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

/// What came beside the body, if anything did.
fn headers(meta: Meta) -> Option<Box<Headers>> {
    if meta.trace.is_empty() && meta.attachment.is_empty() {
        return None;
    }
    Some(Box::new(Headers {
        trace: meta.trace,
        attachment: meta.attachment,
        ..Headers::default()
    }))
}

/// A request that was not answered at once.
struct Running {
    answer: Guarded<dyn Future<Output = Result<Reply, Status>> + Send>,
    deadline: Pin<Box<Sleep>>,
    to: ReplyTo,
    /// Bytes of its body.
    held: usize,
}

/// One that was answered now.
struct Ended {
    to: ReplyTo,
    held: usize,
    outcome: Result<Reply, Status>,
}

impl Future for Running {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut answer = Pin::new(&mut self.answer).poll(context);
        if answer.is_pending() {
            ready!(self.deadline.as_mut().poll(context));
            // Once more: what has only waited for its turn so far says so.
            answer = Pin::new(&mut self.answer).poll(context);
        }
        let outcome = match answer {
            Poll::Ready(outcome) => outcome.unwrap_or_else(|panicked| Err(failed(panicked))),
            Poll::Pending => Err(Code::RPC_TIMEOUT.into()),
        };
        let Self { to, held, .. } = *self;
        Poll::Ready(Ended { to, held, outcome })
    }
}

/// A peer that asks and does not read the answers is cut.
fn check_reads(waits: usize, shared: &super::Shared) -> io::Result<()> {
    if waits > shared.limits.outgoing {
        return Err(io::Error::new(
            io::ErrorKind::StorageFull,
            "the peer does not read",
        ));
    }
    Ok(())
}

fn failed(panicked: guard::Panicked) -> Status {
    Status::from(Code::BUSINESS_ERROR).with_cause(panicked)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tangelo_wire::krpc::layout::Layout;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::{
        super::{Dialect, Limits},
        *,
    };

    /// A connection over this stream.
    fn driver<S: AsyncRead + AsyncWrite + Unpin + Send>(stream: S, limits: Limits) -> Driver<S> {
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let dialect = Dialect::ours(limits.frame);
        let connection = Connection::new("test".into(), peer, limits, dialect);
        let role = Role::accepting(Duration::from_secs(180));
        Driver::new(
            stream,
            connection,
            Arc::new(Services::new()),
            role,
            &Stop::new(),
        )
    }

    /// A connection over a pipe of this size.
    fn piped(limits: Limits, pipe: usize) -> (DuplexStream, Driver<DuplexStream>) {
        let (theirs, ours) = tokio::io::duplex(pipe);
        (theirs, driver(ours, limits))
    }

    #[tokio::test]
    async fn a_peer_that_sends_heartbeats_and_reads_no_answers_is_cut() {
        const ANSWER: usize = frame::HEARTBEAT_RESPONSE.len();
        let limits = Limits {
            outgoing: 10 * ANSWER,
            ..Limits::default()
        };
        // What fits: one answer in the pipe, ten in the buffer.
        let (mut theirs, driver) = piped(limits, ANSWER);
        let connection = driver.connection.clone();
        let flood = async {
            for _ in 0..100 {
                if theirs.write_all(&frame::HEARTBEAT_REQUEST).await.is_err() {
                    break;
                }
            }
        };
        tokio::join!(driver, flood);
        assert!(connection.is_closed());
    }

    const PING: Duration = Duration::from_secs(60);

    /// A connection that this side has made, and the other side of it.
    fn dialed() -> (DuplexStream, Connection, Driver<DuplexStream>) {
        let (theirs, mut driver) = piped(Limits::default(), 1 << 16);
        driver.role = Role::dialing(PING);
        driver.ticks = ticks(driver.role.tick);
        (theirs, driver.connection.clone(), driver)
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_says_nothing_is_dead_within_three_pings_whatever_is_said_to_it() {
        for talkative in [false, true] {
            let (_theirs, connection, driver) = dialed();
            let talk = async {
                while talkative && !connection.is_closed() {
                    let _ = connection.tell((100, 1), |_| {});
                    tokio::time::sleep(PING / 3).await;
                }
            };
            let begun = Instant::now();
            let dies = async {
                driver.await;
                begun.elapsed()
            };
            let (took, ()) = tokio::join!(dies, talk);
            assert!(took > PING * 2 && took <= PING * 3, "{took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_heartbeat_comes_after_a_ping_of_silence_and_a_quarter_at_the_latest() {
        use tokio::io::AsyncReadExt;

        for begins in 0..10 {
            let (mut theirs, connection, driver) = dialed();
            let listen = async {
                tokio::time::sleep(PING * begins / 10).await;
                connection.tell((100, 1), |_| {}).unwrap();
                let mut heard = Vec::new();
                theirs.read_buf(&mut heard).await.unwrap();
                let silent = Instant::now();
                theirs.read_buf(&mut heard).await.unwrap();
                assert!(heard.ends_with(&frame::HEARTBEAT_REQUEST));
                let silent = silent.elapsed();
                assert!(silent <= PING * 5 / 4, "{silent:?}");
            };
            tokio::select! {
                () = driver => panic!("it lives"),
                () = listen => {}
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_answers_heartbeats_lives_also_when_all_else_that_is_said_has_no_answer() {
        use tokio::io::AsyncReadExt;

        for talkative in [false, true] {
            let (mut theirs, connection, driver) = dialed();
            let talk = async {
                for _ in 0..30 {
                    if talkative {
                        connection.tell((100, 1), |_| {}).unwrap();
                    }
                    tokio::time::sleep(PING / 3).await;
                }
            };
            let answer = async {
                let mut heard = Vec::new();
                while theirs.read_buf(&mut heard).await.unwrap() > 0 {
                    let mut frames = heard.windows(frame::HEARTBEAT_REQUEST.len());
                    if frames.any(|frame| frame == frame::HEARTBEAT_REQUEST) {
                        theirs.write_all(&frame::HEARTBEAT_RESPONSE).await.unwrap();
                        heard.clear();
                    }
                }
            };
            tokio::select! {
                () = driver => panic!("it lives"),
                () = answer => panic!("it lives"),
                () = talk => {}
            }
        }
    }

    /// Never answers.
    struct Hold;

    impl Service for Hold {
        fn call(&self, _: Request) -> crate::Answer {
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test]
    async fn bodies_of_requests_that_run_may_have_so_many_bytes_together() {
        let limits = Limits {
            held: 100,
            ..Limits::default()
        };
        let (mut theirs, mut driver) = piped(limits, 1 << 10);
        driver.services = Arc::new(Services::new().with_dyn(100, Arc::new(Hold)));
        let talk = async {
            let mut buffer = BytesMut::new();
            for (sequence, length) in [(1, 60), (2, 40), (3, 1), (4, 0), (5, 0)] {
                let meta = Meta {
                    service_id: 100,
                    msg_id: 1,
                    sequence,
                    ..Meta::default()
                };
                let body = vec![0; length];
                frame::encode(&meta, &body, Layout::V2, 1000, &mut buffer).unwrap();
                theirs.write_all(&buffer.split()).await.unwrap();
            }
            let refused = loop {
                if let Some(frame) = frame::decode(&mut buffer, Layout::V2, 1000).unwrap() {
                    break frame.meta;
                }
                theirs.read_buf(&mut buffer).await.unwrap();
            };
            assert_eq!(refused.sequence, 3);
            assert_eq!(Code(refused.ret_code), Code::QUEUE_FULL);
        };
        tokio::select! {
            () = driver => panic!("it has ended"),
            () = talk => {}
        }
    }

    /// Answers at once, or with the next turn, and tells when what it left to do begins, and whether its
    /// answer had been handed on by then; that ends when it is told to.
    struct Leaves {
        at_once: bool,
        begun: tokio::sync::mpsc::Sender<bool>,
        ends: Arc<tokio::sync::Notify>,
    }

    impl Service for Leaves {
        fn call(&self, request: Request) -> crate::Answer {
            let connection = request.connection.unwrap();
            let (begun, ends, at_once) = (self.begun.clone(), Arc::clone(&self.ends), self.at_once);
            let deadline = Instant::now() + Duration::from_secs(10);
            Box::pin(async move {
                if !at_once {
                    tokio::task::yield_now().await;
                }
                let its = connection.clone();
                let work = async move {
                    begun.try_send(its.backlog() > 0).unwrap();
                    ends.notified().await;
                    begun.try_send(true).unwrap();
                    Ok(Reply::default())
                };
                connection.afterwards((100, 1), deadline, Box::pin(work));
                Ok(Reply::default())
            })
        }
    }

    /// A request, over a connection of which one end is dropped after the answer; what its service told.
    async fn told_by_leftovers(at_once: bool, ends: bool) -> Vec<bool> {
        let (begun, mut told) = tokio::sync::mpsc::channel(9);
        let leaves = Leaves {
            at_once,
            begun,
            ends: Arc::default(),
        };
        let notify = Arc::clone(&leaves.ends);
        let (mut theirs, mut driver) = piped(Limits::default(), 1 << 10);
        driver.services = Arc::new(Services::new().with_dyn(100, Arc::new(leaves)));
        let talk = async move {
            let mut buffer = BytesMut::new();
            let meta = Meta {
                service_id: 100,
                msg_id: 1,
                sequence: 7,
                ..Meta::default()
            };
            frame::encode(&meta, b"", Layout::V2, 1000, &mut buffer).unwrap();
            theirs.write_all(&buffer.split()).await.unwrap();
            theirs.read_buf(&mut buffer).await.unwrap();
            let answer = frame::decode(&mut buffer, Layout::V2, 1000).unwrap();
            assert_eq!(answer.unwrap().meta.sequence, 7);
            drop(theirs);
            if ends {
                notify.notify_one();
            }
        };
        tokio::join!(driver, talk);
        let mut all = Vec::new();
        while let Some(told) = told.recv().await {
            all.push(told);
        }
        all
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_to_do_begins_when_the_answer_is_handed_on_and_outlives_the_connection() {
        for at_once in [true, false] {
            assert_eq!(told_by_leftovers(at_once, true).await, [true, true]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_dropped_at_its_deadline() {
        let begun = Instant::now();
        assert_eq!(told_by_leftovers(true, false).await, [true]);
        let took = begun.elapsed();
        assert!(took >= Duration::from_secs(10) && took < Duration::from_secs(11));
    }

    #[tokio::test]
    async fn what_a_stream_keeps_is_flushed() {
        let (mut theirs, ours) = tokio::io::duplex(1 << 10);
        let driver = driver(tokio::io::BufStream::new(ours), Limits::default());
        let talk = async {
            let mut answer = [0; frame::HEARTBEAT_RESPONSE.len()];
            theirs.write_all(&frame::HEARTBEAT_REQUEST).await.unwrap();
            theirs.read_exact(&mut answer).await.unwrap();
        };
        tokio::select! {
            () = driver => panic!("it has ended"),
            () = talk => {}
        }
    }

    #[tokio::test]
    async fn one_that_reads_them_is_not() {
        let limits = Limits {
            outgoing: 10 * frame::HEARTBEAT_RESPONSE.len(),
            ..Limits::default()
        };
        let (mut theirs, driver) = piped(limits, 1 << 10);
        let connection = driver.connection.clone();
        let talk = async {
            let mut answer = [0; frame::HEARTBEAT_RESPONSE.len()];
            for _ in 0..100 {
                theirs.write_all(&frame::HEARTBEAT_REQUEST).await.unwrap();
                theirs.read_exact(&mut answer).await.unwrap();
                assert_eq!(answer, frame::HEARTBEAT_RESPONSE);
            }
            assert!(!connection.is_closed());
            drop(theirs);
        };
        tokio::join!(driver, talk);
    }
}
