//! The way to a member's client.

use tangelo_rpc::Connection;

/// The way to a member's client.
#[derive(Clone, Debug)]
pub(crate) enum Road {
    /// It is a client of this server.
    Here,
    /// It is a client of the front end behind this connection, which belongs to its session.
    Over(Connection),
}

impl Road {
    /// A number no other road of this process has.
    pub(crate) fn id(&self) -> u64 {
        match self {
            Self::Here => 0,
            Self::Over(connection) => connection.id(),
        }
    }
}
