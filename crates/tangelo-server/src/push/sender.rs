//! What a scheduler hands messages on to.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tangelo_runtime::LogLines;
use tokio::time::Instant;
use tracing::info_span;

use super::{Outbound, fan_out::FanOut, slot::Slot};
use crate::session::{FrontSession, Item};

/// Lines in a second about schedulers that fail; the rest is counted.
const LOG_LINES_PER_SECOND: u32 = 5;

/// What a [`PushScheduler`](super::PushScheduler) hands messages on to. Clones may be kept and used
/// from anywhere.
#[derive(Clone)]
pub struct PushSender {
    slot: Weak<Slot>,
    ticks: Arc<Ticks>,
}

/// What the schedulers of a server share: who runs their ticks, and their lines in the log.
#[derive(Debug)]
pub(super) struct Ticks {
    fan_out: Arc<FanOut>,
    logged: Mutex<LogLines>,
}

impl PushSender {
    pub(super) fn new(slot: Weak<Slot>, ticks: Arc<Ticks>) -> Self {
        Self { slot, ticks }
    }

    /// Hands a message on to all its receivers, behind what was handed on before. One that has gone is
    /// left out.
    pub fn send(&self, mut message: Outbound) {
        let mut waking = self.ticks.fan_out.begin();
        while let Some((session, item)) = message.next_item() {
            waking.tell(&session, item);
        }
    }

    /// Hands these on in their order. Those for one session that stand together leave in one write, as
    /// far as a write goes: 64 KiB.
    pub fn send_all(&self, messages: impl IntoIterator<Item = Outbound>) {
        let mut waking = self.ticks.fan_out.begin();
        let mut batch: Option<(Arc<FrontSession>, Vec<Item>)> = None;
        for mut message in messages {
            while let Some((session, item)) = message.next_item() {
                match &mut batch {
                    Some((same, items)) if same.id() == session.id() => items.push(item),
                    _ => {
                        if let Some((session, items)) = batch.replace((session, vec![item])) {
                            waking.tell_all(&session, items);
                        }
                    }
                }
            }
        }
        if let Some((session, items)) = batch {
            waking.tell_all(&session, items);
        }
    }

    /// Asks for a [`tick`](super::PushScheduler::tick) after this time. Nothing happens while one is
    /// still to come: a scheduler has one at a time. None comes any more when the server has ended.
    pub fn tick_in(&self, after: Duration) {
        let Some(slot) = self.slot.upgrade().filter(|slot| slot.ask_for_tick()) else {
            return;
        };
        let (fan_out, ticks) = (&self.ticks.fan_out, Arc::clone(&self.ticks));
        let stop = fan_out.tasks().stop().clone();
        let span = info_span!(parent: None, "push tick");
        fan_out.spawn(span, async move {
            tokio::select! {
                () = tokio::time::sleep(after) => slot.tick(&ticks),
                () = stop.draining() => {}
            }
        });
    }

    pub(super) fn ticks(&self) -> &Arc<Ticks> {
        &self.ticks
    }
}

impl Ticks {
    pub(super) fn new(fan_out: &Arc<FanOut>) -> Self {
        Self {
            fan_out: Arc::clone(fan_out),
            logged: Mutex::default(),
        }
    }

    /// Whether a line may be written; if so, how many were left out.
    pub(super) fn may_log(&self) -> Option<Option<u32>> {
        let mut logged = self.logged.lock();
        logged.line(Instant::now(), LOG_LINES_PER_SECOND)
    }
}

impl fmt::Debug for PushSender {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PushSender").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tangelo_runtime::{Stop, Tasks};

    use super::*;
    use crate::PushScheduler;

    /// Counts its ticks.
    struct Counting(Arc<AtomicUsize>);

    impl PushScheduler for Counting {
        fn schedule(&self, message: Outbound, sender: &PushSender) {
            sender.send(message);
        }

        fn tick(&self, _: &PushSender) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn counting(tasks: &Tasks) -> (Arc<Slot>, PushSender, Arc<AtomicUsize>) {
        let ticks = Arc::new(AtomicUsize::new(0));
        let slot = Slot::new(Counting(Arc::clone(&ticks)));
        let sender = PushSender::new(
            Arc::downgrade(&slot),
            Arc::new(Ticks::new(&FanOut::new(tasks))),
        );
        (slot, sender, ticks)
    }

    const INTERVAL: Duration = Duration::from_millis(20);

    #[tokio::test(start_paused = true)]
    async fn a_tick_comes_when_its_time_is_over_one_at_a_time_and_only_when_asked_for() {
        let tasks = Tasks::new(Stop::new());
        let (_slot, sender, ticks) = counting(&tasks);
        for round in 1..=3 {
            for _ in 0..10 {
                sender.tick_in(INTERVAL);
            }
            assert_eq!(tasks.len(), 1);
            tokio::time::sleep(INTERVAL - Duration::from_millis(1)).await;
            assert_eq!(ticks.load(Ordering::SeqCst), round - 1);
            tokio::time::sleep(Duration::from_millis(2)).await;
            assert_eq!(ticks.load(Ordering::SeqCst), round);
            tokio::time::sleep(Duration::from_secs(3600)).await;
            assert_eq!((ticks.load(Ordering::SeqCst), tasks.len()), (round, 0));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_server_none_comes() {
        let tasks = Tasks::new(Stop::new());
        let (slot, sender, ticks) = counting(&tasks);
        sender.tick_in(INTERVAL);
        assert_eq!(tasks.close(Duration::from_secs(10)).await, 0);
        assert_eq!(ticks.load(Ordering::SeqCst), 0);
        drop(slot);
        sender.tick_in(INTERVAL);
        assert!(tasks.is_empty());
    }
}
