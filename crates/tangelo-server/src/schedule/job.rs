//! A job as it is described: what runs, when, and where.

use std::{fmt, sync::Arc, time::Duration};

use super::{JobRun, Schedule, ScheduleError};
use crate::{
    Handler,
    handler::{Handling, erase},
};

/// A job as it is described: what runs, when, and where.
///
/// ```
/// # use tangelo_server::{Cron, Every, Job, Overlap};
/// let tidy = Job::new("tidy", "roomCron.tidy", Cron("0 4 * * *")).overlap(Overlap::Queue);
/// let report = Job::call("report", Every::minutes(5), async || tracing::info!("still here"));
/// ```
#[derive(Clone)]
pub struct Job {
    pub(super) id: Arc<str>,
    pub(super) action: Action,
    pub(super) when: Result<Schedule, ScheduleError>,
    pub(super) server_id: Option<String>,
    pub(super) overlap: Overlap,
    pub(super) timeout: Option<Duration>,
}

/// What happens when a job is due and still runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// The run is left out.
    #[default]
    Skip,
    /// It begins when the one before it has ended. One waits; more are left out.
    Queue,
    /// Both run, up to [`Overlap::MOST`] at once; more are left out.
    Concurrent,
}

impl Overlap {
    /// Runs of one job at once.
    pub const MOST: u32 = 64;
}

/// What a job runs.
#[derive(Clone)]
pub(crate) enum Action {
    /// What the blueprint has under this name.
    Named(String),
    Function(Function),
}

/// What a job runs, whatever its arguments.
pub(crate) type Function = Handling<JobRun>;

impl Job {
    /// Runs what the blueprint has under this name; see [`Blueprint::job`](crate::Blueprint::job). A
    /// schedule that is wrong shows when the job is added, or its server starts.
    pub fn new<W>(id: impl Into<String>, action: impl Into<String>, when: W) -> Self
    where
        W: TryInto<Schedule>,
        W::Error: Into<ScheduleError>,
    {
        Self::of(id.into(), Action::Named(action.into()), when)
    }

    /// Runs this function; its arguments are extractors, as those of a
    /// [named one](crate::Blueprint::job) are.
    pub fn call<A: 'static, W>(
        id: impl Into<String>,
        when: W,
        function: impl Handler<A, JobRun>,
    ) -> Self
    where
        W: TryInto<Schedule>,
        W::Error: Into<ScheduleError>,
    {
        Self::of(id.into(), Action::Function(erase(function)), when)
    }

    fn of<W>(id: String, action: Action, when: W) -> Self
    where
        W: TryInto<Schedule>,
        W::Error: Into<ScheduleError>,
    {
        Self {
            id: id.into(),
            action,
            when: when.try_into().map_err(Into::into),
            server_id: None,
            overlap: Overlap::default(),
            timeout: None,
        }
    }

    /// Runs on this server only, not on all of its type.
    #[must_use]
    pub fn on(mut self, server_id: impl Into<String>) -> Self {
        self.server_id = Some(server_id.into());
        self
    }

    /// What happens when it is due and still runs. Default: the run is left out.
    #[must_use]
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }

    /// How long a run may take; then it is dropped. Default: as long as it likes.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The server it is bound to.
    pub fn server_id(&self) -> Option<&str> {
        self.server_id.as_deref()
    }

    /// Whether it runs on this server.
    pub(super) fn belongs_to(&self, server_id: &str) -> bool {
        self.server_id().is_none_or(|bound| bound == server_id)
    }

    /// Whether there is a server that would have both.
    pub(super) fn collides(&self, other: &Self) -> bool {
        let servers = (self.server_id(), other.server_id());
        self.id == other.id && !matches!(servers, (Some(one), Some(two)) if one != two)
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = match &self.action {
            Action::Named(name) => name,
            Action::Function(_) => "a function",
        };
        formatter
            .debug_struct("Job")
            .field("id", &self.id)
            .field("action", &action)
            .field("when", &self.when)
            .field("server_id", &self.server_id)
            .finish_non_exhaustive()
    }
}
