//! Calls over a connection that nobody has answered in time.

use tokio::time::{Instant, sleep_until};

use super::Connection;
use crate::Code;

/// Tells those who have waited long enough, for as long as the connection stands.
///
/// One timer serves all calls: when the one that is due first would be late, most have their answers. It
/// is a task of its own, as the connection's may be kept by a method that itself waits for such a call.
pub(super) async fn watch(connection: Connection) {
    let shared = &connection.shared;
    loop {
        let (late, next) = {
            let mut state = shared.state.lock();
            let late = state.waiting.take_late(Instant::now());
            state.watched = state.waiting.next_late();
            (late, state.watched)
        };
        for (waiter, token) in late {
            waiter.answer(token, Err(Code::RPC_TIMEOUT.into()));
        }
        let due = async {
            match next {
                Some(next) => sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = connection.closed() => return,
            () = shared.due_sooner.notified() => {}
            () = due => {}
        }
    }
}
