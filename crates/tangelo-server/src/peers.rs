//! Servers that come and go, as sessions and channels are concerned.

use std::{sync::Arc, time::Duration};

use tangelo_rpc::{Connection, link::Peers};
use tangelo_runtime::Tasks;
use tracing::{debug_span, info};

use crate::{
    Context, Sessions,
    life_cycle::{Neighbours, Started},
    membership,
};

/// How long a front end that lives may take to dial again before its members are taken for gone.
const GRACE: Duration = Duration::from_secs(3);

/// How long the other front ends may take to bring their members to a back end that is back, before
/// it is told who has gone meanwhile: those who stayed shall hear of it.
const REUNION: Duration = Duration::from_secs(2);

/// On the side that dials, a front end: its members are restored.
pub(crate) struct BackEnds {
    pub(crate) sessions: Sessions,
    pub(crate) started: Arc<Started>,
    pub(crate) neighbours: Arc<Neighbours>,
    pub(crate) tasks: Tasks,
}

impl Peers for BackEnds {
    fn arrived(&self, connection: &Connection) {
        membership::restore(connection, &self.sessions);
        self.started.arrived(connection);
        let departed = self.sessions.departed().take(connection);
        if departed.is_empty() {
            return;
        }
        let (connection, stop) = (connection.clone(), self.tasks.stop().clone());
        self.tasks.spawn(debug_span!("departed"), async move {
            tokio::select! {
                () = tokio::time::sleep(REUNION) => membership::tell_departed(&connection, departed),
                () = stop.draining() => {}
            }
        });
    }

    fn leaves(&self, connection: &Connection) {
        self.neighbours.leaves(connection);
    }

    fn left(&self, connection: &Connection) {
        self.neighbours.left(connection);
    }
}

/// On the side that is dialed: the members of a front end that is lost leave.
pub(crate) struct Callers {
    pub(crate) context: Arc<Context>,
    pub(crate) neighbours: Arc<Neighbours>,
    pub(crate) tasks: Tasks,
}

impl Peers for Callers {
    fn arrived(&self, connection: &Connection) {
        // Requests that come over it find their server through it, without a count all would share.
        connection.set_extension(Arc::clone(&self.context));
        self.neighbours.arrived(connection);
        self.context.cluster.dialers().arrived(connection);
        if self.context.channels().frontends().arrived(connection) {
            let from = connection.hello().map(|hello| &*hello.identity.server_id);
            info!(
                server = self.context.server_id(),
                from, "front end connected"
            );
        }
    }

    fn leaves(&self, connection: &Connection) {
        self.neighbours.leaves(connection);
    }

    fn left(&self, connection: &Connection) {
        self.context.gone.lost(connection);
        self.neighbours.left(connection);
        self.context.cluster.dialers().left(connection);
        if self.context.channels().frontends().left(connection) {
            let from = connection.hello().map(|hello| &*hello.identity.server_id);
            info!(server = self.context.server_id(), from, "front end gone");
        }
        if self.tasks.stop().is_draining() {
            return;
        }
        let (channels, connection) = (self.context.channels().clone(), connection.clone());
        let stop = self.tasks.stop().clone();
        self.tasks.spawn(debug_span!("grace"), async move {
            tokio::select! {
                () = tokio::time::sleep(GRACE) => channels.connection_lost(&connection),
                () = stop.draining() => {}
            }
        });
    }
}
