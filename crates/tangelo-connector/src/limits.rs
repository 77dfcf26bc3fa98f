//! What a client may make a front end hold.

/// What a client may make a front end hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a package's body. Default 64 KiB; before the handshake is done it is
    /// [`BEFORE_HANDSHAKE`](Self::BEFORE_HANDSHAKE).
    pub package: usize,
    /// Bytes that may wait to be written to a client that does not read. Default 1 MiB; past it the
    /// connection is cut.
    pub outgoing: usize,
}

impl Limits {
    /// Bytes of a package's body before the handshake is done.
    pub const BEFORE_HANDSHAKE: usize = 4 << 10;
    /// Bytes of a PROXY protocol header; one of version 1 has 107 at the most.
    pub const PROXY_HEADER: usize = 1 << 10;
    /// Bytes of the HTTP request that opens a WebSocket.
    pub const UPGRADE_REQUEST: usize = 8 << 10;
    /// Headers of it.
    pub const UPGRADE_HEADERS: usize = 64;
    /// Answers a client may wait for that are written by a definition; past it the connection is cut.
    pub const AWAITED: usize = 16 << 10;
    /// A WebSocket message may carry several packages: this many of the largest size.
    pub const PACKAGES_PER_MESSAGE: usize = 4;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            package: 64 << 10,
            outgoing: 1 << 20,
        }
    }
}
