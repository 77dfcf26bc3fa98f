//! A session that outlives its connection: what is kept of what its client was told, how it goes away, and
//! how it comes back.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use tangelo_connector::{Error, Outgoing, Push};
use tangelo_rpc::{Code, Status};
use tangelo_wire::pomelo::{
    handshake::{self, Hello, Offer, State},
    message, package,
    resume::{self, Answer, Ask, Outcome, Receipt},
};
use tokio::time::Instant;
use tracing::debug;

use super::{End, Front, WRITE_AT, judging::Handshake};
use crate::{
    Limits, answer,
    resume::{Given, Place, Resumes, Ring, SETTLING, Said, Secret, Secrets, Token, UNKNOWN},
    session::{Arrival, Demand},
};

/// What it is told where too many wrong tokens came from its address.
const TOO_MANY: &str = "too many attempts";

/// What is kept for a session that can be resumed.
pub(super) struct Resuming {
    ring: Ring,
    /// How many messages of the client's were taken.
    received: u64,
    /// How many of the ring's messages this connection has been given.
    told: u64,
    /// The client has acknowledged a handshake: from here the session outlives its connection.
    lives: bool,
    away: Option<Away>,
    /// What the client does not hear any more, counted when it came back.
    gap: u64,
    /// Requests that were taken over an earlier connection and are answered over this one: a client may
    /// send them again.
    taken: HashSet<u32>,
    /// Another front end wants the session, which goes there when its requests are answered, or at this
    /// time.
    leaving: Option<(Demand, Instant)>,
    /// Why nothing more can be said over this connection; its turn is finished nevertheless.
    broken: Option<End>,
}

/// A session that its client is not connected to, or has not shown yet that it is again.
struct Away {
    /// None where the client came back before its old connection was known to be dead.
    _place: Option<Place>,
    until: Instant,
}

impl Resuming {
    fn new(resumes: &Resumes) -> Self {
        Self {
            ring: Ring::new(&resumes.config),
            received: 0,
            told: 0,
            lives: false,
            away: None,
            gap: 0,
            taken: HashSet::new(),
            leaving: None,
            broken: None,
        }
    }

    /// Of a session that another front end had.
    pub(super) fn taken_over(resumes: &Resumes, received: u64, ring: Ring) -> Self {
        let until = Instant::now() + resumes.config.time;
        Self {
            // What comes before its client is told anything is no more than what is to be told.
            told: ring.first(),
            ring,
            received,
            lives: true,
            away: Some(Away {
                _place: None,
                until,
            }),
            ..Self::new(resumes)
        }
    }

    /// Nothing is left to be told again.
    fn is_level(&self) -> bool {
        self.told >= self.ring.sent()
    }

    /// What this connection has not been given is gone.
    fn is_overtaken(&self) -> bool {
        self.ring.first() > self.told
    }

    pub(super) fn shrink(&mut self) {
        self.ring.shrink();
    }
}

/// Where the session is that a client wants back.
enum Back {
    /// Here; it has the connection.
    HandedOver,
    /// On the front end that this token names.
    Elsewhere(Token),
}

impl Front {
    /// Lets a client in that may ask for a session it can come back to, or go on with the one it had. Who
    /// comes back was let in before.
    pub(super) fn greet(&mut self, handshake: Handshake, ask: Option<Ask>) -> Result<(), End> {
        let context = Arc::clone(&self.context);
        let (Some(ask), Some(resumes)) = (ask, &context.resumes) else {
            return self.judge(handshake, None);
        };
        let outcome = match ask {
            Ask::New => Outcome::New,
            Ask::Back { token, received } => match self.go_back(resumes, &token, received) {
                Ok(Back::HandedOver) => return Err(End::HandedOver),
                Ok(Back::Elsewhere(token)) => {
                    self.take_over(handshake, token, received);
                    return Ok(());
                }
                Err(reason) => Outcome::Lost(reason),
            },
        };
        self.judge(handshake, Some(outcome))
    }

    /// A new session that can be resumed; not if the system has no random numbers.
    pub(super) fn begin_anew(&mut self, resumes: &Resumes, outcome: Outcome) -> Option<Answer> {
        let secret = Secret::new()?;
        self.session.resumed_by(Secrets::new(secret));
        self.resuming = Some(Box::new(Resuming::new(resumes)));
        Some(self.resume_answer(resumes, secret, outcome))
    }

