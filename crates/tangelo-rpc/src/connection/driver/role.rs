//! Which side of a connection this is.

use std::time::Duration;

/// How often the dialing side looks at silence in the time after which it sends a heartbeat.
pub(super) const LOOKS_PER_PING: u32 = 4;

/// How long a server waits between two looks at the most: frames that do not come on are seen then.
const LONGEST_TICK: Duration = Duration::from_secs(5);

/// Which side of a connection this is, and how long it bears silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    pub(super) side: Side,
    /// How often silence is looked at.
    pub(super) tick: Duration,
    /// Ticks of silence that are borne; at the next it is taken for death.
    pub(super) patience: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Dialing,
    Accepting,
}

impl Role {
    /// It connected, and sends a heartbeat in every `ping` of silence; the third is death.
    pub(crate) fn dialing(ping: Duration) -> Self {
        Self {
            side: Side::Dialing,
            tick: ping / LOOKS_PER_PING,
            patience: 3 * LOOKS_PER_PING - 1,
        }
    }

    /// It was connected to; `idle` without a frame is death.
    pub(crate) fn accepting(idle: Duration) -> Self {
        const LOOKS: u32 = 36;
        let looks = (idle.as_secs() / LONGEST_TICK.as_secs()).try_into();
        let looks = looks.unwrap_or(u32::MAX).max(LOOKS);
        Self {
            side: Side::Accepting,
            tick: idle / looks,
            patience: looks,
        }
    }
}
