//! A request under way, for whoever waits for its answer.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;

use super::{Connection, Sequence, Waiter};
use crate::{Reply, Status};

/// A request that was sent; resolves to its answer. Dropping it gives the answer up.
///
/// It has no timer: [`late`](super::late) answers it at its deadline.
#[must_use = "dropping it gives the answer up"]
pub(crate) struct Asked {
    connection: Connection,
    sequence: Sequence,
    slot: Arc<Slot>,
    is_over: bool,
}

/// Where the answer is laid.
#[derive(Default)]
pub(super) struct Slot(Mutex<Laid>);

#[derive(Default)]
enum Laid {
    #[default]
    Nothing,
    /// Nothing yet, and who is to be told.
    Awaited(Waker),
    Answered(Result<Reply, Status>),
}

impl Asked {
    pub(super) fn new(connection: Connection, sequence: Sequence, slot: Arc<Slot>) -> Self {
        Self {
            connection,
            sequence,
            slot,
            is_over: false,
        }
    }

    /// What ties the answer to the request.
    pub(crate) fn sequence(&self) -> i32 {
        self.sequence.number()
    }
}

impl Future for Asked {
    type Output = Result<Reply, Status>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut laid = self.slot.0.lock();
        if let Laid::Awaited(waker) = &*laid
            && waker.will_wake(context.waker())
        {
            return Poll::Pending;
        }
        match std::mem::take(&mut *laid) {
            Laid::Answered(outcome) => {
                drop(laid);
                self.is_over = true;
                Poll::Ready(outcome)
            }
            Laid::Nothing | Laid::Awaited(_) => {
                *laid = Laid::Awaited(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        // Once it is answered its sequence may be another's.
        let is_answered = || matches!(*self.slot.0.lock(), Laid::Answered(_));
        if !self.is_over && !is_answered() {
            self.connection.forget(self.sequence);
        }
    }
}

impl Waiter for Slot {
    fn answer(&self, _token: u64, outcome: Result<Reply, Status>) {
        let before = std::mem::replace(&mut *self.0.lock(), Laid::Answered(outcome));
        if let Laid::Awaited(waker) = before {
            waker.wake();
        }
    }
}
