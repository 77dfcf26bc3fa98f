use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::Cron;

/// The next times in this zone, as they are shown there.
fn times(pattern: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
    let schedule: Schedule = PomeloCron(pattern).try_into().unwrap();
    next_times(&schedule, zone, from, count)
}

fn next_times(schedule: &Schedule, zone: &str, from: &str, count: usize) -> Vec<String> {
    let zone = TimeZone::get(zone).unwrap();
    let from: DateTime = from.parse().unwrap();
    let from = from.to_zoned(zone.clone()).unwrap().timestamp();
    let anchor = schedule.anchor(from);
    let (mut times, mut next) = (Vec::new(), schedule.first(anchor, from, &zone));
    while let Some(time) = next
        && times.len() < count
    {
        times.push(time.to_zoned(zone.clone()).datetime().to_string());
        next = schedule.next(anchor, time, &zone);
    }
    times
}

fn wrong(pattern: &str) -> String {
    Schedule::try_from(PomeloCron(pattern))
        .unwrap_err()
        .to_string()
}

#[test]
fn times_are_those_of_the_original() {
    let vectors = include_str!("vectors.txt").lines();
    for line in vectors.filter(|line| !line.starts_with('#')) {
        let parts: Vec<&str> = line.split(" | ").collect();
        let [pattern, from, expected @ ..] = &*parts else {
            panic!("{line}")
        };
        assert_eq!(
            times(pattern, "UTC", from, 4),
            expected,
            "{pattern} from {from}"
        );
    }
}

#[test]
fn months_begin_with_0() {
    let march = times("0 0 0 1 2 *", "UTC", "2026-01-01T00:00:00", 1);
    assert_eq!(march, ["2026-03-01T00:00:00"]);
    assert!(wrong("0 0 0 1 12 *").contains("month `12`: 12 is not one of 0-11"));
}

#[test]
fn a_day_must_be_one_of_both_its_fields() {
    let fridays_13th = times("0 0 0 13 * 5", "UTC", "2026-01-01T00:00:00", 3);
    let expected = [
        "2026-02-13T00:00:00",
        "2026-03-13T00:00:00",
        "2026-11-13T00:00:00",
    ];
    assert_eq!(fridays_13th, expected);
}

#[test]
fn days_of_the_week_begin_with_sunday_as_0_and_end_with_6() {
    let sunday = times("0 0 0 * * 0", "UTC", "2026-11-20T00:00:00", 1);
    assert_eq!(sunday, ["2026-11-22T00:00:00"]);
    assert!(wrong("0 0 0 * * 7").contains("day of week `7`: 7 is not one of 0-6"));
}

#[test]
fn hour_24_is_the_midnight_that_ends_the_day() {
    let monday = times("0 0 22-24 * * 1", "UTC", "2026-11-16T00:00:00", 4);
    let expected = [
        "2026-11-16T22:00:00",
        "2026-11-16T23:00:00",
        "2026-11-17T00:00:00",
        "2026-11-23T22:00:00",
    ];
    assert_eq!(monday, expected);
    let once = times("0 0 0,24 * * *", "UTC", "2026-11-16T12:00:00", 2);
    assert_eq!(
        once,
        ["2026-11-17T00:00:00", "2026-11-18T00:00:00"],
        "the same midnight"
    );
    assert!(wrong("0 0 25 * * *").contains("hour `25`: 25 is not one of 0-24"));
}

#[test]
fn a_period_is_all_values_with_that_remainder() {
    let minutes = times("0 7/20 3 1 0 *", "UTC", "2026-01-01T00:00:00", 3);
    let expected = [
        "2026-01-01T03:07:00",
        "2026-01-01T03:27:00",
        "2026-01-01T03:47:00",
    ];
    assert_eq!(minutes, expected);
    let days = times("0 0 0 0/10 * *", "UTC", "2026-01-01T00:00:00", 3);
    assert_eq!(
        days,
        [
            "2026-01-10T00:00:00",
            "2026-01-20T00:00:00",
            "2026-01-30T00:00:00"
        ]
    );
}

#[test]
fn a_star_with_a_period_is_refused_with_what_to_write() {
    let wrong = wrong("*/5 * * * * *");
    assert!(
        wrong.contains("write `0/5`: every value v with v mod 5 = 0"),
        "{wrong}"
    );
}

