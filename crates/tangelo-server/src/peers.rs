//! Servers that come and go, as sessions and channels are concerned.

use std::{sync::Arc, time::Duration};

use tangelo_rpc::{Connection, link::Peers};
use tangelo_runtime::Tasks;
use tracing::{debug_span, info, warn};

use crate::{
    Context, Sessions,
    channel::REFRESH,
    life_cycle::{Neighbours, Started},
    membership,
    roster::Roster,
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
    pub(crate) roster: Option<Arc<Roster>>,
    pub(crate) tasks: Tasks,
}

impl Peers for BackEnds {
    fn arrived(&self, connection: &Connection) {
        membership::restore(connection, &self.sessions);
        let is_first = connection.hello().is_some_and(|hello| hello.lane == 0);
        if let Some(roster) = self.roster.as_ref().filter(|_| is_first) {
            // It may have taken this server for gone.
            roster.tell_again();
        }
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
        let was_last = self.context.channels().frontends().left(connection);
        if was_last {
            let from = connection.hello().map(|hello| &*hello.identity.server_id);
            info!(server = self.context.server_id(), from, "front end gone");
        }
        if self.tasks.stop().is_draining() {
            return;
        }
        let (context, connection) = (Arc::clone(&self.context), connection.clone());
        let stop = self.tasks.stop().clone();
        self.tasks.spawn(debug_span!("grace"), async move {
            let lost = async {
                tokio::time::sleep(GRACE).await;
                context.channels().connection_lost(&connection);
                if was_last && let Some(hello) = connection.hello() {
                    forget(&context, &hello.identity.server_id).await;
                }
            };
            tokio::select! {
                () = lost => {}
                () = stop.draining() => {}
            }
        });
    }
}

/// The stores forget a front end that has not come back. One that comes back meanwhile tells them again.
async fn forget(context: &Context, frontend_id: &str) {
    let frontends = context.channels().frontends();
    if context.stores.is_empty() || frontends.first(frontend_id).is_ok() {
        return;
    }
    if let Err(error) = context.stores.remove_frontend(frontend_id).await {
        let server = context.server_id();
        warn!(server, frontend_id, %error, "a store does not forget who was there");
    }
    if let Ok(connection) = frontends.first(frontend_id) {
        // It is told over the next connection if this one has ended.
        let _ = connection.tell(REFRESH, |_| {});
    }
}
