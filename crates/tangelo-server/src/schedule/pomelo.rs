//! Times as Pomelo's crons.json has them.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use croner::parser::{CronParser, Seconds, Year};
use serde_json::{Map, Value};

use super::{
    Every, Once, Schedule, ScheduleError,
    calendar::{Calendar, Pattern},
};

/// Times of the calendar in Pomelo's form: second, minute, hour (0–24), day of month, month (0–11), day
/// of week (0–6, from Sunday). `*` is all; else numbers, ranges `a-b` and periods `r/p`, which are all
/// values `v` with `v mod p = r`, with commas between them. A day must be one of the days of the month and
/// one of the days of the week. Hour 24 is the midnight that ends the day.
///
/// When clocks go forward or back it is as with [`Cron`](super::Cron).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PomeloCron<'a>(pub &'a str);

/// What a field is called, and its values.
const FIELDS: [(&str, u8, u8); 6] = [
    ("second", 0, 59),
    ("minute", 0, 59),
    ("hour", 0, 24),
    ("day of month", 1, 31),
    ("month", 0, 11),
    ("day of week", 0, 6),
];
const HOUR: usize = 2;
const MONTH: usize = 4;
const MIDNIGHT: u8 = 24;

/// One field; none for all values.
type Values = Option<BTreeSet<u8>>;

impl TryFrom<PomeloCron<'_>> for Schedule {
    type Error = ScheduleError;

    fn try_from(PomeloCron(text): PomeloCron<'_>) -> Result<Self, ScheduleError> {
        let wrong = |problem: String| ScheduleError::new(format!("`{text}`: {problem}"));
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.len() != FIELDS.len() {
            let fields = FIELDS.map(|(name, ..)| name).join(", ");
            let problem = format!("expected 6 fields ({fields}), found {}", words.len());
            return Err(wrong(problem));
        }
        let mut fields = Vec::new();
        for (word, (name, least, most)) in words.into_iter().zip(FIELDS) {
            let values = field(word, least, most);
            fields.push(values.map_err(|problem| wrong(format!("{name} `{word}`: {problem}")))?);
        }
        let patterns = patterns(fields).map_err(|error| wrong(error.to_string()))?;
        Ok(Self::calendar(Calendar::new(text, patterns)?))
    }
}

/// One field's values.
fn field(word: &str, least: u8, most: u8) -> Result<Values, String> {
    if word == "*" {
        return Ok(None);
    }
    let mut values = BTreeSet::new();
    for part in word.split(',') {
        if let Some((remainder, period)) = part.split_once('/') {
            if remainder == "*" {
                return Err(format!(
                    "write `0/{period}`: every value v with v mod {period} = 0"
                ));
            }
            let (remainder, period) = (number(remainder)?, number(period)?);
            let all = (least..=most).filter(|v| v.checked_rem(period) == Some(remainder));
            let all: Vec<u8> = all.collect();
            if all.is_empty() {
                return Err(format!("no value v has v mod {period} = {remainder}"));
            }
            values.extend(all);
        } else if let Some((first, last)) = part.split_once('-') {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(format!(
                    "a range begins with the smaller value: `{last}-{first}`"
                ));
            }
            within(first, least, most)?;
            within(last, least, most)?;
            values.extend(first..=last);
        } else {
            let value = number(part)?;
            within(value, least, most)?;
            values.insert(value);
        }
    }
    Ok(Some(values))
}

fn number(text: &str) -> Result<u8, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse().unwrap_or(u8::MAX));
    number.ok_or_else(|| {
        format!(
            "expected `*`, or numbers, ranges `a-b` and periods `r/p` with commas, found `{text}`"
        )
    })
}

fn within(value: u8, least: u8, most: u8) -> Result<(), String> {
    match (least..=most).contains(&value) {
        true => Ok(()),
        false => Err(format!("{value} is not one of {least}-{most}")),
    }
}

/// In croner's words: months from 1, and midnight as an hour of the next day.
fn patterns(mut fields: Vec<Values>) -> Result<Vec<Pattern>, croner::errors::CronError> {
    let midnight = match fields.get_mut(HOUR) {
        Some(Some(hours)) => hours.remove(&MIDNIGHT),
        _ => false,
    };
    let hours = fields.get(HOUR).cloned().flatten();
    let mut patterns = Vec::new();
    if hours.is_none_or(|hours| !hours.is_empty()) {
        patterns.push(Pattern::new(cron(&fields)?));
    }
    if midnight {
        if let Some(hours) = fields.get_mut(HOUR) {
            *hours = Some(BTreeSet::from([0]));
        }
        patterns.push(Pattern::of_the_day_before(cron(&fields)?));
    }
    Ok(patterns)
}

fn cron(fields: &[Values]) -> Result<croner::Cron, croner::errors::CronError> {
    let fields = fields
        .iter()
        .enumerate()
        .map(|(place, values)| match values {
            None => "*".to_owned(),
            Some(values) => {
                let shift = u8::from(place == MONTH);
                let values = values.iter().map(|value| (value + shift).to_string());
                values.collect::<Vec<_>>().join(",")
            }
        });
    CronParser::builder()
        .seconds(Seconds::Required)
        .year(Year::Disallowed)
        .dom_and_dow(true)
        .build()
        .parse(&fields.collect::<Vec<_>>().join(" "))
}

/// A time as it stands in crons.json: a text, or `{"start": ms, "period": ms, "count": n}`.
pub(super) fn schedule(time: &Value) -> Result<Schedule, ScheduleError> {
    match time {
        Value::String(text) => PomeloCron(text).try_into(),
        Value::Object(trigger) => trigger_schedule(trigger),
        other => Err(ScheduleError::new(format!(
            "expected a text of 6 fields or an object with `start`, `period` and `count`, found {other}"
        ))),
    }
}

fn trigger_schedule(trigger: &Map<String, Value>) -> Result<Schedule, ScheduleError> {
    if let Some(key) = trigger
        .keys()
        .find(|key| !["start", "period", "count"].contains(&key.as_str()))
    {
        let problem =
            format!("`{key}` means nothing here; there are `start`, `period` and `count`");
        return Err(ScheduleError::new(problem));
    }
    // As in the original 0 is the same as nothing.
    let read = |key| match trigger.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(number) => Ok((number > 0).then_some(number)),
            None => Err(ScheduleError::new(format!(
                "`{key}`: expected a whole number from 0, found {value}"
            ))),
        },
    };
    let start = read("start")?;
    let start =
        match start.map(|start| SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(start))) {
            Some(None) => return Err(ScheduleError::new("`start`: no calendar has this time")),
            Some(start) => start,
            None => None,
        };
    let (period, count) = (read("period")?, read("count")?.unwrap_or(0));
    match (period, start) {
        (Some(period), start) => {
            let every = Every::new(Duration::from_millis(period)).times(count);
            start
                .map_or(every.at_once(), |start| every.starting(start))
                .try_into()
        }
        (None, Some(start)) => Ok(Once::at(start).into()),
        (None, None) => Ok(Once::after(Duration::ZERO).into()),
    }
}

#[cfg(test)]
mod tests;
