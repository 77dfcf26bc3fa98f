//! Whether a client is let in, while the application is asked; and what it is then told.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use serde_json::Value;
use tangelo_connector::Outgoing;
use tangelo_runtime::guard::Guarded;
use tangelo_wire::pomelo::{
    handshake::{self, Hello, Offer, State},
    resume::Outcome,
};
use tokio::time::Instant;

use super::{End, Front};
use crate::{Limits, Result, Session, encodings::Encodings, greeting, session::Kind};

/// What a client said, and what it is offered: definitions that are exchanged meanwhile are for others.
pub(super) struct Handshake {
    pub(super) hello: Hello,
    pub(super) encodings: Arc<Encodings>,
}

/// The application is asked whether a client is let in.
pub(super) struct Judging {
    handshake: Handshake,
    outcome: Option<Outcome>,
    verdict: Guarded<dyn Future<Output = Result<Value>> + Send>,
}

impl Front {
    /// Lets the client in, once nobody has anything against it. `outcome` is of one that asks for a session
    /// it can come back to.
    pub(super) fn judge(
        &mut self,
        handshake: Handshake,
        outcome: Option<Outcome>,
    ) -> Result<(), End> {
        let context = Arc::clone(&self.context);
        if !context.greeting.asks() {
            return self.welcome(&handshake, outcome, &Value::Null);
        }
        let token = match &mut self.connection {
            Some(connection) if context.greeting.wants_token() => connection.take_token(),
            _ => None,
        };
        let hello = handshake.hello.clone().into();
        let session = Session(Kind::Front(Arc::clone(&self.session)));
        let verdict = async move { context.greeting.judge(hello, token, session).await };
        self.judging = Some(Box::new(Judging {
            handshake,
            outcome,
            verdict: Guarded::new(Box::pin(verdict) as _),
        }));
        // It ends before the client's time does, which may be almost over.
        let until = Instant::now() + Limits::GREETING + Limits::GOODBYE;
        self.patience = self.patience.max(until);
        // It is asked in the next turn.
        self.session.wake().wake();
        Ok(())
    }

    /// What the application says, once it does.
    pub(super) fn watch_judging(&mut self, task: &mut TaskContext<'_>) -> Result<(), End> {
        let Some(judging) = &mut self.judging else {
            return Ok(());
        };
        let Poll::Ready(verdict) = Pin::new(&mut judging.verdict).poll(task) else {
            return Ok(());
        };
        let verdict = verdict.unwrap_or_else(|panicked| Err(greeting::failed(panicked)));
        let Some(judging) = self.judging.take() else {
            return Ok(());
        };
        let user = verdict.map_err(End::TurnedAway)?;
        // From here it has its time to acknowledge.
        self.patience = Instant::now() + Limits::HANDSHAKE;
        self.timer.at_latest(self.patience);
        self.welcome(&judging.handshake, judging.outcome, &user)
    }

    /// The answer that lets the client in.
    fn welcome(
        &mut self,
        handshake: &Handshake,
        outcome: Option<Outcome>,
        user: &Value,
    ) -> Result<(), End> {
        let context = Arc::clone(&self.context);
        let resume = match (outcome, &context.resumes) {
            (Some(outcome), Some(resumes)) => self.begin_anew(resumes, outcome),
            _ => None,
        };
        let offered = handshake.encodings.of(&handshake.hello);
        let offer = Offer {
            heartbeat: self.heartbeat(),
            dictionary: offered.and_then(|offered| offered.dictionary.as_ref()),
            protos: offered.and_then(|offered| offered.protos.as_ref()),
            resume: resume.as_ref(),
            pitaya: offered.and_then(|offered| offered.pitaya.as_ref()),
            user: Some(user),
        };
        let answer = handshake::accept(&handshake.hello, &offer);
        self.queue(Outgoing::Hello(&answer))?;
        self.state = State::WaitAck;
        Ok(())
    }
}
