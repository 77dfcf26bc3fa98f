//! Whether a call that failed is made again.

mod budget;

use std::{fmt, str::FromStr};

use serde::Deserialize;

pub use self::budget::{MOST_SAVED, RETRIES_PER_SECOND, RETRY_PERCENT, RetryBudget};
use crate::Code;

/// What a call may have ended with to be made again, at another address. Each level includes those
/// before it. The first three never run a call twice; the last two may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum RetryLevel {
    /// `no_retry`: nothing. The default.
    #[default]
    NoRetry,
    /// `send_failed`: the request could not be sent.
    SendFailed,
    /// `not_available`: the server refused to run it, as it is leaving or has too much to do.
    NotAvailable,
    /// `disconnect`: the connection went while the call was under way. It may have run.
    Disconnect,
    /// `timeout`: no answer came in time. It may have run, and may still be running.
    Timeout,
}

impl RetryLevel {
    const ALL: [Self; 5] = [
        Self::NoRetry,
        Self::SendFailed,
        Self::NotAvailable,
        Self::Disconnect,
        Self::Timeout,
    ];

    /// Whether a call that ended with this code is made again.
    ///
    /// Never after `NO_CONNECTION`: there was no address to try, and there is none now.
    pub fn covers(self, code: Code) -> bool {
        let least = match code {
            Code::SEND_FAILED => Self::SendFailed,
            // A flow limit refuses before the method runs, and counts in each server alone, so
            // another may take the call. krpc's first version retried it, its second does not. Here
            // who asks for this level gets it; the budget keeps it from pushing against the limit.
            Code::SERVER_SHUTDOWN | Code::QUEUE_FULL | Code::FLOW_LIMIT => Self::NotAvailable,
            Code::CONNECTION_BROKEN => Self::Disconnect,
            Code::RPC_TIMEOUT | Code::QUEUE_TIMEOUT => Self::Timeout,
            _ => return false,
        };
        self >= least
    }

    fn name(self) -> &'static str {
        match self {
            Self::NoRetry => "no_retry",
            Self::SendFailed => "send_failed",
            Self::NotAvailable => "not_available",
            Self::Disconnect => "disconnect",
            Self::Timeout => "timeout",
        }
    }
}

impl fmt::Display for RetryLevel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for RetryLevel {
    type Err = UnknownRetryLevel;

    /// Takes krpc's words in any case.
    fn from_str(text: &str) -> Result<Self, UnknownRetryLevel> {
        let mut levels = Self::ALL.into_iter();
        levels
            .find(|level| level.name().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| UnknownRetryLevel(text.to_owned()))
    }
}

impl TryFrom<String> for RetryLevel {
    type Error = UnknownRetryLevel;

    fn try_from(text: String) -> Result<Self, UnknownRetryLevel> {
        text.parse()
    }
}

/// A word that is no retry level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no retry level is called `{0}`; there are: {levels}", levels = RetryLevel::ALL.map(RetryLevel::name).join(", "))]
pub struct UnknownRetryLevel(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_covers_its_own_codes_and_those_of_the_levels_below() {
        let by_level: [&[Code]; 5] = [
            &[],
            &[Code::SEND_FAILED],
            &[Code::SERVER_SHUTDOWN, Code::QUEUE_FULL, Code::FLOW_LIMIT],
            &[Code::CONNECTION_BROKEN],
            &[Code::RPC_TIMEOUT, Code::QUEUE_TIMEOUT],
        ];
        for level in RetryLevel::ALL {
            for (least, codes) in RetryLevel::ALL.iter().zip(by_level) {
                for code in codes {
                    assert_eq!(level.covers(*code), level >= *least, "{level} {code:?}");
                }
            }
        }
    }

    #[test]
    fn what_would_only_fail_again_is_never_made_again() {
        for code in [
            Code(0),
            Code::NO_CONNECTION,
            Code::BUSINESS_ERROR,
            Code::DECODE_REQ_ERROR,
            Code::DECODE_RES_ERROR,
            Code::NOT_FOUND,
            Code(-621),
            Code(-100_001),
        ] {
            assert!(!RetryLevel::Timeout.covers(code), "{code:?}");
        }
    }

    #[test]
    fn levels_are_written_in_krpcs_words_and_read_in_any_case() {
        for level in RetryLevel::ALL {
            let word = level.to_string();
            assert_eq!(word.parse(), Ok(level));
            assert_eq!(word.to_uppercase().parse(), Ok(level));
            let json = format!("\"{word}\"");
            assert_eq!(serde_json::from_str::<RetryLevel>(&json).unwrap(), level);
        }
        assert_eq!(RetryLevel::default(), RetryLevel::NoRetry);
        assert_eq!(
            "always".parse::<RetryLevel>().unwrap_err().to_string(),
            "no retry level is called `always`; there are: no_retry, send_failed, not_available, \
             disconnect, timeout"
        );
    }
}
