//! Pomelo's packages in datagrams.

mod datagrams;

use std::io;

use tangelo_wire::pomelo::package::{self, Kind};

use self::datagrams::Datagrams;
pub use crate::datagram::SessionLimits;
use crate::{
    Connection, Connector, Limits, Listener, Place,
    datagram::{self, LARGEST, Peer, Protocol},
    listener::Boxed,
};

/// Pomelo's packages in datagrams: Pomelo's `udpconnector`. What is lost is lost, and what overtakes arrives
/// first; a client that is not heard for twice the heartbeat's interval is gone.
///
/// * The first datagram from an address begins a session if it is a handshake; others are ignored. A datagram
///   holds whole packages, mostly one.
/// * A client that hears no answer sends its handshake again, and gets the same answer. It sends its ACK again until it
///   hears a heartbeat.
/// * The answer to the handshake is no longer than the handshakes that came from the address: by that
///   alone whoever forges addresses gains nothing. A client that expects a long answer fills up the `user` of its handshake. Where the answer
///   is longer, the session ends without one.
/// * A request whose answer is longer than [`datagram`](Self::datagram) is answered 500; a longer push is left
///   out. Both are logged.
///
/// Addresses can be forged, and UDP proves none: whoever knows a client's address can speak for it. He can also
/// acknowledge an answer that he has not seen; what the server then pushes goes to that address. So push to
/// sessions that have shown who they are, and keep this door away from strangers where that matters.
#[derive(Clone, Copy, Debug)]
pub struct Udp {
    limits: Limits,
    sessions: SessionLimits,
    datagram: usize,
}

impl Default for Udp {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            sessions: SessionLimits::default(),
            datagram: LARGEST,
        }
    }
}

impl Udp {
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

    /// Bytes of the largest datagram that is sent. Default, and at most, 65,507, what UDP can carry; above some
    /// 1,200 networks take it apart, and all of it is lost with one part.
    #[must_use]
    pub fn datagram(mut self, bytes: usize) -> Self {
        self.datagram = bytes.min(LARGEST);
        self
    }
}

impl Connector for Udp {
    fn listen<'a>(&'a self, place: Place<'a>) -> Boxed<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(datagram::listen(place, *self, self.limits, self.sessions))
    }

    fn limits_mut(&mut self) -> Option<&mut Limits> {
        Some(&mut self.limits)
    }
}

impl Protocol for Udp {
    const AMPLIFICATION: usize = 1;
    const LONGEST: usize = LARGEST;

    fn begins(datagram: &[u8]) -> bool {
        let header = package::header(datagram, Limits::BEFORE_HANDSHAKE);
        matches!(header, Ok(Some((Kind::Handshake, length))) if package::HEADER + length <= datagram.len())
    }

    fn connection(&self, peer: Peer, _: &[u8], limits: Limits) -> Box<dyn Connection> {
        Box::new(Datagrams::new(peer, limits, self.datagram))
    }
}
