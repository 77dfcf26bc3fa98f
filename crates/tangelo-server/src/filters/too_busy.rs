//! As little as possible while the server lags.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tangelo_rpc::{Code, Status};
use tokio::time::{Instant, sleep_until};

use crate::{Context, Filter, Request, Result, RpcCall, RpcFilter};

/// Refuses requests, with 503, while the server lags: while a task of its runtime that is to run waits for its
/// turn longer than it should.
///
/// It has such a task, which wants to run ten times a second. The lag is what that was late lately, smoothed,
/// and at least what it is late now. Add it first, so that little is done in vain.
#[derive(Debug)]
pub struct TooBusy {
    max_lag: Duration,
    epoch: Instant,
    /// All in microseconds; the time since `epoch`, 0 before there is any.
    due: AtomicU64,
    lag: AtomicU64,
}

/// How often it is looked at.
const INTERVAL: Duration = Duration::from_millis(100);

impl TooBusy {
    /// With so much lag at the most. Default 70 ms.
    pub fn new(max_lag: Duration) -> Self {
        Self {
            max_lag,
            epoch: Instant::now(),
            due: AtomicU64::new(0),
            lag: AtomicU64::new(0),
        }
    }

    /// How long what is to run waits now.
    pub fn lag(&self) -> Duration {
        let (due, lag) = (
            self.due.load(Ordering::Relaxed),
            self.lag.load(Ordering::Relaxed),
        );
        let late = match due {
            0 => 0,
            due => self.now().saturating_sub(due),
        };
        Duration::from_micros(lag.max(late))
    }

    fn admit(&self) -> Result<()> {
        if self.lag() > self.max_lag {
            return Err(Status::new(Code::QUEUE_FULL, "the server is too busy").into());
        }
        Ok(())
    }

    fn now(&self) -> u64 {
        self.epoch.elapsed().as_micros() as u64
    }
}

impl Default for TooBusy {
    fn default() -> Self {
        Self::new(Duration::from_millis(70))
    }
}

impl Filter for TooBusy {
    async fn before(&self, _request: &mut Request) -> Result<()> {
        self.admit()
    }

    async fn run(&self, _server: &Arc<Context>) {
        sample(self).await;
    }
}

/// Calls to other servers are not made while this one lags: Pomelo's `rpcFilters.toobusy`.
impl RpcFilter for TooBusy {
    async fn before(&self, _call: &mut RpcCall) -> Result<()> {
        self.admit()
    }

    async fn run(&self, _server: &Arc<Context>) {
        sample(self).await;
    }
}

/// Measures the lag, for as long as it is polled.
async fn sample(filter: &TooBusy) {
    let _ends = Ends(filter);
    loop {
        let due = filter.now() + INTERVAL.as_micros() as u64;
        filter.due.store(due, Ordering::Relaxed);
        sleep_until(filter.epoch + Duration::from_micros(due)).await;
        let late = filter.now().saturating_sub(due);
        let lag = (late + 2 * filter.lag.load(Ordering::Relaxed)) / 3;
        filter.lag.store(lag, Ordering::Relaxed);
    }
}

/// When nobody looks any more there is no lag.
struct Ends<'a>(&'a TooBusy);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.due.store(0, Ordering::Relaxed);
        self.0.lag.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Lets the filter's task have a turn.
    async fn turn(sample: &mut Pin<&mut impl Future<Output = ()>>) {
        tokio::select! {
            biased;
            () = sample => {}
            () = std::future::ready(()) => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_lag_is_what_its_task_is_late_now_or_was_lately() {
        let filter = TooBusy::default();
        let mut sample = pin!(sample(&filter));
        turn(&mut sample).await;
        // The runtime is busy for so long; what the lag is then, and when the task has had its turn.
        for (busy, then, after) in [
            (100, 0, 0),
            (400, 300, 100),
            (100, 100, 66),
            (171, 71, 68),
            (100, 68, 45),
        ] {
            tokio::time::advance(busy * MS).await;
            assert_eq!(filter.lag().as_millis(), then);
            turn(&mut sample).await;
            assert_eq!(filter.lag().as_millis(), after);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_its_task_there_is_none() {
        let filter = TooBusy::default();
        tokio::time::advance(1000 * MS).await;
        assert_eq!(filter.lag(), Duration::ZERO);
        {
            let mut sample = pin!(sample(&filter));
            turn(&mut sample).await;
            tokio::time::advance(1000 * MS).await;
            assert_eq!(filter.lag(), 900 * MS);
        }
        assert_eq!(filter.lag(), Duration::ZERO);
    }
}
