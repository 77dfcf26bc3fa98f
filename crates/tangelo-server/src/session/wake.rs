//! What wakes a session's task, and why.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task,
};

use atomic_waker::AtomicWaker;

/// What wakes a session's task: its queue, or one of the handlers that run for it. Each of those
/// has a bit, so that only handlers that can go on are polled.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    task: AtomicWaker,
    ready: AtomicU64,
    /// Whether it stands in a line whose task wakes it, or is about to.
    in_line: AtomicBool,
}

impl Wake {
    /// Called by the session's task at the beginning of each turn.
    pub(crate) fn register(&self, waker: &task::Waker) {
        self.task.register(waker);
    }

    /// Wakes the session's task.
    pub(crate) fn wake(&self) {
        self.task.wake();
    }

    /// It is about to stand in a line; `false` if it does already.
    pub(crate) fn lines_up(&self) -> bool {
        !self.in_line.swap(true, Ordering::AcqRel)
    }

    /// Its turn has come. Whoever found it in the line has told it something before that.
    pub(crate) fn wake_from_line(&self) {
        self.in_line.swap(false, Ordering::AcqRel);
        self.wake();
    }

    /// Takes the set of handlers that can go on.
    pub(crate) fn take_ready(&self) -> u64 {
        if self.ready.load(Ordering::Relaxed) == 0 {
            0
        } else {
            self.ready.swap(0, Ordering::AcqRel)
        }
    }

    /// Gives back those that there was no time for. Whoever does so has the task woken.
    pub(crate) fn put_back(&self, ready: u64) {
        self.ready.fetch_or(ready, Ordering::AcqRel);
    }

    /// The waker of the handler in this place.
    pub(crate) fn waker_of(self: &Arc<Self>, place: u32) -> task::Waker {
        task::Waker::from(Arc::new(Handler {
            wake: Arc::clone(self),
            bit: 1 << place,
        }))
    }
}

struct Handler {
    wake: Arc<Wake>,
    bit: u64,
}

impl task::Wake for Handler {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Whoever finds other bits set knows that their setter wakes the task.
        if self.wake.ready.fetch_or(self.bit, Ordering::AcqRel) == 0 {
            self.wake.wake();
        }
    }
}
