//! The handshake, and how long a client may say nothing.

use std::{sync::Arc, time::Duration};

use tangelo_connector::{Agreement, Outgoing};
use tangelo_wire::pomelo::handshake::{self, State};
use tracing::debug;

use super::{End, Front, judging::Handshake, ticking::Ticking};
use crate::Limits;

/// Time for what has arrived to be seen, when a process wakes up that has been stopped: its clocks may be
/// before its sockets.
const LAST_CHANCE: Duration = Duration::from_millis(100);

impl Front {
    pub(super) fn shake_hands(&mut self, body: &[u8]) -> Result<(), End> {
        let hello = handshake::decode(body)?;
        debug!(session = %self.session.id(), ?hello, "handshake");
        self.context.greeting.check_client(&hello)?;
        let signed_by = self.context.greeting.signed_by(&hello)?;
        let encodings = self.context.encodings.now();
        let encoding = encodings.of(&hello).map(|it| Arc::clone(&it.encoding));
        // What was said over an earlier connection is not known where a later one translates.
        let asked = hello.resume.clone().filter(|_| encoding.is_none());
        if let Some(connection) = &mut self.connection {
            connection.agree(&Agreement {
                encoding,
                paced: hello.reads_one_package(),
                signed_by,
            });
        }
        if hello.pitaya.is_some() {
            self.ticking = Some(Ticking::of(self.context.heartbeat));
        }
        self.greet(Handshake { hello, encodings }, asked)
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
