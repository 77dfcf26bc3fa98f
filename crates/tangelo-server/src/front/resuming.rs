//! A session that outlives its connection: what is kept of what its client was told, and what it is told again.

mod away;
mod leaving;
mod returning;

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use tangelo_connector::Push;
use tangelo_rpc::{Code, Status};
use tangelo_wire::pomelo::{
    handshake::State,
    message, package,
    resume::{self, Receipt},
};
use tokio::time::Instant;

use super::{End, Front, WRITE_AT};
use crate::{
    answer,
    resume::{Place, Resumes, Ring, Said},
    session::Demand,
};

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
    /// How much its client had when it came back, as long as it has not acknowledged that.
    behind: Option<u64>,
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
            behind: None,
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

impl Front {
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
        if let Some(resuming) = &mut self.resuming
            && self.state == State::Working
            && resuming.is_level()
        {
            resuming.ring.promise(false);
        }
        Ok(())
    }

    /// Everything that was said is with the connection.
    pub(super) fn has_told_all(&self) -> bool {
        self.connection.is_none() || self.resuming.as_ref().is_none_or(|it| it.is_level())
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
}
