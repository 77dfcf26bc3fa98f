//! A server elsewhere, and the connections to it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use parking_lot::RwLock;
use tangelo_registry::Instance;
use tokio_util::sync::CancellationToken;

use crate::{
    Answer, Code, Connection, Home, Request, Service, Status,
    call::{DEFAULT_TIMEOUT, deadline},
};

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

impl Remote {
    pub(super) fn new(instance: Arc<Instance>, lanes: u32, home: Option<Home>) -> Self {
        let shared = RemoteShared {
            instance,
            lanes: (0..lanes).map(|_| RwLock::new(None)).collect(),
            standing: AtomicUsize::new(0),
            gone: CancellationToken::new(),
            has_left: AtomicBool::new(false),
            tried: (0..lanes).map(|_| AtomicBool::new(false)).collect(),
            home,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// The connections to it that stand.
    pub(super) fn standing(&self) -> impl Iterator<Item = Connection> {
        self.shared
            .lanes
            .iter()
            .filter_map(|lane| lane.read().clone())
    }

    /// The registry no longer names it.
    pub(super) fn gone(&self) -> &CancellationToken {
        &self.shared.gone
    }

    /// It has gone, and had said so.
    pub(super) fn note_left(&self) {
        self.shared.has_left.store(true, Ordering::Release);
    }

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
        // In this order: that it has left is noted before its connections are taken away.
        !self.shared.lanes.iter().any(leaves) && !self.shared.has_left.load(Ordering::Acquire)
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
    pub(super) fn was_tried(&self, key: u64) -> bool {
        let tried = self.shared.tried.get(self.lane_of(key));
        tried.is_some_and(|tried| tried.load(Ordering::Acquire))
    }

    /// An attempt has ended. Whether it was the first.
    pub(super) fn set_tried(&self, lane: u32) -> bool {
        let tried = self.shared.tried.get(lane as usize);
        tried.is_some_and(|tried| !tried.swap(true, Ordering::AcqRel))
    }

    /// Whether it is the first that stands.
    pub(super) fn set_lane(&self, lane: u32, connection: Connection) -> bool {
        let Some(slot) = self.shared.lanes.get(lane as usize) else {
            return false;
        };
        let before = slot.write().replace(connection);
        self.shared.has_left.store(false, Ordering::Release);
        self.set_tried(lane);
        before.is_none() && self.shared.standing.fetch_add(1, Ordering::AcqRel) == 0
    }

    /// This connection has ended; another may have taken its place already. Whether it was the last.
    pub(super) fn clear_lane(&self, lane: u32, connection: &Connection) -> bool {
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

impl fmt::Debug for Remote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Remote")
            .field("id", &self.instance().id)
            .field("up", &self.is_up())
            .finish()
    }
}
