//! Connections to the servers a registry names.

mod dialers;

use std::{
    collections::HashSet,
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::RwLock;
use tangelo_registry::{Instance, Instances, Registry};
use tangelo_runtime::Tasks;
use tokio::{net::TcpStream, sync::watch};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, debug_span, info, warn};

pub use self::dialers::Dialers;
use crate::{
    Answer, Code, Connection, Home, Limits, Request, Service, Services, Status,
    call::{DEFAULT_TIMEOUT, deadline},
    connection::{Dialect, Driver, Quota, Role},
    link::{self, Identity, Link, Peers},
};

/// How long a connection may take to stand.
const DIAL_TIMEOUT: Duration = Duration::from_secs(3);
/// Silence after which a heartbeat is sent.
const PING: Duration = Duration::from_secs(5);
/// Pause before the first redial; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// A server that comes back is met again within this.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

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

/// A server elsewhere, and the connections to it. Clones share them.
#[derive(Clone)]
pub struct Remote {
    shared: Arc<RemoteShared>,
}

struct RemoteShared {
    instance: Arc<Instance>,
    lanes: Box<[RwLock<Option<Connection>>]>,
    /// How many of them stand.
    standing: AtomicUsize,
    /// The registry no longer names it.
    gone: CancellationToken,
    /// It said that it leaves, went, and is not back.
    has_left: AtomicBool,
    /// Of which lanes the first attempt has ended.
    tried: Box<[AtomicBool]>,
    home: Option<Home>,
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
            for connection in remote
                .shared
                .lanes
                .iter()
                .filter_map(|lane| lane.read().clone())
            {
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

    fn follow(
        &self,
        instances: &Instances,
        wanted: &impl Fn(&Instance) -> bool,
        services: &Arc<Services>,
        tasks: &Tasks,
    ) {
        let types = instances.iter().map(|known| known.server_type.clone());
        self.shared.types.write().extend(types);
        let known = Arc::clone(&self.shared.remotes.read());
        let mut next = Vec::new();
        for instance in instances.iter().filter(|instance| wanted(instance)) {
            let same = known
                .iter()
                .find(|remote| *remote.instance() == **instance)
                .cloned();
            next.push(same.unwrap_or_else(|| self.dial(instance, services, tasks)));
        }
        for remote in known.iter() {
            if !next
                .iter()
                .any(|kept| Arc::ptr_eq(&kept.shared, &remote.shared))
            {
                remote.shared.gone.cancel();
            }
        }
        *self.shared.remotes.write() = next.into();
        self.shared.version.fetch_add(1, Ordering::Release);
        self.shared.changed.send_replace(());
    }

    fn dial(&self, instance: &Arc<Instance>, services: &Arc<Services>, tasks: &Tasks) -> Remote {
        let lanes = self.lanes_to(instance);
        let places = (0..lanes).map(|_| RwLock::new(None)).collect();
        let remote = Remote {
            shared: Arc::new(RemoteShared {
                instance: Arc::clone(instance),
                lanes: places,
                standing: AtomicUsize::new(0),
                gone: CancellationToken::new(),
                has_left: AtomicBool::new(false),
                tried: (0..self.shared.lanes)
                    .map(|_| AtomicBool::new(false))
                    .collect(),
                home: self.shared.home.get().cloned(),
            }),
        };
        for lane in 0..lanes {
            let (cluster, remote, tasks_of_lane) = (self.clone(), remote.clone(), tasks.clone());
            let services = Arc::clone(services);
            let span = debug_span!("lane", to = instance.id, lane);
            tasks.spawn(span, async move {
                let gone = remote.shared.gone.clone();
                tokio::select! {
                    biased;
                    () = gone.cancelled() => {}
                    () = tasks_of_lane.stop().draining() => {}
                    () = cluster.keep(&remote, lane, &services, &tasks_of_lane) => {}
                }
            });
        }
        remote
    }

    /// Servers of one type are many, and have little to say to each other.
    fn lanes_to(&self, instance: &Instance) -> u32 {
        if instance.server_type == self.shared.identity.server_type {
            1
        } else {
            self.shared.lanes
        }
    }

    /// Keeps one connection standing.
    async fn keep(&self, remote: &Remote, lane: u32, services: &Arc<Services>, tasks: &Tasks) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.connect(remote, lane, services, tasks).await {
                Ok(connection) => {
                    pause = FIRST_PAUSE;
                    connection.closed().await;
                }
                Err(status) => {
                    if remote.set_tried(lane) {
                        self.shared.changed.send_replace(());
                    }
                    // Once, by one of the lanes: servers that start in any order wait for each other.
                    let (server, to) = (&self.shared.identity.server_id, remote.instance());
                    let reason = std::error::Error::source(&status).map(ToString::to_string);
                    let reason = reason.unwrap_or_else(|| status.to_string());
                    let (host, port) = (&to.host, to.port.unwrap_or_default());
                    if lane == 0 && pause == FIRST_PAUSE {
                        warn!(server, to = to.id, host, port, reason, "not there yet");
                    } else {
                        debug!(server, to = to.id, host, port, reason, "cannot connect");
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn connect(
        &self,
        remote: &Remote,
        lane: u32,
        services: &Arc<Services>,
        tasks: &Tasks,
    ) -> Result<Connection, Status> {
        let instance = remote.instance();
        let no_connection =
            |error: std::io::Error| Status::from(Code::NO_CONNECTION).with_cause(error);
        let port = instance.port.ok_or(Code::NO_CONNECTION)?;
        let dial = TcpStream::connect((instance.host.as_str(), port));
        let stream = tokio::time::timeout(DIAL_TIMEOUT, dial)
            .await
            .map_err(|_| Status::from(Code::NO_CONNECTION))?
            .map_err(no_connection)?;
        let _ = stream.set_nodelay(true);
        let peer = stream.peer_addr().map_err(no_connection)?;
        let (limits, services) = (Limits::default(), Arc::clone(services));
        let dialect = Dialect::ours(limits.frame);
        let name = format!("{peer}:{}", lane + 1).into();
        let connection = Connection::new(name, peer, (limits, &Quota::unlimited()), dialect);
        let role = Role::dialing(PING);
        let driver = Driver::new(stream, connection.clone(), services, role, tasks.stop());
        // Until the lane has it this future owns the connection: dropped, it closes it.
        let guard = CloseOnDrop(Some(connection.clone()));
        tasks.spawn(debug_span!("rpc", to = instance.id, lane), driver);

        let lanes = (lane, self.lanes_to(instance));
        let expected = (instance.id.as_str(), instance.server_type.as_str());
        link::say_hello(&connection, &self.shared.identity, lanes, expected)
            .await
            .inspect_err(|status| warn!(%status, "hello failed"))?;
        self.shared.peers.arrived(&connection);
        if remote.set_lane(lane, connection.clone()) {
            let server = &self.shared.identity.server_id;
            info!(server, to = instance.id, %peer, "connected");
        }
        self.shared.changed.send_replace(());

        let (shared, watched, remote) =
            (Arc::clone(&self.shared), connection.clone(), remote.clone());
        let stop = tasks.stop().clone();
        let watch = async move {
            watched.closed().await;
            if watched.peer_leaves() {
                remote.shared.has_left.store(true, Ordering::Release);
            }
            if remote.clear_lane(lane, &watched) && !stop.is_draining() {
                let (server, to) = (&shared.identity.server_id, &remote.instance().id);
                if watched.peer_leaves() {
                    info!(server, to, "left");
                } else {
                    warn!(server, to, "connection lost");
                }
            }
            shared.peers.left(&watched);
            shared.changed.send_replace(());
        };
        tasks.spawn(debug_span!("watch", lane), watch.in_current_span());
        guard.keep().ok_or_else(|| Code::NO_CONNECTION.into())
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

/// Ends a connection that nobody took.
struct CloseOnDrop(Option<Connection>);

impl CloseOnDrop {
    fn keep(mut self) -> Option<Connection> {
        self.0.take()
    }
}

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            connection.close();
        }
    }
}

impl Remote {
    /// What the registry says of it.
    pub fn instance(&self) -> &Instance {
        &self.shared.instance
    }

    /// Whether it can be asked now: a connection stands and it has not said that it leaves.
    pub fn is_up(&self) -> bool {
        self.shared.lanes.iter().any(|lane| {
            lane.read()
                .as_ref()
                .is_some_and(|connection| !connection.peer_leaves())
        })
    }

    /// Whether what is not on it yet may be given to it. Not from when it says that it leaves until it is
    /// back; one that is down without a word is expected back.
    pub fn takes_new(&self) -> bool {
        let leaves = |lane: &RwLock<Option<Connection>>| {
            let lane = lane.read();
            lane.as_ref().is_some_and(Connection::peer_leaves)
        };
        !self.shared.has_left.load(Ordering::Acquire) && !self.shared.lanes.iter().any(leaves)
    }

    /// Whether it has said that it leaves, and is gone: what it kept is nowhere.
    pub fn has_left(&self) -> bool {
        self.shared.has_left.load(Ordering::Acquire)
            && self.shared.standing.load(Ordering::Acquire) == 0
    }

    /// Whether all connections to it stand, so that every session finds its own.
    pub fn is_connected(&self) -> bool {
        self.shared.lanes.iter().all(|lane| lane.read().is_some())
    }

    /// The connection for what belongs to `key`, such as a session's id: always the same one, so
    /// that order is kept.
    ///
    /// # Errors
    /// [`Code::NO_CONNECTION`] while it does not stand.
    pub fn connection(&self, key: u64) -> Result<Connection, Status> {
        let lane = self.shared.lanes.get(self.lane_of(key));
        lane.and_then(|lane| lane.read().clone())
            .ok_or_else(|| Code::NO_CONNECTION.into())
    }

    /// This server as something to call; what belongs to `key` keeps its order.
    pub fn service(&self, key: u64) -> Arc<dyn Service> {
        Arc::new(Call {
            remote: self.clone(),
            key,
        })
    }

    /// Which of its connections is for `key`.
    fn lane_of(&self, key: u64) -> usize {
        let lane = key.checked_rem(self.shared.lanes.len() as u64);
        lane.unwrap_or_default() as usize
    }

    /// Whether the first attempt to connect has ended, of what belongs to `key`.
    fn was_tried(&self, key: u64) -> bool {
        let tried = self.shared.tried.get(self.lane_of(key));
        tried.is_some_and(|tried| tried.load(Ordering::Acquire))
    }

    /// An attempt has ended. Whether it was the first.
    fn set_tried(&self, lane: u32) -> bool {
        let tried = self.shared.tried.get(lane as usize);
        tried.is_some_and(|tried| !tried.swap(true, Ordering::AcqRel))
    }

    /// Whether it is the first that stands.
    fn set_lane(&self, lane: u32, connection: Connection) -> bool {
        let Some(slot) = self.shared.lanes.get(lane as usize) else {
            return false;
        };
        let before = slot.write().replace(connection);
        self.shared.has_left.store(false, Ordering::Release);
        self.set_tried(lane);
        before.is_none() && self.shared.standing.fetch_add(1, Ordering::AcqRel) == 0
    }

    /// This connection has ended; another may have taken its place already. Whether it was the last.
    fn clear_lane(&self, lane: u32, connection: &Connection) -> bool {
        let Some(slot) = self.shared.lanes.get(lane as usize) else {
            return false;
        };
        let cleared = slot.write().take_if(|known| known.id() == connection.id());
        cleared.is_some() && self.shared.standing.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

struct Call {
    remote: Remote,
    key: u64,
}

impl Service for Call {
    fn call(&self, request: Request) -> Answer {
        let connection = self.remote.connection(self.key);
        let deadline = deadline(&request, DEFAULT_TIMEOUT);
        Box::pin(async move { connection?.ask(&request, deadline, None).await.1 })
    }

    fn home(&self) -> Option<&Home> {
        self.remote.shared.home.as_ref()
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

impl fmt::Debug for Remote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Remote")
            .field("id", &self.instance().id)
            .field("up", &self.is_up())
            .finish()
    }
}
