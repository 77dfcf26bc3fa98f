//! The servers that have dialed this one.

use std::collections::HashMap;

use parking_lot::RwLock;

use crate::{Code, Connection, Status};

/// The servers that have dialed this one, by name, each with all of its connections in the order they
/// came.
///
/// A server that dialed again and again while this one was paused leaves connections that have ended
/// before their hello is read. They must not hide the one that lives.
#[derive(Debug, Default)]
pub struct Dialers {
    connections: RwLock<HashMap<String, Vec<Connection>>>,
}

impl Dialers {
    /// A connection over which hello was said. Whether it is that server's first.
    pub fn arrived(&self, connection: &Connection) -> bool {
        let Some(hello) = connection.hello() else {
            return false;
        };
        let mut dialers = self.connections.write();
        let connections = dialers.entry(hello.identity.server_id.clone()).or_default();
        connections.push(connection.clone());
        connections.len() == 1
    }

    /// It has ended. Whether it was that server's last.
    pub fn left(&self, connection: &Connection) -> bool {
        let Some(hello) = connection.hello() else {
            return false;
        };
        let mut dialers = self.connections.write();
        let Some(connections) = dialers.get_mut(&hello.identity.server_id) else {
            return false;
        };
        connections.retain(|known| known.id() != connection.id());
        let last = connections.is_empty();
        if last {
            dialers.remove(&hello.identity.server_id);
        }
        last
    }

    /// That one of this server's connections which carries what belongs to `key`, such as a session's
    /// id: the newest that stands.
    ///
    /// # Errors
    /// [`Code::NO_CONNECTION`]: there is none.
    pub fn connection(&self, server_id: &str, key: u64) -> Result<Connection, Status> {
        let dialers = self.connections.read();
        let connections = dialers.get(server_id).into_iter().flatten().rev();
        let mut standing = connections.filter(|connection| !connection.is_closed());
        let carries =
            |connection: &&Connection| connection.hello().is_some_and(|hello| hello.carries(key));
        standing
            .find(carries)
            .cloned()
            .ok_or_else(|| Code::NO_CONNECTION.into())
    }

    /// Whether a connection stands over which this server takes something new.
    pub fn is_up(&self, server_id: &str) -> bool {
        let dialers = self.connections.read();
        let mut connections = dialers.get(server_id).into_iter().flatten();
        connections.any(|connection| !connection.is_closed() && !connection.peer_leaves())
    }

    /// One connection of this server's for each of its lanes, the newest that stands, in no order:
    /// together they carry whatever there is.
    pub fn lanes(&self, server_id: &str) -> Vec<Connection> {
        let dialers = self.connections.read();
        lanes(dialers.get(server_id).map_or(&[], |known| known))
    }

    /// The servers of a type, each with what [`lanes`](Self::lanes) has of it.
    pub fn of_type(&self, server_type: &str) -> Vec<(String, Vec<Connection>)> {
        let is_one = |connection: &Connection| {
            let hello = connection.hello();
            hello.is_some_and(|hello| hello.identity.server_type == server_type)
        };
        let dialers = self.connections.read();
        let of_type = dialers
            .iter()
            .filter(|(_, connections)| connections.iter().any(is_one));
        of_type
            .map(|(server_id, connections)| (server_id.clone(), lanes(connections)))
            .collect()
    }
}

fn lanes(connections: &[Connection]) -> Vec<Connection> {
    let lane = |connection: &Connection| connection.hello().map(|hello| (hello.lane, hello.lanes));
    let mut found: Vec<Connection> = Vec::new();
    for connection in connections.iter().rev() {
        let known = found.iter().any(|known| lane(known) == lane(connection));
        if !known && !connection.is_closed() {
            found.push(connection.clone());
        }
    }
    found
}
