//! How a client comes back to its session, over a new connection.

use std::sync::Arc;

use tangelo_connector::Outgoing;
use tangelo_wire::pomelo::{
    handshake::{self, Hello, Offer, State},
    resume::{Answer, Ask, Outcome},
};
use tokio::time::Instant;
use tracing::debug;

use super::{
    super::{End, Front, judging::Handshake},
    Away, Resuming,
};
use crate::{
    Limits,
    resume::{Resumes, Secret, Secrets, Token, UNKNOWN},
    session::Arrival,
};

/// What it is told where too many wrong tokens came from its address.
const TOO_MANY: &str = "too many attempts";

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
    pub(in crate::front) fn greet(
        &mut self,
        handshake: Handshake,
        ask: Option<Ask>,
    ) -> Result<(), End> {
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
    pub(in crate::front) fn begin_anew(
        &mut self,
        resumes: &Resumes,
        outcome: Outcome,
    ) -> Option<Answer> {
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

    pub(in crate::front) fn resume_answer(
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
    pub(in crate::front) fn vanish(&mut self) {
        self.ended = true;
        self.context.sessions().discard(&self.session);
        self.session.queue().close();
        self.release_buffers();
    }

    /// A new connection of the session's client takes the place of what there is.
    pub(in crate::front) fn watch_arrival(&mut self) -> Result<(), End> {
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
    pub(in crate::front) fn say_what_is_left(
        &mut self,
        resumes: &Resumes,
        next: Secret,
        received: u64,
    ) -> Result<(), End> {
        let Some(resuming) = &mut self.resuming else {
            return Ok(());
        };
        resuming.told = resuming.ring.first();
        resuming.ring.promise(true);
        resuming.behind.get_or_insert(received);
        let gap = resuming.told.saturating_sub(received);
        resuming.taken = self.running.ids().collect();
        resuming.taken.extend(self.owed.ids());
        resuming.taken.extend(resuming.ring.answered());
        let pending = if gap > 0 {
            resuming.taken.iter().copied().collect()
        } else {
            Vec::new()
        };
        let outcome = Outcome::Resumed {
            received: resuming.received,
            gap,
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
    pub(in crate::front) fn show_presence(&mut self) -> Result<(), End> {
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
            let had = resuming.behind.take().unwrap_or(resuming.told);
            let gap = resuming.told.saturating_sub(had);
            self.context.sessions().tell_resumed(&self.session, gap);
        }
        Ok(())
    }
}
