//! Binding users to sessions, on the front end.

use std::{sync::Arc, time::SystemTime};

use tangelo_rpc::{Code, Status};
use tokio::sync::watch;

use super::{FrontSession, Sessions, Uid, events::Event, no_such_session};
use crate::Limits;

/// Why a user is not bound to a session.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The session is bound to this other user. 500 to a client.
    #[error("the session is bound to {0} already")]
    Bound(Arc<str>),
    /// The user has another session, and may have one alone. 409 to a client.
    #[error("the user has another session")]
    Taken,
    /// The session has closed. 500 to a client, though there is none to hear it.
    #[error("no such session")]
    Closed,
    /// Nobody can be called so: the id is empty, or has more than [`Limits::UID`] bytes. 500 to a
    /// client.
    #[error("a user's id has 1 to {max} bytes, not {0}", max = Limits::UID)]
    Uid(usize),
    /// Who had to be asked could not be, or not in time: the session's front end, or the one that
    /// keeps account of single sessions. 500 to a client, or 504 when it took too long; its code tells
    /// whether it may have been done.
    #[error(transparent)]
    Failed(#[from] Status),
}

impl BindError {
    /// The code of [`Taken`](Self::Taken).
    pub const TAKEN: Code = Code(409);
}

impl From<BindError> for Status {
    fn from(error: BindError) -> Self {
        match error {
            BindError::Failed(status) => status,
            BindError::Taken => Self::new(BindError::TAKEN, error.to_string()),
            BindError::Closed => no_such_session(),
            BindError::Bound(_) | BindError::Uid(_) => {
                Self::from(Code::BUSINESS_ERROR).with_cause(error)
            }
        }
    }
}

impl Sessions {
    /// Binds a user to a session.
    pub(crate) async fn bind(
        &self,
        session: &Arc<FrontSession>,
        uid: Uid,
    ) -> Result<(), BindError> {
        if uid.is_empty() || uid.len() > Limits::UID {
            return Err(BindError::Uid(uid.len()));
        }
        match self.single() {
            Some(single) => self.bind_single(single, session, uid).await,
            None => self.bind_at_once(session, uid),
        }
    }

    pub(super) fn bind_at_once(
        &self,
        session: &Arc<FrontSession>,
        uid: Uid,
    ) -> Result<(), BindError> {
        let mut users = self.user_map();
        let uid = session.change(|state| {
            if state.is_bound_to(&uid)? {
                return Ok(None);
            }
            state.changing = None;
            state.bound_at = Some(SystemTime::now());
            let uid = Arc::clone(state.uid.insert(uid.into()));
            self.note(state, Event::Bound(Arc::clone(&uid)));
            Ok::<_, BindError>(Some(uid))
        })?;
        if let Some(uid) = uid {
            users.add(session, uid);
        }
        drop(users);
        self.tell_events(session);
        Ok(())
    }

    /// Takes the user away again. One of a session that has closed stays.
    pub(super) fn unbind(&self, session: &Arc<FrontSession>) -> Result<(), Status> {
        let (_over, mut changing) = self.single().map(|_| watch::channel(())).unzip();
        let mut users = self.user_map();
        let unbound = session.change(|state| {
            if state.closed.is_some() {
                return Err(no_such_session());
            }
            let Some(uid) = state.uid.take() else {
                return Ok(None);
            };
            self.note(state, Event::Unbound(Arc::clone(&uid)));
            // Nobody is bound before this is told.
            state.changing = changing.take();
            Ok(Some((uid, state.memberships.take_bound())))
        })?;
        let Some((uid, memberships)) = unbound else {
            return Ok(());
        };
        users.remove(session, &uid);
        drop(users);
        if let Some(single) = self.single() {
            single.let_go(&uid, session);
            session.look(|state| state.changing = None);
        }
        // Channels for users only.
        memberships.tell_gone(session.id(), session.context().channels());
        self.tell_events(session);
        Ok(())
    }
}
