//! A warning when a request takes long.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use tracing::warn;

use crate::{
    Answered, Context, Filter, Request, Result, SessionId, answer::Shown, limits, request::Owner,
};

/// Writes a warning when a request has not been answered in time. It ends nothing: for that there are
/// [`Limits::deadline`](crate::Limits::deadline) and [`HandlerExt::deadline`](crate::HandlerExt::deadline).
///
/// So many requests are watched at once; of what comes on top nothing is said.
#[derive(Debug)]
pub struct Timeout {
    after: Duration,
    most: usize,
    watched: Arc<Watched>,
    owner: Owner,
}

/// Requests that are watched, the one that is due first at the front.
#[derive(Debug, Default)]
struct Watched {
    requests: Mutex<BTreeMap<Key, (SessionId, Bytes)>>,
    next: AtomicU64,
    /// Whether somebody sleeps until the first one is due; else he is to be woken.
    minded: AtomicBool,
    wake: Notify,
}

type Key = (Instant, u64);

impl Timeout {
    /// With a warning after this time. Default 3 s.
    pub fn new(after: Duration) -> Self {
        Self {
            after,
            most: 500,
            watched: Arc::default(),
            owner: Owner::new(),
        }
    }

    /// As many requests are watched at once. Default 500.
    #[must_use]
    pub fn most(mut self, most: usize) -> Self {
        self.most = most;
        self
    }
}

impl Default for Timeout {
    fn default() -> Self {
        Self::new(Duration::from_secs(3))
    }
}

impl Filter for Timeout {
    async fn before(&self, request: &mut Request) -> Result<()> {
        if let Some(watch) = self.watched.add(self.after, self.most, request) {
            request.insert_for(self.owner, watch);
        }
        Ok(())
    }

    async fn after(&self, answered: &Answered) -> Result<()> {
        if let Some(watch) = answered.request().get_for::<Watch>(self.owner) {
            watch.end();
        }
        Ok(())
    }

    async fn run(&self, server: &Arc<Context>) {
        loop {
            let woken = self.watched.wake.notified();
            match self.watched.first() {
                Some(due) => sleep_until(due).await,
                None => woken.await,
            }
            for (session, route) in self.watched.take_due(Instant::now()) {
                if let Some(left_out) = server.may_log() {
                    let (route, after) = (Shown(&route), self.after);
                    warn!(%session, %route, ?after, left_out, "request timeout");
                }
            }
        }
    }
}

impl Watched {
    fn add(self: &Arc<Self>, after: Duration, most: usize, request: &Request) -> Option<Watch> {
        let key = (
            limits::after(after),
            self.next.fetch_add(1, Ordering::Relaxed),
        );
        let mut requests = self.requests.lock();
        if requests.len() >= most {
            return None;
        }
        requests.insert(key, (request.session().id(), request.route_bytes()));
        drop(requests);
        if !self.minded.swap(true, Ordering::AcqRel) {
            self.wake.notify_one();
        }
        Some(Watch {
            watched: Arc::clone(self),
            key,
        })
    }

    /// When the first one is due. All are as long after they came, so none that comes is due earlier.
    fn first(&self) -> Option<Instant> {
        let requests = self.requests.lock();
        let first = requests.first_key_value().map(|((due, _), _)| *due);
        self.minded.store(first.is_some(), Ordering::Release);
        first
    }

    fn take_due(&self, now: Instant) -> Vec<(SessionId, Bytes)> {
        let mut requests = self.requests.lock();
        let later = requests.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut *requests, later);
        due.into_values().collect()
    }
}

/// One request that is watched, until this is dropped.
#[derive(Debug)]
struct Watch {
    watched: Arc<Watched>,
    key: Key,
}

impl Watch {
    fn end(&self) {
        self.watched.requests.lock().remove(&self.key);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end();
    }
}
