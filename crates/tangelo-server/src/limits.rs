//! What a client may make a server do at once.

use std::time::Duration;

use tokio::{sync::Semaphore, time::Instant};

/// What a client may make a server do at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests of one session that run at once, 1 to 64. Default 64; what comes on top is
    /// answered 429, a notify dropped.
    pub in_flight: u32,
    /// Bytes that other tasks may leave waiting for one session. Default 1 MiB; past it the session
    /// ends.
    pub queue: usize,
    /// How long a request may take; then it is answered 504. Its after filters may take as long again.
    /// Default on a front end [`DEADLINE`](Self::DEADLINE), and on a back end what the front end leaves: of
    /// both the shorter time counts.
    pub deadline: Option<Duration>,
    /// Handlers of this server that run at once on threads of their own
    /// ([`HandlerExt::blocking`](crate::HandlerExt::blocking)). Default 256; what comes on top is answered 503.
    pub blocking: usize,
}

impl Limits {
    /// The most requests of one session that can run at once.
    pub const MOST_IN_FLIGHT: u32 = 64;
    /// How long a request may take, unless it is said.
    pub const DEADLINE: Duration = Duration::from_secs(30);
    /// How long a client may take for its handshake.
    pub const HANDSHAKE: Duration = Duration::from_secs(10);
    /// How long it may take to find out whether a client is let in: its token, and what the application says.
    pub const GREETING: Duration = Duration::from_secs(5);
    /// How long a client without heartbeats may be silent.
    pub const IDLE: Duration = Duration::from_secs(90);
    /// Bytes that a session's settings may have, as JSON.
    pub const SETTINGS: usize = 64 << 10;
    /// Bytes that a user's id may have.
    pub const UID: usize = 1 << 10;
    /// How long a client that is to go may take to read its last words.
    pub const GOODBYE: Duration = Duration::from_secs(1);

    /// The same, where clocks and counters end before what was said.
    pub(crate) fn that_can_be_kept(self) -> Self {
        Self {
            deadline: self.deadline.map(|deadline| deadline.min(FOREVER)),
            blocking: self.blocking.min(Semaphore::MAX_PERMITS),
            ..self
        }
    }
}

/// Thirty years: a clock that goes on from now by more may come to its end.
pub(crate) const FOREVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// This far from now; where that is beyond all clocks, [`FOREVER`].
pub(crate) fn after(time: Duration) -> Instant {
    Instant::now() + time.min(FOREVER)
}

impl Limits {
    pub(crate) fn deadline_or_default(&self) -> Duration {
        self.deadline.unwrap_or(Self::DEADLINE)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight: Self::MOST_IN_FLIGHT,
            queue: 1 << 20,
            deadline: None,
            blocking: 256,
        }
    }
}
