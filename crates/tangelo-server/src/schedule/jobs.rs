//! The jobs of a server: what they are added to, and the task that runs them.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tangelo_runtime::{Stop, Tasks, guard::Guarded};
use tokio::{sync::Notify, time::Instant};
use tracing::{debug, error, info_span, warn};

use super::{
    Action, Clock, Ended, Function, Job, JobRun, JobStatus, LastRun, ScheduleError,
    table::{Begin, Refused, Sound, Table},
};
use crate::{Context, Error};

/// The scheduled jobs of one server: `Context::jobs`, and an argument of handlers and jobs. Clones are
/// the same table.
///
/// Times are those of the server's [`Clock`]. A run that fails or panics is logged, and the next one
/// comes. A time of day that is found more than a minute late, because the server slept or the clock was
/// set forward, is missed; nothing is made up for. When the clock is set back by more than a minute,
/// times of day that come again run again. A server that leaves begins no more runs.
#[derive(Clone)]
pub struct Jobs(Arc<Shared>);

struct Shared {
    server_id: String,
    /// What the blueprint has, by name.
    actions: BTreeMap<String, Function>,
    clock: Clock,
    table: Mutex<Table>,
    changed: Notify,
    /// The task that looks at the clock, and the runs.
    tasks: Tasks,
}

/// Why a job cannot be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// Its schedule is wrong.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// The blueprint has nothing under the name of what it runs: that name, and those there are.
    #[error("no job function `{0}`; there are: {1}")]
    UnknownAction(String, String),
    /// There is one of this id, and it is not over.
    #[error("there is a job of id `{0}`")]
    Duplicate(String),
    /// It is bound to a server, and this is another one.
    #[error("it belongs to server `{0}`")]
    OtherServer(String),
    /// The server has [as many as it may](Jobs::MOST), and none is over.
    #[error("there are too many jobs")]
    TooMany,
    /// The server leaves.
    #[error("this server leaves")]
    Leaving,
}

impl Jobs {
    /// Jobs that a server may have.
    pub const MOST: usize = 10_000;

    pub(crate) fn new(server_id: &str, actions: BTreeMap<String, Function>, clock: Clock) -> Self {
        Self(Arc::new(Shared {
            server_id: server_id.to_owned(),
            actions,
            clock,
            table: Mutex::default(),
            changed: Notify::new(),
            tasks: Tasks::new(Stop::new()),
        }))
    }

    /// Adds a job. One of the same id may be there if it is over: its times, and its runs.
    ///
    /// # Errors
    /// It is not sound, or there is no room for it; see [`JobError`].
    pub fn add(&self, job: Job) -> Result<(), JobError> {
        let shared = &self.0;
        if shared.tasks.stop().is_draining() {
            return Err(JobError::Leaving);
        }
        if let Some(server) = job.server_id.as_ref().filter(|id| **id != shared.server_id) {
            return Err(JobError::OtherServer(server.clone()));
        }
        let (action, function) = find(&shared.actions, &job.action)?;
        let sound = Sound {
            id: Arc::clone(&job.id),
            action,
            function,
            schedule: job.when?,
            overlap: job.overlap,
            timeout: job.timeout,
        };
        let clock = &shared.clock;
        let added = shared
            .table
            .lock()
            .add(sound, clock.now(), clock.time_zone());
        added.map_err(|refused| match refused {
            Refused::Duplicate => JobError::Duplicate(job.id.to_string()),
            Refused::Full => JobError::TooMany,
        })?;
        shared.changed.notify_one();
        Ok(())
    }

    /// Takes a job away. A run that is under way goes on, one that waits does not begin. False if there
    /// is no such job.
    pub fn remove(&self, id: &str) -> bool {
        self.0.table.lock().remove(id)
    }

    /// How a job stands. One that is over stays until its place is needed.
    pub fn get(&self, id: &str) -> Option<JobStatus> {
        let now = self.0.clock.now();
        self.0.table.lock().status(id, now)
    }

