//! The scheduler that gathers what is said for a while.

use std::{collections::HashMap, fmt, time::Duration};

use parking_lot::Mutex;

use super::{Outbound, PushScheduler, PushSender};
use crate::SessionId;

/// Sessions in different shards do not wait for each other.
const SHARDS: usize = 16;
/// What waits for a session is flushed before the time when it takes so many bytes: about as much as
/// leaves in one write.
const FULL: usize = 64 << 10;

/// Gathers what is said to each session and flushes it every now and then, in one write: Pomelo's
/// `buffer`.
///
/// A session's messages keep their order, replies among them. They are flushed before the time when
/// they reach 64 KiB, when the session is kicked, and when the server closes its doors.
///
/// All sessions of a server are flushed by one tick, and while nothing waits there is none.
pub struct Buffered {
    interval: Duration,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    sessions: HashMap<SessionId, Waiting, foldhash::fast::RandomState>,
    stopped: bool,
}

/// What waits for one session.
#[derive(Default)]
struct Waiting {
    messages: Vec<Outbound>,
    bytes: usize,
}

impl Buffered {
    /// Flushes every 20 ms.
    pub fn new() -> Self {
        Self {
            interval: Duration::from_millis(20),
            shards: Default::default(),
        }
    }

    /// Flushes this long after the first message that waits. Default 20 ms.
    #[must_use]
    pub fn flush_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    fn shard(&self, session: SessionId) -> Option<&Mutex<Shard>> {
        self.shards.get(u64::from(session) as usize % SHARDS)
    }
}

impl PushScheduler for Buffered {
    fn schedule(&self, message: Outbound, sender: &PushSender) {
        let mut waits = false;
        for message in message.into_each() {
            let session = message.receivers().next().map(|session| session.id());
            let Some((session, shard)) = session.and_then(|id| Some((id, self.shard(id)?))) else {
                continue;
            };
            // What is handed on under the lock is not overtaken by what comes after.
            let mut shard = shard.lock();
            if shard.stopped {
                sender.send(message);
                continue;
            }
            let waiting = shard.sessions.entry(session).or_default();
            let (size, limit) = message.size();
            waiting.bytes += size;
            waiting.messages.push(message);
            // Half of what the session may leave unread: there may be something already.
            if waiting.bytes < FULL.min(limit / 2) {
                waits = true;
            } else {
                shard.flush(session, sender);
            }
        }
        if waits {
            sender.tick_in(self.interval);
        }
    }

    fn tick(&self, sender: &PushSender) {
        for shard in &self.shards {
            shard.lock().flush_all(sender);
        }
    }

    fn closing(&self, session: SessionId, sender: &PushSender) {
        if let Some(shard) = self.shard(session) {
            shard.lock().flush(session, sender);
        }
    }

    fn stop(&self, sender: &PushSender) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.stopped = true;
            shard.flush_all(sender);
        }
    }
}

impl Shard {
    fn flush(&mut self, session: SessionId, sender: &PushSender) {
        if let Some(waiting) = self.sessions.remove(&session) {
            sender.send_all(waiting.messages);
        }
    }

    fn flush_all(&mut self, sender: &PushSender) {
        let waiting = self.sessions.drain();
        sender.send_all(waiting.flat_map(|(_, waiting)| waiting.messages));
    }
}

impl Default for Buffered {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Buffered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Buffered")
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}
