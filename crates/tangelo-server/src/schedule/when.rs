//! When a job runs.

use std::{convert::Infallible, fmt, sync::Arc};

use jiff::{Timestamp, tz::TimeZone};

use super::{calendar::Calendar, clock::Line, interval::Interval};

/// When a job runs. Made of [`Every`](super::Every), [`Once`](super::Once), [`Cron`](super::Cron) or
/// [`PomeloCron`](super::PomeloCron).
#[derive(Clone)]
pub struct Schedule(Kind);

#[derive(Clone)]
enum Kind {
    Calendar(Arc<Calendar>),
    Interval(Interval),
}

/// What is wrong with a schedule, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScheduleError(String);

impl ScheduleError {
    pub(super) fn new(problem: impl Into<String>) -> Self {
        Self(problem.into())
    }
}

impl Schedule {
    pub(super) fn calendar(calendar: Calendar) -> Self {
        Self(Kind::Calendar(Arc::new(calendar)))
    }

    pub(super) fn interval(interval: Interval) -> Self {
        Self(Kind::Interval(interval))
    }

    /// What its times are times of.
    pub(super) fn line(&self) -> Line {
        match &self.0 {
            Kind::Calendar(_) => Line::Clock,
            Kind::Interval(interval) => interval.line(),
        }
    }

    /// What the times of an interval are counted from, for a job that begins to wait now.
    pub(super) fn anchor(&self, now: Timestamp) -> Timestamp {
        match &self.0 {
            Kind::Calendar(_) => now,
            Kind::Interval(interval) => interval.anchor(now),
        }
    }

    /// The first time for a job that begins to wait now.
    pub(super) fn first(
        &self,
        anchor: Timestamp,
        now: Timestamp,
        zone: &TimeZone,
    ) -> Option<Timestamp> {
        match &self.0 {
            Kind::Calendar(calendar) => calendar.next(now, zone),
            Kind::Interval(interval) => interval.first(anchor, now),
        }
    }

    /// The first time after this one.
    pub(super) fn next(
        &self,
        anchor: Timestamp,
        after: Timestamp,
        zone: &TimeZone,
    ) -> Option<Timestamp> {
        match &self.0 {
            Kind::Calendar(calendar) => calendar.next(after, zone),
            Kind::Interval(interval) => interval.next(anchor, after),
        }
    }

    /// How often it runs at the most.
    pub(super) fn most(&self) -> Option<u64> {
        match &self.0 {
            Kind::Calendar(_) => None,
            Kind::Interval(interval) => interval.most(),
        }
    }
}

impl From<Infallible> for ScheduleError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// As it was written.
impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Calendar(calendar) => calendar.fmt(formatter),
            Kind::Interval(interval) => interval.fmt(formatter),
        }
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Schedule({self})")
    }
}
