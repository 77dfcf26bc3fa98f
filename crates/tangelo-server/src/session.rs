//! Sessions: connected clients as handlers see them.

mod back;
mod backend_sessions;
mod bind;
mod events;
mod front;
mod frontend;
mod id;
mod queue;
mod remote;
mod resumable;
mod settings;
mod single;
mod table;
mod uid;
mod waiting;
mod wake;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tangelo_connector::Push;
use tangelo_rpc::{Code, Status};
use tangelo_wire::pomelo::json;

pub(crate) use self::{
    back::BackSession,
    events::Events,
    front::FrontSession,
    id::SessionIds,
    queue::{Item, Queue, Taken},
    remote::{GET, SessionService, ask_until, ids_of, look_at_nobody, road},
    resumable::{Arrival, Demand},
    single::{Single, keep},
    wake::Wake,
};
pub use self::{
    backend_sessions::BackendSessions, bind::BindError, events::CloseReason,
    frontend::FrontendSession, id::SessionId, single::SingleSession, table::Sessions, uid::Uid,
};
use crate::{Context, Error};

/// The session a request came from, the same on its front end as on a back end: Pomelo's
/// `FrontendSession` and `BackendSession`.
///
/// On the front end it is the session itself: what is done acts at once. On a back end it is what the
/// front end showed when the request was made, and what this request has changed since. There
/// [`bind`](Self::bind), [`unbind`](Self::unbind), [`kick`](Self::kick) and the pushing of settings ask
/// the front end, which answers. They wait 3 s at the most, and fail with
/// [`Code::NO_CONNECTION`] or [`Code::SEND_FAILED`] when the front end is not there, with
/// [`Code::CONNECTION_BROKEN`] when it is lost meanwhile, with [`Code::RPC_TIMEOUT`] when it does not
/// answer; with the last two it may have been done. A session that has closed meanwhile is
/// [`Code::NOT_FOUND`].
///
/// The futures may be dropped; what was asked of the front end is then done or not.
#[derive(Clone)]
pub struct Session(pub(crate) Kind);

#[derive(Clone)]
pub(crate) enum Kind {
    Front(Arc<FrontSession>),
    Back(Arc<BackSession>),
}

/// Whether a session lives: Pomelo's `ST_INITED` and `ST_CLOSED`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionState {
    /// Its client is connected.
    Inited,
    /// It has ended.
    Closed,
}

impl Session {
    /// Its id.
    pub fn id(&self) -> SessionId {
        match &self.0 {
            Kind::Front(session) => session.id(),
            Kind::Back(session) => session.id(),
        }
    }

    /// Name of the front end its client is connected to.
    pub fn frontend_id(&self) -> &str {
        match &self.0 {
            Kind::Front(session) => session.context().server_id(),
            Kind::Back(session) => session.frontend_id(),
        }
    }

    /// Whether it lives. A back end hears that it does not from the answers of the front end alone.
    pub fn state(&self) -> SessionState {
        let closed = match &self.0 {
            Kind::Front(session) => session.is_closed(),
            Kind::Back(session) => session.is_closed(),
        };
        if closed {
            SessionState::Closed
        } else {
            SessionState::Inited
        }
    }

    /// Where its client connected from; `0.0.0.0:0` on a back end if the front end does not say.
    pub fn address(&self) -> SocketAddr {
        match &self.0 {
            Kind::Front(session) => session.peer(),
            Kind::Back(session) => session.address(),
        }
    }

    /// The user bound to it. One that was bound when the session closed stays.
    ///
    /// # Errors
    /// None is.
    pub fn uid(&self) -> Result<Arc<str>, Error> {
        self.bound_uid()
            .ok_or_else(|| Error::new("the session is not bound to a user"))
    }

    pub(crate) fn is_front(&self) -> bool {
        matches!(self.0, Kind::Front(_))
    }

    /// The client's address, where it is known.
    pub(crate) fn client_address(&self) -> Option<IpAddr> {
        let address = self.address().ip();
        (!address.is_unspecified()).then_some(address)
    }

    pub(crate) fn bound_uid(&self) -> Option<Arc<str>> {
        match &self.0 {
            Kind::Front(session) => session.uid(),
            Kind::Back(session) => session.uid(),
        }
    }

    /// Binds a user to the session. Unless it is told otherwise a front end lets one user have several
    /// sessions; see [`Blueprint::single_session`](crate::Blueprint::single_session). A user who is
    /// bound already is no mistake.
    ///
    /// # Errors
    /// See [`BindError`]. With `?` a handler passes it on: 409 when it is taken, otherwise 500 or the
    /// code of what could not be asked.
    pub async fn bind(&self, uid: impl Into<Uid>) -> Result<(), BindError> {
        let uid = uid.into();
        match &self.0 {
            Kind::Front(session) => session.context().sessions().bind(session, uid).await,
            Kind::Back(session) => session.bind(uid).await,
        }
    }

