//! All sessions of a front end.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    net::SocketAddr,
    sync::Arc,
};

use parking_lot::{Mutex, MutexGuard, RwLock};
use serde::Serialize;
use serde_json::Value;
use tangelo_connector::Push;

use super::{
    CloseReason, Events, FrontSession, Kind, Session, SessionId, Wake, encode, events::Event,
    front::State, no_such_session, single::Single,
};
use crate::{Context, Error, OutboundKind, generated::session::Whose, membership::Departed};

/// All sessions of a front end: Pomelo's `sessionService`. Clones speak of the same ones. A handler on
/// a front end may have it as an argument.
///
/// What needs the sessions of other front ends is in [`BackendSessions`](crate::BackendSessions).
#[derive(Clone)]
pub struct Sessions {
    shared: Arc<Shared>,
}

struct Shared {
    by_id: RwLock<HashMap<SessionId, Arc<FrontSession>, foldhash::fast::RandomState>>,
    by_uid: Mutex<ByUid>,
    departed: Departed,
    events: Events,
    single: Option<Arc<Single>>,
}

/// The sessions of each user.
#[derive(Default)]
pub(super) struct ByUid(HashMap<Arc<str>, Vec<Arc<FrontSession>>>);

impl Sessions {
    pub(crate) fn new(events: Events, single: Option<Single>) -> Self {
        Self {
            shared: Arc::new(Shared {
                by_id: RwLock::default(),
                by_uid: Mutex::default(),
                departed: Departed::default(),
                events,
                single: single.map(Arc::new),
            }),
        }
    }

    /// How many there are: clients that are connected, and those that are [away](Self::away).
    pub fn count(&self) -> usize {
        self.shared.by_id.read().len()
    }

    /// All sessions, in no order.
    pub fn all(&self) -> Vec<Session> {
        self.every().into_iter().map(of).collect()
    }

    /// The sessions that are bound to users, in no order.
    pub fn bound(&self) -> Vec<Session> {
        self.bound_sessions().into_iter().map(of).collect()
    }

    /// The session of this id.
    pub fn get(&self, id: SessionId) -> Option<Session> {
        self.find(id).map(of)
    }

    /// The sessions bound to this user here, in the order they were.
    pub fn by_uid(&self, uid: impl AsRef<str>) -> Vec<Session> {
        self.bound_to(uid.as_ref()).into_iter().map(of).collect()
    }

    /// Kicks the user's sessions here, as [`Session::kick`] does; returns how many there were.
    pub fn kick_by_uid(&self, uid: impl AsRef<str>, reason: &str) -> usize {
        self.kick_all(&uid.as_ref().into(), reason)
    }

    /// Kicks the session of this id; `false` if there is none.
    pub fn kick_by_id(&self, id: SessionId, reason: &str) -> bool {
        self.kick_all(&id.into(), reason) > 0
    }

    /// Tells the user's clients here; returns how many there are.
    ///
    /// # Errors
    /// The message is no JSON or too long.
    pub fn push_by_uid<T: Serialize + ?Sized>(
        &self,
        uid: impl AsRef<str>,
        route: &str,
        message: &T,
    ) -> Result<usize, Error> {
        Ok(self.push_to(&uid.as_ref().into(), encode(route, message)?))
    }

    /// Tells the client of the session of this id; `false` if there is none.
    ///
    /// # Errors
    /// The message is no JSON or too long.
    pub fn push_by_id<T: Serialize + ?Sized>(
        &self,
        id: SessionId,
        route: &str,
        message: &T,
    ) -> Result<bool, Error> {
        Ok(self.push_to(&id.into(), encode(route, message)?) > 0)
    }

    /// Sets one setting of the session of this id.
    ///
    /// # Errors
    /// There is no such session, the value is no JSON, or the settings would have more than
    /// [`Limits::SETTINGS`](crate::Limits::SETTINGS) bytes.
    pub fn import<T: Serialize + ?Sized>(
        &self,
        id: SessionId,
        key: &str,
        value: &T,
    ) -> Result<(), Error> {
        let session = self.find(id).ok_or_else(no_such_session)?;
        Ok(session.set(key, serde_json::to_value(value)?)?)
    }

    /// Sets many, those of a JSON object or of what becomes one, such as a struct or a map: all or, on an
    /// error, none. Those that are not named stay.
    ///
    /// # Errors
    /// As [`import`](Self::import); and `settings` become no object.
    pub fn import_all(&self, id: SessionId, settings: impl Serialize) -> Result<(), Error> {
        let session = self.find(id).ok_or_else(no_such_session)?;
        match serde_json::to_value(settings)? {
            Value::Object(settings) => Ok(session.change_settings(settings, &[])?),
            other => Err(Error::new(format!("settings are an object, not {other}"))),
        }
    }

    pub(super) fn kick_all(&self, whose: &Whose, reason: &str) -> usize {
        let sessions = self.whose(whose);
        sessions.iter().map(|session| session.kick(reason)).count()
    }

    pub(super) fn push_to(&self, whose: &Whose, push: Push) -> usize {
        let sessions = self.whose(whose);
        let Some(first) = sessions.first() else {
            return 0;
        };
        let pushes = first.context().pushes();
        let mut round = pushes.begin(OutboundKind::Push, push, None);
        sessions
            .iter()
            .filter(|session| round.tell(session))
            .count()
    }

