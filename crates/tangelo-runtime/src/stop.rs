//! The word that says when to stop.

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Says that work should end: take nothing new, finish what was taken.
///
/// Clones speak of the same stop.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    drain: CancellationToken,
}

impl Stop {
    /// A stop nobody has asked for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks to drain.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Whether draining was asked for. It takes a lock that all who watch share: not for every message.
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Resolves when draining is asked for. Cancel safe.
    pub fn draining(&self) -> WaitForCancellationFutureOwned {
        self.drain.clone().cancelled_owned()
    }
}
