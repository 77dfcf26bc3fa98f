//! The front loop: one task per client, one poll function, in a fixed order, each step with its
//! quota. It never awaits a write, so a client that does not read stops nobody.

mod choices;
mod owed;
mod passing;
mod running;
mod timer;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use bytes::Bytes;
use tangelo_connector::{Connection, Error, Event, Outgoing};
use tangelo_rpc::{Code, Reply, Status, Waiter};
use tangelo_runtime::LogLines;
use tangelo_wire::pomelo::{
    handshake::{self, State},
    message::{Kind as MessageKind, Message, Route},
};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use self::{
    choices::{BackEnd, Choices, Chosen},
    owed::Owed,
    running::{Next, Running, Sent},
    timer::Timer,
};
use crate::{
    Context, Limits, Request, Session,
    answer::{self, Shown},
    connections::Admission,
    forward,
    pipeline::Passage,
    push::{self, Forwarded, Response},
    session::{CloseReason, FrontSession, Item, Kind},
};

/// Events handled before other clients get their turn.
const EVENTS_PER_TURN: usize = 128;
/// Events read at once.
const EVENTS_PER_READ: usize = 32;
/// Things taken from the queue at once.
const ITEMS_PER_TAKE: usize = 64;
/// Bytes gathered for one write; what else waits in the queue goes with the next.
const WRITE_AT: usize = 64 << 10;
/// Log lines a client may cause in a second; the rest is counted.
const LOG_LINES_PER_SECOND: u32 = 5;

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
    events: Vec<Event>,
    items: Vec<Item>,
    /// Some of what was queued on the connection could not be written yet.
    unwritten: bool,
    /// Bytes queued on the connection since all was written.
    gathered: usize,
    timer: Timer,
    /// When the client is taken for dead, or too slow to shake hands, or to go.
    patience: Instant,
    logged: LogLines,
    now: Instant,
    /// The session has closed, and its last words are queued.
    ended: bool,
}

