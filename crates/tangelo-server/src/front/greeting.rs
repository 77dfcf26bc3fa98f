//! The handshake, and how long a client may say nothing.

use std::time::Duration;

use tangelo_connector::Outgoing;
use tangelo_wire::pomelo::handshake::{self, State};
use tracing::debug;

use super::{End, Front, resuming::Greeted};
use crate::Limits;

impl Front {
    pub(super) fn shake_hands(&mut self, body: &[u8]) -> Result<(), End> {
        let hello = handshake::decode(body)?;
        debug!(session = %self.session.id(), ?hello, "handshake");
        if let Some(connection) = &mut self.connection {
            connection.met(&hello);
        }
        let resume = match self.greet(hello.resume) {
            Greeted::Here(resume) => resume,
            Greeted::HandedOver => return Err(End::HandedOver),
            Greeted::Later => return Ok(()),
        };
        let answer = handshake::accept(self.context.heartbeat, resume.as_ref());
        self.queue(Outgoing::Hello(&answer))?;
        self.state = State::WaitAck;
        Ok(())
    }

    pub(super) fn begin_work(&mut self) -> Result<(), End> {
        self.state = State::Working;
        if let Some(connection) = &mut self.connection {
            connection.handshake_done();
        }
        self.hear();
        // The handshake may have had longer than silence has.
        self.timer.at_latest(self.patience);
        self.show_presence()?;
        self.beat()
    }

    pub(super) fn beat(&mut self) -> Result<(), End> {
        match self.receipt() {
            Some(received) => self.queue(Outgoing::Receipt(received)),
            None if self.context.heartbeat.is_some() => self.queue(Outgoing::Heartbeat),
            None => Ok(()),
        }
    }

    /// The client lives.
    pub(super) fn hear(&mut self) {
        if self.state == State::Working {
            self.patience = self.now + self.patience_for_silence();
        }
    }

    pub(super) fn patience_for_silence(&self) -> Duration {
        self.context
            .heartbeat
            .map_or(Limits::IDLE, |interval| interval * 2)
    }

    /// Ends a client that was silent for too long, and has said nothing that is there to be read.
    pub(super) fn watch_silence(&mut self) -> Result<(), End> {
        if !std::mem::take(&mut self.is_silent) {
            return Ok(());
        }
        if self.now < self.patience {
            self.timer.at_latest(self.patience);
            return Ok(());
        }
        Err(self.kicked().unwrap_or_else(|| match self.state {
            _ if self.connection.is_none() => End::Away,
            State::Working => End::Silent(self.patience_for_silence()),
            State::Inited | State::WaitAck => End::HandshakeTimeout,
        }))
    }
}
