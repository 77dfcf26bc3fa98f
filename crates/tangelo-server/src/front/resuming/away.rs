//! How a session goes on without its connection.

use std::sync::Arc;

use tangelo_connector::Error;
use tangelo_wire::pomelo::handshake::State;
use tokio::time::Instant;
use tracing::debug;

use super::{
    super::{End, Front},
    Away,
};

impl Front {
    /// Whether the session outlives its connection.
    pub(in crate::front) fn outlives(&self) -> bool {
        self.resuming
            .as_ref()
            .is_some_and(|resuming| resuming.lives)
    }

    /// The connection has ended, and the session has not: its client may come back.
    pub(in crate::front) fn goes_away(&mut self, end: &End) -> bool {
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
        resuming.ring.promise(false);
        self.lose_connection();
        self.state = State::Inited;
        self.patience = until;
        self.timer.at_latest(until);
        self.release_buffers();
        true
    }

    /// What was on the way over it is kept, or the client's to send again.
    pub(in crate::front) fn lose_connection(&mut self) {
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
