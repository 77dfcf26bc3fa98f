//! What runs when its connection has ended: nobody hears how it ends.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::stream::Stream;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Interval, Sleep},
};

use super::{Driver, serve::Running, ticks};

/// How long what runs may go on when its connection has ended.
pub(super) const UNHEARD: Duration = Duration::from_secs(30);
/// The same when others wait for its place, or this server leaves. What was sent to be done, and not to
/// be answered, goes on.
pub(super) const UNHEARD_IN_THE_WAY: Duration = Duration::from_secs(1);

/// How long what runs may go on though nobody hears of it any more.
pub(super) struct Unheard {
    until: Pin<Box<Sleep>>,
    looks: Interval,
}

impl Unheard {
    pub(super) fn begin() -> Self {
        Self {
            until: Box::pin(tokio::time::sleep(UNHEARD)),
            looks: ticks(UNHEARD_IN_THE_WAY),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Driver<S> {
    /// `Ready` when nothing runs any more, or its time is up.
    pub(super) fn finish_unheard(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            match Pin::new(&mut self.running).poll_next(context) {
                _ if self.take_afterwards() => continue,
                Poll::Ready(Some(_)) => continue,
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => {}
            }
            let unheard = self.unheard.get_or_insert_with(Unheard::begin);
            if unheard.until.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            if unheard.looks.poll_tick(context).is_pending() {
                return Poll::Pending;
            }
            let leaves = self.leaving.as_mut().poll(context).is_ready();
            self.give_up(leaves);
        }
    }

    /// Drops what is in the way: all of it if this server leaves, else until nobody waits for a place.
    fn give_up(&mut self, leaves: bool) {
        let services = &self.services;
        let is_in_the_way = |call: &Running| {
            let to = call.to();
            let is_crowded = || {
                let service = services.find(to.service_id);
                service.is_ok_and(|service| service.is_crowded(to.msg_id))
            };
            to.is_awaited() && (leaves || is_crowded())
        };
        if self.running.iter().any(&is_in_the_way) {
            let running = std::mem::take(&mut self.running).into_iter();
            self.running = running.filter(|call| !is_in_the_way(call)).collect();
        }
    }
}
