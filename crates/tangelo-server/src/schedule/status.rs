//! What can be seen of a job.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

/// A job as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct JobStatus {
    /// Its id.
    pub id: String,
    /// The name of what it runs; none for a function of its own.
    pub action: Option<String>,
    /// Its schedule, as it was written.
    pub schedule: String,
    /// When it runs next; none when its times are over.
    pub next: Option<SystemTime>,
    /// Runs that are under way.
    pub running: u32,
    /// Whether one waits for another to end.
    pub waiting: bool,
    /// How often it began.
    pub runs: u64,
    /// How often it was left out because it still ran.
    pub skipped: u64,
    /// How often it was found too late: its server slept, or the clock was set.
    pub missed: u64,
    /// The run that ended last.
    pub last: Option<LastRun>,
}

/// A run that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct LastRun {
    /// When it was to begin.
    pub due: SystemTime,
    /// When it began.
    pub began: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// What became of it.
    pub ended: Ended,
}

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It is done.
    Done,
    /// It failed or panicked, for this reason.
    Failed(String),
    /// It took longer than it may, and was dropped.
    TimedOut,
}

impl fmt::Display for Ended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => formatter.write_str("done"),
            Self::Failed(reason) => write!(formatter, "failed: {reason}"),
            Self::TimedOut => formatter.write_str("took too long"),
        }
    }
}
