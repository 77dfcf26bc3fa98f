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
}
