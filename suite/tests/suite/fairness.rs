//! Clients whose requests take long, and the others of the same server.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use tangelo::server::Handlers;

use crate::{
    client::Door,
    world::{alone, client, connector},
};

/// Notifies a client has waiting when another one asks.
const FLOOD: usize = 10_000;
/// What one takes.
const COST: Duration = Duration::from_millis(1);
/// How many may run before another client is answered: each of those who flood has its turn a few dozen
/// times before a thread looks for what has arrived.
const BEFORE_OTHERS: usize = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_keep_all_threads_busy_leave_others_their_turns() {
    let (ran, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
    let compute = {
        let (ran, stop) = (Arc::clone(&ran), Arc::clone(&stop));
        move || {
            ran.fetch_add(1, Ordering::Relaxed);
            let begun = Instant::now();
            while begun.elapsed() < COST && !stop.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
            async {}
        }
    };
    let server = alone(connector(Handlers::new().add("compute", compute))).await;
    let mut good = client(&server, Door::Tcp).await;
    let flood = async |over: Door| {
        let mut flood = client(&server, over).await;
        for _ in 0..FLOOD {
            flood.notify("connector.main.compute", &json!({})).await;
        }
        flood
    };
    let asks = async {
        for number in 1..=5 {
            let before = ran.load(Ordering::Relaxed);
            assert_eq!(
                good.ask("connector.main.echo", &json!(number)).await,
                number
            );
            let between = ran.load(Ordering::Relaxed) - before;
            assert!(between < BEFORE_OTHERS, "{between}");
        }
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(flood(Door::Tcp), flood(Door::WebSocket), asks);
}
