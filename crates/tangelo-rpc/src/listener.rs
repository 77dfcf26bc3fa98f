//! Who comes and goes.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;
use tangelo_runtime::guard;
use tracing::error;

use crate::Connection;

/// Is told which connections of a server or client come and go; krpc's connection plugin.
///
/// Called from tasks of the framework: it must be quick and must not block.
pub trait ConnectionListener: Send + Sync + 'static {
    /// A connection stands. Over a server's, reverse calls can be made from now on.
    fn connected(&self, connection: &Connection);

    /// It has ended.
    fn disconnected(&self, connection: &Connection);
}

/// The connections that stand, and who wants to know of them.
#[derive(Default)]
pub(crate) struct Connections {
    standing: RwLock<HashMap<Arc<str>, Connection, foldhash::fast::RandomState>>,
    listeners: Vec<Arc<dyn ConnectionListener>>,
}

impl Connections {
    pub(crate) fn new(listeners: Vec<Arc<dyn ConnectionListener>>) -> Self {
        Self {
            standing: RwLock::default(),
            listeners,
        }
    }

    pub(crate) fn all(&self) -> Vec<Connection> {
        self.standing.read().values().cloned().collect()
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<Connection> {
        self.standing.read().get(name).cloned()
    }

    pub(crate) fn len(&self) -> usize {
        self.standing.read().len()
    }

    /// Makes a connection known. Before anything is heard over it: who is asked may look for it.
    pub(crate) fn enter(&self, connection: &Connection) {
        let name = Arc::clone(connection.name());
        self.standing.write().insert(name, connection.clone());
        self.tell(|listener| listener.connected(connection));
    }

    /// Forgets it when it ends.
    pub(crate) async fn watch(&self, connection: Connection) {
        connection.closed().await;
        self.forget(&connection);
        self.tell(|listener| listener.disconnected(&connection));
    }

    /// A client gives the next connection to an address the name of the one before, which may still have
    /// answers to wait for.
    fn forget(&self, connection: &Connection) {
        let mut standing = self.standing.write();
        let known = standing.get(connection.name());
        if known.is_some_and(|known| known.id() == connection.id()) {
            standing.remove(connection.name());
        }
    }

    fn tell(&self, tell: impl Fn(&dyn ConnectionListener)) {
        for listener in &self.listeners {
            if let Err(panicked) = guard::catch(|| tell(&**listener)) {
                error!(%panicked, "a connection listener failed");
            }
        }
    }
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_list()
            .entries(self.standing.read().values())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Limits,
        connection::{Dialect, Quota},
    };

    fn named(name: &str) -> Connection {
        let (limits, peer) = (Limits::default(), ([127, 0, 0, 1], 1).into());
        Connection::new(
            name.into(),
            peer,
            (limits, &Quota::new()),
            Dialect::ours(limits.frame),
        )
    }

    #[test]
    fn one_that_ends_does_not_take_the_name_of_the_next_with_it() {
        let connections = Connections::default();
        let (first, second, other) = (named("a:1"), named("a:1"), named("a:2"));
        for connection in [&first, &second, &other] {
            connections.enter(connection);
        }
        connections.forget(&first);
        assert_eq!(connections.by_name("a:1").unwrap().id(), second.id());
        connections.forget(&second);
        assert!(connections.by_name("a:1").is_none());
        assert_eq!(connections.len(), 1);
    }
}
