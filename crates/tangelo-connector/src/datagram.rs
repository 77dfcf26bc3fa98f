//! Clients that are told apart by the address their datagrams come from: one socket, many sessions.
//!
//! Anybody can send a datagram under anybody's address. So a session begins only with the first datagram of
//! a handshake; until the handshake is done, what is sent to an address is measured by what came from it,
//! and few such sessions exist at once.

mod listening;
mod peer;
mod sessions;

pub(crate) use self::{listening::listen, peer::Peer};
use crate::{Connection, Limits};

/// Bytes of the largest datagram there is over IPv4.
pub(crate) const LARGEST: usize = 65_507;

/// How many sessions there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// At once. Default 10,000. Further clients hear nothing, until one goes.
    pub sessions: usize,
    /// Of one host, an IP address. Default 64; hosts behind one address translation count as one.
    pub of_one_host: usize,
    /// Whose handshake is not done, at once. Default 1,024; one more ends the oldest of them, as addresses may be forged.
    pub half_open: usize,
}

impl SessionLimits {
    /// Datagrams that wait for one session; further ones are lost, as datagrams may be.
    pub const WAITING: usize = 64;
    /// Bytes of them.
    pub const WAITING_BYTES: usize = 256 << 10;
    /// Bytes that are taken from an address before its handshake is done; further ones are lost.
    pub const BEFORE_HANDSHAKE: usize = 16 << 10;
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            sessions: 10_000,
            of_one_host: 64,
            half_open: 1024,
        }
    }
}

/// What is spoken in datagrams.
pub(crate) trait Protocol: Clone + Send + Sync + 'static {
    /// How much may be sent to an address for each byte that came from it, before its handshake is done.
    const AMPLIFICATION: usize;
    /// Bytes of a datagram; a longer one is no datagram of this protocol.
    const LONGEST: usize;

    /// Whether a datagram of a stranger begins a session.
    fn begins(datagram: &[u8]) -> bool;

    /// The connection of a session that has begun. Its first datagram waits.
    fn connection(&self, peer: Peer, first: &[u8], limits: Limits) -> Box<dyn Connection>;
}
