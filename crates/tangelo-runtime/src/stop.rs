//! The word that says when to stop.

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Says, in two steps, that work should end: first *drain* (take nothing new, finish what was
/// taken), then *now* (drop what is left).
///
/// Clones speak of the same stop. What is told to a [child](Self::child) does not reach its parent.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    drain: CancellationToken,
    now: CancellationToken,
}

impl Stop {
    /// A stop nobody has asked for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A stop that follows this one and can be asked for on its own.
    pub fn child(&self) -> Self {
        Self {
            drain: self.drain.child_token(),
            now: self.now.child_token(),
        }
    }

    /// Asks to drain.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Asks to end at once; whoever drains is released too.
    pub fn now(&self) {
        self.drain.cancel();
        self.now.cancel();
    }

    /// Whether draining, or more, was asked for.
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Resolves when draining is asked for. Cancel safe.
    pub fn draining(&self) -> WaitForCancellationFutureOwned {
        self.drain.clone().cancelled_owned()
    }

    /// Resolves when everything must end. Cancel safe.
    pub fn ended(&self) -> WaitForCancellationFutureOwned {
        self.now.clone().cancelled_owned()
    }
}
