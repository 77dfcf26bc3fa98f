//! The handshake, and how long a client may say nothing.

use std::{sync::Arc, time::Duration};

use tangelo_connector::{Agreement, Outgoing};
use tangelo_wire::pomelo::handshake::{self, Offer, State};
use tracing::debug;

use super::{End, Front, resuming::Greeted, ticking::Ticking};
use crate::Limits;

/// Time for what has arrived to be seen, when a process wakes up that has been stopped: its clocks may be
/// before its sockets.
const LAST_CHANCE: Duration = Duration::from_millis(100);

impl Front {
    pub(super) fn shake_hands(&mut self, body: &[u8]) -> Result<(), End> {
        let hello = handshake::decode(body)?;
        debug!(session = %self.session.id(), ?hello, "handshake");
        let context = Arc::clone(&self.context);
        let offered = context.encodings.of(&hello);
        if let Some(connection) = &mut self.connection {
            connection.agree(&Agreement {
                encoding: offered.map(|offered| Arc::clone(&offered.encoding)),
                paced: hello.reads_one_package(),
            });
        }
        // What was said over an earlier connection is not known where a later one translates.
        let asked = hello.resume.clone().filter(|_| offered.is_none());
        let resume = match self.greet(asked) {
            Greeted::Here(resume) => resume,
            Greeted::HandedOver => return Err(End::HandedOver),
            Greeted::Later => return Ok(()),
        };
        if hello.pitaya.is_some() {
            self.ticking = Some(Ticking::of(context.heartbeat));
        }
        let offer = Offer {
            heartbeat: self.heartbeat(),
            dictionary: offered.and_then(|offered| offered.dictionary.as_ref()),
            protos: offered.and_then(|offered| offered.protos.as_ref()),
            resume: resume.as_ref(),
            pitaya: offered.and_then(|offered| offered.pitaya.as_ref()),
        };
        self.queue(Outgoing::Hello(&handshake::accept(&hello, &offer)))?;
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
        match self.ticking {
            Some(_) => self.begin_ticking(),
            None => self.beat()?,
        }
        Ok(())
    }

    pub(super) fn beat(&mut self) -> Result<(), End> {
        match self.receipt() {
            Some(received) => self.queue(Outgoing::Receipt(received)),
            None if self.heartbeat().is_some() => self.queue(Outgoing::Heartbeat),
            None => Ok(()),
        }
    }

    /// The client lives.
    pub(super) fn hear(&mut self) {
        self.is_doubted = false;
        if self.state == State::Working {
            self.patience = self.now + self.patience_for_silence();
        }
    }

    pub(super) fn patience_for_silence(&self) -> Duration {
        let of_connection = self.connection.as_ref().and_then(|open| open.patience());
        of_connection.unwrap_or_else(|| {
            let heartbeat = self.heartbeat();
            heartbeat.map_or(Limits::IDLE, |interval| interval * 2)
        })
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
        if !std::mem::replace(&mut self.is_doubted, true) {
            self.patience = self.now + LAST_CHANCE;
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