    /// One session, or all of a user.
    pub(super) fn whose(&self, whose: &Whose) -> Vec<Arc<FrontSession>> {
        if whose.uid.is_empty() {
            Vec::from_iter(self.find(SessionId(whose.sid)))
        } else {
            self.bound_to(&whose.uid)
        }
    }

    pub(crate) fn open(&self, peer: SocketAddr, context: &Arc<Context>) -> Arc<FrontSession> {
        let id = context.session_ids().next();
        let session = Arc::new(FrontSession::new(id, peer, Arc::clone(context)));
        let mut by_id = self.shared.by_id.write();
        by_id.insert(id, Arc::clone(&session));
        session
    }

    /// A session of this id that another front end has so far, and whose task there is already; none if it
    /// is here.
    pub(crate) fn open_again(
        &self,
        id: SessionId,
        (peer, wake): (SocketAddr, Arc<Wake>),
        context: &Arc<Context>,
    ) -> Option<Arc<FrontSession>> {
        match self.shared.by_id.write().entry(id) {
            Entry::Occupied(_) => None,
            Entry::Vacant(vacant) => {
                let session = FrontSession::with_wake(id, peer, Arc::clone(context), wake);
                Some(Arc::clone(vacant.insert(Arc::new(session))))
            }
        }
    }

    /// Takes a session out, and tells the back ends that know it, and the application.
    pub(crate) fn close(&self, session: &Arc<FrontSession>, reason: CloseReason) {
        let told = self.worth_telling(Event::Closed(reason.clone()));
        self.take_out(session, reason, told);
    }

    /// Takes a session out that never began: its client goes on with the one it had.
    pub(crate) fn discard(&self, session: &Arc<FrontSession>) {
        self.take_out(session, CloseReason::Left, None);
    }

    fn take_out(&self, session: &Arc<FrontSession>, reason: CloseReason, told: Option<Event>) {
        if session.is_closed() {
            return;
        }
        // What a push scheduler keeps for it goes before the last words.
        session.context().pushes().closing(session.id());
        let Some((uid, memberships)) = session.close(reason, told) else {
            return;
        };
        self.shared.by_id.write().remove(&session.id());
        if let Some(uid) = uid {
            self.user_map().remove(session, &uid);
            if let Some(single) = self.single() {
                single.let_go(&uid, session);
            }
        }
        memberships.tell_closed(session.id(), self.departed(), session.context().channels());
        self.tell_events(session);
    }

    pub(crate) fn find(&self, id: SessionId) -> Option<Arc<FrontSession>> {
        self.shared.by_id.read().get(&id).cloned()
    }

    pub(crate) fn every(&self) -> Vec<Arc<FrontSession>> {
        self.shared.by_id.read().values().cloned().collect()
    }

    pub(crate) fn single(&self) -> Option<&Arc<Single>> {
        self.shared.single.as_ref()
    }

    /// How many users are bound to sessions here.
    pub(crate) fn users(&self) -> usize {
        self.user_map().0.len()
    }

    /// The sessions that a user is bound to.
    pub(crate) fn bound_sessions(&self) -> Vec<Arc<FrontSession>> {
        self.user_map().0.values().flatten().cloned().collect()
    }

    pub(crate) fn departed(&self) -> &Departed {
        &self.shared.departed
    }

    pub(crate) fn bound_to(&self, uid: &str) -> Vec<Arc<FrontSession>> {
        self.user_map().0.get(uid).cloned().unwrap_or_default()
    }

    pub(super) fn user_map(&self) -> MutexGuard<'_, ByUid> {
        self.shared.by_uid.lock()
    }

    /// What has happened will be told by [`tell_events`](Self::tell_events), if anybody wants to know.
    pub(super) fn note(&self, state: &mut State, event: Event) {
        state.untold.extend(self.worth_telling(event));
    }

    /// Its client has lost its connection and may come back. `false` if the application does not keep up
    /// with what it is told of this session.
    pub(crate) fn tell_away(&self, session: &Arc<FrontSession>) -> bool {
        let has_room = session.look(|state| {
            let has_room = !state.untold.is_full();
            if has_room {
                self.note(state, Event::Away);
            }
            has_room
        });
        self.tell_events(session);
        has_room
    }

    /// Its client is back, and lacks so many messages.
    pub(crate) fn tell_resumed(&self, session: &Arc<FrontSession>, gap: u64) {
        session.look(|state| {
            self.note(state, Event::Resumed);
            if gap > 0 {
                self.note(state, Event::Gap(gap));
            }
        });
        self.tell_events(session);
    }

    pub(super) fn tell_events(&self, session: &Arc<FrontSession>) {
        self.shared.events.tell(session);
    }

    fn worth_telling(&self, event: Event) -> Option<Event> {
        Some(event).filter(|_| !self.shared.events.is_empty())
    }
}

impl ByUid {
    pub(super) fn add(&mut self, session: &Arc<FrontSession>, uid: Arc<str>) {
        self.0.entry(uid).or_default().push(Arc::clone(session));
    }

    pub(super) fn remove(&mut self, session: &FrontSession, uid: &str) {
        if let Some(sessions) = self.0.get_mut(uid) {
            sessions.retain(|other| other.id() != session.id());
            if sessions.is_empty() {
                self.0.remove(uid);
            }
        }
    }
}

fn of(session: Arc<FrontSession>) -> Session {
    Session(Kind::Front(session))
}

impl fmt::Debug for Sessions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Sessions")
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}
