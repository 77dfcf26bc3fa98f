//! How a client goes: why, with which last words, and what is finished after it.

use std::{
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use tangelo_connector::{Error as ConnectionError, Outgoing};
use tangelo_wire::pomelo::handshake::{self, Refusal};
use tokio::time::Instant;
use tracing::{debug, info};

use super::Front;
use crate::{Error, Limits, greeting, session::CloseReason};

/// Why a client's connection ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error("no handshake within {:?}", Limits::HANDSHAKE)]
    HandshakeTimeout,
    #[error("handshake refused: {0}")]
    Refused(#[from] Refusal),
    #[error("not let in: {}", .0.as_status().message())]
    TurnedAway(Error),
    #[error("nothing heard for {0:?}")]
    Silent(Duration),
    #[error("kicked: {0}")]
    Kicked(Arc<str>),
    #[error("this server leaves")]
    Leaving,
    #[error("more was kept for it than may be")]
    Overtaken,
    #[error("it did not come back in time")]
    Away,
    #[error("another server has it")]
    Moved,
    #[error("another server wanted it and did not take it")]
    NotTaken,
    #[error("it says that it has more than it was sent")]
    BadCount,
    #[error("it left")]
    Bye,
    /// Not an end of the client's: another session has its connection.
    #[error("it has the session it had")]
    HandedOver,
}

impl End {
    /// As the application is told.
    pub(super) fn reason(&self) -> CloseReason {
        match self {
            Self::Connection(error) if error.is_goodbye() => CloseReason::Left,
            Self::HandshakeTimeout
            | Self::Silent(_)
            | Self::Connection(ConnectionError::Silent) => CloseReason::Silent,
            Self::Connection(_)
            | Self::Refused(_)
            | Self::TurnedAway(_)
            | Self::Overtaken
            | Self::NotTaken
            | Self::BadCount => CloseReason::Failed(self.to_string()),
            Self::Kicked(reason) => CloseReason::Kicked(Arc::clone(reason)),
            Self::Leaving => CloseReason::Leaving,
            Self::Away => CloseReason::Away,
            Self::Moved => CloseReason::Moved,
            Self::Bye | Self::HandedOver => CloseReason::Left,
        }
    }
}

impl Front {
    /// The client goes when it was kicked, or when this server leaves and its requests have been
    /// answered; but first it is told what is to be said.
    pub(super) fn watch_end(&mut self) -> Result<(), End> {
        let leaves = self.context.is_draining() && self.running.is_empty() && self.owed.is_empty();
        if !leaves && !self.session.is_closed() {
            return Ok(());
        }
        if !self.unwritten && !self.session.queue().is_filled() && self.has_told_all() {
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
    pub(super) fn kicked(&self) -> Option<End> {
        match self.session.close_reason()? {
            CloseReason::Kicked(reason) => Some(End::Kicked(reason)),
            _ => Some(End::Leaving),
        }
    }

    /// The client goes: its session closes, its last words are queued, its handlers run on.
    pub(super) fn end(&mut self, end: &End) {
        let (session, peer) = (self.session.id(), self.session.peer());
        let last_words = match end {
            End::Connection(error) if error.is_goodbye() => {
                debug!(%session, "client left");
                None
            }
            End::Bye | End::HandedOver => {
                debug!(%session, "client left");
                None
            }
            End::Away | End::Moved => {
                debug!(%session, reason = %end, "session ends without its client");
                None
            }
            End::Leaving => {
                debug!(%session, "closed as this server leaves");
                None
            }
            End::Refused(refusal) => Some(self.turn_away(end, refusal)),
            End::TurnedAway(error) => Some(self.turn_away(end, &greeting::refusal(error))),
            End::Kicked(reason) => {
                if let Some(left_out) = self.context.may_log() {
                    // It may be another client's words.
                    let reason = reason.escape_debug();
                    info!(%session, %peer, %reason, left_out, "client kicked");
                }
                Some(handshake::kick(reason))
            }
            End::Connection(_)
            | End::HandshakeTimeout
            | End::Silent(_)
            | End::Overtaken
            | End::NotTaken
            | End::BadCount => {
                if let Some(left_out) = self.context.may_log() {
                    info!(%session, %peer, reason = %end, left_out, "connection closed");
                }
                None
            }
        };
        let refused = matches!(end, End::Refused(_) | End::TurnedAway(_));
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
        self.resuming = None;
        self.taking = None;
        self.judging = None;
        self.release_buffers();
        self.patience = Instant::now() + Limits::GOODBYE;
        self.timer.set(self.patience);
        if matches!(end, End::Connection(_)) {
            // There is nobody to say goodbye to.
            self.hang_up();
        }
    }

    /// The answer that turns the client away.
    fn turn_away(&self, end: &End, refusal: &Refusal) -> Vec<u8> {
        if let Some(left_out) = self.context.may_log() {
            let (session, peer, reason) = (self.session.id(), self.session.peer(), end.to_string());
            // Some of it may be the client's words.
            let reason = reason.escape_debug();
            info!(%session, %peer, %reason, left_out, "client refused");
        }
        handshake::refuse(refusal)
    }

    pub(super) fn hang_up(&mut self) {
        self.connection = None;
        self.admission = None;
    }

    /// After the end: the connection closes, and handlers finish within their deadlines.
    pub(super) fn finish(&mut self, task: &mut TaskContext<'_>) -> Poll<()> {
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
