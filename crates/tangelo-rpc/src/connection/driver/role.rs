//! Which side of a connection this is.

use std::time::Duration;

/// How often the dialing side looks at silence in the time after which it sends a heartbeat.
pub(super) const LOOKS_PER_PING: u32 = 4;

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
        Self {
            side: Side::Accepting,
            tick: idle / LOOKS,
            patience: LOOKS,
        }
    }
}
