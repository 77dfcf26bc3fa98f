//! Who sends calls, and how many of his run.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
};

use parking_lot::Mutex;

use super::counts::Place;

/// How many [`Sender`]s there are: the connections of one server.
#[derive(Debug, Default)]
pub struct Senders(AtomicUsize);

/// Who sends calls, such as a connection. They stand in one line, and count together.
#[derive(Debug)]
pub struct Sender {
    number: u64,
    all: Arc<Senders>,
    has_left: AtomicBool,
    /// One for each executor that was asked for a place.
    seats: Mutex<Vec<Arc<Seat>>>,
}

/// How many calls of one sender run in one executor.
#[derive(Debug)]
pub(super) struct Seat {
    executor: u64,
    pub(super) sender: u64,
    all: Arc<Senders>,
    running: AtomicU32,
    /// Places he has because nobody else was there. It changes under the queue's lock.
    borrowed: AtomicU32,
}

impl Senders {
    /// None yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// One more, until it [leaves](Sender::leave). No two that ask one executor have the same number, and
    /// none has 0.
    pub fn enter(self: &Arc<Self>, number: u64) -> Sender {
        self.0.fetch_add(1, Ordering::Relaxed);
        Sender {
            number,
            all: Arc::clone(self),
            has_left: AtomicBool::new(false),
            seats: Mutex::default(),
        }
    }
}

impl Sender {
    /// He sends nothing more; what he has sent goes on.
    pub fn leave(&self) {
        if !self.has_left.swap(true, Ordering::Relaxed) {
            self.all.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(super) fn seat(&self, executor: u64) -> Arc<Seat> {
        let mut seats = self.seats.lock();
        if let Some(seat) = seats.iter().find(|seat| seat.executor == executor) {
            return Arc::clone(seat);
        }
        let seat = Arc::new(Seat {
            executor,
            sender: self.number,
            all: Arc::clone(&self.all),
            running: AtomicU32::new(0),
            borrowed: AtomicU32::new(0),
        });
        seats.push(Arc::clone(&seat));
        seat
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Seat {
    /// Whether nobody else is there.
    pub(super) fn is_alone(&self) -> bool {
        self.all.0.load(Ordering::Relaxed) <= 1
    }

    pub(super) fn running(&self) -> u32 {
        self.running.load(Ordering::Relaxed)
    }

    pub(super) fn take(&self, place: Place) {
        self.running.fetch_add(1, Ordering::Relaxed);
        if place == Place::Borrowed {
            self.borrowed.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn end(&self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn owes(&self) -> bool {
        self.borrowed.load(Ordering::Relaxed) > 0
    }

    pub(super) fn repay(&self) {
        self.borrowed.fetch_sub(1, Ordering::Relaxed);
    }
}
