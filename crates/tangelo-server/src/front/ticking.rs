//! Heartbeats of the server's own, whether the client sends some or not: clients of Pitaya's expect them.

use std::time::Duration;

use tangelo_connector::Outgoing;
use tangelo_wire::pomelo::handshake::State;
use tokio::time::Instant;

use super::{End, Front};
use crate::Limits;

/// Heartbeats of the server's own.
pub(super) struct Ticking {
    every: Duration,
    /// None before the handshake is done.
    next: Option<Instant>,
}

impl Ticking {
    /// As often as the server's clients send some. Clients of Pitaya's cannot be told that there are none:
    /// where the others send none, these say as often as needed that they are not silent.
    pub(super) fn of(heartbeat: Option<Duration>) -> Self {
        Self {
            every: heartbeat.unwrap_or(Limits::IDLE / 2),
            next: None,
        }
    }
}

impl Front {
    /// How often the client sends heartbeats, if it does.
    pub(super) fn heartbeat(&self) -> Option<Duration> {
        match &self.ticking {
            Some(ticking) => Some(ticking.every),
            None => self.context.heartbeat,
        }
    }

    /// The handshake is done.
    pub(super) fn begin_ticking(&mut self) {
        if let Some(ticking) = &mut self.ticking {
            let next = self.now + ticking.every;
            ticking.next = Some(next);
            self.timer.at_latest(next);
        }
    }

    /// When the next heartbeat is due.
    pub(super) fn ticks_at(&self) -> Option<Instant> {
        self.ticking.as_ref()?.next
    }

    /// Sends the heartbeat that is due. One that is late is not made up for.
    pub(super) fn tick(&mut self) -> Result<(), End> {
        let now = self.now;
        match &mut self.ticking {
            Some(ticking) if ticking.next.is_some_and(|next| next <= now) => {
                ticking.next = Some(now + ticking.every);
            }
            _ => return Ok(()),
        }
        match self.state {
            State::Working => self.queue(Outgoing::Heartbeat),
            State::Inited | State::WaitAck => Ok(()),
        }
    }
}
