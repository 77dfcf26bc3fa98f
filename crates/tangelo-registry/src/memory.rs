//! A registry within one process.

use std::sync::Arc;

use tokio::sync::watch;

use crate::{Instance, Instances, Registry};

/// The registry of servers that share a process. Clones share the list.
///
/// Servers stand in the order of their ids, so that what is chosen by position does not depend on
/// who came first.
#[derive(Clone, Debug)]
pub struct Memory {
    instances: Arc<watch::Sender<Instances>>,
}

impl Memory {
    /// An empty registry.
    pub fn new() -> Self {
        Self {
            instances: Arc::new(watch::Sender::new(Arc::new([]))),
        }
    }

    fn change(&self, id: &str, add: Option<Instance>) {
        self.instances.send_modify(|instances| {
            let others = instances.iter().filter(|known| known.id != id).cloned();
            let mut list: Vec<_> = others.chain(add.map(Arc::new)).collect();
            list.sort_by(|a, b| a.id.cmp(&b.id));
            *instances = list.into();
        });
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Registry for Memory {
    fn watch(&self) -> watch::Receiver<Instances> {
        self.instances.subscribe()
    }

    fn register(&self, instance: Instance) {
        let id = instance.id.clone();
        self.change(&id, Some(instance));
    }

    fn deregister(&self, id: &str) {
        self.change(id, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(id: &str, port: u16) -> Instance {
        Instance {
            id: id.into(),
            server_type: "chat".into(),
            host: "127.0.0.1".into(),
            port: Some(port),
            client_port: None,
            frontend: false,
            ..Instance::default()
        }
    }

    #[test]
    fn whoever_watches_sees_servers_come_move_and_go() {
        let registry = Memory::new();
        let watch = registry.watch();
        let ports = || {
            watch
                .borrow()
                .iter()
                .map(|server| server.port)
                .collect::<Vec<_>>()
        };

        registry.register(server("chat-2", 2));
        registry.register(server("chat-1", 1));
        assert_eq!(ports(), [Some(1), Some(2)], "in the order of their ids");
        registry.register(server("chat-2", 3));
        assert_eq!(ports(), [Some(1), Some(3)]);
        registry.deregister("chat-1");
        assert_eq!(ports(), [Some(3)]);
    }
}
