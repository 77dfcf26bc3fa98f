//! A list that never changes.

use std::sync::Arc;

use tokio::sync::watch;

use crate::{Instance, Instances, Registry};

/// A list that never changes, such as servers.json: every process has the same one.
///
/// It says where a server would be, not whether it is up: that shows when a connection to it stands.
#[derive(Debug)]
pub struct Fixed {
    instances: watch::Sender<Instances>,
}

impl Fixed {
    /// A registry of these servers, in this order.
    pub fn new(instances: impl IntoIterator<Item = Instance>) -> Self {
        Self {
            instances: watch::Sender::new(instances.into_iter().map(Arc::new).collect()),
        }
    }
}

impl Registry for Fixed {
    fn watch(&self) -> watch::Receiver<Instances> {
        self.instances.subscribe()
    }

    /// Changes nothing: the list already says it.
    fn register(&self, _instance: Instance) {}

    /// Changes nothing: who is gone is seen by its connections.
    fn deregister(&self, _id: &str) {}
}
