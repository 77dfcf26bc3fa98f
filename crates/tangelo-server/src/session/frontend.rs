//! A session on the front end its client is connected to.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::SystemTime,
};

use bytes::Bytes;
use parking_lot::Mutex;
use prost::Message as _;
use serde::Serialize;
use serde_json::{Map, Value};
use tangelo_connector::Push;
use tangelo_registry::Instance;
use tangelo_rpc::{Reply, Status, Waiter};

use super::{
    Item, Kind, Queue, Session, SessionId, Wake,
    events::{Event, Untold},
};
use crate::{
    Context, Error, OutboundKind, generated::forward, membership::Memberships, route::Homes,
};

/// A session on the front end its client is connected to: what [`Session`] offers, and what only
/// the front end can do. As a handler's argument it is refused on a back end.
#[derive(Clone, Debug)]
pub struct FrontendSession {
    session: Session,
    front: Arc<FrontSession>,
}

impl FrontendSession {
    pub(crate) fn of(session: &Session) -> Option<Self> {
        match &session.0 {
            Kind::Front(front) => Some(Self::new(Arc::clone(front))),
            Kind::Back(_) => None,
        }
    }

    pub(super) fn new(front: Arc<FrontSession>) -> Self {
        Self {
            session: Session(Kind::Front(Arc::clone(&front))),
            front,
        }
    }

    /// Binds a user to the session. Several sessions may be bound to one user.
    ///
    /// # Errors
    /// It is bound to another user, or the client has gone.
    pub fn bind(&self, uid: &str) -> Result<(), Error> {
        self.front.context().sessions().bind(&self.front, uid)
    }

    /// Takes the bound user away again; nothing happens if there is none.
    pub fn unbind(&self) {
        self.front.context().sessions().unbind(&self.front);
    }

    /// Sets a setting, for this and every later request.
    ///
    /// # Errors
    /// The value is no JSON.
    pub fn set<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<(), Error> {
        let value = serde_json::to_value(value)?;
        self.front.change(|state| {
            state.settings.insert(key.to_owned(), value);
        });
        Ok(())
    }

    /// Tells the client why, then closes its connection.
    pub fn kick(&self, reason: &str) {
        self.front.kick(reason);
    }

    /// The client's address.
    pub fn peer(&self) -> SocketAddr {
        self.front.peer
    }
}

impl std::ops::Deref for FrontendSession {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

#[derive(Debug)]
pub(crate) struct FrontSession {
    id: SessionId,
    peer: SocketAddr,
    context: Arc<Context>,
    state: Mutex<State>,
    /// Counts the changes of uid and settings.
    version: AtomicU32,
    queue: Queue,
    wake: Arc<Wake>,
    closed: AtomicBool,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) uid: Option<Arc<str>>,
    /// When the user was bound.
    pub(super) bound_at: Option<SystemTime>,
    settings: Map<String, Value>,
    /// What back ends are shown, until something changes.
    snapshot: Option<Bytes>,
    memberships: Memberships,
    homes: Homes,
    pub(super) untold: Untold,
    pub(super) closed: bool,
}

impl FrontSession {
    pub(crate) fn new(id: SessionId, peer: SocketAddr, context: Arc<Context>) -> Self {
        let queue = Queue::new(context.limits().queue);
        Self {
            id,
            peer,
            context,
            state: Mutex::default(),
            version: AtomicU32::new(0),
            queue,
            wake: Arc::default(),
            closed: AtomicBool::new(false),
        }
    }

    pub(crate) fn id(&self) -> SessionId {
        self.id
    }

    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    pub(crate) fn version(&self) -> u32 {
        self.version.load(Ordering::Acquire)
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    pub(crate) fn wake(&self) -> &Arc<Wake> {
        &self.wake
    }

    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    pub(crate) fn uid(&self) -> Option<Arc<str>> {
        self.state.lock().uid.clone()
    }

    /// The user bound to it, and since when.
    pub(crate) fn login(&self) -> Option<(Arc<str>, SystemTime)> {
        let state = self.state.lock();
        Some((Arc::clone(state.uid.as_ref()?), state.bound_at?))
    }

    pub(crate) fn setting(&self, key: &str) -> Option<Value> {
        self.state.lock().settings.get(key).cloned()
    }

    /// Whether it will be told, as far as is known.
    pub(crate) fn push(self: &Arc<Self>, push: impl Into<Arc<Push>>) -> bool {
        let pushes = self.context.pushes();
        pushes.begin(OutboundKind::Push, push, None).tell(self)
    }

    /// Whether it was taken.
    pub(crate) fn add(&self, item: Item) -> bool {
        self.queue.add(item, &self.wake)
    }

    pub(crate) fn add_all(&self, items: Vec<Item>) {
        self.queue.add_all(items, &self.wake);
    }

    /// Tells the client why, then closes its connection. What a push scheduler keeps for it goes before.
    pub(crate) fn kick(&self, reason: &str) {
        self.context.pushes().closing(self.id);
        self.add(Item::Kick(reason.to_owned()));
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock();
        let outcome = change(&mut state);
        self.version.fetch_add(1, Ordering::Release);
        state.snapshot = None;
        outcome
    }

    /// The session as back ends are shown it, encoded.
    pub(crate) fn snapshot(&self) -> Bytes {
        let mut state = self.state.lock();
        if let Some(snapshot) = &state.snapshot {
            return snapshot.clone();
        }
        let settings = match serde_json::to_vec(&state.settings) {
            Ok(settings) if !state.settings.is_empty() => settings.into(),
            _ => Bytes::new(),
        };
        let snapshot = forward::Session {
            sid: self.id.0,
            uid: state.uid.as_deref().unwrap_or_default().to_owned(),
            settings,
            version: self.version(),
        };
        let encoded = Bytes::from(snapshot.encode_to_vec());
        state.snapshot = Some(encoded.clone());
        encoded
    }

    /// The server of this type it was given, and whether neither it nor the list of servers has changed
    /// since.
    pub(crate) fn home(
        &self,
        server_type: &str,
        cluster_version: u64,
    ) -> Option<(Arc<Instance>, bool)> {
        let state = self.state.lock();
        let versions = (self.version(), cluster_version);
        state.homes.of_type(server_type, versions)
    }

    /// It is given this server.
    pub(crate) fn settle(&self, server: &Arc<Instance>, versions: (u32, u64)) {
        self.state.lock().homes.settle(server, versions);
    }

    /// What a back end remembers of this session is changed; `false` if the session has closed.
    pub(crate) fn with_memberships(&self, change: impl FnOnce(&mut Memberships)) -> bool {
        let mut state = self.state.lock();
        if !state.closed {
            change(&mut state.memberships);
        }
        !state.closed
    }

    /// Looks at, or changes, what happened and was not told yet.
    pub(super) fn untold<T>(&self, use_it: impl FnOnce(&mut Untold) -> T) -> T {
        use_it(&mut self.state.lock().untold)
    }

    /// The client is gone: nothing is taken for it any more. Returns the user, and who has to be told;
    /// nothing if it was closed before.
    pub(super) fn close(&self, told: Option<Event>) -> Option<(Option<Arc<str>>, Memberships)> {
        self.closed.store(true, Ordering::Relaxed);
        self.queue.close();
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.closed, true) {
            return None;
        }
        if let Some(event) = told {
            state.untold.add(event);
        }
        Some((state.uid.clone(), std::mem::take(&mut state.memberships)))
    }
}

impl Waiter for FrontSession {
    fn answer(&self, token: u64, outcome: Result<Reply, Status>) {
        self.add(Item::Forwarded { token, outcome });
    }
}
