//! Sessions of any front end, by its name.

use std::{fmt, sync::Arc};

use serde::Serialize;
use tangelo_rpc::{Connection, Status};

use super::{BackSession, Kind, Session, SessionId, encode, remote, uid::key};
use crate::{Context, Error, Sessions, generated::session::Whose};

/// Sessions of any front end, by its name: Pomelo's `backendSessionService`. A handler may have it as
/// an argument, on front and back ends alike.
///
/// What is asked travels over the connection that belongs to the session, or to the user, so that it
/// arrives in order with what else is said of that session from here, or of that user. An answer is
/// waited for 3 s at the most.
///
/// # Errors
/// Of all that asks, by the code of [`Error::as_status`]: [`NO_CONNECTION`](tangelo_rpc::Code::NO_CONNECTION) if
/// the front end is not there, [`CONNECTION_BROKEN`](tangelo_rpc::Code::CONNECTION_BROKEN) if it is lost meanwhile,
/// [`RPC_TIMEOUT`](tangelo_rpc::Code::RPC_TIMEOUT) if it does not answer; with these two it may have been done.
/// To the client of a handler that fails with it the first two are 500, the last 504. A front end that this
/// server is not connected to is dialed at the first use, if it has a `port`.
///
/// The futures may be dropped; what was asked is then done or not.
#[derive(Clone)]
pub struct BackendSessions {
    context: Arc<Context>,
}

/// Where a front end's sessions are.
enum There {
    Here(Sessions),
    Elsewhere(Connection),
}

impl BackendSessions {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// The session of this id, as it is now: none if there is no such session, or no longer.
    ///
    /// # Errors
    /// See [`BackendSessions`].
    pub async fn get(&self, frontend_id: &str, id: SessionId) -> Result<Option<Session>, Error> {
        match self.there(frontend_id, id.into()).await? {
            There::Here(sessions) => Ok(sessions.get(id)),
            There::Elsewhere(connection) => Ok(shown(connection, id.into()).await?.pop()),
        }
    }

    /// The sessions that are bound to this user there, as they are now.
    ///
    /// # Errors
    /// See [`BackendSessions`].
    pub async fn by_uid(
        &self,
        frontend_id: &str,
        uid: impl AsRef<str>,
    ) -> Result<Vec<Session>, Error> {
        let uid = uid.as_ref();
        match self.there(frontend_id, key(uid)).await? {
            There::Here(sessions) => Ok(sessions.by_uid(uid)),
            There::Elsewhere(connection) => Ok(shown(connection, uid.into()).await?),
        }
    }

    /// Kicks a session, as [`Session::kick`] does; `false` if there is no such session.
    ///
    /// # Errors
    /// See [`BackendSessions`].
    pub async fn kick_by_id(
        &self,
        frontend_id: &str,
        id: SessionId,
        reason: &str,
    ) -> Result<bool, Error> {
        match self.there(frontend_id, id.into()).await? {
            There::Here(sessions) => Ok(sessions.kick_by_id(id, reason)),
            There::Elsewhere(connection) => {
                Ok(remote::kick(&connection, id.into(), reason).await? > 0)
            }
        }
    }

    /// Kicks the user's sessions there; returns how many there were.
    ///
    /// # Errors
    /// See [`BackendSessions`].
    pub async fn kick_by_uid(
        &self,
        frontend_id: &str,
        uid: impl AsRef<str>,
        reason: &str,
    ) -> Result<usize, Error> {
        let uid = uid.as_ref();
        match self.there(frontend_id, key(uid)).await? {
            There::Here(sessions) => Ok(sessions.kick_by_uid(uid, reason)),
            There::Elsewhere(connection) => {
                Ok(remote::kick(&connection, uid.into(), reason).await?)
            }
        }
    }

    /// Tells the client of a session; `false` if there is no such session.
    ///
    /// # Errors
    /// See [`BackendSessions`]; and the message is no JSON or too long.
    pub async fn push_by_id<T: Serialize + ?Sized>(
        &self,
        frontend_id: &str,
        id: SessionId,
        route: &str,
        message: &T,
    ) -> Result<bool, Error> {
        let push = encode(route, message)?;
        match self.there(frontend_id, id.into()).await? {
            There::Here(sessions) => Ok(sessions.push_to(&id.into(), push) > 0),
            There::Elsewhere(connection) => {
                Ok(remote::push(&connection, id.into(), &push).await? > 0)
            }
        }
    }

    /// Tells the user's clients there; returns how many there are.
    ///
    /// # Errors
    /// See [`BackendSessions`]; and the message is no JSON or too long.
    pub async fn push_by_uid<T: Serialize + ?Sized>(
        &self,
        frontend_id: &str,
        uid: impl AsRef<str>,
        route: &str,
        message: &T,
    ) -> Result<usize, Error> {
        let (uid, push) = (uid.as_ref(), encode(route, message)?);
        match self.there(frontend_id, key(uid)).await? {
            There::Here(sessions) => Ok(sessions.push_to(&uid.into(), push)),
            There::Elsewhere(connection) => Ok(remote::push(&connection, uid.into(), &push).await?),
        }
    }

    async fn there(&self, frontend_id: &str, key: u64) -> Result<There, Status> {
        if frontend_id == self.context.server_id() {
            return Ok(There::Here(self.context.sessions().clone()));
        }
        let connection = remote::meet(&self.context, frontend_id, key).await?;
        Ok(There::Elsewhere(connection))
    }
}

async fn shown(connection: Connection, whose: Whose) -> Result<Vec<Session>, Error> {
    let sessions = remote::get(&connection, whose).await?;
    let sessions = sessions.into_iter().map(|session| {
        let whole = 0..session.len();
        let session = BackSession::decode(&session, whole, connection.clone())?;
        Ok(Session(Kind::Back(session)))
    });
    sessions.collect()
}

impl fmt::Debug for BackendSessions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("BackendSessions")
            .field("server_id", &self.context.server_id())
            .finish()
    }
}
