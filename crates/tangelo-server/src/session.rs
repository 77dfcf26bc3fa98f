//! Sessions: connected clients as handlers see them.

mod back;
mod events;
mod frontend;
mod queue;
mod table;
mod waiting;
mod wake;

use std::{fmt, net::IpAddr, sync::Arc};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tangelo_connector::Push;
use tangelo_rpc::{Code, Status};
use tangelo_wire::pomelo::json;

pub(crate) use self::{
    back::BackSession,
    events::Events,
    frontend::FrontSession,
    queue::{Item, Queue},
    table::SessionIds,
    wake::Wake,
};
pub use self::{events::CloseReason, frontend::FrontendSession, table::Sessions};
use crate::{Context, Error};

/// A session's id: unique also across restarts of its front end. The upper half tells the front
/// end's life, the lower one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub(crate) u64);

/// The session a request came from, on the front end as on a back end.
///
/// On a back end it shows the session as it was when the request was made.
#[derive(Clone)]
pub struct Session(pub(crate) Kind);

#[derive(Clone)]
pub(crate) enum Kind {
    Front(Arc<FrontSession>),
    Back(Arc<BackSession>),
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

    /// The user bound to it.
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

    /// Whether its client has gone, as far as is known here.
    pub(crate) fn is_known_gone(&self) -> bool {
        match &self.0 {
            Kind::Front(session) => session.is_closed(),
            Kind::Back(_) => false,
        }
    }

    /// The client's address, where it is known.
    pub(crate) fn client_address(&self) -> Option<IpAddr> {
        match &self.0 {
            Kind::Front(session) => Some(session.peer().ip()),
            Kind::Back(_) => None,
        }
    }

    pub(crate) fn bound_uid(&self) -> Option<Arc<str>> {
        match &self.0 {
            Kind::Front(session) => session.uid(),
            Kind::Back(session) => session.uid(),
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

impl From<SessionId> for u64 {
    fn from(id: SessionId) -> Self {
        id.0
    }
}

impl From<u64> for SessionId {
    fn from(id: u64) -> Self {
        Self(id)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
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
