//! The session that a client had on another front end comes here.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use tangelo_runtime::guard::Guarded;
use tangelo_wire::pomelo::{handshake::State, resume::Outcome};
use tokio::time::Instant;

use super::{End, Front, judging::Handshake, resuming::Resuming};
use crate::{
    Limits,
    resume::{self, Resumes, Ring, Secret, Taken, Token, UNKNOWN},
};

/// The session that a client had on another front end, on its way here; and how much its client has.
pub(super) struct Taking {
    coming: Guarded<dyn Future<Output = Result<Taken, &'static str>> + Send>,
    received: u64,
    /// For a session that is new, if it does not come.
    handshake: Box<Handshake>,
}

impl Front {
    /// Begins to take the session over that this token names. The client waits.
    pub(super) fn take_over(&mut self, handshake: Handshake, token: Token, received: u64) {
        let client = (self.session.peer(), Arc::clone(self.session.wake()));
        let coming = resume::take_over(Arc::clone(&self.context), token, received, client);
        self.taking = Some(Taking {
            coming: Guarded::new(Box::pin(coming) as _),
            received,
            handshake: Box::new(handshake),
        });
        // It is asked for in the next turn.
        self.session.wake().wake();
    }

    /// What has become of it, once that is known.
    pub(super) fn watch_taking(&mut self, task: &mut TaskContext<'_>) -> Result<(), End> {
        let Some(taking) = &mut self.taking else {
            return Ok(());
        };
        let Poll::Ready(taken) = Pin::new(&mut taking.coming).poll(task) else {
            return Ok(());
        };
        let Some(Taking {
            received,
            handshake,
            ..
        }) = self.taking.take()
        else {
            return Ok(());
        };
        let context = Arc::clone(&self.context);
        let Some(resumes) = &context.resumes else {
            return Ok(());
        };
        match taken.unwrap_or(Err(UNKNOWN)) {
            Ok(taken) => self.go_on_with(resumes, taken, received),
            Err(_) if self.connection.is_none() => Err(End::Bye),
            Err(reason) => self.judge(*handshake, Some(Outcome::Lost(reason))),
        }
    }

    /// The session is this one from now on.
    fn go_on_with(&mut self, resumes: &Resumes, taken: Taken, received: u64) -> Result<(), End> {
        let Some(next) = Secret::new() else {
            return Err(End::Bye);
        };
        let used = taken.used;
        let (taken_so_far, first) = (taken.received, taken.first);
        let (session, said) = taken.into_session();
        let provisional = std::mem::replace(&mut self.session, session);
        self.spare = None;
        self.context.sessions().discard(&provisional);
        provisional.queue().close();
        self.session.replace_secret(used, next);
        self.session.set_away(true);
        let ring = Ring::with(&resumes.config, first, said);
        let resuming = Resuming::taken_over(resumes, taken_so_far, ring);
        self.resuming = Some(Box::new(resuming));
        if self.connection.is_none() {
            // Its client has gone meanwhile, and may come again with what it has.
            return Err(End::NotTaken);
        }
        // What has come here since its channels are here is behind what came before.
        self.state = State::Inited;
        self.tell_queued()?;
        self.say_what_is_left(resumes, next, received)
    }

    /// The client's connection has ended before its session is here.
    pub(super) fn wait_for_session(&mut self) -> bool {
        self.now = Instant::now();
        self.lose_connection();
        self.patience = self.now + Limits::HANDSHAKE;
        self.timer.at_latest(self.patience);
        true
    }
}
