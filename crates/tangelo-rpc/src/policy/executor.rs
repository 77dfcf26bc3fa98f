//! How many calls run at once, and how many wait for their turn.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;

mod counts;
mod queue;
#[cfg(test)]
mod tests;

use counts::{Counts, Limits, Step};
use queue::{Queue, Ticket};

/// How many times as many places as are free a line may take. One line alone fills the queue but for
/// a ninth, so that there is room for whoever comes beside it.
const SHARE: usize = 8;

/// krpc's `threads`, `maxThreads` and `queueSize`. There are no threads behind them: a call is a
/// future, and what is limited is how many of them run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutorConfig {
    /// Calls that run at once: -1 for as many as come, 0 for 1,024. Default 0.
    pub threads: i32,
    /// Calls that run at once when the queue is full. It counts only if it is more than `threads`
    /// stands for. Default 0.
    pub max_threads: u32,
    /// Calls that wait for their turn. Default 10,000.
    pub queue_size: u32,
}

impl Default for ExecutorConfig {
    fn default() -> Self {
        Self {
            threads: 0,
            max_threads: 0,
            queue_size: 10_000,
        }
    }
}

/// A number of threads below -1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "threads = {0}: expected -1 for as many calls as come, 0 for 1,024 at once, or how many run at once"
)]
pub struct InvalidThreads(pub i32);

/// Lets calls run: so many at once, the others in their turn.
///
/// A call beyond [`threads`](ExecutorConfig::threads) waits. While `queue_size` calls wait and
/// fewer than `max_threads` run, one that comes lets the first of those that wait run, and takes
/// the last place. Beyond that calls are refused. Whoever finishes hands over to the first that
/// waits; the extra ones go when nobody waits any more.
///
/// Calls of one connection stand in one [line](Self::try_enter_in): they keep their order, lines
/// take turns, and none may take the whole queue.
///
/// Clones share the places.
#[derive(Clone)]
pub struct Executor {
    shared: Arc<Shared>,
}

struct Shared {
    limits: Limits,
    /// Who waits is counted here too, so that one look says whether there is room. That count
    /// changes only under the queue's lock.
    counts: AtomicU64,
    queue: Mutex<Queue>,
}

/// What [`Executor::try_enter`] answers.
#[derive(Debug)]
pub enum Entry {
    /// The call may run, as long as it keeps this.
    Entered(Permit),
    /// The call waits for its turn.
    Wait(Waiting),
    /// Neither; krpc's answer to that is [`QUEUE_FULL`](crate::Code::QUEUE_FULL).
    Full,
}

/// A call that runs; dropped when it has ended, which lets the next one run.
#[must_use = "dropping it ends the call's turn"]
pub struct Permit(Arc<Shared>);

/// A call that waits; resolves when it may run, in the order of [`Executor::try_enter`].
///
/// Cancel safe: dropping it leaves the queue, or hands on a turn that has come. It knows no
/// deadline: whoever polls it looks at the clock. Once resolved it stays pending.
#[must_use = "dropping it leaves the queue"]
pub struct Waiting {
    shared: Option<Arc<Shared>>,
    ticket: Ticket,
}

