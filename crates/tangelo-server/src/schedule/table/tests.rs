use std::time::{SystemTime, UNIX_EPOCH};

use super::*;
use crate::{
    Ended, Every, Job, Once, PomeloCron, ScheduleError,
    schedule::{Action, ScheduleError as Wrong},
};

/// A table, and the time it is told.
struct Time {
    table: Table,
    now: Now,
}

const ID: &str = "job";
/// A Sunday, 0:00.
const START: i64 = 1_767_484_800;

impl Time {
    fn new() -> Self {
        let now = Now {
            clock: Timestamp::from_second(START).unwrap(),
            passed: Timestamp::UNIX_EPOCH,
        };
        Self {
            table: Table::default(),
            now,
        }
    }

    fn with<W>(when: W, overlap: Overlap) -> Self
    where
        W: TryInto<Schedule, Error: Into<ScheduleError>>,
    {
        let mut time = Self::new();
        time.add(ID, when, overlap).unwrap();
        time
    }

    fn add<W>(&mut self, id: &str, when: W, overlap: Overlap) -> Result<(), Refused>
    where
        W: TryInto<Schedule, Error: Into<ScheduleError>>,
    {
        let schedule: Result<Schedule, Wrong> = when.try_into().map_err(Into::into);
        let Action::Function(function) = Job::call("any", Every::secs(1), async || {}).action
        else {
            panic!("it is one")
        };
        let sound = Sound {
            id: id.into(),
            action: None,
            function,
            schedule: schedule.unwrap(),
            overlap,
            timeout: None,
        };
        self.table.add(sound, self.now, &TimeZone::UTC)
    }

    /// So much time passes.
    fn pass(&mut self, seconds: i64) -> Found {
        let passed = SignedDuration::from_secs(seconds);
        self.now.passed += passed;
        self.set(seconds)
    }

    /// The clock is set.
    fn set(&mut self, seconds: i64) -> Found {
        self.now.clock += SignedDuration::from_secs(seconds);
        self.table.look(self.now, &TimeZone::UTC)
    }

    fn end(&mut self, begin: &Begin) -> Option<Begin> {
        let last = LastRun {
            due: begin.due,
            began: begin.due,
            took: Duration::ZERO,
            ended: Ended::Done,
        };
        self.table.end(&begin.job.id, begin.number, last)
    }

    fn status(&self) -> JobStatus {
        self.table.status(ID, self.now).unwrap()
    }

    /// Seconds since the start.
    fn next(&self) -> Option<u64> {
        let start = Duration::from_secs(START as u64);
        let next = self.status().next?.duration_since(UNIX_EPOCH + start);
        Some(next.unwrap().as_secs())
    }
}

const MINUTELY: PomeloCron<'_> = PomeloCron("0 * * * * *");

#[test]
fn a_job_is_due_at_its_times_and_the_next_is_known_before() {
    let mut time = Time::with(MINUTELY, Overlap::Skip);
    assert_eq!(time.next(), Some(60));
    assert!(time.pass(59).begin.is_empty());
    let begun = time.pass(1).begin;
    assert_eq!(begun.len(), 1);
    assert_eq!(begun[0].due, SystemTime::from(time.now.clock));
    assert_eq!((time.next(), time.status().running), (Some(120), 1));
    time.end(&begun[0]);
    let status = time.status();
    assert_eq!((status.running, status.runs), (0, 1));
    assert_eq!(status.last.unwrap().ended, Ended::Done);
}

#[test]
fn a_job_that_still_runs_is_left_out() {
    let mut time = Time::with(MINUTELY, Overlap::Skip);
    let begun = time.pass(60).begin;
    let found = time.pass(60);
    assert!(found.begin.is_empty());
    assert_eq!((found.skipped.len(), time.status().skipped), (1, 1));
    assert!(time.end(&begun[0]).is_none());
    assert_eq!(time.pass(60).begin.len(), 1);
}

#[test]
fn a_job_may_wait_for_itself_once() {
    let mut time = Time::with(MINUTELY, Overlap::Queue);
    let begun = time.pass(60).begin;
    assert!(time.pass(60).begin.is_empty());
    assert!(time.status().waiting);
    assert_eq!(time.pass(60).skipped.len(), 1, "one waits already");
    let second = time.end(&begun[0]).unwrap();
    assert_eq!(
        second.due,
        UNIX_EPOCH + Duration::from_secs(START as u64 + 120)
    );
    assert!(time.end(&second).is_none());
    assert_eq!(time.status().runs, 2);
}

#[test]
fn a_job_may_run_beside_itself_up_to_a_limit() {
    let mut time = Time::with(MINUTELY, Overlap::Concurrent);
    for running in 1..=Overlap::MOST {
        assert_eq!(time.pass(60).begin.len(), 1);
        assert_eq!(time.status().running, running);
    }
    assert_eq!(time.pass(60).skipped.len(), 1);
}

#[test]
fn runs_that_were_slept_through_are_not_made_up_for() {
    let mut time = Time::with(MINUTELY, Overlap::Concurrent);
    let found = time.pass(6 * 60 + 59);
    assert_eq!((found.begin.len(), found.missed.len()), (0, 1));
    assert_eq!(time.next(), Some(7 * 60));
    let mut time = Time::with(PomeloCron("0 0 0 * * *"), Overlap::Skip);
    let found = time.pass(24 * 3600 + 61);
    assert!(found.begin.is_empty());
    assert_eq!((found.missed.len(), time.status().missed), (1, 1));
    assert_eq!(time.next(), Some(2 * 24 * 3600));
}

