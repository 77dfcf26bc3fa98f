//! What all connections of one server draw on.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use parking_lot::Mutex;
use tangelo_runtime::LogLines;
use tokio::time::Instant;

use crate::server::{Sender, Senders};

/// Lines about connections, and about what failed over them, in a second; the rest is counted.
const LOG_LINES_PER_SECOND: u32 = 20;

/// What all connections of one server draw on, so that many peers together cannot take what one may
/// not take alone.
#[derive(Debug)]
pub(crate) struct Quota {
    /// Bytes of requests that run.
    held: AtomicUsize,
    most_held: usize,
    /// Bytes that peers have not read yet, and those of frames they have not sent to the end.
    unread: AtomicUsize,
    most_unread: usize,
    lines: Mutex<LogLines>,
    /// The connections, as those who send calls.
    senders: Arc<Senders>,
}

/// A part of what may be held, given back when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Share {
    quota: Option<Arc<Quota>>,
    bytes: usize,
}

impl Quota {
    /// For strangers.
    pub(crate) fn new() -> Arc<Self> {
        const MOST_HELD: usize = 1 << 30;
        const MOST_UNREAD: usize = 512 << 20;
        Self::of(MOST_HELD, MOST_UNREAD)
    }

    /// For connections to servers one has chosen: only their own limits count.
    pub(crate) fn unlimited() -> Arc<Self> {
        Self::of(usize::MAX, usize::MAX)
    }

    pub(super) fn of(most_held: usize, most_unread: usize) -> Arc<Self> {
        Arc::new(Self {
            held: AtomicUsize::new(0),
            most_held,
            unread: AtomicUsize::new(0),
            most_unread,
            lines: Mutex::default(),
            senders: Senders::new(),
        })
    }

    /// A connection of this number, as one who sends calls.
    pub(super) fn sender(&self, connection: u64) -> Sender {
        self.senders.enter(connection)
    }

    /// Whether there is room for a request.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        let held = self.held.load(Ordering::Relaxed);
        held.saturating_add(bytes) <= self.most_held
    }

    /// Takes room for a request that runs already, whether or not there is any.
    pub(super) fn hold(self: &Arc<Self>, bytes: usize) -> Share {
        self.held.fetch_add(bytes, Ordering::Relaxed);
        Share {
            quota: Some(Arc::clone(self)),
            bytes,
        }
    }

    /// A connection has so much unread now, and had so much when it said so last.
    pub(super) fn unread(&self, had: usize, has: usize) {
        // One step, which may wrap around on its way.
        self.unread
            .fetch_add(has.wrapping_sub(had), Ordering::Relaxed);
    }

    /// Whether more is unread than may be.
    pub(super) fn is_flooded(&self) -> bool {
        self.unread.load(Ordering::Relaxed) > self.most_unread
    }

    /// Whether a line may be written now; if so, how many were left out before it, if any.
    pub(crate) fn line(&self, now: Instant) -> Option<Option<u32>> {
        self.lines.lock().line(now, LOG_LINES_PER_SECOND)
    }
}

impl Share {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn take(&mut self) -> Self {
        std::mem::take(self)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some(quota) = &self.quota {
            quota.held.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_is_held_as_may_be_and_not_a_byte_more() {
        let quota = Quota::of(100, 0);
        let first = quota.hold(60);
        let _second = quota.hold(40);
        assert!(!quota.has_room(1) && quota.has_room(0));
        drop(first);
        assert!(!quota.has_room(61) && quota.has_room(60));
    }

    #[test]
    fn what_is_unread_is_the_sum_of_what_connections_said_last() {
        let quota = Quota::of(0, 100);
        quota.unread(0, 70);
        quota.unread(0, 30);
        assert!(!quota.is_flooded());
        quota.unread(30, 31);
        assert!(quota.is_flooded());
        quota.unread(70, 10);
        assert!(!quota.is_flooded());
    }
}
