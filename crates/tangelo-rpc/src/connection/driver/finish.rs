//! Requests that were not answered at once go on.

use std::{
    io,
    pin::Pin,
    sync::atomic::Ordering,
    task::{Context, Poll},
};

use futures_util::stream::Stream;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use super::{Driver, read::TIME_PER_POLL, serve::Running};

/// Requests that end before the clock is looked at; where they take long it always is.
const ENDS_PER_LOOK: usize = 16;

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Driver<S> {
    /// Polls those that can go on, and hands on what they come to: for so long that what has come meanwhile,
    /// which may have to be refused, and what they have answered does not wait for all of them.
    pub(super) fn finish_running(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.running.is_empty() && !self.take_afterwards() {
            return Ok(());
        }
        let (begun, mut ended) = (Instant::now(), 0);
        loop {
            while let Poll::Ready(Some(over)) = Pin::new(&mut self.running).poll_next(context) {
                self.held -= over.share.bytes();
                drop(over.share);
                self.respond(over.to, &over.outcome)?;
                ended += 1;
                let looks = self.runs_long || ended % ENDS_PER_LOOK == 0;
                if looks && begun.elapsed() >= TIME_PER_POLL {
                    self.runs_long = ended <= ENDS_PER_LOOK;
                    context.waker().wake_by_ref();
                    return Ok(());
                }
            }
            if !self.take_afterwards() {
                if ended > 0 {
                    let took_long = begun.elapsed() >= TIME_PER_POLL;
                    self.runs_long = took_long && ended <= ENDS_PER_LOOK;
                }
                return Ok(());
            }
        }
    }

    /// What is left to do for requests that have been answered joins those that run.
    pub(super) fn take_afterwards(&mut self) -> bool {
        let shared = &self.connection.shared;
        if !shared.has_afterwards.load(Ordering::Acquire) {
            return false;
        }
        let afterwards = {
            let mut state = shared.state.lock();
            shared.has_afterwards.store(false, Ordering::Release);
            std::mem::take(&mut state.afterwards)
        };
        let running = afterwards.into_iter().map(Running::afterwards);
        self.running.extend(running);
        true
    }
}
