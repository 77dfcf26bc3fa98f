//! What becomes of a call that failed.

use std::{str::FromStr, time::Duration};

use tangelo_rpc::Code;

/// What becomes of a call that failed: Pomelo's `failMode`, by its names.
///
/// A call that may have run is never made again unless
/// [`may_run_twice`](crate::Invocation::may_run_twice) or [`allow_twice`](Self::allow_twice) says so;
/// and all calls of a server together are made again only as often as a
/// [budget](tangelo_rpc::client::retry::RetryBudget) allows, so that they do not multiply an outage. The
/// time-out is for all attempts together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailMode {
    pub(crate) way: Way,
    pub(crate) twice: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Way {
    #[default]
    Fast,
    Over,
    Safe {
        retries: u32,
        pause: Duration,
    },
}

impl FailMode {
    /// `failfast`: the caller is told. The default.
    pub const FAST: Self = Self::of(Way::Fast);

    /// `failover`: another server of the type is asked, one after the other, those that are up. Only for
    /// calls by route: who names a server means that one.
    pub const OVER: Self = Self::of(Way::Over);

    /// `failsafe`: the server that is chosen then is asked again, three times at the most, after pauses of
    /// 0.2 s, 0.4 s and 0.6 s.
    pub const SAFE: Self = Self::safe(3, Duration::from_millis(200));

    /// `failsafe` with so many retries, the first after `pause`, the second after twice that, and so on.
    pub const fn safe(retries: u32, pause: Duration) -> Self {
        Self::of(Way::Safe { retries, pause })
    }

    /// Calls are made again also if they may have run: their connection was lost.
    #[must_use]
    pub const fn allow_twice(mut self) -> Self {
        self.twice = true;
        self
    }

    const fn of(way: Way) -> Self {
        Self { way, twice: false }
    }

    /// Whether a call that failed on its way with this code may be made again.
    pub(crate) fn covers(self, code: Code) -> bool {
        surely_not_run(code) || self.twice && code == Code::CONNECTION_BROKEN
    }
}

/// Whether a call that failed on its way with this code has not run.
pub(crate) fn surely_not_run(code: Code) -> bool {
    matches!(
        code,
        Code::NO_CONNECTION | Code::SEND_FAILED | Code::SERVER_SHUTDOWN | Code::QUEUE_FULL
    )
}

impl FromStr for FailMode {
    type Err = UnknownFailMode;

    /// Takes Pomelo's words in any case.
    fn from_str(text: &str) -> Result<Self, UnknownFailMode> {
        match text.trim().to_ascii_lowercase().as_str() {
            "failfast" => Ok(Self::FAST),
            "failover" => Ok(Self::OVER),
            "failsafe" => Ok(Self::SAFE),
            "failback" => Err(UnknownFailMode::Failback),
            _ => Err(UnknownFailMode::Unknown(text.to_owned())),
        }
    }
}

/// A word that is no fail mode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownFailMode {
    /// Pomelo's `failback` does nothing, not even tell the caller.
    #[error(
        "`failback` was never made: its calls end without an answer. Use failfast, or failsafe to try again"
    )]
    Failback,
    /// Any other.
    #[error("no fail mode is called `{0}`; there are: failfast, failover, failsafe")]
    Unknown(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_may_have_run_is_made_again_only_if_that_was_allowed() {
        for mode in [FailMode::FAST, FailMode::OVER, FailMode::SAFE] {
            for code in [
                Code::NO_CONNECTION,
                Code::SEND_FAILED,
                Code::SERVER_SHUTDOWN,
                Code::QUEUE_FULL,
            ] {
                assert!(mode.covers(code), "{code:?}");
            }
            assert!(!mode.covers(Code::CONNECTION_BROKEN));
            assert!(mode.allow_twice().covers(Code::CONNECTION_BROKEN));
            for code in [
                Code::RPC_TIMEOUT,
                Code::NOT_FOUND,
                Code::BUSINESS_ERROR,
                Code::DECODE_REQ_ERROR,
                Code(-100_001),
            ] {
                assert!(!mode.allow_twice().covers(code), "{code:?}");
            }
        }
    }

    #[test]
    fn modes_are_read_in_pomelos_words() {
        assert_eq!("failfast".parse(), Ok(FailMode::FAST));
        assert_eq!(" failOver ".parse(), Ok(FailMode::OVER));
        assert_eq!("FAILSAFE".parse(), Ok(FailMode::SAFE));
        assert_eq!(
            "failback".parse::<FailMode>(),
            Err(UnknownFailMode::Failback)
        );
        assert_eq!(
            "again".parse::<FailMode>().unwrap_err().to_string(),
            "no fail mode is called `again`; there are: failfast, failover, failsafe"
        );
        assert_eq!(FailMode::default(), FailMode::FAST);
    }
}