#[test]
fn what_is_no_time_is_refused_field_by_field() {
    for (pattern, reason) in [
        (
            "",
            "expected 6 fields (second, minute, hour, day of month, month, day of week), found 0",
        ),
        ("0 0 * * *", "found 5"),
        ("0 0 0 * * * 2026", "found 7"),
        ("60 * * * * *", "second `60`: 60 is not one of 0-59"),
        ("* 61-62 * * * *", "minute `61-62`: 61 is not"),
        ("* * * 0 * *", "day of month `0`: 0 is not one of 1-31"),
        ("* * * 30-32 * *", "32 is not"),
        (
            "5-1 * * * * *",
            "a range begins with the smaller value: `1-5`",
        ),
        ("0/0 * * * * *", "no value v has v mod 0 = 0"),
        ("7/5 * * * * *", "no value v has v mod 5 = 7"),
        ("* * * 0/40 * *", "no value v has v mod 40 = 0"),
        ("1,,2 * * * * *", "found ``"),
        ("1, * * * * *", "found ``"),
        ("-1 * * * * *", "found ``"),
        ("1.5 * * * * *", "found `1.5`"),
        ("0x1 * * * * *", "found `0x1`"),
        ("0/5/7 * * * * *", "found `5/7`"),
        ("1-2-3 * * * * *", "found `2-3`"),
        ("*,1 * * * * *", "found `*`"),
        ("* * * * JAN *", "found `JAN`"),
        ("999999999999 * * * * *", "255 is not"),
        ("* * * 31 1 *", "there is no such day"),
    ] {
        let wrong = wrong(pattern);
        assert!(wrong.contains(reason), "{pattern}: {wrong}");
    }
}

#[test]
fn an_object_is_a_start_a_period_and_a_count() {
    let object = |time| schedule(&time).unwrap();
    let from = "1970-01-01T00:01:00";
    let started = object(json!({ "start": 90_000, "period": 1500, "count": 3 }));
    let expected = [
        "1970-01-01T00:01:30",
        "1970-01-01T00:01:31.5",
        "1970-01-01T00:01:33",
    ];
    assert_eq!(next_times(&started, "UTC", from, 3), expected);
    assert_eq!(started.most(), Some(3));
    let now = object(json!({ "period": 1000 }));
    assert_eq!(
        next_times(&now, "UTC", from, 2),
        ["1970-01-01T00:01:00", "1970-01-01T00:01:01"]
    );
    assert_eq!(now.most(), None);
    for once in [
        json!({}),
        json!({ "count": 5 }),
        json!({ "period": 0, "start": null }),
    ] {
        assert_eq!(next_times(&object(once), "UTC", from, 3), [from]);
    }
    let over = object(json!({ "start": 1 }));
    assert!(
        next_times(&over, "UTC", from, 1).is_empty(),
        "what is over does not come"
    );
}

#[test]
fn an_object_of_another_shape_is_refused() {
    for (time, reason) in [
        (json!({ "every": 5 }), "`every` means nothing here"),
        (
            json!({ "period": -1 }),
            "`period`: expected a whole number from 0, found -1",
        ),
        (json!({ "count": 1.5 }), "`count`: expected a whole number"),
        (
            json!({ "start": "now" }),
            "`start`: expected a whole number",
        ),
        (json!(5), "found 5"),
        (json!([1]), "found [1]"),
    ] {
        let wrong = schedule(&time).unwrap_err().to_string();
        assert!(wrong.contains(reason), "{time}: {wrong}");
    }
    // No calendar has it, and nothing breaks.
    let far = schedule(&json!({ "start": u64::MAX, "period": u64::MAX }));
    assert!(
        far.is_err()
            || far
                .unwrap()
                .first(Timestamp::MAX, Timestamp::UNIX_EPOCH, &TimeZone::UTC)
                .is_some()
    );
}

#[test]
fn when_clocks_go_forward_one_time_of_day_comes_after_the_gap_and_several_leave_it_out() {
    // Berlin goes from 2:00 to 3:00 on 29 March 2026.
    let from = "2026-03-28T12:00:00";
    let daily = times("0 30 2 * * *", "Europe/Berlin", from, 2);
    assert_eq!(daily, ["2026-03-29T03:00:00", "2026-03-30T02:30:00"]);
    let often = times("0 30 1,2,3 * * *", "Europe/Berlin", from, 3);
    let expected = [
        "2026-03-29T01:30:00",
        "2026-03-29T03:30:00",
        "2026-03-30T01:30:00",
    ];
    assert_eq!(often, expected);
}

