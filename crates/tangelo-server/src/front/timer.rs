//! The one timer of a session.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::{Instant, Sleep};

/// The one timer of a session. It may fire early, never late: whoever is woken looks at the clock
/// and sets it again. So nothing is done when a deadline moves back, which each heartbeat does.
#[derive(Debug)]
pub(super) struct Timer {
    sleep: Pin<Box<Sleep>>,
}

impl Timer {
    pub(super) fn new(at: Instant) -> Self {
        Self {
            sleep: Box::pin(tokio::time::sleep_until(at)),
        }
    }

    /// Fires at this time.
    pub(super) fn set(&mut self, at: Instant) {
        self.sleep.as_mut().reset(at);
    }

    /// Fires at this time or before.
    pub(super) fn at_latest(&mut self, at: Instant) {
        if at < self.sleep.deadline() {
            self.set(at);
        }
    }

    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.sleep.as_mut().poll(context)
    }
}
