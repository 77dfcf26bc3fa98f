//! Work: what makes a server's processor the limit, before sockets and the load generator are.

use std::hint::black_box;

/// Steps of one piece of work: a processor takes more than fifty microseconds for them. Steps and not time, as a
/// process that does not get the processor must not be done the sooner.
const STEPS: u64 = 130_000;

/// Waits for a turn, as who asks a store would, and then does the work.
pub(crate) async fn work() {
    tokio::task::yield_now().await;
    let mut value = 1_u64;
    for step in 0..STEPS {
        value = black_box(value).wrapping_mul(3).wrapping_add(step);
    }
    black_box(value);
}
