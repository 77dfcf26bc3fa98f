//! All sessions of a front end.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::SystemTime,
};

use parking_lot::{Mutex, RwLock};
use tangelo_rpc::{Code, Status};

use super::{
    CloseReason, Events, FrontSession, Kind, Session, SessionId, events::Event, frontend::State,
};
use crate::{Context, Error, membership::Departed};

/// All sessions of a front end: Pomelo's `sessionService`.
#[derive(Debug)]
pub struct Sessions {
    by_id: RwLock<HashMap<SessionId, Arc<FrontSession>, foldhash::fast::RandomState>>,
    by_uid: Mutex<ByUid>,
    departed: Departed,
    events: Events,
}

type ByUid = HashMap<Arc<str>, Vec<Arc<FrontSession>>>;

/// Gives out ids that no session of an earlier life had.
#[derive(Debug)]
pub(crate) struct SessionIds {
    epoch: u32,
    last: AtomicU32,
}

impl SessionIds {
    pub(crate) fn new() -> Self {
        // Any hasher of the standard library begins with numbers nobody can guess.
        Self {
            epoch: RandomState::new().hash_one(0) as u32,
            last: AtomicU32::new(0),
        }
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    fn next(&self) -> SessionId {
        let count = self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        SessionId(u64::from(self.epoch) << 32 | u64::from(count))
    }
}

impl Sessions {
    pub(crate) fn new(events: Events) -> Self {
        Self {
            by_id: RwLock::default(),
            by_uid: Mutex::default(),
            departed: Departed::default(),
            events,
        }
    }

    /// How many clients are connected.
    pub fn count(&self) -> usize {
        self.by_id.read().len()
    }

    /// The sessions bound to this user here.
    pub fn by_uid(&self, uid: &str) -> Vec<Session> {
        let by_uid = self.by_uid.lock();
        let sessions = by_uid.get(uid).into_iter().flatten();
        sessions
            .map(|session| Session(Kind::Front(Arc::clone(session))))
            .collect()
    }

    /// How many users are bound to sessions here.
    pub(crate) fn users(&self) -> usize {
        self.by_uid.lock().len()
    }

    /// The sessions that a user is bound to.
    pub(crate) fn bound(&self) -> Vec<Arc<FrontSession>> {
        self.by_uid.lock().values().flatten().cloned().collect()
    }

    pub(crate) fn open(&self, peer: SocketAddr, context: &Arc<Context>) -> Arc<FrontSession> {
        let id = context.session_ids().next();
        let session = Arc::new(FrontSession::new(id, peer, Arc::clone(context)));
        self.by_id.write().insert(id, Arc::clone(&session));
        session
    }

    pub(crate) fn find(&self, id: SessionId) -> Option<Arc<FrontSession>> {
        self.by_id.read().get(&id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<FrontSession>> {
        self.by_id.read().values().cloned().collect()
    }

    pub(super) fn bind(&self, session: &Arc<FrontSession>, uid: &str) -> Result<(), Error> {
        if uid.is_empty() {
            return Err(Error::new("a user's id cannot be empty"));
        }
        let mut by_uid = self.by_uid.lock();
        let uid = session.change(|state| match &state.uid {
            _ if state.closed => Err(Error::new("the client has gone")),
            Some(bound) if **bound == *uid => Ok(None),
            Some(bound) => Err(Error::new(format!(
                "the session is bound to {bound} already"
            ))),
            None if state.untold.is_full() => Err(Status::new(
                Code::FLOW_LIMIT,
                "the session is bound and unbound faster than the application takes note",
            )
            .into()),
            None => {
                state.bound_at = Some(SystemTime::now());
                let uid = Arc::clone(state.uid.insert(Arc::from(uid)));
                self.note(state, Event::Bound(Arc::clone(&uid)));
                Ok(Some(uid))
            }
        })?;
        if let Some(uid) = uid {
            by_uid.entry(uid).or_default().push(Arc::clone(session));
        }
        drop(by_uid);
        self.events.tell(session);
        Ok(())
    }

    /// Takes a session out, and tells the back ends that know it, and the application.
    pub(crate) fn close(&self, session: &Arc<FrontSession>, reason: CloseReason) {
        session.context().pushes().closing(session.id());
        let Some((uid, memberships)) = session.close(self.worth_telling(Event::Closed(reason)))
        else {
            return;
        };
        self.by_id.write().remove(&session.id());
        if let Some(uid) = uid {
            Self::forget(&mut self.by_uid.lock(), session, &uid);
        }
        memberships.tell_closed(session.id(), &self.departed);
        self.events.tell(session);
    }

    pub(crate) fn departed(&self) -> &Departed {
        &self.departed
    }

    /// Takes the user away again. One of a session that has closed stays.
    pub(super) fn unbind(&self, session: &Arc<FrontSession>) {
        let mut by_uid = self.by_uid.lock();
        let uid = session.change(|state| {
            let uid = state.uid.take_if(|_| !state.closed)?;
            self.note(state, Event::Unbound(Arc::clone(&uid)));
            Some(uid)
        });
        if let Some(uid) = uid {
            Self::forget(&mut by_uid, session, &uid);
        }
        drop(by_uid);
        self.events.tell(session);
    }

    fn forget(by_uid: &mut ByUid, session: &FrontSession, uid: &str) {
        if let Some(sessions) = by_uid.get_mut(uid) {
            sessions.retain(|other| other.id() != session.id());
            if sessions.is_empty() {
                by_uid.remove(uid);
            }
        }
    }

    fn note(&self, state: &mut State, event: Event) {
        if let Some(event) = self.worth_telling(event) {
            state.untold.add(event);
        }
    }

    fn worth_telling(&self, event: Event) -> Option<Event> {
        Some(event).filter(|_| !self.events.is_empty())
    }
}
