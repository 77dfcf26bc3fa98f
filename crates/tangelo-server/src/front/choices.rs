//! The back ends chosen for a session's routes.

use std::sync::Arc;

use tangelo_registry::Instance;
use tangelo_rpc::{Code, Connection, Status};

use crate::{
    Context, Request, forward, pipeline,
    route::{Asking, Choice},
    session::FrontSession,
};

/// Routes remembered for one session. A session uses few; more are chosen anew each time.
const MOST: usize = 16;

/// The back ends chosen for a session's routes, remembered until the session or the list of servers
/// changes: choosing asks the application, and touches what all sessions share.
#[derive(Debug, Default)]
pub(super) struct Choices {
    session_version: u32,
    cluster_version: u64,
    chosen: Vec<Arc<Chosen>>,
}

/// The back end of a route, and the connection that belongs to the session.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) frame: forward::Frame,
    server: Arc<Instance>,
    pub(super) connection: Connection,
}

impl Chosen {
    fn takes_new(&self) -> bool {
        !self.connection.is_closed() && !self.connection.peer_leaves()
    }

    /// Why nothing was sent to it.
    pub(super) fn unsent(&self, context: &Context, status: Status) -> Unsent {
        if self.connection.peer_leaves() {
            return Unsent::Left(status);
        }
        Unsent::to(&self.server, context, status)
    }
}

/// Why a request was surely not sent.
pub(super) enum Unsent {
    /// The server that was chosen has left since, or says that it leaves: another may take it.
    Left(Status),
    Failed(Status),
}

impl Unsent {
    fn to(server: &Instance, context: &Context, status: Status) -> Self {
        match context.cluster.takes_new(&server.id) {
            false => Self::Left(status),
            true => Self::Failed(status),
        }
    }
}

impl From<Unsent> for Status {
    fn from(unsent: Unsent) -> Self {
        match unsent {
            Unsent::Left(status) | Unsent::Failed(status) => status,
        }
    }
}

/// The back end that answers, or the way to find out.
pub(super) enum BackEnd {
    Known(Arc<Chosen>),
    Asks(Asking),
}

impl Choices {
    /// The back end that requests of this route go to, if that is known.
    pub(super) fn known(
        &self,
        context: &Context,
        session: &FrontSession,
        route: &[u8],
    ) -> Option<Arc<Chosen>> {
        if self.chosen.is_empty() {
            return None;
        }
        let versions = (session.version(), context.cluster.version());
        let is_current = versions == (self.session_version, self.cluster_version);
        let is_it = |chosen: &&Arc<Chosen>| chosen.frame.route() == route && chosen.takes_new();
        let known = self.chosen.iter().find(is_it).filter(|_| is_current);
        known.map(Arc::clone)
    }

    /// The back end that answers this request.
    pub(super) fn choose(
        &mut self,
        context: &Context,
        session: &FrontSession,
        request: &Request,
    ) -> Result<BackEnd, Unsent> {
        let versions = (session.version(), context.cluster.version());
        if versions != (self.session_version, self.cluster_version) {
            (self.session_version, self.cluster_version) = versions;
            self.chosen.clear();
        }
        if let Some(known) = self.known(context, session, request.route()) {
            return Ok(BackEnd::Known(known));
        }
        // One that takes nothing new is no choice any more.
        self.chosen
            .retain(|chosen| *chosen.frame.route() != *request.route());
        match pipeline::elsewhere(context, request).map_err(Unsent::Failed)? {
            Choice::Asks(asking) => Ok(BackEnd::Asks(asking)),
            Choice::Server(server) => {
                let chosen = self.found(context, session, request, server)?;
                if self.chosen.len() < MOST {
                    self.chosen.push(Arc::clone(&chosen));
                }
                Ok(BackEnd::Known(chosen))
            }
        }
    }

    /// The back end that answers is this one.
    pub(super) fn found(
        &self,
        context: &Context,
        session: &FrontSession,
        request: &Request,
        server: Arc<Instance>,
    ) -> Result<Arc<Chosen>, Unsent> {
        let remote = context.cluster.by_id(&server.id);
        let remote = remote.ok_or_else(|| Code::NO_CONNECTION.into());
        let connection = remote.and_then(|remote| remote.connection(session.id().into()));
        match connection {
            Ok(connection) => Ok(Arc::new(Chosen {
                frame: forward::Frame::new(request.route(), session),
                server,
                connection,
            })),
            Err(status) => Err(Unsent::to(&server, context, status)),
        }
    }
}
