//! Answers that the push scheduler has and the client does not.

use std::collections::VecDeque;

use tokio::time::Instant;

/// The answers that the push scheduler has and the client does not. Empty where there is no scheduler.
#[derive(Debug, Default)]
pub(super) struct Owed(VecDeque<Answer>);

#[derive(Debug)]
struct Answer {
    token: u64,
    id: u32,
    deadline: Instant,
}

impl Owed {
    /// The scheduler has the answer to request `id`, and until `deadline`, which is not before that of
    /// any other, to hand it on.
    pub(super) fn add(&mut self, token: u64, id: u32, deadline: Instant) {
        self.0.push_back(Answer {
            token,
            id,
            deadline,
        });
    }

    /// The scheduler has handed this one on; which request it answers, unless that was answered
    /// meanwhile.
    pub(super) fn take(&mut self, token: u64) -> Option<u32> {
        // Most often it is the first.
        let place = self.0.iter().position(|answer| answer.token == token)?;
        self.0.remove(place).map(|answer| answer.id)
    }

    /// A request whose answer has been with the scheduler for too long.
    pub(super) fn expire(&mut self, now: Instant) -> Option<u32> {
        let late = self.0.front()?.deadline <= now;
        late.then(|| self.0.pop_front())?.map(|answer| answer.id)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.0.front().map(|answer| answer.deadline)
    }

    /// The requests they answer.
    pub(super) fn ids(&self) -> impl Iterator<Item = u32> {
        self.0.iter().map(|answer| answer.id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nobody waits for them any more.
    pub(super) fn clear(&mut self) {
        self.0 = VecDeque::new();
    }

    pub(super) fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }
}
