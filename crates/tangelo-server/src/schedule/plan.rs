//! The jobs of a server type, before there is a server.

use std::collections::BTreeMap;

use super::{Clock, Function, Job, JobError, JobRun, Jobs, jobs};
use crate::{Blueprint, Handler, handler::erase};

/// The jobs of a server type, before there is a server.
#[derive(Default)]
pub(crate) struct Plan {
    /// What jobs may run, by name.
    functions: BTreeMap<String, Function>,
    jobs: Vec<Job>,
    clock: Option<Clock>,
    mistakes: Vec<String>,
}

/// Scheduled jobs.
impl Blueprint {
    /// A function that jobs may run, under the name crons.json calls it by, such as `roomCron.tidy`:
    /// Pomelo's `app/servers/<type>/cron/roomCron.js`. Its arguments are extractors, such as `State<T>`,
    /// `Channels`, `Rpc`, [`JobRun`] or `Arc<Context>`; it returns `()` or a `Result`.
    #[must_use]
    pub fn job<A: 'static>(mut self, name: &str, function: impl Handler<A, JobRun>) -> Self {
        let known = self.jobs.functions.insert(name.to_owned(), erase(function));
        if known.is_some() {
            let mistake = format!("there are two job functions `{name}`");
            self.jobs.mistakes.push(mistake);
        }
        self
    }

    /// A job that every server of this type has, or the one it is bound to. It begins to wait when
    /// the server's components have started.
    #[must_use]
    pub fn schedule(mut self, job: Job) -> Self {
        self.jobs.jobs.push(job);
        self
    }

    /// All that is wrong with a job, if it were [scheduled](Self::schedule) beside those that are.
    pub fn check_job(&self, job: &Job) -> Vec<String> {
        self.jobs.mistakes_of(job, self.jobs.jobs.iter()).collect()
    }

    /// What tells the jobs the time. Default: the machine's clock in its time zone.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.jobs.clock = Some(clock);
        self
    }
}

impl Plan {
    /// All that is wrong with it.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let mut mistakes = self.mistakes.clone();
        if self.jobs.len() > Jobs::MOST {
            mistakes.push(format!("there are more than {} jobs", Jobs::MOST));
        }
        for (place, job) in self.jobs.iter().enumerate() {
            let wrong = self.mistakes_of(job, self.jobs.iter().take(place));
            mistakes.extend(wrong.map(|problem| format!("job `{}`: {problem}", job.id())));
        }
        mistakes
    }

    /// All that is wrong with a job beside these.
    fn mistakes_of<'a>(
        &self,
        job: &Job,
        mut beside: impl Iterator<Item = &'a Job>,
    ) -> impl Iterator<Item = String> {
        let time = job.when.as_ref().err().map(ToString::to_string);
        let unknown = jobs::find(&self.functions, &job.action).err();
        let is_second = beside.any(|other| other.collides(job));
        let second = is_second.then(|| JobError::Duplicate(job.id().to_owned()));
        let unfit = unknown.into_iter().chain(second);
        time.into_iter().chain(unfit.map(|error| error.to_string()))
    }

    /// The jobs of one server, that do not wait yet; and those to be added.
    pub(crate) fn into_jobs(self, server_id: &str) -> (Jobs, Vec<Job>) {
        let clock = self.clock.unwrap_or_default();
        let jobs = self.jobs.into_iter();
        let own = jobs.filter(|job| job.belongs_to(server_id)).collect();
        (Jobs::new(server_id, self.functions, clock), own)
    }
}
