//! The servers of a type, as its route function sees them.

use std::sync::Arc;

use tangelo_registry::{Instance, Instances};
use tangelo_rpc::Cluster;

use super::RouteRule;

/// The servers of a type, as its route function sees them; never none.
#[derive(Clone, Debug)]
pub struct Candidates {
    server_type: Arc<str>,
    instances: Instances,
    rule: RouteRule,
    cluster: Cluster,
}

impl Candidates {
    /// Those that can be called.
    pub(crate) fn new(server_type: &str, rule: RouteRule, cluster: &Cluster) -> Self {
        Self {
            server_type: server_type.into(),
            instances: cluster.instances(),
            rule,
            cluster: cluster.clone(),
        }
    }

    /// Their type.
    pub fn server_type(&self) -> &str {
        &self.server_type
    }

    /// All of them, in the registry's order, whether up or not.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Instance>> + Clone {
        let server_type = &*self.server_type;
        self.instances.iter().filter(move |instance| {
            instance.server_type == server_type && (instance.port.is_some() || instance.frontend)
        })
    }

    /// Whether the server of this name can be asked now.
    pub fn is_up(&self, server_id: &str) -> bool {
        server_id == self.cluster.identity().server_id || self.cluster.is_up(server_id)
    }

    /// The server of this key by the type's [rule](RouteRule): its own, unless that one leaves, whether up
    /// or not.
    pub fn by_key(&self, key: &str) -> Option<&Arc<Instance>> {
        let own = self.rule.pick(key, self.all(), |_| true)?;
        if self.takes_new(own) {
            return Some(own);
        }
        let others = |server: &Instance| self.takes_new(server);
        Some(self.rule.pick(key, self.all(), others).unwrap_or(own))
    }

    /// The server of this name, if it is among them.
    pub(crate) fn by_id(&self, server_id: &str) -> Option<&Arc<Instance>> {
        self.all().find(|server| server.id == server_id)
    }

    /// The server of this key among those not tried yet that can be asked now.
    pub(crate) fn next(&self, key: &str, tried: &[Arc<str>]) -> Option<&Arc<Instance>> {
        self.rule.pick(key, self.all(), |server| {
            !tried.iter().any(|tried| **tried == *server.id) && self.is_up(&server.id)
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    fn takes_new(&self, server: &Instance) -> bool {
        self.cluster.takes_new(&server.id)
    }
}
