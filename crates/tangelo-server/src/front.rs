//! The front loop: one task per client, one poll function, in a fixed order, each step with its
//! quota. It never awaits a write, so a client that does not read stops nobody.

mod choices;
mod end;
mod greeting;
mod judging;
mod known;
mod owed;
mod passing;
mod replies;
mod requests;
mod resuming;
mod running;
mod taking;
mod ticking;
mod timer;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use tangelo_connector::{Connection, Error, Event, Outgoing};
use tangelo_rpc::{Code, Status};
use tangelo_runtime::LogLines;
use tangelo_wire::pomelo::handshake::State;
use tokio::time::Instant;
use tracing::debug;

use self::{
    choices::Choices,
    end::End,
    judging::Judging,
    owed::Owed,
    resuming::Resuming,
    running::{Next, Running},
    taking::Taking,
    ticking::Ticking,
    timer::Timer,
};
use crate::{
    Context, Limits, Request,
    connections::Admission,
    forward,
    session::{CloseReason, FrontSession, Item, Taken},
};

/// Events handled before other clients get their turn.
const EVENTS_PER_TURN: usize = 128;
/// Events read at once.
const EVENTS_PER_READ: usize = 32;
/// A client that had so many events handled in less than a turn's time has no costly ones.
const EVENTS_OF_A_CHEAP_TURN: usize = 8;
/// How long the requests of a turn may take. It is looked at between events, of which a client whose events
/// take long has one read at once.
const TURN: Duration = Duration::from_micros(500);
/// Things taken from the queue at once.
const ITEMS_PER_TAKE: usize = 64;
/// Bytes gathered for one write; what else waits in the queue goes with the next.
const WRITE_AT: usize = 64 << 10;

/// One client's task.
pub(crate) struct Front {
    context: Arc<Context>,
    session: Arc<FrontSession>,
    connection: Option<Box<dyn Connection>>,
    /// The client counts as connected as long as it has this.
    admission: Option<Admission>,
    state: State,
    running: Running,
    choices: Choices,
    owed: Owed,
    /// What is kept for a client that may come back; none for one that did not ask for it.
    resuming: Option<Box<Resuming>>,
    /// The session that its client had on another front end, on its way here.
    taking: Option<Taking>,
    /// For a client that expects heartbeats whether it sends some or not.
    ticking: Option<Ticking>,
    /// Whether the client is let in is not known yet.
    judging: Option<Box<Judging>>,
    events: Vec<Event>,
    /// One that has been handled, for the next: it knows whose it is, and its parts need not be moved again.
    spare: Option<Box<Request>>,
    taken: Taken,
    /// Some of what was queued on the connection could not be written yet.
    unwritten: bool,
    /// Bytes queued on the connection since all was written.
    gathered: usize,
    timer: Timer,
    /// When the client is taken for dead, or too slow to shake hands, or to go.
    patience: Instant,
    logged: LogLines,
    now: Instant,
    /// Its events took long lately.
    is_costly: bool,
    /// The client has said nothing for too long, as far as has been read.
    is_silent: bool,
    /// That has been found once already, a moment ago.
    is_doubted: bool,
    /// The session has closed, and its last words are queued.
    ended: bool,
}

impl Front {
    pub(crate) fn new(
        connection: Box<dyn Connection>,
        opened: Instant,
        context: Arc<Context>,
    ) -> Self {
        let session = context.sessions().open(connection.peer(), &context);
        let patience = opened + Limits::HANDSHAKE;
        Self {
            running: Running::new(Arc::clone(session.wake()), context.limits().in_flight),
            choices: Choices::default(),
            owed: Owed::default(),
            resuming: None,
            taking: None,
            ticking: None,
            judging: None,
            context,
            session,
            connection: Some(connection),
            admission: None,
            state: State::default(),
            events: Vec::new(),
            spare: None,
            taken: Taken::default(),
            unwritten: false,
            gathered: 0,
            timer: Timer::new(patience),
            patience,
            logged: LogLines::default(),
            now: opened,
            is_costly: false,
            is_silent: false,
            is_doubted: false,
            ended: false,
        }
    }

    pub(crate) fn session(&self) -> &Arc<FrontSession> {
        &self.session
    }

    /// The client counts as connected until its connection ends.
    pub(crate) fn admitted(mut self, admission: Admission) -> Self {
        self.admission = Some(admission);
        self
    }

    /// One turn of an open connection; an error when it ends, which is the reason.
    fn turn(&mut self, task: &mut TaskContext<'_>) -> Result<(), End> {
        self.session.queue().begin_turn().map_err(Error::TooSlow)?;
        self.watch_arrival()?;
        self.watch_taking(task)?;
        self.watch_judging(task)?;
        self.flush(task)?;
        self.watch_timer(task)?;
        self.tell_again()?;
        self.tell_queued()?;
        self.poll_running(task)?;
        let more = !self.session.is_closed() && self.read(task)?;
        self.watch_silence()?;
        self.tell_again()?;
        self.flush(task)?;
        self.watch_break()?;
        self.watch_leaving()?;
        self.watch_end()?;
        let may_tell = self.state == State::Working;
        let has_rest = !self.session.queue().rest() && !self.keeps_for_later();
        let has_rest = has_rest || may_tell && !self.has_told_all();
        if more || has_rest && !self.unwritten {
            task.waker().wake_by_ref();
        }
        Ok(())
    }

