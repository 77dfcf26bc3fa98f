//! Scheduled jobs: what runs at certain times, with nobody asking.
//!
//! A [`Job`] says when ([`Every`], [`Once`], [`Cron`], [`PomeloCron`]) and what: a function that the
//! blueprint has under a name, as Pomelo's `crons.json` names it, or one of its own. [`Jobs`] is the
//! table of one server and the task that looks at the [`Clock`]; what is decided there about time
//! stands in `table.rs`, which is told the time.

mod calendar;
mod clock;
mod entry;
mod interval;
mod job;
mod jobs;
mod plan;
mod pomelo;
mod run;
mod status;
mod table;
mod when;

use self::job::{Action, Function};
pub(crate) use self::plan::Plan;
pub use self::{
    calendar::Cron,
    clock::{Clock, ManualClock},
    entry::JobEntryError,
    interval::{Every, Once},
    job::{Job, Overlap},
    jobs::{JobError, Jobs},
    pomelo::PomeloCron,
    run::JobRun,
    status::{Ended, JobStatus, LastRun},
    when::{Schedule, ScheduleError},
};
