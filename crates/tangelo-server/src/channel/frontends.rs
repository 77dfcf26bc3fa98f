//! The front ends that are connected to a server.

use std::collections::HashMap;

use parking_lot::RwLock;
use tangelo_rpc::{Code, Connection, Status};

use crate::session::SessionId;

/// The front ends that are connected, by name, each with all of its connections in the order they
/// came.
///
/// A front end that dialed again and again while this server was paused leaves connections that have
/// ended before their hello is read. They must not hide the one that lives.
#[derive(Debug, Default)]
pub(crate) struct FrontEnds {
    connections: RwLock<HashMap<String, Vec<Connection>>>,
}

impl FrontEnds {
    /// A connection of a front end stands. Whether it is its first.
    pub(crate) fn arrived(&self, connection: &Connection) -> bool {
        let Some(hello) = connection.hello().filter(|hello| hello.identity.frontend) else {
            return false;
        };
        let mut frontends = self.connections.write();
        let connections = frontends
            .entry(hello.identity.server_id.clone())
            .or_default();
        connections.push(connection.clone());
        connections.len() == 1
    }

    /// It has ended. Whether it was the front end's last.
    pub(crate) fn left(&self, connection: &Connection) -> bool {
        let Some(hello) = connection.hello() else {
            return false;
        };
        let mut frontends = self.connections.write();
        let Some(connections) = frontends.get_mut(&hello.identity.server_id) else {
            return false;
        };
        connections.retain(|known| known.id() != connection.id());
        let last = connections.is_empty();
        if last {
            frontends.remove(&hello.identity.server_id);
        }
        last
    }

    /// The connection that belongs to a session of this front end: the newest that stands.
    pub(crate) fn connection(
        &self,
        frontend_id: &str,
        session: SessionId,
    ) -> Result<Connection, Status> {
        self.newest(frontend_id, |connection| {
            connection
                .hello()
                .is_some_and(|hello| hello.carries(session.0))
        })
    }

    /// A connection to this front end, for what belongs to no session.
    pub(crate) fn any(&self, frontend_id: &str) -> Result<Connection, Status> {
        self.newest(frontend_id, |_| true)
    }

    fn newest(
        &self,
        frontend_id: &str,
        wanted: impl Fn(&Connection) -> bool,
    ) -> Result<Connection, Status> {
        let frontends = self.connections.read();
        let connections = frontends.get(frontend_id).into_iter().flatten().rev();
        let mut standing = connections.filter(|connection| !connection.is_closed());
        let found = standing.find(|connection| wanted(connection));
        found.cloned().ok_or_else(|| Code::NO_CONNECTION.into())
    }

    /// One connection for each lane of this front end, so that together they carry all its sessions.
    pub(crate) fn lanes(&self, frontend_id: &str) -> Vec<Connection> {
        let frontends = self.connections.read();
        lanes(frontends.get(frontend_id).map_or(&[], |known| known))
    }

    /// The front ends of a type, each with one connection for each of its lanes.
    pub(crate) fn of_type(&self, server_type: &str) -> Vec<(String, Vec<Connection>)> {
        let frontends = self.connections.read();
        let is_one = |connection: &Connection| {
            let hello = connection.hello();
            hello.is_some_and(|hello| hello.identity.server_type == server_type)
        };
        let of_type = frontends
            .iter()
            .filter(|(_, connections)| connections.iter().any(is_one));
        of_type
            .map(|(frontend_id, connections)| (frontend_id.clone(), lanes(connections)))
            .collect()
    }
}

/// The newest that stands of each lane.
fn lanes(connections: &[Connection]) -> Vec<Connection> {
    let mut found: Vec<Connection> = Vec::new();
    let lane = |connection: &Connection| connection.hello().map(|hello| (hello.lane, hello.lanes));
    for connection in connections.iter().rev() {
        let known = found.iter().any(|known| lane(known) == lane(connection));
        if !known && !connection.is_closed() {
            found.push(connection.clone());
        }
    }
    found
}