/// Why a client's connection ends.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error(transparent)]
    Connection(#[from] Error),
    #[error("no handshake within {:?}", Limits::HANDSHAKE)]
    HandshakeTimeout,
    #[error("handshake refused: {0}")]
    Refused(#[from] handshake::Refusal),
    #[error("nothing heard for {0:?}")]
    Silent(Duration),
    #[error("kicked: {0}")]
    Kicked(Arc<str>),
    #[error("this server leaves")]
    Leaving,
}

impl End {
    /// As the application is told.
    fn reason(&self) -> CloseReason {
        match self {
            Self::Connection(error) if error.is_goodbye() => CloseReason::Left,
            Self::Connection(_) | Self::Refused(_) => CloseReason::Failed(self.to_string()),
            Self::HandshakeTimeout | Self::Silent(_) => CloseReason::Silent,
            Self::Kicked(reason) => CloseReason::Kicked(Arc::clone(reason)),
            Self::Leaving => CloseReason::Leaving,
        }
    }
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
            context,
            session,
            connection: Some(connection),
            admission: None,
            state: State::default(),
            events: Vec::new(),
            items: Vec::new(),
            unwritten: false,
            gathered: 0,
            timer: Timer::new(patience),
            patience,
            logged: LogLines::default(),
            now: opened,
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
        self.flush(task)?;
        self.watch_timer(task)?;
        self.tell_queued()?;
        self.poll_running(task)?;
        let more = !self.session.is_closed() && self.read(task)?;
        self.flush(task)?;
        self.watch_end()?;
        if more || !self.session.queue().rest() && !self.unwritten {
            task.waker().wake_by_ref();
        }
        Ok(())
    }

    /// The client goes when it was kicked, or when this server leaves and its requests have been
    /// answered; but first it is told what is to be said.
    fn watch_end(&mut self) -> Result<(), End> {
        let leaves = self.context.is_draining() && self.running.is_empty() && self.owed.is_empty();
        if !leaves && !self.session.is_closed() {
            return Ok(());
        }
        if !self.unwritten && !self.session.queue().is_filled() {
            return Err(self.kicked().unwrap_or(End::Leaving));
        }
        // One that does not read holds nobody.
        let patience = Instant::now() + Limits::GOODBYE;
        if patience < self.patience {
            self.patience = patience;
            self.timer.at_latest(patience);
        }
        Ok(())
    }

    /// Others closed the session, and this is how it ends.
    fn kicked(&self) -> Option<End> {
        match self.session.close_reason()? {
            CloseReason::Kicked(reason) => Some(End::Kicked(reason)),
            _ => Some(End::Leaving),
        }
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
            if self.now >= self.patience {
                let silent = || match self.state {
                    State::Working => End::Silent(self.patience_for_silence()),
                    State::Inited | State::WaitAck => End::HandshakeTimeout,
                };
                return Err(self.kicked().unwrap_or_else(silent));
            }
            let deadlines = self.running.next_deadline().into_iter();
            let deadlines = deadlines.chain(self.owed.next_deadline());
            self.timer.set(deadlines.fold(self.patience, Instant::min));
            self.release_buffers();
        }
        Ok(())
    }

    /// Between bursts a session holds none.
    fn release_buffers(&mut self) {
        self.events = Vec::new();
        self.items = Vec::new();
        self.session.queue().shrink();
        self.owed.shrink();
    }

    /// What other tasks said, as long as the client keeps up with reading; else it waits in the
    /// queue, which is bounded.
    fn tell_queued(&mut self) -> Result<(), End> {
        while self.session.queue().is_filled() && !self.unwritten && self.gathered < WRITE_AT {
            let mut items = std::mem::take(&mut self.items);
            let taken = self.session.queue().take(&mut items, ITEMS_PER_TAKE);
            taken.map_err(Error::TooSlow)?;
            for item in items.drain(..) {
                self.tell(item)?;
            }
            self.items = items;
        }
        Ok(())
    }

    fn tell(&mut self, item: Item) -> Result<(), End> {
        match item {
            // Nothing but the handshake's answer is said before it is acknowledged.
            Item::Push(push) | Item::Replaceable { push, .. } if self.state == State::Working => {
                self.queue(Outgoing::Push(&push))?;
            }
            Item::Push(_) | Item::Replaceable { .. } => {}
            Item::Forwarded { token, outcome } => {
                if let Some((place, entry)) = self.running.forwarded(token) {
                    self.hand_on(place, entry, forward::answer(outcome))?;
                }
            }
            Item::Response { id, body } => self.respond(id, &body)?,
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
            Item::Answer { token, body } => {
                if let Some(id) = self.owed.take(token) {
                    self.respond(id, &body)?;
                }
            }
        }
        Ok(())
    }

    /// Handlers that can go on.
    fn poll_running(&mut self, task: &mut TaskContext<'_>) -> Result<(), End> {
        let mut ready = self.session.wake().take_ready();
        while ready != 0 {
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

    /// What was held back begins, as far as it may.
    fn release(&mut self) -> Result<(), End> {
        while let Some(Next { place, id, request }) = self.running.next_held() {
            let context = Arc::clone(&self.context);
            self.begin(&context, place, id, request)?;
        }
        Ok(())
    }

    /// Reads and handles what is there; true when the quota ended it.
    fn read(&mut self, task: &mut TaskContext<'_>) -> Result<bool, End> {
        // Once for all requests of this turn: its count is shared by all clients.
        let context = Arc::clone(&self.context);
        let mut handled = 0;
        while handled < EVENTS_PER_TURN && tokio::task::coop::has_budget_remaining() {
            let Some(connection) = &mut self.connection else {
                return Ok(false);
            };
            let mut events = std::mem::take(&mut self.events);
            let received = connection.poll_receive(task, &mut events, EVENTS_PER_READ);
            if received.is_pending() {
                return Ok(false);
            }
            self.now = Instant::now();
            self.hear();
            handled += events.len();
            for event in events.drain(..) {
                if self.session.is_closed() {
                    // Kicked meanwhile: what else the client wants comes too late.
                    return Ok(false);
                }
                self.handle(&context, event)?;
                self.relieve(task)?;
            }
            self.events = events;
            ready_error(received)?;
        }
        Ok(true)
    }

    /// The client lives.
    fn hear(&mut self) {
        if self.state == State::Working {
            self.patience = self.now + self.patience_for_silence();
        }
    }

    fn patience_for_silence(&self) -> Duration {
        self.context
            .heartbeat
            .map_or(Limits::IDLE, |interval| interval * 2)
    }

    /// A package that does not fit the state is ignored, as Pomelo's clients may expect.
    fn handle(&mut self, context: &Context, event: Event) -> Result<(), End> {
        match (self.state, event) {
            (State::Inited, Event::Hello(body)) => self.shake_hands(&body),
            (State::WaitAck, Event::Ack) => self.begin_work(),
            (State::Working, Event::Heartbeat) => self.beat(),
            (State::Working, Event::Message(message)) => self.handle_message(context, message),
            (_, event) => {
                debug!(session = %self.session.id(), state = ?self.state, ?event, "ignored");
                Ok(())
            }
        }
    }

    fn shake_hands(&mut self, body: &[u8]) -> Result<(), End> {
        let hello = handshake::decode(body)?;
        debug!(session = %self.session.id(), ?hello, "handshake");
        if let Some(connection) = &mut self.connection {
            connection.met(&hello);
        }
        self.queue(Outgoing::Hello(&handshake::accept(self.context.heartbeat)))?;
        self.state = State::WaitAck;
        Ok(())
    }

    fn begin_work(&mut self) -> Result<(), End> {
        self.state = State::Working;
        if let Some(connection) = &mut self.connection {
            connection.handshake_done();
        }
        self.hear();
        // The handshake may have had longer than silence has.
        self.timer.at_latest(self.patience);
        self.beat()
    }

    fn beat(&mut self) -> Result<(), End> {
        if self.context.heartbeat.is_some() {
            self.queue(Outgoing::Heartbeat)
        } else {
            Ok(())
        }
    }

    fn handle_message(&mut self, context: &Context, message: Message) -> Result<(), End> {
        let id = match message.kind() {
            MessageKind::Request => message.id(),
            // Pomelo does not look at the direction: a push from a client is a notify.
            MessageKind::Notify | MessageKind::Push => 0,
            MessageKind::Response => return Ok(()),
        };
        let route = match message.route() {
            Route::Name(name) => 0..name.len(),
            Route::Code(code) => {
                let status = Status::new(Code::NOT_FOUND, "there is no route dictionary here");
                return self.reply(id, format!("code {code}").as_bytes(), &Err(status));
            }
        };
        let bytes = message.into_route_and_body();
        let (body, deadline) = (route.end..bytes.len(), self.now + context.limits().deadline);
        let session = Session(Kind::Front(Arc::clone(&self.session)));
        self.start(
            context,
            id,
            Request::new(bytes, route, body, session, deadline),
        )
    }

    /// Starts a request, behind those that were held back.
    fn start(&mut self, context: &Context, id: u32, request: Request) -> Result<(), End> {
        let place = match self.admit() {
            Ok(place) => place,
            Err(status) => return self.reply(id, request.route(), &Err(status)),
        };
        if self.running.is_holding() {
            let pipeline = &context.pipeline;
            let to = pipeline.destination(request.route(), context.server_type());
            let due = request.due_within(pipeline.manner(to).deadline, context.limits());
            self.timer.at_latest(due);
            self.running.hold((id, place), due, request);
            return Ok(());
        }
        self.begin(context, place, id, request)
    }

    /// Begins a request: it is answered at once, or takes its place among those that run.
    fn begin(
        &mut self,
        context: &Context,
        place: u32,
        id: u32,
        mut request: Request,
    ) -> Result<(), End> {
        if !context.pipeline.is_plain() {
            return self.begin_passing(context, (id, place), request);
        }
        let handler = context.pipeline.find(request.route());
        let Some(handler) = handler.and_then(|number| context.pipeline.get(number)) else {
            return self.forward(context, (id, place), request);
        };
        if handler.manner.deadline.is_some() {
            request.due_by(request.due_within(handler.manner.deadline, context.limits()));
        }
        let deadline = request.deadline();
        if let Some(outcome) = self.running.add(place, id, handler, request) {
            return self.reply(id, &handler.route, &outcome);
        }
        self.timer.at_latest(deadline);
        Ok(())
    }

    /// The place a request takes that may start.
    fn admit(&mut self) -> Result<u32, Status> {
        if self.context.is_draining() {
            Err(Code::SERVER_SHUTDOWN.into())
        } else {
            self.running.place()
        }
    }

    /// Another server answers.
    fn forward(
        &mut self,
        context: &Context,
        (id, place): (u32, u32),
        request: Request,
    ) -> Result<(), End> {
        let token = self.running.token(place);
        let sent = match self.choices.choose(context, &self.session, &request) {
            Ok(BackEnd::Known(chosen)) => self.send(chosen, (id, token), &request),
            Ok(BackEnd::Asks(asking)) => {
                return self.ask((id, place), Passage::of_client(request), asking);
            }
            Err(status) => Err(status),
        };
        match sent {
            Ok(Some(sent)) => {
                let deadline = request.deadline();
                self.running
                    .add_forwarded((id, token), deadline, sent, None);
                self.timer.at_latest(deadline);
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(status) => self.reply(id, request.route(), &Err(status)),
        }
    }

    /// Over the session's connection to this back end; `None` of a notify, which nobody answers.
    fn send(
        &mut self,
        chosen: Arc<Chosen>,
        (id, token): (u32, u64),
        request: &Request,
    ) -> Result<Option<Sent>, Status> {
        match self.send_to(chosen, (id, token), request) {
            // It has said that it leaves since it was chosen; there may be another one.
            Err(status) if status.code() == Code::SERVER_SHUTDOWN => {
                let context = Arc::clone(&self.context);
                match self.choices.choose(&context, &self.session, request) {
                    Ok(BackEnd::Known(chosen)) => self.send_to(chosen, (id, token), request),
                    _ => Err(status),
                }
            }
            sent => sent,
        }
    }

    fn send_to(
        &mut self,
        chosen: Arc<Chosen>,
        (id, token): (u32, u64),
        request: &Request,
    ) -> Result<Option<Sent>, Status> {
        if id == 0 {
            forward::tell(&chosen.connection, &self.session, request)?;
            return Ok(None);
        }
        let waiter: Arc<dyn Waiter> = if self.context.pushes().is_direct() {
            Arc::clone(&self.session) as Arc<dyn Waiter>
        } else {
            Arc::new(Forwarded {
                session: Arc::clone(&self.session),
                id,
                route: request.route().into(),
                filtered: !self.context.pipeline.is_plain(),
            })
        };
        let (connection, waiter) = (&chosen.connection, (waiter, token));
        let sequence = forward::send(connection, &self.session, waiter, request, self.now)?;
        Ok(Some(Sent { chosen, sequence }))
    }

    /// Hands a reply on, behind all that was said before: what its handler pushed is in the queue.
    /// Why there is none goes to the log. A notify is not answered.
    fn reply(&mut self, id: u32, route: &[u8], outcome: &Result<Reply, Status>) -> Result<(), End> {
        if let Err(status) = outcome {
            self.log(id, route, status);
        }
        if id == 0 {
            return Ok(());
        }
        if !self.context.pushes().is_direct() {
            self.schedule(id, route, outcome);
            // What it has handed on makes room for the next, as long as the client keeps up.
            return self.tell_queued();
        }
        self.tell_queued()?;
        let body = answer::body(outcome);
        if self.unwritten || self.session.queue().is_filled() {
            let body = Bytes::copy_from_slice(&body);
            self.session.add(Item::Response { id, body });
            return Ok(());
        }
        self.respond(id, &body)
    }

    /// The push scheduler hands it on when it likes.
    fn schedule(&mut self, id: u32, route: &[u8], outcome: &Result<Reply, Status>) {
        let token = self.running.token(0);
        self.owe(token, id);
        let response = Response {
            id,
            token,
            route: String::from_utf8_lossy(route).into(),
            body: Bytes::copy_from_slice(&answer::body(outcome)),
        };
        let session = Arc::clone(&self.session);
        let options = push::options(outcome);
        self.context.pushes().respond(session, response, options);
    }

    fn owe(&mut self, token: u64, id: u32) {
        let deadline = Instant::now() + self.context.limits().deadline;
        self.owed.add(token, id, deadline);
        self.timer.at_latest(deadline);
    }

    /// Answers at once, past the push scheduler.
    fn refuse(&mut self, id: u32, status: &Status) -> Result<(), End> {
        self.log(id, b"", status);
        let failed = Err(status.clone());
        self.respond(id, &answer::body(&failed))
    }

    fn respond(&mut self, id: u32, body: &[u8]) -> Result<(), End> {
        match self.queue(Outgoing::Response { id, body }) {
            Err(End::Connection(Error::Package(too_long))) => {
                let status = Status::from(Code::BUSINESS_ERROR).with_cause(too_long);
                self.log(id, b"", &status);
                let failed = Err(status);
                let body = &answer::body(&failed);
                self.queue(Outgoing::Response { id, body })
            }
            queued => queued,
        }
    }

    fn log(&mut self, id: u32, route: &[u8], status: &Status) {
        let line = self.logged.line(self.now, LOG_LINES_PER_SECOND);
        if let Some(left_out) =
            line.and_then(|left_out| Some(left_out.max(self.context.may_log()?)))
        {
            let (session, code) = (self.session.id(), answer::client_code(status.code()));
            let (route, reason) = (Shown(route), status.reason());
            warn!(%session, id, %route, code, %reason, left_out, "request failed");
        }
    }

    fn queue(&mut self, outgoing: Outgoing<'_>) -> Result<(), End> {
        self.gathered += outgoing.size();
        match &mut self.connection {
            Some(connection) => Ok(connection.queue(outgoing)?),
            None => Ok(()),
        }
    }

    /// The client goes: its session closes, its last words are queued, its handlers run on.
    fn end(&mut self, end: &End) {
        let (session, peer) = (self.session.id(), self.session.peer());
        let last_words = match end {
            End::Connection(error) if error.is_goodbye() => {
                debug!(%session, "client left");
                None
            }
            End::Leaving => {
                debug!(%session, "closed as this server leaves");
                None
            }
            End::Refused(refusal) => {
                if let Some(left_out) = self.context.may_log() {
                    info!(%session, %peer, reason = %end, left_out, "client refused");
                }
                Some(handshake::refuse(*refusal))
            }
            End::Kicked(reason) => {
                info!(%session, %peer, %reason, "client kicked");
                Some(handshake::kick(reason))
            }
            End::Connection(_) | End::HandshakeTimeout | End::Silent(_) => {
                if let Some(left_out) = self.context.may_log() {
                    info!(%session, %peer, reason = %end, left_out, "connection closed");
                }
                None
            }
        };
        let refused = matches!(end, End::Refused(_));
        if let (Some(body), Some(connection)) = (last_words, &mut self.connection) {
            let words = if refused {
                Outgoing::Hello(&body)
            } else {
                Outgoing::Kick(&body)
            };
            // A client that does not read does not hear them.
            let _ = connection.queue(words);
        }
        self.ended = true;
        self.context.sessions().close(&self.session, end.reason());
        self.session.queue().close();
        self.end_with_client();
        self.owed.clear();
        self.release_buffers();
        self.patience = Instant::now() + Limits::GOODBYE;
        self.timer.set(self.patience);
        if matches!(end, End::Connection(_)) {
            // There is nobody to say goodbye to.
            self.hang_up();
        }
    }

    fn hang_up(&mut self) {
        self.connection = None;
        self.admission = None;
    }

    /// After the end: the connection closes, and handlers finish within their deadlines.
    fn finish(&mut self, task: &mut TaskContext<'_>) -> Poll<()> {
        if let Some(connection) = &mut self.connection
            && connection.poll_close(task).is_ready()
        {
            self.hang_up();
        }
        let mut ready = self.session.wake().take_ready();
        while ready != 0 {
            let place = ready.trailing_zeros();
            ready &= ready - 1;
            if let Some((_, came)) = self.running.poll(place) {
                self.take_last(place, came);
            }
        }
        while self.timer.poll(task).is_ready() {
            self.now = Instant::now();
            for (place, _, came) in self.running.expire(self.now) {
                self.take_last(place, came);
            }
            if self.now >= self.patience {
                self.hang_up();
            }
            let goodbye = self.connection.as_ref().map(|_| self.patience);
            let next = goodbye
                .into_iter()
                .chain(self.running.next_deadline())
                .min();
            let Some(next) = next else { break };
            self.timer.set(next);
        }
        if self.connection.is_none() && self.running.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
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
        if !this.ended {
            match this.turn(task) {
                Ok(()) => return Poll::Pending,
                Err(end) => {
                    // What was answered before the end leaves before it. It may fail as the end did.
                    let _ = this.flush(task);
                    this.end(&end);
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
