//! Times that are so far apart.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use jiff::{SignedDuration, Timestamp};

use super::{Schedule, ScheduleError, clock::Line};

/// Every so often: the first time one period from when the job is added, unless something else is
/// said, and then again after each period, however long the job runs. What counts is the time that
/// passes while the server is awake: setting the clock changes nothing, unless the times are counted
/// [from](Every::starting) one of the clock's.
///
/// ```
/// # use tangelo_server::Every;
/// let soon = Every::secs(5).times(3);
/// let hourly = Every::hours(1).at_once();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Every {
    first: Option<First>,
    period: Duration,
    times: Option<u64>,
}

/// Once: so long after the job is added, or at a time of the clock; one that is over then never comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Once(First);

/// Times that are so far apart, or a single one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interval {
    first: First,
    period: Option<Duration>,
    times: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    In(Duration),
    At(Timestamp),
}

impl Every {
    /// Every so often; a period of zero is refused when the job is added.
    pub fn new(period: Duration) -> Self {
        Self {
            first: None,
            period,
            times: None,
        }
    }

    /// Every so many seconds.
    pub fn secs(seconds: u64) -> Self {
        Self::new(Duration::from_secs(seconds))
    }

    /// Every so many minutes.
    pub fn minutes(minutes: u64) -> Self {
        Self::secs(minutes.saturating_mul(60))
    }

    /// Every so many hours.
    pub fn hours(hours: u64) -> Self {
        Self::minutes(hours.saturating_mul(60))
    }

    /// The first time as soon as the job is added.
    #[must_use]
    pub fn at_once(self) -> Self {
        self.first_after(Duration::ZERO)
    }

    /// The first time so long after the job is added.
    #[must_use]
    pub fn first_after(mut self, wait: Duration) -> Self {
        self.first = Some(First::In(wait));
        self
    }

    /// The times are counted from this one; those that are over do not come.
    #[must_use]
    pub fn starting(mut self, start: SystemTime) -> Self {
        self.first = Some(First::At(timestamp(start)));
        self
    }

    /// It runs so often at the most; 0: without end, which is the default.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = (times > 0).then_some(times);
        self
    }
}

impl Once {
    /// At this time.
    pub fn at(time: SystemTime) -> Self {
        Self(First::At(timestamp(time)))
    }

    /// So long after the job is added.
    pub fn after(wait: Duration) -> Self {
        Self(First::In(wait))
    }
}

/// A time that no calendar has is over, or never comes.
fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or(match time < SystemTime::UNIX_EPOCH {
        true => Timestamp::MIN,
        false => Timestamp::MAX,
    })
}

impl Interval {
    pub(super) fn line(&self) -> Line {
        match self.first {
            First::In(_) => Line::Passed,
            First::At(_) => Line::Clock,
        }
    }

    /// What the times are counted from, for a job that begins to wait now: the first of them.
    pub(super) fn anchor(&self, now: Timestamp) -> Timestamp {
        match self.first {
            First::At(start) => start,
            First::In(wait) => add(now, wait).unwrap_or(Timestamp::MAX),
        }
    }

    /// The first time, for a job that begins to wait now.
    pub(super) fn first(&self, anchor: Timestamp, now: Timestamp) -> Option<Timestamp> {
        match anchor >= now {
            true => Some(anchor),
            false => self.next(anchor, now),
        }
    }

    /// The first time after this one.
    pub(super) fn next(&self, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
        if anchor > after {
            return Some(anchor);
        }
        let period = i128::try_from(self.period?.as_nanos()).ok()?;
        let gone = after.as_nanosecond() - anchor.as_nanosecond();
        let periods = gone.checked_div(period)?.checked_add(1)?;
        let next = period.checked_mul(periods)?;
        Timestamp::from_nanosecond(anchor.as_nanosecond().checked_add(next)?).ok()
    }

    pub(super) fn most(&self) -> Option<u64> {
        self.times
    }
}