    /// Takes the bound user away again; nothing happens if there is none.
    ///
    /// # Errors
    /// The session has closed; on a back end, the front end was not reached.
    pub async fn unbind(&self) -> Result<(), Error> {
        match &self.0 {
            Kind::Front(session) => Ok(session.context().sessions().unbind(session)?),
            Kind::Back(session) => Ok(session.unbind().await?),
        }
    }

    /// The setting of this name.
    ///
    /// # Errors
    /// There is none, or it is of another type.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<T, Error> {
        let value = match &self.0 {
            Kind::Front(session) => session.setting(key),
            Kind::Back(session) => session.setting(key),
        };
        let value = value.ok_or_else(|| Error::new(format!("the session has no `{key}`")))?;
        Ok(serde_json::from_value(value)?)
    }

    /// Sets a setting: on the front end for this and every later request, on a back end for this
    /// request, until it is pushed.
    ///
    /// # Errors
    /// The value is no JSON, or, on the front end, the settings would have more than
    /// [`Limits::SETTINGS`](crate::Limits::SETTINGS) bytes.
    pub fn set<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<(), Error> {
        let value = serde_json::to_value(value)?;
        match &self.0 {
            Kind::Front(session) => session.set(key, value)?,
            Kind::Back(session) => session.set(key, Some(value)),
        }
        Ok(())
    }

    /// Takes a setting away, as [`set`](Self::set) sets one.
    pub fn remove(&self, key: &str) {
        match &self.0 {
            Kind::Front(session) => session.remove(key),
            Kind::Back(session) => session.set(key, None),
        }
    }

    /// Makes what this request has set, or removed, under this key a setting of the session, which
    /// later requests see: Pomelo's `push`. What it has not changed is left as it is. On the front end
    /// there is nothing left to do.
    ///
    /// # Errors
    /// The settings would have more than [`Limits::SETTINGS`](crate::Limits::SETTINGS) bytes, the
    /// session has closed, or the front end was not reached. What was not made the session's can be
    /// pushed again.
    pub async fn push_setting(&self, key: &str) -> Result<(), Error> {
        match &self.0 {
            Kind::Front(_) => Ok(()),
            Kind::Back(session) => Ok(session.push_settings(Some(key)).await?),
        }
    }

    /// What [`push_setting`](Self::push_setting) does, for all that this request has changed: Pomelo's
    /// `pushAll`. All of it becomes the session's, or nothing.
    ///
    /// # Errors
    /// As [`push_setting`](Self::push_setting).
    pub async fn push_settings(&self) -> Result<(), Error> {
        match &self.0 {
            Kind::Front(_) => Ok(()),
            Kind::Back(session) => Ok(session.push_settings(None).await?),
        }
    }

    /// Ends the session. What the client was told before reaches it, then the reason, then its
    /// connection closes; what is told it afterwards does not. One that has closed already is no error.
    ///
    /// # Errors
    /// On a back end, the front end was not reached.
    pub async fn kick(&self, reason: &str) -> Result<(), Error> {
        match &self.0 {
            Kind::Front(session) => {
                session.kick(reason);
                Ok(())
            }
            Kind::Back(session) => Ok(session.kick(reason).await?),
        }
    }

    /// Tells the client something; it arrives in order with what else the session is told.
    ///
    /// # Errors
    /// The message is no JSON or too long. A client that is gone is no error.
    pub fn push<T: Serialize + ?Sized>(&self, route: &str, message: &T) -> Result<(), Error> {
        let push = encode(route, message)?;
        match &self.0 {
            Kind::Front(session) => {
                session.push(push);
            }
            Kind::Back(session) => session.push(&push)?,
        }
        Ok(())
    }

    /// The server this is on: on a front end that of the session, on a back end the one that was asked.
    pub fn context(&self) -> &Arc<Context> {
        match &self.0 {
            Kind::Front(session) => session.context(),
            Kind::Back(session) => session.context(),
        }
    }
}

/// Encodes what is pushed, once for all who hear it.
pub(crate) fn encode<T: Serialize + ?Sized>(route: &str, message: &T) -> Result<Push, Error> {
    let body = Bytes::from(json::to_vec(message)?);
    let too_long = |error| Status::new(Code::BUSINESS_ERROR, "push too long").with_cause(error);
    Ok(Push::new(route, body).map_err(too_long)?)
}

/// What is done to a session that is not there, or no longer.
pub(crate) fn no_such_session() -> Status {
    Status::new(Code::NOT_FOUND, "no such session").of_call()
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Session")
            .field("id", &self.id())
            .field("frontend_id", &self.frontend_id())
            .finish_non_exhaustive()
    }
}
