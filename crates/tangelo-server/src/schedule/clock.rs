//! What tells jobs the time.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use tokio::{sync::watch, time::Instant};
use tracing::warn;

use super::{ScheduleError, table::Next};

/// How often the machine's clock is looked at while a job waits for a time of day: it may be set, and it
/// goes on while the machine sleeps.
const LOOK: SignedDuration = SignedDuration::from_secs(1);

/// What tells jobs the time, and the time zone that calendars are read in.
///
/// Unless a server is given another one it is the machine's clock in the machine's time zone: that of
/// the `TZ` variable, else the system's setting, else UTC.
#[derive(Clone)]
pub struct Clock {
    source: Source,
    zone: TimeZone,
}

#[derive(Clone)]
enum Source {
    Machine { since: Instant },
    Hands(watch::Receiver<Now>),
}

/// What the clock shows, and how much time has passed, counted from nowhere in particular: nobody can
/// set that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Now {
    pub(super) clock: Timestamp,
    pub(super) passed: Timestamp,
}

/// What a time is a time of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Clock,
    Passed,
}

/// A clock that stands still until it is moved: for tests of what an application does on time.
/// Clones are the same clock.
#[derive(Clone, Debug)]
pub struct ManualClock {
    hands: watch::Sender<Now>,
}

impl Clock {
    /// The machine's clock, in its time zone.
    pub fn machine() -> Self {
        let zone = TimeZone::try_system().unwrap_or_else(|error| {
            warn!(%error, "the time zone is not known: jobs follow UTC");
            TimeZone::UTC
        });
        Self {
            source: Source::Machine {
                since: Instant::now(),
            },
            zone,
        }
    }

    /// The same clock in another time zone, such as `Asia/Shanghai`.
    ///
    /// # Errors
    /// There is no such time zone.
    pub fn zone(self, name: &str) -> Result<Self, ScheduleError> {
        let zone = TimeZone::get(name).map_err(|error| ScheduleError::new(error.to_string()))?;
        Ok(Self { zone, ..self })
    }

    pub(super) fn time_zone(&self) -> &TimeZone {
        &self.zone
    }

    pub(super) fn now(&self) -> Now {
        match &self.source {
            Source::Machine { since } => Now {
                clock: Timestamp::now(),
                passed: passed(since.elapsed()),
            },
            Source::Hands(hands) => *hands.borrow(),
        }
    }

    /// Resolves when it is time to look at the clock again: something may be due, or it has been moved
    /// since it showed `seen`. Cancel safe.
    pub(super) async fn wait(&self, seen: Now, next: Next) {
        match &self.source {
            Source::Machine { .. } => {
                let now = self.now();
                let clock = next.clock.map(|at| at.duration_since(now.clock).min(LOOK));
                let passed = next.passed.map(|at| at.duration_since(now.passed));
                match clock.into_iter().chain(passed).min() {
                    Some(left) => {
                        let left = Duration::try_from(left).unwrap_or_default();
                        tokio::time::sleep(left).await;
                    }
                    None => std::future::pending().await,
                }
            }
            Source::Hands(hands) => {
                if hands.clone().wait_for(|now| *now != seen).await.is_err() {
                    // Nobody can move it any more.
                    std::future::pending().await
                }
            }
        }
    }
}

impl Now {
    pub(super) fn on(self, line: Line) -> Timestamp {
        match line {
            Line::Clock => self.clock,
            Line::Passed => self.passed,
        }
    }

    /// What the clock shows, or would if nobody sets it, at this time of a line.
    pub(super) fn time_of(self, line: Line, at: Timestamp) -> SystemTime {
        let at = match line {
            Line::Clock => at,
            Line::Passed => {
                let shown = self.clock.checked_add(at.duration_since(self.passed));
                shown.unwrap_or(Timestamp::MAX)
            }
        };
        at.into()
    }
}

/// So much time, as a time of [`Line::Passed`].
fn passed(time: Duration) -> Timestamp {
    let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
    let passed = Timestamp::UNIX_EPOCH.checked_add(time);
    passed.unwrap_or(Timestamp::MAX)
}

impl ManualClock {
    /// A clock that shows this time; a time that no calendar has is taken for 1970.
    pub fn new(now: SystemTime) -> Self {
        let now = Now {
            clock: shown(now),
            passed: Timestamp::UNIX_EPOCH,
        };
        Self {
            hands: watch::Sender::new(now),
        }
    }

    /// What a server is given, in UTC; see [`Clock::zone`].
    pub fn clock(&self) -> Clock {
        Clock {
            source: Source::Hands(self.hands.subscribe()),
            zone: TimeZone::UTC,
        }
    }

    /// What it shows.
    pub fn now(&self) -> SystemTime {
        self.hands.borrow().clock.into()
    }

    /// Lets so much time pass. Jobs that are due then begin soon after.
    pub fn advance(&self, by: Duration) {
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        let later = |time: Timestamp| time.checked_add(by).unwrap_or(Timestamp::MAX);
        self.hands.send_modify(|now| {
            *now = Now {
                clock: later(now.clock),
                passed: later(now.passed),
            };
        });
    }

    /// Sets it, forward or back, as an operator does: no time passes. A time that no calendar has is
    /// taken for 1970.
    pub fn set(&self, to: SystemTime) {
        self.hands.send_modify(|now| now.clock = shown(to));
    }
}

fn shown(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH)
}

impl Default for Clock {
    fn default() -> Self {
        Self::machine()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match self.source {
            Source::Machine { .. } => "machine",
            Source::Hands(_) => "manual",
        };
        formatter
            .debug_struct("Clock")
            .field("source", &source)
            .field("zone", &self.zone.iana_name())
            .finish()
    }
}