    /// Hands the connection to the session that the token names.
    fn go_back(
        &mut self,
        resumes: &Resumes,
        token: &str,
        received: u64,
    ) -> Result<Back, &'static str> {
        let peer = self.session.peer();
        if !resumes.failures.allow(peer.ip()) {
            return Err(TOO_MANY);
        }
        let Some(token) = Token::decode(token) else {
            resumes.failures.note(peer.ip());
            return Err(UNKNOWN);
        };
        // Neither these nor those whose time is over are attempts: a server that was started again sees
        // many of them at once, from few addresses if a balancer is before it.
        let session = self.context.sessions().find(token.session);
        if session.is_none() && token.server_id != self.context.server_id() {
            return Ok(Back::Elsewhere(token));
        }
        let (session, secret) = (session.ok_or(UNKNOWN)?, token.secret);
        let Some(connection) = self.connection.take() else {
            return Err(UNKNOWN);
        };
        let arrival = Arrival {
            connection,
            admission: self.admission.take(),
            peer,
            secret,
            received,
        };
        match session.arrive(arrival) {
            Ok(()) => {
                debug!(session = %session.id(), instead_of = %self.session.id(), "client is back");
                Ok(Back::HandedOver)
            }
            Err(arrival) => {
                self.connection = Some(arrival.connection);
                self.admission = arrival.admission;
                resumes.failures.note(peer.ip());
                Err(UNKNOWN)
            }
        }
    }

    pub(super) fn resume_answer(
        &self,
        resumes: &Resumes,
        secret: Secret,
        outcome: Outcome,
    ) -> Answer {
        let token = Token {
            session: self.session.id(),
            secret,
            server_id: self.context.server_id().to_owned(),
        };
        Answer {
            token: token.encode(),
            window: resumes.config.window,
            seconds: resumes.config.time.as_secs(),
            outcome,
        }
    }

    /// The session's connection is with another session now: this one never was any.
    pub(super) fn vanish(&mut self) {
        self.ended = true;
        self.context.sessions().discard(&self.session);
        self.session.queue().close();
        self.release_buffers();
    }

    /// A new connection of the session's client takes the place of what there is.
    pub(super) fn watch_arrival(&mut self) -> Result<(), End> {
        if self.resuming.is_none() {
            return Ok(());
        }
        if let Some(demand) = self.session.take_demand() {
            self.prepare_to_leave(demand);
        }
        match self.session.take_arrival() {
            Some(arrival) if !self.session.is_closed() => self.come_back(arrival),
            _ => Ok(()),
        }
    }

    fn come_back(&mut self, arrival: Arrival) -> Result<(), End> {
        let context = Arc::clone(&self.context);
        let (Some(resumes), Some(next)) = (&context.resumes, Secret::new()) else {
            return Ok(());
        };
        // What it came with may have been replaced since it came in.
        if !self.outlives() || !self.session.replace_secret(arrival.secret, next) {
            return Ok(());
        }
        self.now = Instant::now();
        // The old connection may look alive; what it was not given yet is told over the new one.
        self.lose_connection();
        self.state = State::Inited;
        self.tell_queued()?;
        let Some(resuming) = &mut self.resuming else {
            return Ok(());
        };
        if resuming.away.is_none() {
            let until = self.now + resumes.config.time;
            resuming.away = Some(Away {
                _place: None,
                until,
            });
            self.session.set_away(true);
            context.sessions().tell_away(&self.session);
        }
        if !resuming.ring.trim(arrival.received) {
            return Err(End::BadCount);
        }
        // Its client is here again.
        resuming.leaving = None;
        resuming.broken = None;
        self.connection = Some(arrival.connection);
        self.admission = arrival.admission;
        self.say_what_is_left(resumes, next, arrival.received)
    }

    /// The answer to a client that has received so much of its session.
    pub(super) fn say_what_is_left(
        &mut self,
        resumes: &Resumes,
        next: Secret,
        received: u64,
    ) -> Result<(), End> {
        let Some(resuming) = &mut self.resuming else {
            return Ok(());
        };
        resuming.told = resuming.ring.first();
        resuming.gap = resuming.told.saturating_sub(received);
        resuming.taken = self.running.ids().collect();
        resuming.taken.extend(self.owed.ids());
        resuming.taken.extend(resuming.ring.answered());
        let pending = if resuming.gap > 0 {
            resuming.taken.iter().copied().collect()
        } else {
            Vec::new()
        };
        let outcome = Outcome::Resumed {
            received: resuming.received,
            gap: resuming.gap,
            pending,
        };
        let answer = self.resume_answer(resumes, next, outcome);
        self.state = State::WaitAck;
        self.patience = self.now + Limits::HANDSHAKE;
        self.timer.at_latest(self.patience);
        // It is offered nothing else.
        let offer = Offer {
            heartbeat: self.context.heartbeat,
            resume: Some(&answer),
            ..Offer::default()
        };
        let hello = handshake::accept(&Hello::default(), &offer);
        self.queue(Outgoing::Hello(&hello))
    }

    /// The client has acknowledged the handshake: it is there, with what it comes back with the next time.
    pub(super) fn show_presence(&mut self) -> Result<(), End> {
        let Some(resuming) = &mut self.resuming else {
            return Ok(());
        };
        resuming.lives = true;
        self.session.settle_secret();
        if resuming.is_overtaken() {
            // More is gone than it was told; the next answer says so.
            return Err(End::Overtaken);
        }
        if resuming.away.take().is_some() {
            self.session.set_away(false);
            let gap = resuming.gap;
            self.context.sessions().tell_resumed(&self.session, gap);
        }
        Ok(())
    }

    /// What the client has not been told over this connection, as long as it keeps up with reading.
    pub(super) fn tell_again(&mut self) -> Result<(), End> {
        while self.state == State::Working && !self.unwritten && self.gathered < WRITE_AT {
            let Some(resuming) = &mut self.resuming else {
                break;
            };
            let Some(said) = resuming.ring.get(resuming.told).cloned() else {
                break;
            };
            resuming.told += 1;
            self.queue(said.outgoing())?;
        }
        Ok(())
    }

    /// Everything that was said is with the connection.
    pub(super) fn has_told_all(&self) -> bool {
        self.connection.is_none() || self.resuming.as_ref().is_none_or(|it| it.is_level())
    }

    /// Whether the session outlives its connection.
    pub(super) fn outlives(&self) -> bool {
        self.resuming
            .as_ref()
            .is_some_and(|resuming| resuming.lives)
    }

    /// What it is told unasked, as it is kept.
    pub(super) fn keep_push(&mut self, push: &Arc<Push>) {
        self.keep(&Said::Push(Arc::clone(push)));
    }

    /// The answer as it is kept.
    pub(super) fn keep_response(&mut self, id: u32, body: &[u8]) {
        let overhead = message::MAX_ROUTE;
        let body = if body.len() + overhead > package::MAX_BODY {
            let error = package::Error::TooLong {
                length: body.len(),
                limit: package::MAX_BODY - overhead,
            };
            let status = Status::from(Code::BUSINESS_ERROR).with_cause(error);
            self.log(id, b"", &status);
            Bytes::from(answer::body(&Err(status)).into_owned())
        } else {
            Bytes::copy_from_slice(body)
        };
        self.keep(&Said::Response { id, body });
    }

    /// Keeps what the client is told, and tells it if it has been told all before. What goes wrong with the
    /// connection is the turn's end, not that of what is being done.
    fn keep(&mut self, said: &Said) {
        let may_tell = self.state == State::Working;
        let Some(resuming) = &mut self.resuming else {
            return;
        };
        let is_next = may_tell && resuming.is_level() && resuming.broken.is_none();
        resuming.ring.add(said.clone());
        if !is_next {
            if self.connection.is_some() && resuming.is_overtaken() {
                resuming.broken.get_or_insert(End::Overtaken);
            }
            return;
        }
        resuming.told = resuming.ring.sent();
        if let Err(end) = self.queue(said.outgoing())
            && let Some(resuming) = &mut self.resuming
        {
            resuming.broken = Some(end);
        }
    }

    /// What could not be said to the connection ends it, now that the turn is over.
    pub(super) fn watch_break(&mut self) -> Result<(), End> {
        let broken = self.resuming.as_mut().and_then(|it| it.broken.take());
        broken.map_or(Ok(()), Err)
    }

    /// Whether a message of the client's is one that was taken already. Counts it.
    pub(super) fn was_taken(&mut self, id: u32) -> bool {
        let Some(resuming) = &mut self.resuming else {
            return false;
        };
        resuming.received += 1;
        id != 0 && resuming.taken.remove(&id)
    }

    /// A heartbeat that says how far the client is.
    pub(super) fn note_receipt(&mut self, body: &[u8]) -> Result<(), End> {
        if let Some(resuming) = &mut self.resuming {
            match resume::receipt(body) {
                Some(Receipt::Received(received)) if received <= resuming.told => {
                    resuming.ring.trim(received);
                    resuming.ring.forget_old(self.now);
                }
                Some(Receipt::Bye) => return Err(End::Bye),
                // Nobody has what was not sent.
                _ => {}
            }
        }
        self.beat()
    }

    /// While its client is connected nothing is kept for longer than it may be; who is away shall find
    /// what there was.
    pub(super) fn forget_old(&mut self) {
        if let Some(resuming) = &mut self.resuming
            && resuming.away.is_none()
        {
            resuming.ring.forget_old(self.now);
        }
    }

    /// The body of this server's heartbeats, where the client wants to know.
    pub(super) fn receipt(&self) -> Option<u64> {
        self.resuming.as_ref().map(|resuming| resuming.received)
    }

    /// The connection has ended, and the session has not: its client may come back.
    pub(super) fn goes_away(&mut self, end: &End) -> bool {
        let context = Arc::clone(&self.context);
        if self.taking.is_some() && end.is_of_connection_only() {
            return self.wait_for_session();
        }
        let (Some(resuming), Some(resumes)) = (&mut self.resuming, &context.resumes) else {
            return false;
        };
        if !resuming.lives
            || !end.is_of_connection_only()
            || self.session.is_closed()
            || context.is_draining()
        {
            return false;
        }
        self.now = Instant::now();
        let until = match &mut resuming.away {
            // It has not been back: its time goes on.
            Some(Away {
                _place: Some(_),
                until,
            }) => *until,
            away => {
                let Some(place) = resumes.place() else {
                    return false;
                };
                let is_news = away.is_none();
                let until = self.now + resumes.config.time;
                *away = Some(Away {
                    _place: Some(place),
                    until,
                });
                self.session.set_away(true);
                if is_news && !context.sessions().tell_away(&self.session) {
                    return false;
                }
                until
            }
        };
        if until <= self.now {
            return false;
        }
        debug!(session = %self.session.id(), reason = %end, "client is away");
        resuming.broken = None;
        self.lose_connection();
        self.state = State::Inited;
        self.patience = until;
        self.timer.at_latest(until);
        self.release_buffers();
        true
    }

    /// Another front end wants the session. What runs may still be answered.
    fn prepare_to_leave(&mut self, demand: Demand) {
        if !self.outlives() {
            return;
        }
        self.now = Instant::now();
        self.lose_connection();
        self.state = State::Inited;
        let until = self.now + SETTLING;
        self.patience = self.patience.max(until + SETTLING);
        self.timer.at_latest(until);
        if let Some(resuming) = &mut self.resuming {
            resuming.broken = None;
            resuming.leaving = Some((demand, until));
        }
    }

    /// When it goes, if another front end wants it.
    pub(super) fn leaves_at(&self) -> Option<Instant> {
        let resuming = self.resuming.as_ref()?;
        Some(resuming.leaving.as_ref()?.1)
    }

    /// The session goes to the front end that wants it, once its requests are answered; those that take too
    /// long are answered so.
    pub(super) fn watch_leaving(&mut self) -> Result<(), End> {
        let Some(resuming) = &self.resuming else {
            return Ok(());
        };
        let Some((_, until)) = &resuming.leaving else {
            return Ok(());
        };
        if resuming
            .leaving
            .as_ref()
            .is_some_and(|(demand, _)| demand.give.is_closed())
        {
            return Err(self.stay());
        }
        let is_settled = self.running.is_empty() && self.owed.is_empty();
        if !is_settled && Instant::now() < *until {
            return Ok(());
        }
        self.tell_queued()?;
        let late: Vec<_> = self.running.ids().chain(self.owed.ids()).collect();
        if !late.is_empty() {
            self.end_with_client();
            self.running.owe_nothing();
            self.owed.clear();
        }
        for id in late {
            let words = "the session has gone to another server";
            let failed = Err(Status::new(Code::CONNECTION_BROKEN, words));
            self.keep_response(id, &answer::body(&failed));
        }
        let Some(resuming) = &mut self.resuming else {
            return Ok(());
        };
        let Some((demand, _)) = resuming.leaving.take() else {
            return Ok(());
        };
        if !resuming.ring.trim(demand.received) {
            return Err(End::BadCount);
        }
        let given = Given::new(resuming.received, &resuming.ring);
        // Who wanted it may have given up; then its client may still come here.
        match demand.give.send(given) {
            Ok(()) => Err(End::Moved),
            Err(_) => Err(End::NotTaken),
        }
    }

    /// Who wanted it has given up.
    fn stay(&mut self) -> End {
        if let Some(resuming) = &mut self.resuming {
            resuming.leaving = None;
        }
        End::NotTaken
    }

    /// What was on the way over it is kept, or the client's to send again.
    pub(super) fn lose_connection(&mut self) {
        self.hang_up();
        self.events.clear();
        self.unwritten = false;
        self.gathered = 0;
    }
}

impl End {
    /// Whether the client may be thought to live on, without its connection.
    fn is_of_connection_only(&self) -> bool {
        matches!(
            self,
            Self::Connection(Error::Closed | Error::Io(_))
                | Self::HandshakeTimeout
                | Self::Silent(_)
                | Self::Overtaken
                | Self::NotTaken
        )
    }
}
