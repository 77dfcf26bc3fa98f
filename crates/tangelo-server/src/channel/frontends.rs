//! The front ends that are connected to a server.

use tangelo_rpc::{Code, Connection, Dialers, Status};

use crate::session::SessionId;

/// The front ends that are connected, by name.
#[derive(Debug, Default)]
pub(crate) struct FrontEnds(Dialers);

impl FrontEnds {
    /// A connection of a front end stands. Whether it is its first.
    pub(crate) fn arrived(&self, connection: &Connection) -> bool {
        let is_front = connection
            .hello()
            .is_some_and(|hello| hello.identity.frontend);
        is_front && self.0.arrived(connection)
    }

    /// It has ended. Whether it was the front end's last.
    pub(crate) fn left(&self, connection: &Connection) -> bool {
        self.0.left(connection)
    }

    /// The connection that belongs to a session of this front end: the newest that stands.
    pub(crate) fn connection(
        &self,
        frontend_id: &str,
        session: SessionId,
    ) -> Result<Connection, Status> {
        self.0.connection(frontend_id, session.0)
    }

    /// A connection to this front end, for what belongs to no session.
    pub(crate) fn first(&self, frontend_id: &str) -> Result<Connection, Status> {
        let first = self.lanes(frontend_id).into_iter().next();
        first.ok_or_else(|| Code::NO_CONNECTION.into())
    }

    /// One connection for each lane of this front end, so that together they carry all its sessions.
    pub(crate) fn lanes(&self, frontend_id: &str) -> Vec<Connection> {
        self.0.lanes(frontend_id)
    }

    /// The front ends of a type, each with one connection for each of its lanes.
    pub(crate) fn of_type(&self, server_type: &str) -> Vec<(String, Vec<Connection>)> {
        self.0.of_type(server_type)
    }
}