#[test]
fn when_clocks_go_back_one_time_of_day_comes_once_and_several_go_on() {
    // Berlin goes from 3:00 back to 2:00 on 25 October 2026.
    let from = "2026-10-24T12:00:00";
    let daily = times("0 30 2 * * *", "Europe/Berlin", from, 2);
    assert_eq!(daily, ["2026-10-25T02:30:00", "2026-10-26T02:30:00"]);
    let often = times("0 0/30 * * * *", "Europe/Berlin", "2026-10-25T01:45:00", 5);
    let expected = [
        "2026-10-25T02:00:00",
        "2026-10-25T02:30:00",
        "2026-10-25T02:00:00",
        "2026-10-25T02:30:00",
        "2026-10-25T03:00:00",
    ];
    assert_eq!(often, expected);
}

#[test]
fn midnight_at_the_end_of_a_day_keeps_to_the_zone() {
    // Beirut goes from 0:00 to 1:00 on 29 March 2026.
    let from = "2026-03-27T12:00:00";
    let midnights = times("0 0 24 * * *", "Asia/Beirut", from, 3);
    let expected = [
        "2026-03-28T00:00:00",
        "2026-03-29T01:00:00",
        "2026-03-30T00:00:00",
    ];
    assert_eq!(midnights, expected);
}

proptest! {
    #[test]
    fn any_text_is_a_time_or_refused(text in "([0-9]{1,2}|[*/,L#W?+@-]| ){0,24}|.{0,24}") {
        let (ours, usual) = (PomeloCron(&text).try_into(), Cron(&text).try_into());
        let times: [Result<Schedule, ScheduleError>; 2] = [ours, usual];
        for schedule in times.into_iter().flatten() {
            let now = Timestamp::UNIX_EPOCH;
            let next = schedule.next(now, now, &TimeZone::UTC).unwrap();
            prop_assert!(next > now);
        }
    }

    #[test]
    fn whatever_the_fields_the_next_time_is_the_first_they_name(
        second in field_of(0, 59, 59),
        minute in field_of(0, 59, 59),
        hour in field_of(0, 23, 0),
        day in field_of(1, 28, 31),
        month in field_of(0, 11, 11),
        from in 0_i64..4_000_000_000,
    ) {
        let fields = [second, minute, hour, day, month];
        let words: Vec<_> = fields.iter().map(|(word, _)| word.as_str()).collect();
        let text = format!("{} *", words.join(" "));
        let fits = |time: Timestamp| {
            let time = time.to_zoned(TimeZone::UTC).datetime();
            let shown = [time.second(), time.minute(), time.hour(), time.day(), time.month() - 1];
            fields.iter().zip(shown).all(|((_, values), value)| values.contains(&(value as u8)))
        };
        let schedule = Schedule::try_from(PomeloCron(&text)).unwrap();
        let from = Timestamp::from_second(from).unwrap();
        let next = schedule.next(from, from, &TimeZone::UTC).unwrap();
        prop_assert!(next > from && fits(next), "{text}: {next}");
        let before = (from.as_second() + 1..next.as_second()).rev().take(600);
        for time in before.map(|second| Timestamp::from_second(second).unwrap()) {
            prop_assert!(!fits(time), "{text}: {time} comes before {next}");
        }
    }
}

/// A field, and its values: up to `most`, with periods up to `last`, or none if that is 0.
fn field_of(least: u8, most: u8, last: u8) -> impl Strategy<Value = (String, Vec<u8>)> {
    let value = least..=most;
    let one = value
        .clone()
        .prop_map(|value| (value.to_string(), vec![value]));
    let range = (value.clone(), value.clone()).prop_map(|(one, other)| {
        let (first, last) = (one.min(other), one.max(other));
        (format!("{first}-{last}"), (first..=last).collect())
    });
    let period = (1..=most, value).prop_map(move |(period, value)| {
        if last == 0 {
            return (value.to_string(), vec![value]);
        }
        let remainder = value % period;
        let values = (least..=last).filter(|value| value % period == remainder);
        (format!("{remainder}/{period}"), values.collect::<Vec<_>>())
    });
    let part = prop_oneof![one, range, period];
    let list = proptest::collection::vec(part, 1..4).prop_map(|parts| {
        let words: Vec<_> = parts.iter().map(|(word, _)| word.as_str()).collect();
        let values = parts.iter().flat_map(|(_, values)| values.iter().copied());
        (words.join(","), values.collect::<Vec<_>>())
    });
    let all = ("*".to_owned(), (least..=most.max(last)).collect());
    prop_oneof![Just(all), list]
}
