//! Answers that are waited for, several at once.

use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use parking_lot::Mutex;
use tangelo_rpc::{Code, Connection, Reply, Sequence, Status, Waiter};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use crate::limits;

/// Requests over several connections whose answers are waited for together. Dropped, it gives up
/// those that are missing.
#[derive(Debug)]
pub(super) struct Confirm {
    answers: Arc<Answers>,
    asked: Vec<Option<(Connection, Sequence)>>,
    within: Duration,
    deadline: Instant,
}

/// The answers in the order in which they were asked for.
#[derive(Debug, Default)]
struct Answers {
    state: Mutex<State>,
    complete: Notify,
}

#[derive(Debug, Default)]
struct State {
    came: Vec<Option<Result<Reply, Status>>>,
    missing: usize,
}

impl Confirm {
    pub(super) fn new(within: Duration) -> Self {
        Self {
            answers: Arc::default(),
            asked: Vec::new(),
            within,
            deadline: limits::after(within),
        }
    }

    /// Asks over this connection, after all that was said over it before.
    pub(super) fn ask(
        &mut self,
        connection: &Connection,
        method: (i32, i32),
        write: impl FnOnce(&mut BytesMut),
    ) {
        let token = self.asked.len() as u64;
        {
            let mut state = self.answers.state.lock();
            state.came.push(None);
            state.missing += 1;
        }
        let waiter = Arc::clone(&self.answers) as Arc<dyn Waiter>;
        match connection.request(method, self.within, write, waiter, token) {
            Ok(sequence) => self.asked.push(Some((connection.clone(), sequence))),
            Err(status) => {
                self.asked.push(None);
                self.answers.answer(token, Err(status));
            }
        }
    }

    /// All answers, in the order in which they were asked for. What is missing at the deadline is
    /// [`Code::RPC_TIMEOUT`].
    pub(super) async fn answers(self) -> Vec<Result<Reply, Status>> {
        loop {
            let complete = self.answers.complete.notified();
            let all_came = self.answers.state.lock().missing == 0;
            // More may have been asked after all answers so far had come.
            if all_came || timeout_at(self.deadline, complete).await.is_err() {
                break;
            }
        }
        let came = std::mem::take(&mut self.answers.state.lock().came);
        let came = came.into_iter();
        came.map(|answer| answer.unwrap_or_else(|| Err(Code::RPC_TIMEOUT.into())))
            .collect()
    }
}

impl Drop for Confirm {
    fn drop(&mut self) {
        for (connection, sequence) in self.asked.drain(..).flatten() {
            connection.forget(sequence);
        }
    }
}

impl Waiter for Answers {
    fn answer(&self, token: u64, outcome: Result<Reply, Status>) {
        let mut state = self.state.lock();
        let place = usize::try_from(token).ok();
        let Some(place @ None) = place.and_then(|place| state.came.get_mut(place)) else {
            return;
        };
        *place = Some(outcome);
        state.missing -= 1;
        if state.missing == 0 {
            self.complete.notify_one();
        }
    }
}