fn add(time: Timestamp, wait: Duration) -> Option<Timestamp> {
    let wait = SignedDuration::try_from(wait).ok()?;
    time.checked_add(wait).ok()
}

impl TryFrom<Every> for Schedule {
    type Error = ScheduleError;

    fn try_from(every: Every) -> Result<Self, ScheduleError> {
        if every.period.is_zero() {
            return Err(ScheduleError::new("a period of 0 has no end"));
        }
        Ok(Self::interval(Interval {
            first: every.first.unwrap_or(First::In(every.period)),
            period: Some(every.period),
            times: every.times,
        }))
    }
}

impl From<Once> for Schedule {
    fn from(Once(first): Once) -> Self {
        Self::interval(Interval {
            first,
            period: None,
            times: Some(1),
        })
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.period {
            Some(period) => write!(formatter, "every {period:?}")?,
            None => formatter.write_str("once")?,
        }
        match self.first {
            First::At(start) => write!(formatter, " from {start}")?,
            First::In(wait) if Some(wait) != self.period => write!(formatter, " in {wait:?}")?,
            First::In(_) => {}
        }
        match (self.times, self.period) {
            (Some(times), Some(_)) => write!(formatter, ", {times} times"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    /// The first times of what is added at `now`, one after the other.
    fn times(schedule: impl TryInto<Schedule, Error: Into<ScheduleError>>, now: i64) -> Vec<i64> {
        let Ok(schedule) = schedule.try_into().map_err(Into::into) else {
            panic!("it is sound")
        };
        let (now, zone) = (at(now), jiff::tz::TimeZone::UTC);
        let anchor = schedule.anchor(now);
        let mut times = Vec::new();
        let mut next = schedule.first(anchor, now, &zone);
        while let Some(time) = next
            && times.len() < 3
        {
            times.push(time.as_second());
            next = schedule.next(anchor, time, &zone);
        }
        times
    }

    fn time(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn an_interval_begins_one_period_from_now_unless_something_else_is_said() {
        assert_eq!(times(Every::secs(5), 100), [105, 110, 115]);
        assert_eq!(times(Every::secs(5).at_once(), 100), [100, 105, 110]);
        let wait = Duration::from_secs(2);
        assert_eq!(
            times(Every::minutes(1).first_after(wait), 100),
            [102, 162, 222]
        );
    }

    #[test]
    fn an_interval_with_a_start_keeps_to_it_also_when_that_is_over() {
        assert_eq!(
            times(Every::secs(60).starting(time(130)), 100),
            [130, 190, 250]
        );
        assert_eq!(
            times(Every::secs(60).starting(time(30)), 100),
            [150, 210, 270]
        );
        assert_eq!(
            times(Every::secs(60).starting(time(40)), 100),
            [160, 220, 280]
        );
    }

    #[test]
    fn once_is_once_and_never_if_its_time_is_over() {
        assert_eq!(times(Once::at(time(101)), 100), [101]);
        assert_eq!(times(Once::at(time(100)), 100), [100]);
        assert!(times(Once::at(time(99)), 100).is_empty());
        assert_eq!(times(Once::after(Duration::ZERO), 100), [100]);
    }

    #[test]
    fn a_period_of_zero_is_refused_and_one_without_end_never_comes() {
        Schedule::try_from(Every::secs(0)).unwrap_err();
        assert_eq!(times(Every::hours(u64::MAX).at_once(), 100), [100]);
    }

    #[test]
    fn schedules_read_as_they_were_made() {
        let shown = |every| Schedule::try_from(every).unwrap().to_string();
        assert_eq!(shown(Every::secs(5)), "every 5s");
        let start = Every::secs(5).starting(time(0)).times(3);
        assert_eq!(shown(start), "every 5s from 1970-01-01T00:00:00Z, 3 times");
        assert_eq!(
            Schedule::from(Once::after(Duration::from_secs(1))).to_string(),
            "once in 1s"
        );
    }
}