impl Executor {
    /// An executor with nothing running.
    ///
    /// # Errors
    /// A number of threads below -1.
    pub fn new(config: ExecutorConfig) -> Result<Self, InvalidThreads> {
        let shared = Shared {
            limits: Limits::new(config)?,
            counts: AtomicU64::new(Counts::default().pack()),
            queue: Mutex::default(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Asks for a place, for calls that all stand in one line, which may take the whole queue.
    pub fn try_enter(&self) -> Entry {
        self.enter(None)
    }

    /// Asks for a place for a call of this line, such as a connection's. While there is room it costs
    /// no lock and no allocation. A line may take eight times as many places in the queue as it leaves
    /// free: all but a ninth if it is alone.
    pub fn try_enter_in(&self, line: u64) -> Entry {
        self.enter(Some(line))
    }

    fn enter(&self, line: Option<u64>) -> Entry {
        let shared = &self.shared;
        let mut now = shared.counts.load(Ordering::Acquire);
        loop {
            let counts = Counts::unpack(now);
            match shared.limits.step(counts) {
                Step::Run => match shared.replace(now, counts.one_more_runs()) {
                    Ok(()) => return Entry::Entered(Permit(Arc::clone(shared))),
                    Err(changed) => now = changed,
                },
                Step::Refuse => return Entry::Full,
                Step::Wait | Step::Grow => return shared.enter_queue(line),
            }
        }
    }

    /// How many calls run.
    pub fn running(&self) -> usize {
        self.shared.counts().running as usize
    }

    /// How many calls wait.
    pub fn waiting(&self) -> usize {
        self.shared.counts().waiting as usize
    }
}

impl Shared {
    fn counts(&self) -> Counts {
        Counts::unpack(self.counts.load(Ordering::Acquire))
    }

    fn replace(&self, now: u64, counts: Counts) -> Result<(), u64> {
        let new = counts.pack();
        self.counts
            .compare_exchange_weak(now, new, Ordering::AcqRel, Ordering::Acquire)
            .map(drop)
    }

    /// [`Executor::try_enter`] for when it looks as if the call has to wait. What runs may change
    /// meanwhile, so the step is chosen anew.
    fn enter_queue(self: &Arc<Self>, line: Option<u64>) -> Entry {
        let mut queue = self.queue.lock();
        let mut now = self.counts.load(Ordering::Acquire);
        loop {
            let counts = Counts::unpack(now);
            let step = self.limits.step(counts);
            if let (Some(line), Step::Wait) = (line, step)
                && queue.in_line(line) >= SHARE * self.limits.free(counts)
            {
                return Entry::Full;
            }
            let changed = match step {
                Step::Run => counts.one_more_runs(),
                Step::Wait => counts.one_more_waits(),
                // One leaves the queue and one joins it.
                Step::Grow => counts.one_more_runs(),
                Step::Refuse => return Entry::Full,
            };
            match self.replace(now, changed) {
                Ok(()) if step == Step::Run => return Entry::Entered(Permit(Arc::clone(self))),
                Ok(()) => {
                    let first = (step == Step::Grow).then(|| queue.pop()).flatten();
                    let ticket = queue.push(line.unwrap_or_default());
                    drop(queue);
                    wake(first);
                    let shared = Some(Arc::clone(self));
                    return Entry::Wait(Waiting { shared, ticket });
                }
                Err(changed) => now = changed,
            }
        }
    }

    /// A call has ended: its turn goes to the first that waits.
    fn leave(&self) {
        let mut now = self.counts.load(Ordering::Acquire);
        loop {
            let counts = Counts::unpack(now);
            if counts.waiting > 0 {
                break;
            }
            match self.replace(now, counts.one_less_runs()) {
                Ok(()) => return,
                Err(changed) => now = changed,
            }
        }
        let mut queue = self.queue.lock();
        if queue.is_empty() {
            // Whoever waited has gone meanwhile, and nobody can join while this is locked.
            self.counts.fetch_sub(Counts::ONE_RUNS, Ordering::AcqRel);
        } else {
            self.counts.fetch_sub(Counts::ONE_WAITS, Ordering::AcqRel);
            let first = queue.pop();
            drop(queue);
            wake(first);
        }
    }
}

/// Never under the lock: a waker is other people's code. One that was not polled yet has none.
fn wake(first: Option<Waker>) {
    if let Some(waker) = first {
        waker.wake();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Future for Waiting {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Permit> {
        let ticket = self.ticket;
        let Some(shared) = &self.shared else {
            return Poll::Pending;
        };
        let mut queue = shared.queue.lock();
        if let Some(waker) = queue.waker(ticket) {
            let known = waker
                .as_ref()
                .is_some_and(|waker| waker.will_wake(context.waker()));
            if !known {
                let old = waker.replace(context.waker().clone());
                drop(queue);
                drop(old);
            }
            return Poll::Pending;
        }
        drop(queue);
        self.shared
            .take()
            .map_or(Poll::Pending, |shared| Poll::Ready(Permit(shared)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else {
            return;
        };
        let mut queue = shared.queue.lock();
        let waited = queue.remove(self.ticket);
        if waited.is_some() {
            shared.counts.fetch_sub(Counts::ONE_WAITS, Ordering::AcqRel);
        }
        drop(queue);
        if waited.is_none() {
            // Its turn had come.
            shared.leave();
        }
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Executor")
            .field("limits", &self.shared.limits)
            .field("counts", &self.shared.counts())
            .finish()
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Permit")
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Waiting")
            .field("ticket", &self.ticket)
            .finish_non_exhaustive()
    }
}
