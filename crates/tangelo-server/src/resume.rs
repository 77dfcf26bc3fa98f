//! Sessions that outlive their connection: what an application says about them, and what a front end
//! counts.
//!
//! What is kept for one session is in its task (`front/resuming.rs`); where its client's new connection
//! comes in, in the session (`session/resumable.rs`).

mod failures;
mod ring;
mod serve;
mod take_over;
mod token;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Semaphore;

pub(crate) use self::{
    failures::Failures,
    ring::{Ring, Said},
    serve::{Given, ResumeService, SETTLING},
    take_over::{Taken, take_over},
    token::{Secret, Secrets, Token},
};
use crate::{Blueprint, Sessions};

/// Service and message numbers; see resume.proto.
const FIND: (i32, i32) = (15, 1);
const TAKE: (i32, i32) = (15, 2);

/// What a client is told where its session is not there, or not its own.
pub(crate) const UNKNOWN: &str = "unknown";
/// What it is told where its session was another server's, which does not give it.
pub(crate) const ELSEWHERE: &str = "elsewhere";
/// Sessions that are taken over from other front ends at once.
const MOST_TAKING: usize = 256;

/// That a session may outlive its connection, and within which limits: see [`Blueprint::resume`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resume {
    pub(crate) window: usize,
    pub(crate) time: Duration,
    pub(crate) max_away: usize,
}

impl Resume {
    /// Bytes of messages kept for one session, overheads included, from when they are sent until its client
    /// has said that it has them. What is beyond is gone, the oldest first, and a client that comes back and
    /// lacks it is told of a gap. Default 64 KiB.
    #[must_use]
    pub fn window(mut self, bytes: usize) -> Self {
        self.window = bytes;
        self
    }

    /// How long a session may be away; then it closes with [`CloseReason::Away`](crate::CloseReason::Away).
    /// While its client is connected nothing is kept for longer than this either. Default 60 s.
    #[must_use]
    pub fn time(mut self, seconds: u64) -> Self {
        self.time = Duration::from_secs(seconds);
        self
    }

    /// How many sessions of a server may be away at once. One that would be one too many closes as it would
    /// without resume. Default 4,096.
    #[must_use]
    pub fn max_away(mut self, sessions: usize) -> Self {
        self.max_away = sessions;
        self
    }

    pub(crate) fn mistakes(self) -> impl Iterator<Item = String> {
        let is_nothing = [
            ("window", self.window == 0),
            ("time", self.time.is_zero()),
            ("max_away", self.max_away == 0),
        ];
        is_nothing
            .into_iter()
            .filter(|(_, is_nothing)| *is_nothing)
            .map(|(name, _)| format!("resume: `{name}` is 0, so that no session could be resumed"))
    }
}

impl Default for Resume {
    fn default() -> Self {
        Self {
            window: 64 << 10,
            time: Duration::from_secs(60),
            max_away: 4096,
        }
    }
}

impl Blueprint {
    /// Sessions of clients that ask for it outlive their connection. Default: none does.
    ///
    /// A client that lost its connection is *away*: its session stays, with its user, its settings, its
    /// channels and the requests that run; what it is told meanwhile is kept. It comes back with a token, is
    /// told what it missed, in order and once, and goes on. Who does not ask for it in the handshake, as no
    /// client of Pomelo's does, costs and gains nothing.
    #[must_use]
    pub fn resume(mut self, resume: impl Into<Option<Resume>>) -> Self {
        self.resume = resume.into();
        self
    }

    /// Changes some of it, from the defaults if nothing was said, and leaves the rest.
    #[must_use]
    pub fn change_resume(mut self, change: impl FnOnce(Resume) -> Resume) -> Self {
        self.resume = Some(change(self.resume.unwrap_or_default()));
        self
    }
}

impl Sessions {
    /// How many sessions are away: without a connection, until their client comes back or their time is
    /// over. They are among [`all`](Self::all).
    pub fn away(&self) -> usize {
        self.every()
            .iter()
            .filter(|session| session.is_away())
            .count()
    }
}

/// What a front end counts of its sessions that can be resumed.
pub(crate) struct Resumes {
    pub(crate) config: Resume,
    pub(crate) failures: Failures,
    /// For those who take a session over.
    taking: Semaphore,
    away: Arc<AtomicUsize>,
}

impl Resumes {
    pub(crate) fn new(config: Resume) -> Self {
        Self {
            config,
            failures: Failures::default(),
            taking: Semaphore::new(MOST_TAKING),
            away: Arc::default(),
        }
    }

    /// A place among those that are away, if there is one.
    pub(crate) fn place(&self) -> Option<Place> {
        let one_more = |away| (away < self.config.max_away).then_some(away + 1);
        self.away
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .is_ok()
            .then(|| Place(Arc::clone(&self.away)))
    }
}

/// A place among those that are away, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Resumes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Resumes")
            .field("config", &self.config)
            .field("away", &self.away)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_away_as_may_be_and_not_one_more() {
        let resumes = Resumes::new(Resume::default().max_away(2));
        let places = [resumes.place(), resumes.place()];
        assert!(places.iter().all(Option::is_some));
        assert!(resumes.place().is_none());
        drop(places);
        assert!(resumes.place().is_some());
    }

    #[test]
    fn what_would_resume_nothing_is_a_mistake() {
        assert_eq!(Resume::default().mistakes().count(), 0);
        let nothing = Resume::default().window(0).time(0).max_away(0);
        assert_eq!(nothing.mistakes().count(), 3);
    }
}
