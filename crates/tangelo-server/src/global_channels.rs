//! Channels whose members are known to all servers.

mod memory;
mod over;
mod store;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use serde::Serialize;
use tangelo_rpc::Status;

pub(crate) use self::over::Change;
pub use self::{memory::MemoryGlobalChannels, store::GlobalChannelStore};
use crate::{
    Blueprint, Channels, Error, Result, Session, StoreError,
    handler::{FromRequest, Incoming},
    roster::Roster,
    store::ask,
};

/// Channels whose members are known to all servers: Pomelo's `globalChannelService`. As a handler's argument,
/// and from [`Context::global_channels`](crate::Context::global_channels). Clones share them.
///
/// A member is a user on a front end, with all sessions that are bound to him there. He leaves by himself when
/// the last of them closes or is unbound, or when his front end is gone: when another server has lost it for
/// 3 s, until they meet again. A channel is there while somebody is in it.
///
/// Any server may add and take out; the front end of the user does it, and is asked over the connections that
/// it keeps to the server.
#[derive(Clone)]
pub struct GlobalChannels {
    store: Option<Arc<dyn GlobalChannelStore>>,
    channels: Channels,
    /// On a front end: its own users.
    roster: Option<Arc<Roster>>,
}

/// Why a global channel is not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GlobalChannelError {
    /// No session there is bound to the user.
    #[error("no session there is bound to the user")]
    NoSession,
    /// The user is in as many as he may be there: [`GlobalChannels::MOST_PER_USER`].
    #[error(
        "the user is in {} global channels already",
        GlobalChannels::MOST_PER_USER
    )]
    TooMany,
    /// The front end cannot be reached, or has not answered in time. It may have done what it was asked.
    #[error("the front end cannot be reached")]
    Unreachable(#[from] Status),
    /// There is no store, or it fails. Who was to come in is not in, who was to leave leaves when the
    /// store can be reached again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a front end does not change a global channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NoSession,
    TooMany,
    Store(StoreError),
}

impl GlobalChannels {
    /// Global channels that a user may be in on one front end.
    pub const MOST_PER_USER: usize = 1024;

    pub(crate) fn new(
        store: Option<Arc<dyn GlobalChannelStore>>,
        channels: Channels,
        roster: Option<Arc<Roster>>,
    ) -> Self {
        Self {
            store,
            channels,
            roster,
        }
    }

    /// Adds a user on a front end; `false` if he is in already.
    ///
    /// # Errors
    /// No session there is bound to him, or it cannot be asked; there is no store, or it fails.
    pub async fn add(
        &self,
        name: &str,
        uid: &str,
        frontend_id: &str,
    ) -> Result<bool, GlobalChannelError> {
        self.change(Change::Join, name, uid, frontend_id).await
    }

    /// Adds the user of a session, on its front end; `false` if he is in already.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub async fn add_session(
        &self,
        name: &str,
        session: &Session,
    ) -> Result<bool, GlobalChannelError> {
        let uid = session.bound_uid().ok_or(GlobalChannelError::NoSession)?;
        self.add(name, &uid, session.frontend_id()).await
    }

    /// Takes a user on a front end out; `false` if he is not in.
    ///
    /// # Errors
    /// The front end cannot be asked; there is no store, or it fails.
    pub async fn leave(
        &self,
        name: &str,
        uid: &str,
        frontend_id: &str,
    ) -> Result<bool, GlobalChannelError> {
        self.change(Change::Leave, name, uid, frontend_id).await
    }

    /// Takes everybody out; `false` if nobody was in.
    ///
    /// # Errors
    /// A front end cannot be asked; there is no store, or it fails. All others have been asked.
    pub async fn destroy(&self, name: &str) -> Result<bool, GlobalChannelError> {
        let (mut any, mut failed) = (false, None);
        for frontend_id in self.members(name).await?.into_keys() {
            match self.change(Change::Destroy, name, "", &frontend_id).await {
                Ok(some) => any |= some,
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(any), Err)
    }

    /// The users in a channel by their front ends: Pomelo's `getMembersByChannelName`. Empty if there is
    /// none.
    ///
    /// # Errors
    /// There is no store, or it fails.
    pub async fn members(&self, name: &str) -> Result<BTreeMap<String, Vec<String>>, StoreError> {
        let store = self.store.as_ref().ok_or(StoreError::None)?;
        let members = ask(|| store.members(name)).await?;
        Ok(members.into_iter().collect())
    }

    /// The users in a channel on one front end: Pomelo's `getMembersBySid`.
    ///
    /// # Errors
    /// As [`members`](Self::members).
    pub async fn members_at(
        &self,
        name: &str,
        frontend_id: &str,
    ) -> Result<Vec<String>, StoreError> {
        let store = self.store.as_ref().ok_or(StoreError::None)?;
        ask(|| store.members_at(name, frontend_id)).await
    }

    /// Tells every member, with all sessions that are bound to him on his front end. It is under way when
    /// this resolves.
    ///
    /// # Errors
    /// There is no store, or it fails; the message is no JSON or too long. Front ends that are not there
    /// are no error.
    pub async fn push<T: Serialize + Sync + ?Sized>(
        &self,
        name: &str,
        route: &str,
        message: &T,
    ) -> Result<()> {
        let members = self.members(name).await?;
        self.channels.push_by_uids(route, message, &pairs(&members))
    }

    /// As [`push`](Self::push), and says which members it did not reach: user and front end. Their answers
    /// have `within`; the store has its own time.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub async fn push_confirmed<T: Serialize + Sync + ?Sized>(
        &self,
        name: &str,
        route: &str,
        message: &T,
        within: Duration,
    ) -> Result<Vec<(String, String)>> {
        let members = self.members(name).await?;
        let pushed = self
            .channels
            .push_by_uids_confirmed(route, message, &pairs(&members), within);
        pushed.await
    }

    async fn change(
        &self,
        change: Change,
        name: &str,
        uid: &str,
        frontend_id: &str,
    ) -> Result<bool, GlobalChannelError> {
        let here = self.roster.as_ref();
        if let Some(roster) = here.filter(|_| frontend_id == self.channels.own_id()) {
            return Ok(change.make(roster, name, uid).await?);
        }
        if self.store.is_none() {
            return Err(StoreError::None.into());
        }
        change.ask(&self.channels, name, uid, frontend_id).await
    }
}

fn pairs(members: &BTreeMap<String, Vec<String>>) -> Vec<(&str, &str)> {
    let pairs = members.iter().flat_map(|(frontend_id, uids)| {
        let uids = uids.iter();
        uids.map(|uid| (&**uid, &**frontend_id))
    });
    pairs.collect()
}

impl Blueprint {
    /// Where it is kept who is in which global channel: the same store for all servers of an application.
    /// Default: none; an application that runs all its servers in one process shares one in memory among
    /// them.
    #[must_use]
    pub fn global_channels(mut self, store: Arc<dyn GlobalChannelStore>) -> Self {
        self.stores.channels = Some(store);
        self
    }
}

impl<R: Incoming> FromRequest<R> for GlobalChannels {
    fn from_request(request: &mut R) -> Result<Self, Error> {
        Ok(request.context().global_channels().clone())
    }
}

impl From<Refusal> for GlobalChannelError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoSession => Self::NoSession,
            Refusal::TooMany => Self::TooMany,
            Refusal::Store(error) => Self::Store(error),
        }
    }
}

impl fmt::Debug for GlobalChannels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("GlobalChannels")
            .finish_non_exhaustive()
    }
}