    fn flush(&mut self, task: &mut TaskContext<'_>) -> Result<(), End> {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        self.unwritten = match connection.poll_flush(task) {
            Poll::Ready(flushed) => {
                flushed?;
                self.gathered = 0;
                false
            }
            Poll::Pending => true,
        };
        Ok(())
    }

    /// Writes before the turn is over when much has gathered: the limit of what may wait is for clients
    /// that do not read.
    fn relieve(&mut self, task: &mut TaskContext<'_>) -> Result<(), End> {
        if self.gathered >= WRITE_AT && !self.unwritten {
            self.flush(task)?;
        }
        Ok(())
    }

    /// Requests that took too long, and clients that say nothing.
    fn watch_timer(&mut self, task: &mut TaskContext<'_>) -> Result<(), End> {
        while self.timer.poll(task).is_ready() {
            self.now = Instant::now();
            let mut told = Ok(());
            for (place, entry, came) in self.running.expire(self.now) {
                told = told.and(self.take(place, entry, came));
            }
            told?;
            while let Some(id) = self.owed.expire(self.now) {
                let message = "the push scheduler has kept the answer for too long";
                self.refuse(id, &Status::new(Code::RPC_TIMEOUT, message))?;
            }
            self.release()?;
            self.tick()?;
            if self.now >= self.patience {
                if let Some(end) = self.kicked() {
                    return Err(end);
                }
                // What this server has not read yet may say otherwise.
                self.is_silent = true;
            }
            let patience = match self.is_silent {
                true => self.now + Limits::GOODBYE,
                false => self.patience,
            };
            let deadlines = self.running.next_deadline().into_iter();
            let deadlines = deadlines.chain(self.owed.next_deadline());
            let deadlines = deadlines.chain(self.leaves_at());
            let deadlines = deadlines.chain(self.ticks_at());
            self.timer.set(deadlines.fold(patience, Instant::min));
            self.forget_old();
            self.release_buffers();
        }
        Ok(())
    }

    /// Between bursts a session holds none.
    fn release_buffers(&mut self) {
        self.events = Vec::new();
        self.spare = None;
        self.taken = Taken::default();
        self.session.queue().shrink();
        self.owed.shrink();
        if let Some(resuming) = &mut self.resuming {
            resuming.shrink();
        }
    }

    /// What other tasks said, as long as the client keeps up with reading; else it waits in the
    /// queue, which is bounded.
    fn tell_queued(&mut self) -> Result<(), End> {
        if self.keeps_for_later() {
            return Ok(());
        }
        while self.session.queue().is_filled() && !self.unwritten && self.gathered < WRITE_AT {
            let mut taken = std::mem::take(&mut self.taken);
            let took = self.session.queue().take(&mut taken, ITEMS_PER_TAKE);
            took.map_err(Error::TooSlow)?;
            for (item, body) in taken.drain() {
                self.tell(item, body)?;
            }
            self.taken = taken;
        }
        Ok(())
    }

    /// Whether what it is told waits until it has acknowledged the handshake: from when it is judged it may be
    /// somebody who is spoken to.
    fn keeps_for_later(&self) -> bool {
        let is_let_in = self.judging.is_some() || self.state == State::WaitAck;
        let ends = self.session.is_closed() || self.context.is_draining();
        is_let_in && !self.outlives() && !ends
    }

    #[inline]
    fn tell(&mut self, item: Item, body: &[u8]) -> Result<(), End> {
        match item {
            Item::Answered {
                token, encoding, ..
            } => self.answer_known(token, encoding, body)?,
            // Nothing but the handshake's answer is said before it is acknowledged.
            Item::Push(push) | Item::Replaceable { push, .. }
                if self.state == State::Working || self.outlives() =>
            {
                self.push(&push)?;
            }
            Item::Push(_) | Item::Replaceable { .. } => {}
            Item::Forwarded { token, outcome } => {
                if let Some((place, entry)) = self.running.forwarded(token) {
                    self.hand_on(place, entry, forward::answer(outcome))?;
                }
            }
            Item::Response { id, body, failed } => self.respond((id, failed), &body)?,
            Item::Scheduled { token } => {
                if let Some(id) = self.running.scheduled(token) {
                    self.owe(token, id);
                }
            }
            Item::HandedOn { token, outcome } => {
                if let Some((place, entry)) = self.running.forwarded(token) {
                    self.handed_on(place, entry, &outcome);
                }
            }
            Item::Answer {
                token,
                body,
                failed,
            } => {
                if let Some(id) = self.owed.take(token) {
                    self.respond((id, failed), &body)?;
                }
            }
        }
        Ok(())
    }

    /// Handlers that can go on.
    fn poll_running(&mut self, task: &mut TaskContext<'_>) -> Result<(), End> {
        if self.running.is_holding() {
            self.release()?;
        }
        let mut ready = self.session.wake().take_ready();
        let mut begun = None;
        while ready != 0 {
            let now = Instant::now();
            if now - *begun.get_or_insert(now) >= TURN {
                self.session.wake().put_back(ready);
                task.waker().wake_by_ref();
                return Ok(());
            }
            let place = ready.trailing_zeros();
            ready &= ready - 1;
            if let Some((entry, came)) = self.running.poll(place) {
                self.take(place, entry, came)?;
                self.relieve(task)?;
            }
            self.release()?;
        }
        Ok(())
    }

    /// What was held back begins, as far as it may; what is left when the time is over does so in the next
    /// turn.
    fn release(&mut self) -> Result<(), End> {
        let mut begun = None;
        while let Some(Next { place, id, request }) = self.running.next_held() {
            let context = Arc::clone(&self.context);
            self.begin(&context, place, id, request)?;
            let now = Instant::now();
            if now - *begun.get_or_insert(now) >= TURN {
                self.session.wake().wake();
                break;
            }
        }
        Ok(())
    }

    /// Reads and handles what is there; true when the quota ended it.
    fn read(&mut self, task: &mut TaskContext<'_>) -> Result<bool, End> {
        // Once for all requests of this turn: its count is shared by all clients.
        let context = Arc::clone(&self.context);
        let (mut handled, mut begun) = (0, None);
        while handled < EVENTS_PER_TURN && tokio::task::coop::has_budget_remaining() {
            let Some(connection) = &mut self.connection else {
                return Ok(false);
            };
            let mut events = std::mem::take(&mut self.events);
            let most = if self.is_costly { 1 } else { EVENTS_PER_READ };
            let received = connection.poll_receive(task, &mut events, most);
            if received.is_pending() {
                self.is_costly &= handled < EVENTS_OF_A_CHEAP_TURN;
                return Ok(false);
            }
            self.now = Instant::now();
            let begun = *begun.get_or_insert(self.now);
            self.hear();
            handled += events.len();
            for event in &mut events {
                if self.session.is_closed() {
                    // Kicked meanwhile: what else the client wants comes too late.
                    return Ok(false);
                }
                self.handle(&context, event)?;
                self.relieve(task)?;
            }
            events.clear();
            self.events = events;
            ready_error(received)?;
            if begun.elapsed() >= TURN {
                self.is_costly = handled < EVENTS_PER_READ;
                return Ok(true);
            }
        }
        Ok(true)
    }

    /// A package that does not fit the state is ignored, as Pomelo's clients may expect.
    // Where it lies: to take it out costs more than most of what is done about it.
    #[inline]
    fn handle(&mut self, context: &Context, event: &mut Event) -> Result<(), End> {
        match (self.state, event) {
            (State::Inited, Event::Hello(body))
                if self.taking.is_none() && self.judging.is_none() =>
            {
                self.shake_hands(body)
            }
            (State::WaitAck, Event::Ack) => self.begin_work(),
            (State::Working, Event::Heartbeat) => self.beat(),
            (State::Working, Event::Receipt(body)) => self.note_receipt(body),
            (State::Working, Event::Message(message)) => self.handle_message(context, message),
            (State::Working, Event::Unreadable { id, route, problem }) => {
                let status = Status::new(Code::DECODE_REQ_ERROR, std::mem::take(problem));
                self.reply(*id, route, &Err(status))
            }
            // Nobody shall find one in a log.
            (state, Event::Hello(_)) => {
                debug!(session = %self.session.id(), ?state, "a handshake is ignored");
                Ok(())
            }
            (_, event) => {
                debug!(session = %self.session.id(), state = ?self.state, ?event, "ignored");
                Ok(())
            }
        }
    }

    fn queue(&mut self, outgoing: Outgoing<'_>) -> Result<(), End> {
        self.gathered += outgoing.size();
        match &mut self.connection {
            Some(connection) => Ok(connection.queue(outgoing)?),
            None => Ok(()),
        }
    }
}

fn ready_error(received: Poll<Result<(), Error>>) -> Result<(), End> {
    match received {
        Poll::Ready(Err(error)) => Err(error.into()),
        Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
    }
}

impl Future for Front {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<()> {
        let this = &mut *self;
        this.session.wake().register(task.waker());
        while !this.ended {
            match this.turn(task) {
                Ok(()) => return Poll::Pending,
                Err(End::HandedOver) => this.vanish(),
                Err(end) => {
                    // What was answered before the end leaves before it. It may fail as the end did.
                    let _ = this.flush(task);
                    if !this.goes_away(&end) {
                        this.end(&end);
                    }
                }
            }
        }
        this.finish(task)
    }
}

impl Drop for Front {
    /// A task that is dropped, rather than ended, leaves no session behind either.
    fn drop(&mut self) {
        if !self.ended {
            let sessions = self.context.sessions();
            sessions.close(&self.session, CloseReason::Leaving);
        }
    }
}
