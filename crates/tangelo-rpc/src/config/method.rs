//! The chapter `method`.

use std::{fmt, str::FromStr, time::Duration};

use regex_lite::Regex;

use crate::{
    Method,
    policy::{flow::FlowLimits, retry::RetryLevel},
};

super::settings! {
    /// Settings of the methods that a pattern names; the rest is as the service or referer says.
    MethodConfig {
        /// Which methods: numbers and ranges, `1-3,8`, or a regular expression that the whole name must
        /// match. Required.
        pattern: Option<Pattern> = None;
        /// Referer: milliseconds a call waits for its answer, all attempts together.
        timeout: Option<Duration> = None;
        /// Referer: what is tried again; see the referer's.
        retry_level: Option<RetryLevel> = None;
        /// Referer: how often at most.
        retry_count: Option<u32> = None;
        /// Service: calls that run at once, of all its methods together: -1 no limit of their own, 0 for
        /// 1,024.
        threads: Option<i32> = None;
        /// Service: as many may run once the queue is full, if that is more than `threads`.
        max_threads: Option<u32> = None;
        /// Service: calls that may wait for their turn. Default 10,000.
        queue_size: Option<u32> = None;
        /// Service: calls of each of the methods allowed in windows of seconds, `1=5;3=20`.
        flow_control: Option<FlowLimits> = None;
    }
    file {}
    refused {
        "retry_broken" => "is written retry_level = \"disconnect\"";
    }
    unset {}
}

impl MethodConfig {
    /// Settings of the methods of this pattern.
    ///
    /// # Errors
    /// Neither a list of numbers nor a regular expression.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        Ok(Self {
            pattern: Some(pattern.parse()?),
            ..Self::default()
        })
    }

    /// Whether it is for this method.
    pub fn fits(&self, method: &Method) -> bool {
        self.pattern
            .as_ref()
            .is_some_and(|pattern| pattern.fits(method))
    }
}

/// Names methods: by number if it begins with a digit, else by name.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// Ranges of numbers, ends included.
    Numbers(Vec<(i32, i32)>),
    /// A regular expression for the whole name.
    Name(Regex),
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A part of a list that is no number and no range.
    #[error("`{0}` is neither a number nor a range such as 1-3")]
    Numbers(String),
    /// No regular expression.
    #[error("{0}")]
    Name(String),
}

/// What makes an expression one for the whole name.
const WHOLE: (&str, &str) = ("^(?:", ")$");

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if !text.starts_with(|first: char| first.is_ascii_digit()) {
            let whole = format!("{}{text}{}", WHOLE.0, WHOLE.1);
            let regex =
                Regex::new(&whole).map_err(|error| PatternError::Name(error.to_string()))?;
            return Ok(Self::Name(regex));
        }
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let first = first.trim().parse::<i32>().ok()?;
            let last = last.trim().parse::<i32>().ok()?;
            (first >= 1 && first <= last).then_some((first, last))
        };
        text.split(',')
            .map(|part| range(part).ok_or_else(|| PatternError::Numbers(part.trim().to_owned())))
            .collect::<Result<_, _>>()
            .map(Self::Numbers)
    }
}

impl Pattern {
    /// Whether it names this method.
    pub fn fits(&self, method: &Method) -> bool {
        match self {
            Self::Numbers(ranges) => ranges
                .iter()
                .any(|(first, last)| (*first..=*last).contains(&method.msg_id)),
            Self::Name(regex) => regex.is_match(&method.name),
        }
    }
}

/// As it is written in settings.
impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Numbers(ranges) => {
                for (at, (first, last)) in ranges.iter().enumerate() {
                    let comma = if at == 0 { "" } else { "," };
                    write!(formatter, "{comma}{first}")?;
                    if last > first {
                        write!(formatter, "-{last}")?;
                    }
                }
                Ok(())
            }
            Self::Name(regex) => {
                let whole = regex.as_str();
                let written = whole
                    .strip_prefix(WHOLE.0)
                    .and_then(|rest| rest.strip_suffix(WHOLE.1));
                formatter.write_str(written.unwrap_or(whole))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, msg_id: i32, name: &'static str) -> bool {
        let pattern: Pattern = pattern.parse().unwrap();
        pattern.fits(&Method {
            msg_id,
            name: name.into(),
        })
    }

    #[test]
    fn a_pattern_is_numbers_and_ranges_or_an_expression_for_the_whole_name() {
        assert!(fits("1-3,8", 1, "login") && fits("1-3, 8", 3, "login") && fits("1-3,8", 8, "x"));
        assert!(!fits("1-3,8", 4, "login") && !fits("1-3,8", 80, "login"));
        assert!(fits("log.*", 9, "login") && fits("login|logout", 9, "logout"));
        assert!(!fits("log", 9, "login") && !fits("gin", 9, "login"));
    }

    #[test]
    fn a_pattern_is_shown_as_it_is_written() {
        for text in ["1-3,8", "7", "login|logout", "log.*"] {
            assert_eq!(text.parse::<Pattern>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_pattern_is_told_by_its_part() {
        for (text, part) in [("1-3,x", "x"), ("3-1", "3-1"), ("1,", ""), ("0", "0")] {
            let error = text.parse::<Pattern>().unwrap_err();
            assert_eq!(error, PatternError::Numbers(part.to_owned()), "{text}");
        }
        assert!(matches!("(".parse::<Pattern>(), Err(PatternError::Name(_))));
    }
}
