//! A session where its client is connected.

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
use serde_json::{Map, Value};
use tangelo_connector::Push;
use tangelo_registry::Instance;
use tangelo_rpc::{Code, Reply, Status, Waiter};
use tokio::sync::watch;

use super::{
    BindError, CloseReason, Item, Queue, SessionId, Wake,
    events::{Event, Untold},
    resumable::Resumable,
    settings::{Settings, TooLong},
};
use crate::{Context, OutboundKind, generated::forward, membership::Memberships, route::Homes};

/// A session where its client is connected.
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
    away: AtomicBool,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) uid: Option<Arc<str>>,
    /// When the user was bound.
    pub(super) bound_at: Option<SystemTime>,
    settings: Settings,
    /// What back ends are shown, until something changes.
    snapshot: Option<Bytes>,
    pub(super) memberships: Memberships,
    homes: Homes,
    pub(super) untold: Untold,
    pub(super) closed: Option<CloseReason>,
    /// Where its client came back from, if it did.
    pub(super) peer: Option<SocketAddr>,
    /// None unless its client may come back.
    pub(super) resumable: Option<Box<Resumable>>,
    /// While a user is being bound, or unbound, and others have to be told: ends when that is over.
    pub(super) changing: Option<watch::Receiver<()>>,
}

impl State {
    /// Whether it is bound to this user already.
    ///
    /// # Errors
    /// It cannot be.
    pub(super) fn is_bound_to(&self, uid: &str) -> Result<bool, BindError> {
        if self.closed.is_some() {
            return Err(BindError::Closed);
        }
        if let Some(bound) = &self.uid {
            return if **bound == *uid {
                Ok(true)
            } else {
                Err(BindError::Bound(Arc::clone(bound)))
            };
        }
        if self.untold.is_full() {
            let words = "bound and unbound faster than the application takes note";
            return Err(Status::new(Code::FLOW_LIMIT, words).into());
        }
        Ok(false)
    }
}

impl FrontSession {
    pub(crate) fn new(id: SessionId, peer: SocketAddr, context: Arc<Context>) -> Self {
        Self::with_wake(id, peer, context, Arc::default())
    }

    /// One whose task there is already.
    pub(crate) fn with_wake(
        id: SessionId,
        peer: SocketAddr,
        context: Arc<Context>,
        wake: Arc<Wake>,
    ) -> Self {
        let queue = Queue::new(context.limits().queue);
        Self {
            id,
            peer,
            context,
            state: Mutex::default(),
            version: AtomicU32::new(0),
            queue,
            wake,
            closed: AtomicBool::new(false),
            away: AtomicBool::new(false),
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
        self.state.lock().peer.unwrap_or(self.peer)
    }

    /// Whether its client has no connection, and may come back.
    pub(crate) fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    pub(crate) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Why it closed, once it has.
    pub(crate) fn close_reason(&self) -> Option<CloseReason> {
        self.state.lock().closed.clone()
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

    /// All settings as a JSON object; nothing for none.
    pub(crate) fn settings(&self) -> Bytes {
        self.state.lock().settings.encode()
    }

    pub(super) fn set(&self, key: &str, value: Value) -> Result<(), TooLong> {
        self.change(|state| state.settings.set(key.to_owned(), value))
    }

    pub(super) fn remove(&self, key: &str) {
        self.change(|state| state.settings.remove(key));
    }

    /// Removes some settings and sets others: all of it, or nothing.
    pub(crate) fn change_settings(
        &self,
        set: Map<String, Value>,
        removed: &[String],
    ) -> Result<(), TooLong> {
        self.change(|state| state.settings.change(set, removed))
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

    /// Ends it. Its task says the reason, behind what the client was told before, and hangs up.
    pub(crate) fn kick(self: &Arc<Self>, reason: &str) {
        let reason = CloseReason::Kicked(Arc::from(reason));
        self.context.sessions().close(self, reason);
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
        let snapshot = forward::Session {
            sid: self.id.0,
            uid: state.uid.as_deref().unwrap_or_default().to_owned(),
            settings: state.settings.encode(),
            version: self.version(),
            address: state.peer.unwrap_or(self.peer).to_string(),
        };
        let encoded = Bytes::from(snapshot.encode_to_vec());
        state.snapshot = Some(encoded.clone());
        encoded
    }

    /// The server of this type it was given, unless the session or the list of servers has changed
    /// since.
    pub(crate) fn home(&self, server_type: &str, cluster_version: u64) -> Option<Arc<Instance>> {
        let state = self.state.lock();
        let versions = (self.version(), cluster_version);
        state.homes.of_type(server_type, versions)
    }

    /// It is given this server.
    pub(crate) fn settle(&self, server: &Arc<Instance>, versions: (u32, u64)) {
        self.state.lock().homes.settle(server, versions);
    }

    /// Looks at, or changes, which channels the session is in, given whom it is bound to; none if it has
    /// closed.
    pub(crate) fn with_memberships<T>(
        &self,
        use_them: impl FnOnce(&mut Memberships, Option<&str>) -> T,
    ) -> Option<T> {
        let mut state = self.state.lock();
        let State {
            uid,
            memberships,
            closed,
            ..
        } = &mut *state;
        closed
            .is_none()
            .then(|| use_them(memberships, uid.as_deref()))
    }

    /// Whether it is in this channel of that server.
    pub(crate) fn is_member(&self, server_id: &str, channel: &str) -> bool {
        let is_member = self.with_memberships(|memberships, _| memberships.has(server_id, channel));
        is_member.unwrap_or_default()
    }

    /// Looks at, or changes, what back ends are not shown.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock())
    }

    /// Nothing is taken for the client any more. Returns the user, and who has to be told; nothing if
    /// it was closed before.
    pub(super) fn close(
        &self,
        reason: CloseReason,
        told: Option<Event>,
    ) -> Option<(Option<Arc<str>>, Memberships)> {
        let mut state = self.state.lock();
        if state.closed.is_some() {
            return None;
        }
        state.closed = Some(reason);
        state.untold.extend(told);
        let left = (state.uid.clone(), std::mem::take(&mut state.memberships));
        let resumable = state.resumable.take();
        drop(state);
        self.set_away(false);
        drop(resumable);
        self.queue.seal();
        self.closed.store(true, Ordering::Release);
        self.wake.wake();
        Some(left)
    }
}

impl Waiter for FrontSession {
    fn answer(&self, token: u64, outcome: Result<Reply, Status>) {
        self.add(Item::Forwarded { token, outcome });
    }

    fn answer_among(&self, token: u64, outcome: Result<Reply, Status>) -> bool {
        self.queue.put_answer(token, outcome).wakes
    }

    fn wake(&self) {
        self.wake.wake();
    }
}
