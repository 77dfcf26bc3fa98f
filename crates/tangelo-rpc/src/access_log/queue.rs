//! Records on their way to the threads that write them.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use super::Record;

/// A thread that was woken waits this long for company, so that calls seldom pay for waking one.
const GATHER: Duration = Duration::from_millis(10);

/// How often it is told that lines are left out.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// A bounded queue; adding to it never waits for the threads.
pub(super) struct Queue {
    state: Mutex<State>,
    /// Told when there is one record, when there are enough to begin at once, and at the end.
    filled: Condvar,
    limit: usize,
}

#[derive(Default)]
struct State {
    records: VecDeque<Record>,
    left_out: LeftOut,
    /// Nothing is taken any more; the threads write until then, or all if there is no time.
    closed: Option<Option<Instant>>,
    given_up: usize,
}

/// Counts what was left out, and when to tell.
#[derive(Default)]
struct LeftOut {
    total: u64,
    told: u64,
    told_at: Option<Instant>,
}

/// What a thread writes next.
pub(super) struct Next {
    pub(super) record: Record,
    /// Lines left out since that was last told, if it is time to tell.
    pub(super) left_out: Option<u64>,
}

impl Queue {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            state: Mutex::default(),
            filled: Condvar::new(),
            limit,
        }
    }

    /// A queue this full is no time to wait for company.
    fn enough(&self) -> usize {
        self.limit.div_ceil(2)
    }

    pub(super) fn push(&self, record: Record) {
        let mut state = self.state.lock();
        if state.closed.is_some() || state.records.len() >= self.limit {
            state.left_out.total += 1;
            drop(state);
            // The record goes here, after the lock.
            return;
        }
        state.records.push_back(record);
        let length = state.records.len();
        drop(state);
        if length == 1 || length == self.enough() {
            self.filled.notify_one();
        }
    }

    /// Waits for a record; none when the queue is closed and empty, or its time is up.
    pub(super) fn next(&self) -> Option<Next> {
        let mut state = self.state.lock();
        loop {
            if let Some(until) = state.closed
                && until.is_some_and(|until| Instant::now() >= until)
            {
                state.give_up();
            }
            if let Some(record) = state.records.pop_front() {
                let left_out = state.left_out.due();
                return Some(Next { record, left_out });
            }
            if state.closed.is_some() {
                return None;
            }
            self.filled.wait(&mut state);
            let few = |state: &mut State| {
                state.closed.is_none() && (1..self.enough()).contains(&state.records.len())
            };
            self.filled.wait_while_for(&mut state, few, GATHER);
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.state.lock().records.len()
    }

    pub(super) fn left_out(&self) -> u64 {
        self.state.lock().left_out.total
    }

    /// How many lines were left out since that was last told; they count as told now.
    pub(super) fn untold(&self) -> Option<u64> {
        self.state.lock().left_out.untold()
    }

    /// A line was lost after it had left the queue.
    pub(super) fn leave_out(&self) {
        self.state.lock().left_out.total += 1;
    }

    /// Takes nothing more; what is here may be written for `patience`.
    pub(super) fn close(&self, patience: Duration) {
        self.state.lock().closed = Some(Instant::now().checked_add(patience));
        self.filled.notify_all();
    }

    /// Drops what is still here; returns how much was dropped since the queue was closed.
    pub(super) fn give_up(&self) -> usize {
        let mut state = self.state.lock();
        state.give_up();
        state.given_up
    }
}

impl State {
    fn give_up(&mut self) {
        self.given_up += self.records.len();
        self.left_out.total += self.records.len() as u64;
        self.records = VecDeque::new();
    }
}

impl LeftOut {
    /// What is untold, if some time has passed since the last telling.
    fn due(&mut self) -> Option<u64> {
        // The clock is looked at only if there is something to tell.
        if self.total == self.told {
            None
        } else {
            self.due_at(Instant::now())
        }
    }

    fn due_at(&mut self, now: Instant) -> Option<u64> {
        let soon = |told_at| now.saturating_duration_since(told_at) < TELL_EVERY;
        if self.told_at.is_some_and(soon) {
            return None;
        }
        self.told_at = Some(now);
        self.untold()
    }

    fn untold(&mut self) -> Option<u64> {
        let untold = self.total - self.told;
        self.told = self.total;
        (untold > 0).then_some(untold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_log::tests::record;

    const LONG: Duration = Duration::from_secs(60);

    fn sequences(queue: &Queue) -> Vec<i32> {
        queue.close(LONG);
        std::iter::from_fn(|| queue.next())
            .map(|next| next.record.sequence)
            .collect()
    }

    #[test]
    fn it_holds_as_many_as_its_limit_and_counts_the_others() {
        let queue = Queue::new(3);
        for sequence in 1..=5 {
            queue.push(record(sequence));
        }
        assert_eq!((queue.waiting(), queue.left_out()), (3, 2));
        assert_eq!(sequences(&queue), [1, 2, 3]);
    }

    #[test]
    fn one_that_was_taken_makes_room_for_one() {
        let queue = Queue::new(1);
        queue.push(record(1));
        assert_eq!(queue.next().unwrap().record.sequence, 1);
        queue.push(record(2));
        queue.push(record(3));
        assert_eq!((queue.waiting(), queue.left_out()), (1, 1));
        assert_eq!(sequences(&queue), [2]);
    }

    #[test]
    fn a_limit_of_none_leaves_everything_out() {
        let queue = Queue::new(0);
        queue.push(record(1));
        assert_eq!((queue.waiting(), queue.left_out()), (0, 1));
        assert!(sequences(&queue).is_empty());
    }

    #[test]
    fn what_comes_after_the_end_is_left_out() {
        let queue = Queue::new(3);
        queue.push(record(1));
        queue.close(LONG);
        queue.push(record(2));
        assert_eq!(queue.left_out(), 1);
        assert_eq!(sequences(&queue), [1]);
    }

    #[test]
    fn past_its_time_the_rest_is_given_up() {
        let queue = Queue::new(3);
        queue.push(record(1));
        queue.push(record(2));
        queue.close(Duration::ZERO);
        assert!(queue.next().is_none());
        assert_eq!((queue.give_up(), queue.left_out()), (2, 2));
    }

    #[test]
    fn patience_without_end_is_no_mistake() {
        let queue = Queue::new(3);
        queue.push(record(1));
        queue.close(Duration::MAX);
        assert!(queue.next().is_some());
        assert!(queue.next().is_none());
    }

    #[test]
    fn what_is_left_out_is_told_once_a_second_and_at_the_end() {
        let (mut left_out, start) = (LeftOut::default(), Instant::now());
        assert_eq!(left_out.due(), None);
        left_out.total = 3;
        assert_eq!(left_out.due_at(start), Some(3));
        left_out.total = 10;
        assert_eq!(left_out.due_at(start + TELL_EVERY / 2), None);
        assert_eq!(left_out.due_at(start + TELL_EVERY), Some(7));
        left_out.total = 11;
        assert_eq!(left_out.untold(), Some(1));
        assert_eq!(left_out.untold(), None);
    }
}
