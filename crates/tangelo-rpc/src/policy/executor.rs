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
mod senders;
#[cfg(test)]
mod tests;

use counts::{Counts, Limits, Place, Places};
use queue::{Queue, Ticket};
use senders::Seat;
pub use senders::{Sender, Senders};

/// How many times as many places in the queue as are free a sender may take. One alone fills it but
/// for a ninth, so that there is room for whoever comes beside him.
const QUEUE_SHARE: usize = 8;

/// krpc's `threads`, `maxThreads` and `queueSize`. There are no threads behind them: a call is a
/// future, and what is limited is how many of them run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutorConfig {
    /// Calls that run at once: -1 for as many as come, 0 for 1,024. Up to a quarter more while one
    /// [`Sender`] that was alone has more than its share. Default 0.
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
/// Calls of one [`Sender`] stand in one line: they keep their order, lines take turns, and none may
/// take the whole queue. Nor does one sender keep all others from running:
///
/// * Where there are several, each may have three times as many places as are free: one leaves a
///   quarter of them to the others, two a seventh. Of three places or fewer one may have all.
/// * One that is alone may have all places. Those beyond his share are borrowed: as long as he has
///   them, others who come may run as many calls beyond the limit, a quarter of it at the most.
///
/// Clones share the places.
#[derive(Clone)]
pub struct Executor {
    shared: Arc<Shared>,
}

