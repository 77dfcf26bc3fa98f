//! An address that may be called, and what is known of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;
use twox_hash::XxHash3_64;

pub use super::outcome::Outcome;
use super::{
    breaker::{Breaker, BreakerConfig},
    window::Window,
};

/// The weight of an address that was given none.
pub const DEFAULT_WEIGHT: u32 = 100;

/// How far back response times count, in seconds.
const RESPONSE_TIME_SECONDS: u32 = 3;

/// A failure counts as a response time of at least this. A node that refuses everything at once
/// must not look like the fastest.
const FAILURE_COUNTS_AS: Duration = Duration::from_secs(1);

/// One address a referer may call, and what that referer knows of it.
#[derive(Debug)]
pub struct Node {
    address: Arc<str>,
    /// Where the address lies among the others for those who place keys.
    place: u64,
    weight: AtomicU32,
    active: AtomicU32,
    /// How long calls took, in nanoseconds.
    times: Mutex<Window>,
    breaker: Option<Breaker>,
}

impl Node {
    /// A node at `address` (`host:port`) of [`DEFAULT_WEIGHT`], with a breaker if it is enabled.
    pub fn new(address: Arc<str>, breaker: Option<BreakerConfig>) -> Self {
        let breaker = breaker.filter(|config| config.enabled || config.force_close);
        Self {
            place: XxHash3_64::oneshot(address.as_bytes()),
            address,
            weight: AtomicU32::new(DEFAULT_WEIGHT),
            active: AtomicU32::new(0),
            times: Mutex::new(Window::new(RESPONSE_TIME_SECONDS)),
            breaker: breaker.map(Breaker::new),
        }
    }

    /// Its address, as `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its share of the calls beside the other nodes' weights. A node of weight 0 gets none, unless
    /// all have weight 0.
    pub fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    /// Sets its share of the calls.
    pub fn set_weight(&self, weight: u32) {
        self.weight.store(weight, Ordering::Relaxed);
    }

    /// Calls under way.
    pub fn active(&self) -> u32 {
        self.active.load(Ordering::Relaxed)
    }

    /// The mean time of the calls that ended within the last three seconds, none without such. A
    /// failure counts as a second at least, as failing fast is not being fast.
    pub fn response_time(&self, now: Instant) -> Option<Duration> {
        let times = self.times.lock().totals(now);
        times.sum.checked_div(times.count).map(Duration::from_nanos)
    }

    /// Whether its breaker lets a call pass now: [`Breaker::allows`]. Ask this last.
    pub fn allows(&self, now: Instant) -> bool {
        self.breaker
            .as_ref()
            .is_none_or(|breaker| breaker.allows(now))
    }

    /// Whether its breaker has taken it out of use: a call that it allows nevertheless is its probe
    /// and should go here, whatever the balance says, or the node comes back late.
    pub fn is_open(&self) -> bool {
        self.breaker.as_ref().is_some_and(Breaker::is_open)
    }

    /// Begins a call.
    pub fn enter(self: &Arc<Self>, now: Instant) -> Pass {
        self.active.fetch_add(1, Ordering::Relaxed);
        Pass {
            node: Arc::clone(self),
            begun: now,
        }
    }

    pub(super) fn place(&self) -> u64 {
        self.place
    }
}

/// A call under way. Dropped, it is forgotten, as if it had never been made.
#[derive(Debug)]
#[must_use = "a call counts as active for as long as its pass is kept"]
pub struct Pass {
    node: Arc<Node>,
    begun: Instant,
}

impl Pass {
    /// The node called.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Ends the call.
    pub fn finish(self, now: Instant, outcome: Outcome) {
        let mut took = now.saturating_duration_since(self.begun);
        if outcome == Outcome::Failed {
            took = took.max(FAILURE_COUNTS_AS);
        }
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.node.times.lock().add(now, nanos);
        if let Some(breaker) = &self.node.breaker {
            breaker.heard(self.begun, now, outcome);
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.node.active.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
