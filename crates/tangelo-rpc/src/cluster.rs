//! Connections to the servers a registry names.

mod dial;
mod dialers;
mod remote;

use std::{
    collections::HashSet,
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::RwLock;
use tangelo_registry::{Instance, Instances, Registry};
use tangelo_runtime::Tasks;
use tokio::sync::watch;

pub use self::{dialers::Dialers, remote::Remote};
use crate::{
    Code, Connection, Home, Services, Status,
    link::{self, Identity, Link, Peers},
};

/// Keeps connections to the servers a registry names. Clones share them.
#[derive(Clone)]
pub struct Cluster {
    shared: Arc<Shared>,
}

struct Shared {
    identity: Arc<Identity>,
    peers: Arc<dyn Peers>,
    lanes: u32,
    remotes: RwLock<Arc<[Remote]>>,
    instances: watch::Receiver<Instances>,
    changed: watch::Sender<()>,
    /// Types of which there is, or was, a server.
    types: RwLock<HashSet<String>>,
    /// Where its connections run, once they do.
    home: OnceLock<Home>,
    /// Counts the changes of `remotes`.
    version: AtomicU64,
    /// Servers that are dialed though nobody wanted them at first.
    asked_for: watch::Sender<HashSet<String>>,
    dialers: Dialers,
}

impl Cluster {
    /// A cluster seen by this server, which keeps `lanes` connections to each other one, and one to those
    /// of its own type.
    pub fn new(
        identity: Arc<Identity>,
        peers: Arc<dyn Peers>,
        registry: &dyn Registry,
        lanes: u32,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                identity,
                peers,
                lanes: lanes.max(1),
                remotes: RwLock::new(Arc::new([])),
                instances: registry.watch(),
                changed: watch::Sender::new(()),
                types: RwLock::default(),
                home: OnceLock::new(),
                version: AtomicU64::new(0),
                asked_for: watch::Sender::default(),
                dialers: Dialers::default(),
            }),
        }
    }

    /// Follows the registry and dials those servers that `wanted` names, until its tasks stop.
    ///
    /// `services` answers what the others ask over these connections.
    pub fn run(
        self,
        services: Services,
        wanted: impl Fn(&Instance) -> bool + Send,
        tasks: Tasks,
    ) -> impl Future<Output = ()> + Send {
        // Known from now on, though nobody may have polled it yet.
        if let Ok(home) = Home::here(tasks.clone()) {
            let _ = self.shared.home.set(home);
        }
        self.keep_up(services, wanted, tasks)
    }

    async fn keep_up(self, services: Services, wanted: impl Fn(&Instance) -> bool, tasks: Tasks) {
        let services = Arc::new(services.with(Link {
            identity: Arc::clone(&self.shared.identity),
            peers: Arc::clone(&self.shared.peers),
        }));
        let mut instances = self.shared.instances.clone();
        let mut asked_for = self.shared.asked_for.subscribe();
        loop {
            let now = instances.borrow_and_update().clone();
            self.shared.forget_asked_for(&now);
            {
                let asked_for = asked_for.borrow_and_update().clone();
                let wanted =
                    |instance: &Instance| wanted(instance) || asked_for.contains(&instance.id);
                self.follow(&now, &wanted, &services, &tasks);
            }
            tokio::select! {
                changed = instances.changed() => if changed.is_err() { return },
                _ = asked_for.changed() => {}
            }
        }
    }

    /// The connection for what belongs to `key` to the server of this name, whichever side dialed. A server
    /// that was not among those [wanted](Self::run) so far is dialed from now on; where the first attempt
    /// has not ended, this waits for it. Cancel safe.
    ///
    /// # Errors
    /// [`Code::NO_CONNECTION`]: the registry does not name it, nobody can call it, or it is not there.
    pub async fn connection(&self, server_id: &str, key: u64) -> Result<Connection, Status> {
        let mut remote = self.by_id(server_id);
        if let Some(connection) = remote.as_ref().and_then(|known| known.connection(key).ok()) {
            return Ok(connection);
        }
        if let Ok(connection) = self.shared.dialers.connection(server_id, key) {
            return Ok(connection);
        }
        if remote.is_none() {
            let can_be_called =
                |instance: &Arc<Instance>| instance.id == server_id && instance.port.is_some();
            if !self.instances().iter().any(can_be_called) {
                return Err(Code::NO_CONNECTION.into());
            }
            self.shared
                .asked_for
                .send_if_modified(|asked_for| asked_for.insert(server_id.to_owned()));
        }
        if remote.is_none_or(|known| !known.was_tried(key)) {
            let was_tried = |known: Remote| known.was_tried(key);
            self.wait_until(|cluster| cluster.by_id(server_id).is_some_and(was_tried))
                .await;
        }
        remote = self.by_id(server_id);
        remote.ok_or(Code::NO_CONNECTION)?.connection(key)
    }

    /// Where calls can be started that survive being dropped; none before it [runs](Self::run).
    pub fn home(&self) -> Option<&Home> {
        self.shared.home.get()
    }

    /// Says that this server leaves, over the connections it has dialed: who is there asks it nothing new,
    /// and goes on answering it. Those that it accepted are told when their tasks drain.
    pub fn announce(&self) {
        for remote in self.shared.remotes.read().iter() {
            for connection in remote.standing() {
                // If it cannot be said the connection is over, which says it as well.
                let _ = connection.tell(link::GOAWAY, |_| {});
            }
        }
    }

    /// The server that sees it.
    pub fn identity(&self) -> &Arc<Identity> {
        &self.shared.identity
    }

    /// Every server the registry names now, in its order, whether connected or not.
    pub fn instances(&self) -> Instances {
        self.shared.instances.borrow().clone()
    }

    /// Whether there is, or was, a server of this type.
    pub fn knows_type(&self, server_type: &str) -> bool {
        let named = |instance: &Arc<Instance>| instance.server_type == server_type;
        self.shared.types.read().contains(server_type)
            || self.shared.instances.borrow().iter().any(named)
    }

    /// Changes whenever the list of servers does: a choice made under the same version still holds.
    pub fn version(&self) -> u64 {
        self.shared.version.load(Ordering::Acquire)
    }

    /// The servers of a type that this one dials, in the registry's order, whether up or not.
    pub fn of_type<'a>(&self, server_type: &'a str) -> impl Iterator<Item = Remote> + use<'a> {
        let remotes = Arc::clone(&self.shared.remotes.read());
        let count = remotes.len();
        (0..count).filter_map(move |index| {
            let remote = remotes.get(index)?;
            (remote.instance().server_type == server_type).then(|| remote.clone())
        })
    }

    /// The server of this name.
    pub fn by_id(&self, server_id: &str) -> Option<Remote> {
        self.shared
            .remotes
            .read()
            .iter()
            .find(|remote| remote.instance().id == server_id)
            .cloned()
    }

    /// Those who have dialed this server. Whoever accepts connections notes them here.
    pub fn dialers(&self) -> &Dialers {
        &self.shared.dialers
    }

    /// Whether what is not on the server of this name yet may be given to it. Not from when it says that it
    /// leaves until it is back, nor once the registry no longer names it; one that is down without a word is
    /// expected back.
    pub fn takes_new(&self, server_id: &str) -> bool {
        match self.by_id(server_id) {
            Some(remote) => remote.takes_new(),
            // It is not dialed; or it was, and has gone since whoever asks saw it.
            None => self.instances().iter().any(|known| known.id == server_id),
        }
    }

    /// Whether the server of this name can be asked now, whichever side dialed.
    pub fn is_up(&self, server_id: &str) -> bool {
        self.by_id(server_id).is_some_and(|remote| remote.is_up())
            || self.shared.dialers.is_up(server_id)
    }

    /// Resolves when `condition` holds of this cluster; it is looked at now and after each
    /// connection that comes or goes. Cancel safe.
    pub async fn wait_until(&self, condition: impl Fn(&Self) -> bool) {
        let mut changed = self.shared.changed.subscribe();
        while !condition(self) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }
}

impl Shared {
    /// Who is gone has to be asked for again.
    fn forget_asked_for(&self, instances: &Instances) {
        self.asked_for.send_if_modified(|asked_for| {
            asked_for.retain(|id| instances.iter().any(|instance| instance.id == *id));
            false
        });
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_list()
            .entries(self.shared.remotes.read().iter())
            .finish()
    }
}