    /// How all jobs stand, in the order of their ids.
    pub fn all(&self) -> Vec<JobStatus> {
        let now = self.0.clock.now();
        self.0.table.lock().all(now)
    }

    /// Begins the runs that are due, until the server leaves.
    pub(crate) fn start(&self, context: &Arc<Context>) {
        let (jobs, context) = (self.clone(), Arc::clone(context));
        let stop = self.0.tasks.stop().clone();
        self.0.tasks.spawn(info_span!("jobs"), async move {
            tokio::select! {
                () = jobs.run(&context) => {}
                () = stop.draining() => {}
            }
        });
    }

    /// Begins no more runs, and waits for those that are under way. Returns how many were cut off when
    /// `patience` was over.
    pub(crate) async fn close(&self, patience: Duration) -> usize {
        self.0.tasks.close(patience).await
    }

    async fn run(&self, context: &Arc<Context>) {
        let Shared { clock, table, .. } = &*self.0;
        loop {
            let now = clock.now();
            let found = table.lock().look(now, clock.time_zone());
            for id in found.missed {
                warn!(job = %id, "missed: its time is over");
            }
            for id in found.skipped {
                debug!(job = %id, "left out: it still runs");
            }
            for begin in found.begin {
                self.begin(begin, context);
            }
            let next = table.lock().next();
            tokio::select! {
                () = clock.wait(now, next) => {}
                () = self.0.changed.notified() => {}
            }
        }
    }

    /// Runs a job, and then the run that has waited for it.
    fn begin(&self, mut begin: Begin, context: &Arc<Context>) {
        let (jobs, context) = (self.clone(), Arc::clone(context));
        let span = info_span!("job", id = %begin.job.id, action = begin.job.action);
        self.0.tasks.spawn(span, async move {
            loop {
                let last = jobs.run_once(&begin, &context).await;
                let (id, number) = (Arc::clone(&begin.job.id), begin.number);
                let leaves = jobs.0.tasks.stop().is_draining();
                match jobs.0.table.lock().end(&id, number, last) {
                    Some(next) if !leaves => begin = next,
                    _ => return,
                }
            }
        });
    }

    async fn run_once(&self, Begin { job, due, .. }: &Begin, context: &Arc<Context>) -> LastRun {
        let (began, since) = (self.0.clock.now(), Instant::now());
        let (function, mut run) = (
            Arc::clone(&job.function),
            JobRun::new(Arc::clone(&job.id), *due, Arc::clone(context)),
        );
        // A panic while it takes its arguments is like one while it runs.
        let work = Guarded::new(Box::pin(async move { function.call(&mut run).await }));
        let outcome = match job.timeout {
            Some(timeout) => tokio::time::timeout(timeout, work).await.ok(),
            None => Some(work.await),
        };
        let ended = match outcome {
            Some(Ok(Ok(_))) => Ended::Done,
            Some(Ok(Err(status))) => Ended::Failed(Error::from(status).why()),
            Some(Err(panicked)) => Ended::Failed(panicked.to_string()),
            None => Ended::TimedOut,
        };
        let took = since.elapsed();
        match &ended {
            Ended::Done => debug!(?took, "done"),
            failed => error!(?took, "{failed}"),
        }
        LastRun {
            due: *due,
            began: began.clock.into(),
            took,
            ended,
        }
    }
}

/// What an action is called, and what it calls.
pub(super) fn find(
    actions: &BTreeMap<String, Function>,
    action: &Action,
) -> Result<(Option<String>, Function), JobError> {
    match action {
        Action::Function(function) => Ok((None, Arc::clone(function))),
        Action::Named(name) => match actions.get(name) {
            Some(function) => Ok((Some(name.clone()), Arc::clone(function))),
            None => {
                let known: Vec<_> = actions.keys().map(String::as_str).collect();
                let known = match known.is_empty() {
                    true => "none".to_owned(),
                    false => known.join(", "),
                };
                Err(JobError::UnknownAction(name.clone(), known))
            }
        },
    }
}

impl fmt::Debug for Jobs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.all()).finish()
    }
}
