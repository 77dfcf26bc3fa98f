//! One package at a time, with a pause between them, for clients that cannot read faster.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

/// Long enough for a client to have read what came before.
const PAUSE: Duration = Duration::from_millis(5);

/// Which part of what waits may be written now: the rest of one package, after a pause.
#[derive(Debug)]
pub(super) struct Pace {
    /// Bytes left of each package that waits.
    packages: VecDeque<usize>,
    pause: Pin<Box<Sleep>>,
}

impl Pace {
    /// `waiting` bytes wait already, as one package.
    pub(super) fn new(waiting: usize) -> Self {
        Self {
            packages: (waiting > 0).then_some(waiting).into_iter().collect(),
            pause: Box::pin(tokio::time::sleep_until(Instant::now())),
        }
    }

    /// A package was queued.
    pub(super) fn queued(&mut self, length: usize) {
        self.packages.push_back(length);
    }

    /// How much may be written, once it may.
    pub(super) fn poll_most(&mut self, context: &mut Context<'_>) -> Poll<usize> {
        ready!(self.pause.as_mut().poll(context));
        Poll::Ready(self.packages.front().copied().unwrap_or_default())
    }

    /// So much was written.
    pub(super) fn written(&mut self, length: usize) {
        let Some(left) = self.packages.front_mut() else {
            return;
        };
        *left = left.saturating_sub(length);
        if *left == 0 {
            self.packages.pop_front();
            self.pause.as_mut().reset(Instant::now() + PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_package_at_a_time_with_a_pause_after_each() {
        let context = &mut Context::from_waker(Waker::noop());
        let mut pace = Pace::new(0);
        pace.queued(10);
        pace.queued(20);
        assert_eq!(pace.poll_most(context), Poll::Ready(10));
        pace.written(4);
        assert_eq!(
            pace.poll_most(context),
            Poll::Ready(6),
            "the rest needs no pause"
        );
        pace.written(6);
        assert_eq!(pace.poll_most(context), Poll::Pending);
        tokio::time::advance(PAUSE).await;
        assert_eq!(pace.poll_most(context), Poll::Ready(20));
    }
}
