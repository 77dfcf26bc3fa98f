//! `1=5;3=20`: 5 calls in 1 second, and 20 in 3.

use std::{collections::HashSet, str::FromStr, time::Duration};

/// Calls allowed in a time, for one or several lengths of time; all of them hold.
///
/// Read from krpc's form: seconds, `=`, calls; several are separated by `;`. Seconds are 1 to
/// 86,400, and at most 16 lengths of time are given, each once. 0 calls allow none.
///
/// ```
/// use tangelo_rpc::server::FlowLimits;
///
/// let limits: FlowLimits = "1=5;3=20".parse()?;
/// # Ok::<(), tangelo_rpc::server::FlowLimitsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowLimits(Vec<Limit>);

/// Calls allowed in this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) seconds: u32,
    pub(super) allowed: u32,
}

/// What is wrong with the text of some limits, all of it at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", mistakes.join("; "))]
pub struct FlowLimitsError {
    mistakes: Vec<String>,
}

/// A day.
const LONGEST: u32 = 86_400;
const MOST_LIMITS: usize = 16;

impl FlowLimits {
    /// The longest time that a limit is given for: what is older than that does not count for any.
    pub fn longest(&self) -> Duration {
        let times = self.iter().map(Limit::time);
        times.max().unwrap_or_default()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Limit> {
        self.0.iter().copied()
    }
}

impl Limit {
    pub(super) fn time(self) -> Duration {
        Duration::from_secs(u64::from(self.seconds))
    }
}

impl FromStr for FlowLimits {
    type Err = FlowLimitsError;

    fn from_str(text: &str) -> Result<Self, FlowLimitsError> {
        let (mut limits, mut mistakes) = (Vec::new(), Vec::new());
        let mut known = HashSet::new();
        let parts = text.split(';').count();
        if parts > MOST_LIMITS {
            mistakes.push(format!(
                "{parts} limits: leave out some, at most {MOST_LIMITS} are kept"
            ));
        }
        for part in text.split(';').map(str::trim).take(MOST_LIMITS) {
            match limit(part) {
                Ok(limit) if !known.insert(limit.seconds) => mistakes.push(format!(
                    "`{part}`: there are two limits for {} s, leave out one",
                    limit.seconds
                )),
                Ok(limit) => limits.push(limit),
                Err(mistake) => mistakes.push(format!("`{part}`: {mistake}")),
            }
        }
        if mistakes.is_empty() {
            Ok(Self(limits))
        } else {
            Err(FlowLimitsError { mistakes })
        }
    }
}

fn limit(part: &str) -> Result<Limit, String> {
    let Some((seconds, allowed)) = part.split_once('=') else {
        return Err("expected seconds=calls, as in `1=5;3=20`".to_owned());
    };
    let seconds = number(seconds)
        .filter(|seconds| (1..=LONGEST).contains(seconds))
        .ok_or_else(|| format!("expected 1 to {LONGEST} seconds before the `=`"))?;
    let allowed = number(allowed)
        .ok_or_else(|| format!("expected how many calls, 0 to {}, after the `=`", u32::MAX))?;
    Ok(Limit { seconds, allowed })
}

/// Digits only: what else Rust takes for a number is more likely a mistake.
fn number(text: &str) -> Option<u32> {
    let text = text.trim();
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Vec<(u32, u32)> {
        let limits: FlowLimits = text.parse().unwrap();
        limits
            .iter()
            .map(|limit| (limit.seconds, limit.allowed))
            .collect()
    }

    fn mistake(text: &str) -> String {
        text.parse::<FlowLimits>().unwrap_err().to_string()
    }

    #[test]
    fn every_limit_is_kept() {
        assert_eq!(parse("1=5"), [(1, 5)]);
        assert_eq!(parse("1=5;3=20"), [(1, 5), (3, 20)]);
        assert_eq!(parse(" 1 = 5 ; 3 = 20 "), [(1, 5), (3, 20)]);
        assert_eq!(parse("1=0"), [(1, 0)]);
    }

    #[test]
    fn seconds_are_1_to_a_day() {
        assert_eq!(parse("1=1;86400=2"), [(1, 1), (86_400, 2)]);
        for seconds in ["0", "86401", "-1", "1.5", ""] {
            let found = mistake(&format!("{seconds}=5"));
            assert_eq!(
                found,
                format!("`{seconds}=5`: expected 1 to 86400 seconds before the `=`")
            );
        }
    }

    #[test]
    fn calls_are_numbers_that_fit() {
        assert_eq!(parse("1=4294967295"), [(1, u32::MAX)]);
        for calls in ["4294967296", "-1", "+1", "many", "", "5=6", "5,3=20"] {
            let found = mistake(&format!("1={calls}"));
            assert!(found.contains("expected how many calls, 0 to"), "{found}");
        }
    }

    #[test]
    fn there_are_up_to_16_limits() {
        let text = |limits: u32| {
            let parts: Vec<_> = (1..=limits).map(|seconds| format!("{seconds}=9")).collect();
            parts.join(";")
        };
        assert_eq!(parse(&text(16)).len(), 16);
        assert_eq!(
            mistake(&text(17)),
            "17 limits: leave out some, at most 16 are kept"
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        for text in ["", "1=5;", ";1=5", "5", "1:5"] {
            let found = mistake(text);
            assert!(found.contains("expected seconds=calls"), "{text}: {found}");
        }
    }

    #[test]
    fn all_mistakes_are_told_at_once_each_with_its_part() {
        assert_eq!(
            mistake("0=1;1=5;x;1=7"),
            "`0=1`: expected 1 to 86400 seconds before the `=`; \
             `x`: expected seconds=calls, as in `1=5;3=20`; \
             `1=7`: there are two limits for 1 s, leave out one"
        );
    }
}
