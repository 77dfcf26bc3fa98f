//! Takes an address that keeps failing out of use, and lets it back in when it answers again.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use serde::Deserialize;
use tokio::time::Instant;

use super::{outcome::Outcome, window::Window};

/// The longest window there is, in seconds; a longer one is cut to it.
pub const MAX_WINDOW_SECONDS: u32 = 600;

/// When an address is taken out of use; krpc's `breaker…` settings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerConfig {
    /// Whether there is a breaker at all. Default: false.
    pub enabled: bool,
    /// How far back outcomes count, in seconds, from 1 to [`MAX_WINDOW_SECONDS`]. Default: 5.
    pub window_seconds: u32,
    /// With fewer outcomes than this in the window nothing is decided. Default: 20.
    pub window_min_reqs: u32,
    /// What counts as an error. Default: 1, everything that is no success.
    pub close_by: CloseBy,
    /// The share of errors that takes the address out of use, in percent. There has to be an error
    /// even if this is 0; above 100 it never happens. Default: 50.
    pub close_rate: u32,
    /// How long the address is left alone, and then how often it is tried with one call, in
    /// seconds, at least 1. Default: 5.
    pub sleep_seconds: u32,
    /// A probe has to succeed in less than this to let the address back in, in milliseconds.
    /// Default: 500.
    pub succ_mills: u32,
    /// Out of use for good, whether `enabled` or not, as when every call shall be answered by the
    /// fallback. Default: false.
    pub force_close: bool,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            window_seconds: 5,
            window_min_reqs: 20,
            close_by: CloseBy::default(),
            close_rate: 50,
            sleep_seconds: 5,
            succ_mills: 500,
            force_close: false,
        }
    }
}

/// What counts as an error; in configuration krpc's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u8")]
pub enum CloseBy {
    /// 1: everything that is no success, business errors included.
    #[default]
    AnyError,
    /// 2: timeouts only.
    Timeouts,
}

impl TryFrom<u8> for CloseBy {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        match number {
            1 => Ok(Self::AnyError),
            2 => Ok(Self::Timeouts),
            _ => Err("close_by is 1 (any error) or 2 (timeouts only)"),
        }
    }
}

/// Watches the calls to one address. It is *open* while the address is out of use.
#[derive(Debug)]
pub struct Breaker {
    config: BreakerConfig,
    /// What `state` says, for those who only ask.
    open: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    window: Window,
    opened: Option<Opened>,
    /// When the address came back last.
    back: Option<Instant>,
}

#[derive(Debug)]
struct Opened {
    at: Instant,
    /// The sleep period whose probe was given out last; the first that has one is 1.
    tried: u128,
}

impl Breaker {
    /// A breaker that lets everything pass until it has seen enough errors.
    pub fn new(config: BreakerConfig) -> Self {
        let window = Window::new(config.window_seconds.min(MAX_WINDOW_SECONDS));
        Self {
            open: AtomicBool::new(config.force_close),
            config,
            state: Mutex::new(State {
                window,
                opened: None,
                back: None,
            }),
        }
    }

    /// Whether a call may be made now.
    ///
    /// While the breaker is open the answer is yes for one caller in each sleep period after the
    /// first: that call is the probe. So ask last, when nothing else speaks against this address,
    /// and go there if [`is_open`](Self::is_open) says that yours is the probe. A probe that is
    /// never made, or cancelled, costs its period and nothing more.
    pub fn allows(&self, now: Instant) -> bool {
        if !self.is_open() {
            return true;
        }
        if self.config.force_close {
            return false;
        }
        let mut state = self.state.lock();
        let Some(opened) = &mut state.opened else {
            return true;
        };
        let slept = now.saturating_duration_since(opened.at);
        let period = slept.as_nanos() / self.sleep().as_nanos();
        let due = period > opened.tried;
        opened.tried = opened.tried.max(period);
        due
    }

    /// Whether the address is out of use; a call that is allowed nevertheless is a probe.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Hears how a call ended that was begun at `begun`.
    pub fn heard(&self, begun: Instant, now: Instant, outcome: Outcome) {
        if self.config.force_close {
            return;
        }
        let mut state = self.state.lock();
        let State {
            window,
            opened,
            back,
        } = &mut *state;
        if let Some(open) = opened {
            // A call from before the sleep was over says nothing about now, however it ended.
            let probe = begun.saturating_duration_since(open.at) >= self.sleep();
            let quick = now.saturating_duration_since(begun) < self.quick();
            if probe && quick && outcome == Outcome::Ok {
                *opened = None;
                *back = Some(now);
                self.open.store(false, Ordering::Release);
            }
            return;
        }
        // Nor does a late answer say anything of an address that has come back since.
        if back.is_some_and(|back| begun < back) {
            return;
        }
        window.add(now, u64::from(self.is_error(outcome)));
        let seen = window.totals(now);
        let (minimum, rate) = (self.config.window_min_reqs, self.config.close_rate);
        let too_many = seen.sum * 100 >= seen.count * u64::from(rate) && seen.sum > 0;
        if seen.count >= u64::from(minimum) && too_many {
            // What led to it must not count again when the address is back.
            window.clear();
            *opened = Some(Opened { at: now, tried: 0 });
            self.open.store(true, Ordering::Release);
        }
    }

    fn is_error(&self, outcome: Outcome) -> bool {
        match self.config.close_by {
            CloseBy::AnyError => outcome != Outcome::Ok,
            CloseBy::Timeouts => outcome == Outcome::Timeout,
        }
    }

    fn sleep(&self) -> Duration {
        Duration::from_secs(self.config.sleep_seconds.max(1).into())
    }

    fn quick(&self) -> Duration {
        Duration::from_millis(self.config.succ_mills.into())
    }
}

#[cfg(test)]
mod tests;
