//! The servers to which a connection stands, whichever side dialed.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use tangelo_rpc::Connection;
use tokio::{sync::watch, time::Instant};

/// How long a server whose connection was lost may take to be back before it is taken for gone.
pub(super) const GRACE: Duration = Duration::from_secs(3);

/// The servers to which a connection stands, whichever side dialed.
#[derive(Debug, Default)]
pub(crate) struct Neighbours {
    known: Mutex<HashMap<String, Neighbour>>,
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct Neighbour {
    epoch: u32,
    connections: Vec<Connection>,
    /// It has said that it leaves.
    leaves: bool,
    /// When its last connection ended without that.
    lost: Option<Instant>,
}

/// What is known of a server by its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It is there, in this life of its.
    There(u32),
    /// It may be back before this.
    Lost(u32, Instant),
    /// It is not there.
    Gone,
}

impl Neighbours {
    /// A connection stands. Whether it is the first of this life of that server.
    pub(crate) fn arrived(&self, connection: &Connection) -> bool {
        let Some(hello) = connection.hello() else {
            return false;
        };
        let epoch = hello.identity.epoch;
        let first = {
            let mut known = self.known.lock();
            known.retain(|_, neighbour| neighbour.is_remembered());
            let neighbour = known
                .entry(hello.identity.server_id.clone())
                .or_insert_with(|| Neighbour::new(epoch));
            if neighbour.epoch != epoch {
                *neighbour = Neighbour::new(epoch);
            }
            neighbour.lost = None;
            neighbour.connections.push(connection.clone());
            neighbour.connections.len() == 1
        };
        self.changed.send_replace(());
        first
    }

    /// The server at the other side says that it leaves.
    pub(crate) fn leaves(&self, connection: &Connection) {
        self.change(connection, |neighbour| neighbour.leaves = true);
    }

    /// A connection has ended.
    pub(crate) fn left(&self, connection: &Connection) {
        self.change(connection, |neighbour| {
            neighbour.leaves |= connection.peer_leaves();
            neighbour
                .connections
                .retain(|known| known.id() != connection.id());
            if neighbour.connections.is_empty() && !neighbour.leaves {
                neighbour.lost = Some(Instant::now());
            }
        });
    }

    fn change(&self, connection: &Connection, change: impl FnOnce(&mut Neighbour)) {
        let Some(hello) = connection.hello() else {
            return;
        };
        {
            let mut known = self.known.lock();
            let Some(neighbour) = known.get_mut(&hello.identity.server_id) else {
                return;
            };
            // A connection of its life before says nothing of this one.
            if neighbour.epoch == hello.identity.epoch {
                change(neighbour);
            }
        }
        self.changed.send_replace(());
    }

    /// One connection to each of them.
    pub(super) fn connections(&self) -> Vec<Connection> {
        let known = self.known.lock();
        let connections = known
            .values()
            .map(|neighbour| neighbour.connections.first());
        connections.flatten().cloned().collect()
    }

    pub(super) fn seen(&self, server_id: &str) -> Seen {
        match self.known.lock().get(server_id) {
            None => Seen::Gone,
            Some(neighbour) => neighbour.seen(),
        }
    }

    /// Hears of changes from now on.
    pub(super) fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}

impl Neighbour {
    fn new(epoch: u32) -> Self {
        Self {
            epoch,
            connections: Vec::new(),
            leaves: false,
            lost: None,
        }
    }

    fn seen(&self) -> Seen {
        match self.lost {
            _ if self.leaves => Seen::Gone,
            Some(lost) if lost.elapsed() < GRACE => Seen::Lost(self.epoch, lost + GRACE),
            Some(_) => Seen::Gone,
            None => Seen::There(self.epoch),
        }
    }

    fn is_remembered(&self) -> bool {
        !self.connections.is_empty() || matches!(self.seen(), Seen::Lost(..))
    }
}
