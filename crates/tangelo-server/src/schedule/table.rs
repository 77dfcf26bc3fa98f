//! The jobs of one server, and which are due. It is told the time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{
    Function, JobStatus, Jobs, LastRun, Overlap, Schedule,
    clock::{Line, Now},
};

/// A time of day that is found so long over is missed: the server slept, or the clock was set forward.
/// And a clock that goes back by no more than this was corrected: what has run does not run again.
pub(super) const TOLERANCE: SignedDuration = SignedDuration::from_mins(1);

/// The jobs of one server.
#[derive(Default)]
pub(super) struct Table {
    jobs: BTreeMap<Arc<str>, Entry>,
    /// What is due at times of the clock, the next first.
    by_clock: Due,
    /// What is due after so much time.
    by_passed: Due,
    /// What the clock showed when it was looked at last.
    seen: Option<Timestamp>,
    /// How many were added so far: tells a job from one that had its id before.
    added: u64,
}

type Due = BTreeSet<(Timestamp, Arc<str>)>;

/// A job that was found sound.
pub(super) struct Sound {
    pub(super) id: Arc<str>,
    /// The name of what it runs.
    pub(super) action: Option<String>,
    pub(super) function: Function,
    pub(super) schedule: Schedule,
    pub(super) overlap: Overlap,
    pub(super) timeout: Option<Duration>,
}

struct Entry {
    job: Arc<Sound>,
    number: u64,
    anchor: Timestamp,
    /// On its schedule's line.
    next: Option<Timestamp>,
    running: u32,
    /// When the run that waits was due.
    waiting: Option<SystemTime>,
    runs: u64,
    skipped: u64,
    missed: u64,
    last: Option<LastRun>,
}

/// A run that begins now.
pub(super) struct Begin {
    pub(super) job: Arc<Sound>,
    pub(super) number: u64,
    pub(super) due: SystemTime,
}

/// What was found at a look at the clock.
#[derive(Default)]
pub(super) struct Found {
    pub(super) begin: Vec<Begin>,
    /// Jobs that are due and still run.
    pub(super) skipped: Vec<Arc<str>>,
    /// Jobs that were due too long ago.
    pub(super) missed: Vec<Arc<str>>,
}

/// When something is due next, on each line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) clock: Option<Timestamp>,
    pub(super) passed: Option<Timestamp>,
}

/// Why a job cannot be added.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Duplicate,
    Full,
}

impl Table {
    /// Adds a job; one that is over makes room for it.
    pub(super) fn add(&mut self, job: Sound, now: Now, zone: &TimeZone) -> Result<(), Refused> {
        match self.jobs.get(&job.id) {
            Some(known) if !known.is_over() => return Err(Refused::Duplicate),
            Some(_) => {}
            None => self.make_room()?,
        }
        let now = now.on(job.schedule.line());
        let anchor = job.schedule.anchor(now);
        self.added += 1;
        let entry = Entry {
            number: self.added,
            anchor,
            next: job.schedule.first(anchor, now, zone),
            running: 0,
            waiting: None,
            runs: 0,
            skipped: 0,
            missed: 0,
            last: None,
            job: Arc::new(job),
        };
        let (line, next) = (entry.job.schedule.line(), entry.next());
        self.due(line).extend(next);
        self.jobs.insert(Arc::clone(&entry.job.id), entry);
        Ok(())
    }

    fn due(&mut self, line: Line) -> &mut Due {
        match line {
            Line::Clock => &mut self.by_clock,
            Line::Passed => &mut self.by_passed,
        }
    }

    fn make_room(&mut self) -> Result<(), Refused> {
        if self.jobs.len() < Jobs::MOST {
            return Ok(());
        }
        let over = self.jobs.values().filter(|entry| entry.is_over());
        let oldest = over.min_by_key(|entry| entry.number).ok_or(Refused::Full)?;
        let id = Arc::clone(&oldest.job.id);
        self.jobs.remove(&id);
        Ok(())
    }

    /// Takes a job away; what runs of it goes on.
    pub(super) fn remove(&mut self, id: &str) -> bool {
        let Some(entry) = self.jobs.remove(id) else {
            return false;
        };
        if let Some(next) = entry.next() {
            self.due(entry.job.schedule.line()).remove(&next);
        }
        true
    }