#[test]
fn a_run_that_is_a_minute_late_is_made_and_one_that_is_later_is_missed() {
    for (late, runs) in [(60, 1), (61, 0)] {
        let mut time = Time::with(PomeloCron("0 0 0 * * *"), Overlap::Skip);
        assert_eq!(time.pass(24 * 3600 + late).begin.len(), runs, "{late}");
    }
}

#[test]
fn a_clock_that_is_set_forward_leaves_times_of_day_out_and_intervals_alone() {
    let mut time = Time::with(PomeloCron("0 0 12 * * *"), Overlap::Skip);
    time.add("interval", Every::hours(1), Overlap::Skip)
        .unwrap();
    time.set(0);
    let found = time.set(13 * 3600);
    assert_eq!((found.begin.len(), found.missed.len()), (0, 1));
    assert_eq!(time.next(), Some(36 * 3600));
    let found = time.pass(3600);
    assert_eq!(found.begin.len(), 1);
    assert_eq!(&*found.begin[0].job.id, "interval");
}

#[test]
fn a_clock_that_is_set_back_brings_times_of_day_again_and_leaves_intervals_alone() {
    let mut time = Time::with(PomeloCron("0 0 12 * * *"), Overlap::Concurrent);
    time.add("interval", Every::hours(13), Overlap::Skip)
        .unwrap();
    assert_eq!(time.pass(12 * 3600).begin.len(), 1);
    assert_eq!(time.next(), Some(36 * 3600));
    assert!(time.set(-2 * 3600).begin.is_empty());
    assert_eq!(time.next(), Some(12 * 3600));
    let found = time.pass(3600);
    assert_eq!(&*found.begin[0].job.id, "interval");
    assert_eq!(time.pass(3600).begin.len(), 1, "it is noon once more");
}

#[test]
fn a_clock_that_is_corrected_brings_nothing_again() {
    let mut time = Time::with(MINUTELY, Overlap::Concurrent);
    assert_eq!(time.pass(60).begin.len(), 1);
    assert!(time.set(-60).begin.is_empty());
    assert!(
        time.pass(60).begin.is_empty(),
        "this minute has had its run"
    );
    assert_eq!(time.pass(60).begin.len(), 1);
}

#[test]
fn an_interval_that_was_slept_through_runs_once_and_keeps_its_pace() {
    let mut time = Time::with(Every::secs(10), Overlap::Concurrent);
    assert_eq!(time.pass(3605).begin.len(), 1);
    assert_eq!(time.next(), Some(3610));
    let mut time = Time::with(Once::after(Duration::from_secs(10)), Overlap::Skip);
    assert_eq!(time.pass(3600).begin.len(), 1, "late is better than never");
    assert_eq!(time.next(), None);
}

#[test]
fn a_job_with_a_count_is_over_after_so_many_runs() {
    let mut time = Time::with(Every::secs(1).times(2), Overlap::Skip);
    for _ in 0..2 {
        let begun = time.pass(1).begin;
        assert!(
            time.pass(1).begin.is_empty(),
            "what is left out does not count"
        );
        time.end(&begun[0]);
    }
    assert_eq!(time.next(), None);
    assert!(time.pass(10).begin.is_empty());
}

#[test]
fn an_id_is_free_again_when_its_job_is_over_or_removed() {
    let mut time = Time::with(Every::secs(1).times(1), Overlap::Skip);
    let again = |time: &mut Time| time.add(ID, Every::secs(1), Overlap::Skip);
    assert_eq!(again(&mut time), Err(Refused::Duplicate));
    let begun = time.pass(1).begin;
    assert_eq!(again(&mut time), Err(Refused::Duplicate), "it still runs");
    time.end(&begun[0]);
    again(&mut time).unwrap();
    assert_eq!(time.status().runs, 0);
    // A run of the job before it is none of the new one's.
    assert!(time.table.remove(ID));
    assert!(!time.table.remove(ID));
    again(&mut time).unwrap();
    time.end(&begun[0]);
    assert_eq!(time.status().last, None);
}

#[test]
fn a_job_that_is_removed_does_not_come() {
    let mut time = Time::with(Every::secs(1), Overlap::Queue);
    let begun = time.pass(1).begin;
    time.pass(1);
    assert!(time.table.remove(ID));
    assert!(time.end(&begun[0]).is_none(), "nor what waited");
    assert!(time.pass(10).begin.is_empty());
    assert_eq!(time.table.next(), Next::default());
}

#[test]
fn a_server_has_so_many_jobs_and_those_that_are_over_make_room() {
    let mut time = Time::new();
    let now = Once::after(Duration::ZERO);
    for number in 1..Jobs::MOST {
        let id = number.to_string();
        time.add(&id, Every::secs(1), Overlap::Skip).unwrap();
    }
    time.add("over", now, Overlap::Skip).unwrap();
    assert_eq!(time.add("more", now, Overlap::Skip), Err(Refused::Full));
    let over = time.set(0).begin;
    time.end(&over[0]);
    time.add("more", now, Overlap::Skip).unwrap();
    assert!(time.table.status("over", time.now).is_none());
    assert_eq!(time.table.all(time.now).len(), Jobs::MOST);
}
