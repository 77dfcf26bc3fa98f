//! Which server answers a route.
//!
//! A server type is asked for by a session or a key. Its route function, if it has one, makes of the
//! session a key, or the name of a server; its [rule](RouteRule) makes of a key one of the servers there
//! are. What a session has been given it keeps until it changes or the list of servers does.

mod candidates;
mod choose;
mod homes;
mod param;
mod routes;
mod rule;

use std::sync::Arc;

use tangelo_registry::Instance;
use tangelo_rpc::{Cluster, Remote};

pub use self::{
    candidates::Candidates,
    param::RouteParam,
    routes::{RouteTo, Routes},
    rule::{RouteRule, crc32},
};
pub(crate) use self::{
    choose::{Asking, Choice},
    homes::Homes,
    param::By,
};

/// The parts of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route<'a> {
    pub(crate) server_type: &'a str,
    pub(crate) handler: &'a str,
    pub(crate) method: &'a str,
}

impl<'a> Route<'a> {
    /// `serverType.handler.method`; nothing else is a route.
    pub(crate) fn parse(text: &'a [u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(text).ok()?.split('.');
        let route = Self {
            server_type: parts.next()?,
            handler: parts.next()?,
            method: parts.next()?,
        };
        parts.next().is_none().then_some(route)
    }
}

/// The servers this one knows. As a handler's argument, what a gate chooses from.
#[derive(Clone, Debug)]
pub struct Servers(pub(crate) Cluster);

impl Servers {
    /// The servers of a type, in the registry's order, whether up or not.
    pub fn of_type<'a>(&self, server_type: &'a str) -> impl Iterator<Item = Remote> + use<'a> {
        self.0.of_type(server_type)
    }

    /// What the registry says of the servers of a type, also of those this one never calls.
    pub fn registered(&self, server_type: &str) -> Vec<Arc<Instance>> {
        let instances = self.0.instances();
        instances
            .iter()
            .filter(|instance| instance.server_type == server_type)
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_has_three_parts() {
        let route = Route {
            server_type: "chat",
            handler: "chatHandler",
            method: "send",
        };
        assert_eq!(Route::parse(b"chat.chatHandler.send"), Some(route));
        for other in ["", "chat", "chat.send", "chat.a.b.c"] {
            assert_eq!(Route::parse(other.as_bytes()), None, "{other}");
        }
        assert_eq!(Route::parse(b"chat.\xff.send"), None);
    }
}