    /// Looks at the clock.
    pub(super) fn look(&mut self, now: Now, zone: &TimeZone) -> Found {
        let seen = self.seen.replace(now.clock);
        if seen.is_some_and(|seen| seen.duration_since(now.clock) > TOLERANCE) {
            self.begin_again(now.clock, zone);
        }
        let mut found = Found::default();
        for line in [Line::Clock, Line::Passed] {
            while let Some((due, id)) = take_first(self.due(line), now.on(line)) {
                let Some(entry) = self.jobs.get_mut(&id) else {
                    continue;
                };
                entry.take(due, now, zone, &mut found);
                let next = entry.next();
                self.due(line).extend(next);
            }
        }
        found
    }

    /// The clock was set back: times of day come again.
    fn begin_again(&mut self, now: Timestamp, zone: &TimeZone) {
        self.by_clock.clear();
        for entry in self.jobs.values_mut() {
            let schedule = &entry.job.schedule;
            if entry.next.is_some() && schedule.line() == Line::Clock {
                entry.next = schedule.first(entry.anchor, now, zone);
                self.by_clock.extend(entry.next());
            }
        }
    }

    /// A run has ended. The one that waited for it begins, if there is one.
    pub(super) fn end(&mut self, id: &str, number: u64, last: LastRun) -> Option<Begin> {
        let entry = self.jobs.get_mut(id)?;
        if entry.number != number {
            return None;
        }
        entry.running -= 1;
        entry.last = Some(last);
        let due = entry.waiting.take()?;
        Some(entry.begin(due))
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Next {
        let first = |due: &Due| due.first().map(|(next, _)| *next);
        Next {
            clock: first(&self.by_clock),
            passed: first(&self.by_passed),
        }
    }

    pub(super) fn status(&self, id: &str, now: Now) -> Option<JobStatus> {
        self.jobs.get(id).map(|entry| entry.status(now))
    }

    pub(super) fn all(&self, now: Now) -> Vec<JobStatus> {
        self.jobs.values().map(|entry| entry.status(now)).collect()
    }
}

fn take_first(due: &mut Due, now: Timestamp) -> Option<(Timestamp, Arc<str>)> {
    due.first()
        .is_some_and(|(first, _)| *first <= now)
        .then(|| due.pop_first())?
}

impl Entry {
    /// Its place among those that are due.
    fn next(&self) -> Option<(Timestamp, Arc<str>)> {
        self.next.map(|next| (next, Arc::clone(&self.job.id)))
    }

    /// It was due at this time, which is not after now.
    fn take(&mut self, due: Timestamp, now: Now, zone: &TimeZone, found: &mut Found) {
        let (line, id) = (self.job.schedule.line(), &self.job.id);
        let late = now.on(line).duration_since(due);
        if line == Line::Clock && late > TOLERANCE {
            self.missed += 1;
            found.missed.push(Arc::clone(id));
        } else {
            let due = now.time_of(line, due);
            match (self.job.overlap, self.running) {
                (_, 0) => found.begin.push(self.begin(due)),
                (Overlap::Concurrent, running) if running < Overlap::MOST => {
                    found.begin.push(self.begin(due));
                }
                (Overlap::Queue, _) if self.waiting.is_none() => self.waiting = Some(due),
                _ => {
                    self.skipped += 1;
                    found.skipped.push(Arc::clone(id));
                }
            }
        }
        let schedule = &self.job.schedule;
        let over = schedule.most().is_some_and(|most| self.taken() >= most);
        // A clock that was corrected backwards does not bring the same time again.
        let after = now.on(line).max(due);
        self.next = match over {
            true => None,
            false => schedule.next(self.anchor, after, zone),
        };
    }

    fn begin(&mut self, due: SystemTime) -> Begin {
        self.running += 1;
        self.runs += 1;
        Begin {
            job: Arc::clone(&self.job),
            number: self.number,
            due,
        }
    }

    /// Runs that began, or wait to.
    fn taken(&self) -> u64 {
        self.runs + u64::from(self.waiting.is_some())
    }

    /// Nothing comes of it any more.
    fn is_over(&self) -> bool {
        self.next.is_none() && self.running == 0
    }

    fn status(&self, now: Now) -> JobStatus {
        let schedule = &self.job.schedule;
        JobStatus {
            id: self.job.id.to_string(),
            action: self.job.action.clone(),
            schedule: schedule.to_string(),
            next: self.next.map(|next| now.time_of(schedule.line(), next)),
            running: self.running,
            waiting: self.waiting.is_some(),
            runs: self.runs,
            skipped: self.skipped,
            missed: self.missed,
            last: self.last.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
