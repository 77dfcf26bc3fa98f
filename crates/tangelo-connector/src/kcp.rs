//! Pomelo's packages in KCP's reliable stream over datagrams.

mod packages;
mod stream;

use std::io;

use tangelo_wire::pomelo::package::Kind;

use self::packages::Packages;
use crate::{
    Connection, Connector, Limits, Listener, Place, SessionLimits,
    datagram::{self, Peer, Protocol},
    listener::Boxed,
};

/// Bytes of a segment's header.
const OVERHEAD: usize = 24;
/// Where a segment has what it is, its number, the length of its data.
const COMMAND: usize = 4;
const NUMBER: std::ops::Range<usize> = 12..16;
/// A segment with data.
const PUSH: u8 = 81;

/// Pomelo's packages in KCP: a reliable stream in order, over UDP, that trades bandwidth for delay.
///
/// A client sends packages as messages of KCP, or as a stream; it is sent a message for each package, larger ones in
/// several. The conversation's number is the client's choice, and stays; number 0 asks for none.
///
/// * The first datagram from an address begins a session if it is the first segment of a conversation, and a handshake;
///   others are ignored. An address has one conversation at a time.
/// * Until the handshake is done, an address is sent three times what came from it at the most, as QUIC has it; addresses
///   may be forged, and KCP sends again what nobody acknowledges. A client that expects a long answer fills up the `user`
///   of its handshake.
/// * A client that acknowledges nothing, however often it is sent again, is gone; so is one that is silent.
///
/// Defaults, which both sides should share: KCP's fast mode (no delay, an interval of 10 ms, sent again after 2
/// acknowledgements that pass it over, no congestion window), windows of 256 segments, datagrams of 1,400 bytes. Longer
/// datagrams than 1,500 bytes are ignored.
#[derive(Clone, Copy, Debug)]
pub struct Kcp {
    limits: Limits,
    sessions: SessionLimits,
    tuning: Tuning,
}

/// How KCP weighs delay and bandwidth.
#[derive(Clone, Copy, Debug)]
struct Tuning {
    interval: u16,
    congestion_window: bool,
    datagram: usize,
}

impl Default for Kcp {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            sessions: SessionLimits::default(),
            tuning: Tuning {
                interval: 10,
                congestion_window: false,
                datagram: 1400,
            },
        }
    }
}

impl Kcp {
    /// Bytes of the largest datagram that is accepted.
    pub const LARGEST_DATAGRAM: usize = 1500;
    /// Segments of each side that may be under way.
    pub const WINDOW: u16 = 256;

    /// With the default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// With other limits of packages and of what waits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// With other limits of sessions.
    #[must_use]
    pub fn sessions(mut self, sessions: SessionLimits) -> Self {
        self.sessions = sessions;
        self
    }

    /// How often it looks what is to be sent again, in milliseconds. Default 10; 10 to 5,000.
    #[must_use]
    pub fn interval(mut self, milliseconds: u16) -> Self {
        self.tuning.interval = milliseconds.clamp(10, 5000);
        self
    }

    /// Sends less where datagrams get lost, as TCP does. Default: it does not.
    #[must_use]
    pub fn congestion_window(mut self) -> Self {
        self.tuning.congestion_window = true;
        self
    }

    /// Bytes of the largest datagram that is sent, 100 to 1,500. Default 1,400.
    #[must_use]
    pub fn datagram(mut self, bytes: usize) -> Self {
        self.tuning.datagram = bytes.clamp(100, Self::LARGEST_DATAGRAM);
        self
    }
}

impl Connector for Kcp {
    fn listen<'a>(&'a self, place: Place<'a>) -> Boxed<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(datagram::listen(place, *self, self.limits, self.sessions))
    }

    fn limits_mut(&mut self) -> Option<&mut Limits> {
        Some(&mut self.limits)
    }
}

impl Protocol for Kcp {
    const AMPLIFICATION: usize = 3;
    const LONGEST: usize = Self::LARGEST_DATAGRAM;

    fn begins(datagram: &[u8]) -> bool {
        let is = |at: usize, what: u8| datagram.get(at) == Some(&what);
        conversation(datagram) != 0
            && is(COMMAND, PUSH)
            && datagram.get(NUMBER) == Some(&[0; 4][..])
            && is(OVERHEAD, Kind::Handshake as u8)
    }

    fn connection(&self, peer: Peer, first: &[u8], limits: Limits) -> Box<dyn Connection> {
        let stream = stream::Stream::new(peer, conversation(first), self.tuning);
        Box::new(Packages::new(stream, limits))
    }
}

/// The number of the conversation that a datagram belongs to; 0 if it says none.
fn conversation(datagram: &[u8]) -> u32 {
    let number = datagram.first_chunk().copied();
    u32::from_le_bytes(number.unwrap_or_default())
}
