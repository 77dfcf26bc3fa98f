//! The servers a session has been given, for as long as nothing changes.

use std::sync::Arc;

use tangelo_registry::Instance;

use crate::{Session, session::Kind};

/// Types remembered for one session. A session uses few; for more a server is chosen each time.
const MOST: usize = 16;

/// The servers a session has been given, by type.
#[derive(Debug, Default)]
pub(crate) struct Homes(Vec<Home>);

#[derive(Debug)]
struct Home {
    server: Arc<Instance>,
    /// Of the session and of the list of servers, when it was given.
    versions: (u32, u64),
}

impl Homes {
    /// The server given to it, if nothing has changed since.
    pub(crate) fn of_type(&self, server_type: &str, versions: (u32, u64)) -> Option<Arc<Instance>> {
        let mut homes = self.0.iter();
        let home = homes.find(|home| home.server.server_type == server_type)?;
        (home.versions == versions).then(|| Arc::clone(&home.server))
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
    /// The server of this type it was given, if that still holds; its front end knows.
    pub(super) fn home(&self, server_type: &str, cluster_version: u64) -> Option<Arc<Instance>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn server(server_type: &str, id: &str) -> Arc<Instance> {
        Arc::new(Instance {
            id: id.to_owned(),
            server_type: server_type.to_owned(),
            ..Instance::default()
        })
    }

    #[test]
    fn the_last_server_of_a_type_is_remembered_until_something_changes() {
        let mut homes = Homes::default();
        assert_eq!(homes.of_type("chat", (0, 0)), None);
        let (one, two) = (server("chat", "chat-1"), server("chat", "chat-2"));
        homes.settle(&one, (1, 1));
        homes.settle(&two, (1, 2));
        assert_eq!(homes.of_type("chat", (1, 2)), Some(two));
        for changed in [(2, 2), (1, 3)] {
            assert_eq!(homes.of_type("chat", changed), None);
        }
        assert_eq!(homes.of_type("area", (1, 2)), None);
    }

    #[test]
    fn so_many_types_are_remembered_and_no_more() {
        let mut homes = Homes::default();
        let types: Vec<_> = (0..=MOST).map(|number| format!("type-{number}")).collect();
        for server_type in &types {
            homes.settle(&server(server_type, server_type), (1, 1));
        }
        let (last, remembered) = types.split_last().unwrap();
        assert!(
            remembered
                .iter()
                .all(|one| homes.of_type(one, (1, 1)).is_some())
        );
        assert_eq!(homes.of_type(last, (1, 1)), None);
    }
}
