//! The servers a session has been given.

use std::sync::Arc;

use tangelo_registry::Instance;

use crate::{Session, session::Kind};

/// Types remembered for one session. A session uses few; for more a server is chosen each time.
const MOST: usize = 16;

/// The servers a session has been given, by type: what they keep for it is nowhere else.
#[derive(Debug, Default)]
pub(crate) struct Homes(Vec<Home>);

#[derive(Debug)]
struct Home {
    server: Arc<Instance>,
    /// Of the session and of the list of servers, when it was given.
    versions: (u32, u64),
}

impl Homes {
    /// The server given to it, and whether nothing has changed since.
    pub(crate) fn of_type(
        &self,
        server_type: &str,
        versions: (u32, u64),
    ) -> Option<(Arc<Instance>, bool)> {
        let mut homes = self.0.iter();
        let home = homes.find(|home| home.server.server_type == server_type)?;
        Some((Arc::clone(&home.server), home.versions == versions))
    }

    /// It has been given this one.
    pub(crate) fn settle(&mut self, server: &Arc<Instance>, versions: (u32, u64)) {
        self.0
            .retain(|home| home.server.server_type != server.server_type);
        if self.0.len() < MOST {
            let server = Arc::clone(server);
            self.0.push(Home { server, versions });
        }
    }
}

impl Session {
    /// The server of this type it was given, and whether that still holds; its front end knows.
    pub(super) fn home(
        &self,
        server_type: &str,
        cluster_version: u64,
    ) -> Option<(Arc<Instance>, bool)> {
        match &self.0 {
            Kind::Front(session) => session.home(server_type, cluster_version),
            Kind::Back(_) => None,
        }
    }

    /// It is given this server; its front end remembers.
    pub(super) fn settle(&self, server: &Arc<Instance>, versions: (u32, u64)) {
        if let Kind::Front(session) = &self.0 {
            session.settle(server, versions);
        }
    }

    /// Counts the changes of user and settings, where those happen.
    pub(super) fn version(&self) -> u32 {
        match &self.0 {
            Kind::Front(session) => session.version(),
            Kind::Back(_) => 0,
        }
    }
}