struct Shared {
    /// A number no other executor of this process has.
    id: u64,
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
pub struct Permit {
    shared: Arc<Shared>,
    seat: Option<Arc<Seat>>,
}

/// A call that waits; resolves when it may run, in the order of [`Executor::try_enter`].
///
/// Cancel safe: dropping it leaves the queue, or hands on a turn that has come. It knows no
/// deadline: whoever polls it looks at the clock. Once resolved it stays pending.
#[must_use = "dropping it leaves the queue"]
pub struct Waiting {
    shared: Option<Arc<Shared>>,
    seat: Option<Arc<Seat>>,
    ticket: Ticket,
}

impl Executor {
    /// An executor with nothing running.
    ///
    /// # Errors
    /// A number of threads below -1.
    pub fn new(config: ExecutorConfig) -> Result<Self, InvalidThreads> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let shared = Shared {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            limits: Limits::new(config)?,
            counts: AtomicU64::new(Counts::default().pack()),
            queue: Mutex::default(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Asks for a place, for calls that all stand in one line, which may take all places and the whole
    /// queue.
    pub fn try_enter(&self) -> Entry {
        self.enter(None)
    }

    /// Asks for a place for a call of this sender. While there is room for it that costs no allocation, and
    /// no lock that others share.
    pub fn try_enter_for(&self, sender: &Sender) -> Entry {
        let seat = (!self.shared.limits.are_none()).then(|| sender.seat(self.shared.id));
        self.enter(seat)
    }

    fn enter(&self, seat: Option<Arc<Seat>>) -> Entry {
        let shared = &self.shared;
        let mut now = shared.counts.load(Ordering::Acquire);
        loop {
            let counts = Counts::unpack(now);
            // Nobody is known to have borrowed: whoever has takes the lock.
            let place = shared.places(counts, 0).one_for(seat.as_deref());
            if counts.waiting > 0 || place != Some(Place::Own) {
                return shared.enter_queue(seat);
            }
            match shared.replace(now, counts.one_more_runs()) {
                Ok(()) => return Entry::Entered(shared.permit(seat, Place::Own)),
                Err(changed) => now = changed,
            }
        }
    }

    /// Whether one more call would have to wait, or would be refused.
    pub fn is_full(&self) -> bool {
        let counts = self.shared.counts();
        counts.waiting > 0 || counts.running >= self.shared.limits.places()
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

    fn places(&self, counts: Counts, borrowed: u32) -> Places {
        Places {
            all: self.limits.places(),
            running: counts.running,
            borrowed,
        }
    }

    /// For one that has been counted among those that run.
    fn permit(self: &Arc<Self>, seat: Option<Arc<Seat>>, place: Place) -> Permit {
        if let Some(seat) = &seat {
            seat.take(place);
        }
        let shared = Arc::clone(self);
        Permit { shared, seat }
    }

    /// [`Executor::try_enter`] for when it looks as if the call has to wait. What runs may change
    /// meanwhile, but only while nobody waits.
    fn enter_queue(self: &Arc<Self>, seat: Option<Arc<Seat>>) -> Entry {
        let mut queue = self.queue.lock();
        let mut now = self.counts.load(Ordering::Acquire);
        loop {
            let counts = Counts::unpack(now);
            let places = self.places(counts, queue.borrowed);
            let in_line = queue.in_line(seat.as_ref());
            if let Some(place) = places.one_for(seat.as_deref())
                && in_line == 0
            {
                match self.replace(now, counts.one_more_runs()) {
                    Ok(()) => {
                        queue.lend(place);
                        return Entry::Entered(self.permit(seat, place));
                    }
                    Err(changed) => now = changed,
                }
            } else if self.limits.has_room(counts) {
                if seat.is_some() && in_line >= QUEUE_SHARE * self.limits.free(counts) {
                    return Entry::Full;
                }
                match self.replace(now, counts.one_more_waits()) {
                    Ok(()) => break,
                    Err(changed) => now = changed,
                }
            } else {
                let all = self.limits.at_most;
                let places = Places { all, ..places };
                let Some(first) = self.hand_on(&mut queue, places) else {
                    // None of those that wait may have more, but one that comes may.
                    let place = places.one_for(seat.as_deref()).filter(|_| in_line == 0);
                    let Some(place) = place else {
                        return Entry::Full;
                    };
                    self.counts.fetch_add(Counts::ONE_RUNS, Ordering::AcqRel);
                    queue.lend(place);
                    return Entry::Entered(self.permit(seat, place));
                };
                // One leaves the queue and one joins it.
                self.counts.fetch_add(Counts::ONE_WAITS, Ordering::AcqRel);
                let waiting = self.waiting(&mut queue, seat);
                drop(queue);
                wake(first);
                return Entry::Wait(waiting);
            }
        }
        let waiting = self.waiting(&mut queue, seat);
        drop(queue);
        // He may be alone now who was not.
        self.settle();
        Entry::Wait(waiting)
    }

    fn waiting(self: &Arc<Self>, queue: &mut Queue, seat: Option<Arc<Seat>>) -> Waiting {
        let ticket = queue.push(seat.as_ref());
        let shared = Some(Arc::clone(self));
        Waiting {
            shared,
            seat,
            ticket,
        }
    }

    /// A call has ended: its place goes to the first that waits and may have it.
    fn leave(&self, seat: Option<&Seat>) {
        let owes = seat.is_some_and(Seat::owes);
        let mut now = self.counts.load(Ordering::Acquire);
        loop {
            let counts = Counts::unpack(now);
            if owes || counts.waiting > 0 {
                break;
            }
            match self.replace(now, counts.one_less_runs()) {
                Ok(()) => {
                    if let Some(seat) = seat {
                        seat.end();
                    }
                    return;
                }
                Err(changed) => now = changed,
            }
        }
        let mut queue = self.queue.lock();
        let before = self.counts();
        // Places beyond the usual ones are kept while somebody waits.
        let all = before.running.saturating_sub(queue.borrowed);
        if let Some(seat) = seat {
            seat.end();
            if seat.owes() {
                seat.repay();
                queue.borrowed -= 1;
            }
        }
        self.counts.fetch_sub(Counts::ONE_RUNS, Ordering::AcqRel);
        let places = self.places(self.counts(), queue.borrowed);
        let all = places.all.max(all);
        let first = self.hand_on(&mut queue, Places { all, ..places });
        let places = self.places(self.counts(), queue.borrowed);
        let next = first.is_some() && places.first_of(&queue).is_some();
        drop(queue);
        wake(first.flatten());
        if next {
            self.settle();
        }
    }

    /// Whoever waits and may run does so. There is nobody, unless it was his own calls that kept him, or
    /// he is alone now.
    fn settle(&self) {
        loop {
            let mut queue = self.queue.lock();
            let places = self.places(self.counts(), queue.borrowed);
            let Some(first) = self.hand_on(&mut queue, places) else {
                return;
            };
            drop(queue);
            wake(first);
        }
    }

    /// The first that waits and may run leaves the queue. Tells whom to wake, if there was one.
    fn hand_on(&self, queue: &mut Queue, places: Places) -> Option<Option<Waker>> {
        let (turn, place) = places.first_of(queue)?;
        let (seat, waker) = queue.pop(turn);
        if let Some(seat) = seat {
            seat.take(place);
        }
        queue.lend(place);
        self.counts
            .fetch_add(Counts::ONE_RUNS - Counts::ONE_WAITS, Ordering::AcqRel);
        Some(waker)
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
        self.shared.leave(self.seat.as_deref());
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
        let Some(shared) = self.shared.take() else {
            return Poll::Pending;
        };
        let seat = self.seat.take();
        Poll::Ready(Permit { shared, seat })
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
            shared.leave(self.seat.as_deref());
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
