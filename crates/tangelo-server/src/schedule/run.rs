//! One run of a job, as its function sees it.

use std::{fmt, sync::Arc, time::SystemTime};

use crate::{Context, FromRequest, Incoming, Result};

/// One run of a job. As an argument of its function, what says which.
#[derive(Clone)]
pub struct JobRun {
    id: Arc<str>,
    due: SystemTime,
    context: Arc<Context>,
}

impl JobRun {
    pub(super) fn new(id: Arc<str>, due: SystemTime, context: Arc<Context>) -> Self {
        Self { id, due, context }
    }

    /// The job's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The time it was to begin.
    pub fn due(&self) -> SystemTime {
        self.due
    }
}

impl Incoming for JobRun {
    fn context(&self) -> &Arc<Context> {
        &self.context
    }
}

impl FromRequest<Self> for JobRun {
    fn from_request(run: &mut Self) -> Result<Self> {
        Ok(run.clone())
    }
}

impl fmt::Debug for JobRun {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("JobRun")
            .field("id", &self.id)
            .field("due", &self.due)
            .finish_non_exhaustive()
    }
}
