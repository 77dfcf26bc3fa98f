//! Times of the calendar: croner finds them.

use std::fmt;

use croner::{
    CronDateTime,
    parser::{CronParser, Seconds, Year},
};
use jiff::{Timestamp, ToSpan, civil, tz::TimeZone};

use super::{Schedule, ScheduleError};

/// Times of the calendar in cron's usual form: minute, hour, day of month, month (1–12 or names), day
/// of week (0–7 or names), before them seconds if there are six fields; `*/5`, ranges, lists, `@daily`.
/// If days of month and days of week are both given, either will do.
///
/// They are times of the server's [`Clock`](super::Clock). When clocks go forward, a job that runs at
/// one time of the day which is left out runs right after the gap, and one that runs several times a
/// day leaves out those in it. When clocks go back, the former runs once, at the first of the two, and
/// the latter goes on through both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cron<'a>(pub &'a str);

/// Times of the calendar.
pub(super) struct Calendar {
    /// As they were written.
    text: String,
    patterns: Vec<Pattern>,
}

pub(super) struct Pattern {
    cron: croner::Cron,
    /// It speaks of the day before: Pomelo's hour 24 is the midnight that ends a day.
    next_day: bool,
}

impl Calendar {
    /// The times of all these patterns together.
    pub(super) fn new(text: &str, patterns: Vec<Pattern>) -> Result<Self, ScheduleError> {
        if patterns.iter().all(Pattern::is_never) {
            let problem = format!("`{text}`: there is no such day");
            return Err(ScheduleError::new(problem));
        }
        Ok(Self {
            text: text.to_owned(),
            patterns,
        })
    }

    /// The first time after this one.
    pub(super) fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let next = self.patterns.iter();
        next.filter_map(|pattern| pattern.next(after, zone)).min()
    }
}

impl Pattern {
    pub(super) fn new(cron: croner::Cron) -> Self {
        Self {
            cron,
            next_day: false,
        }
    }

    pub(super) fn of_the_day_before(cron: croner::Cron) -> Self {
        Self {
            cron,
            next_day: true,
        }
    }

    fn is_never(&self) -> bool {
        self.after(&civil::date(2000, 1, 1).at(0, 0, 0, 0))
            .is_none()
    }

    fn after<T: CronDateTime>(&self, after: &T) -> Option<T> {
        self.cron.find_next_occurrence(after, false).ok()
    }

    fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let local = after.to_zoned(zone.clone());
        if !self.next_day {
            return self.after(&local).map(|next| next.timestamp());
        }
        let mut day_before = local.datetime().checked_sub(1.day()).ok()?;
        loop {
            day_before = self.after(&day_before)?;
            let next = day_before.checked_add(1.day()).ok()?;
            let next = next.to_zoned(zone.clone()).ok()?.timestamp();
            // A clock that went back shows times once more that are over.
            if next > after {
                return Some(next);
            }
        }
    }
}

impl TryFrom<Cron<'_>> for Schedule {
    type Error = ScheduleError;

    fn try_from(Cron(text): Cron<'_>) -> Result<Self, ScheduleError> {
        let parser = CronParser::builder()
            .seconds(Seconds::Optional)
            .year(Year::Disallowed)
            .build();
        let cron = parser.parse(text).map_err(|error| {
            let form = "expected, with or without seconds, [second 0-59] minute 0-59 hour 0-23 \
                            day 1-31 month 1-12 weekday 0-7";
            ScheduleError::new(format!("`{text}`: {form} ({error})"))
        })?;
        Ok(Self::calendar(Calendar::new(
            text,
            vec![Pattern::new(cron)],
        )?))
    }
}

impl fmt::Display for Calendar {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(text: &str, from: &str, count: usize) -> Vec<String> {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let schedule: Schedule = Cron(text).try_into().unwrap();
        let from: civil::DateTime = from.parse().unwrap();
        let mut next = from.to_zoned(zone.clone()).unwrap().timestamp();
        let mut times = Vec::new();
        while times.len() < count {
            next = schedule.next(next, next, &zone).unwrap();
            times.push(next.to_zoned(zone.clone()).datetime().to_string());
        }
        times
    }

    #[test]
    fn five_fields_are_minutes_to_days_of_the_week_and_six_have_seconds_first() {
        let quarters = times("*/15 9 * * *", "2026-01-01T09:20:00", 3);
        let expected = [
            "2026-01-01T09:30:00",
            "2026-01-01T09:45:00",
            "2026-01-02T09:00:00",
        ];
        assert_eq!(quarters, expected);
        let seconds = times("*/30 0 9 * * *", "2026-01-01T09:00:00", 2);
        assert_eq!(seconds, ["2026-01-01T09:00:30", "2026-01-02T09:00:00"]);
    }

    #[test]
    fn months_begin_with_1_names_are_known_and_sunday_is_0_and_7() {
        let march = times("0 0 1 3 *", "2026-01-01T00:00:00", 1);
        assert_eq!(march, times("0 0 1 MAR *", "2026-01-01T00:00:00", 1));
        assert_eq!(march, ["2026-03-01T00:00:00"]);
        for sunday in ["0", "7", "SUN"] {
            let text = format!("0 0 * * {sunday}");
            let next = times(&text, "2026-11-20T00:00:00", 1);
            assert_eq!(next, ["2026-11-22T00:00:00"], "{text}");
        }
        let daily = times("@daily", "2026-11-20T00:00:00", 1);
        assert_eq!(daily, ["2026-11-21T00:00:00"]);
    }

    #[test]
    fn a_day_may_be_one_of_either_field() {
        let either = times("0 0 13 * 5", "2026-02-01T00:00:00", 3);
        let expected = [
            "2026-02-06T00:00:00",
            "2026-02-13T00:00:00",
            "2026-02-20T00:00:00",
        ];
        assert_eq!(either, expected);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "* *",
            "60 * * * *",
            "0 0 30 2 *",
            "x",
            "@noon",
            "0 0 1 1 * 2026 1",
        ] {
            let wrong = Schedule::try_from(Cron(text)).unwrap_err().to_string();
            assert!(wrong.starts_with(&format!("`{text}`: ")), "{wrong}");
        }
    }
}
