//! Who is online, and where.

mod memory;
mod store;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use serde::Serialize;

pub use self::{memory::MemoryPresence, store::PresenceStore};
use crate::{
    Blueprint, Channels, Error, Result, StoreError,
    handler::{FromRequest, Incoming},
    store::ask,
};

/// Who is online, and on which front ends: Pomelo's `statusService`. As a handler's argument, and from
/// [`Context::presence`](crate::Context::presence). Clones share it.
///
/// A user is on a front end while a session there is bound to him: front ends note that by themselves, a
/// moment after. Where the store cannot be reached they do so as soon as it can. A front end that another
/// server has lost for 3 s is taken for gone, until they meet again.
#[derive(Clone)]
pub struct Presence {
    store: Option<Arc<dyn PresenceStore>>,
    channels: Channels,
}

impl Presence {
    pub(crate) fn new(store: Option<Arc<dyn PresenceStore>>, channels: Channels) -> Self {
        Self { store, channels }
    }

    /// The front ends that a user is on, in the order of the store: Pomelo's `getSidsByUid`.
    ///
    /// # Errors
    /// There is no store, or it fails.
    pub async fn frontends_of(&self, uid: &str) -> Result<Vec<String>, StoreError> {
        let found = self.find(&[uid]).await?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    /// Whether a user is on any front end: Pomelo's `getStatusByUid`.
    ///
    /// # Errors
    /// As [`frontends_of`](Self::frontends_of).
    pub async fn is_online(&self, uid: &str) -> Result<bool, StoreError> {
        Ok(!self.frontends_of(uid).await?.is_empty())
    }

    /// Which of these users are on any front end: Pomelo's `getStatusByUids`.
    ///
    /// # Errors
    /// As [`frontends_of`](Self::frontends_of).
    pub async fn are_online(&self, uids: &[&str]) -> Result<HashMap<String, bool>, StoreError> {
        let found = self.find(uids).await?.into_iter();
        let online = uids.iter().zip(found);
        Ok(online
            .map(|(uid, frontends)| ((*uid).to_owned(), !frontends.is_empty()))
            .collect())
    }

    /// Tells users on whatever front ends they are: Pomelo's `pushByUids`. It is under way when this
    /// resolves.
    ///
    /// # Errors
    /// There is no store, or it fails; the message is no JSON or too long. Users who are not online are
    /// no error.
    pub async fn push_by_uids<T: Serialize + Sync + ?Sized>(
        &self,
        uids: &[&str],
        route: &str,
        message: &T,
    ) -> Result<()> {
        let frontends = self.find(uids).await?;
        self.channels
            .push_by_uids(route, message, &pairs(uids, &frontends))
    }

    /// As [`push_by_uids`](Self::push_by_uids), and says whom it did not reach on any front end. Their
    /// answers have `within`; the store has its own time.
    ///
    /// # Errors
    /// As [`push_by_uids`](Self::push_by_uids).
    pub async fn push_by_uids_confirmed<T: Serialize + Sync + ?Sized>(
        &self,
        uids: &[&str],
        route: &str,
        message: &T,
        within: Duration,
    ) -> Result<Vec<String>> {
        let frontends = self.find(uids).await?;
        let users = pairs(uids, &frontends);
        let pushed = self
            .channels
            .push_by_uids_confirmed(route, message, &users, within);
        let missed = pushed.await?;
        let missed = missed.iter().map(|(uid, at)| (&**uid, &**at));
        let missed: HashSet<(&str, &str)> = missed.collect();
        let reached = users.iter().filter(|user| !missed.contains(user));
        let reached: HashSet<&str> = reached.map(|(uid, _)| *uid).collect();
        let unreached: BTreeSet<&str> = uids.iter().copied().collect();
        let unreached = unreached.into_iter().filter(|uid| !reached.contains(uid));
        Ok(unreached.map(ToOwned::to_owned).collect())
    }

    async fn find(&self, uids: &[&str]) -> Result<Vec<Vec<String>>, StoreError> {
        let store = self.store.as_ref().ok_or(StoreError::None)?;
        ask(|| store.frontends(uids)).await
    }
}

/// Each user with each of his front ends.
fn pairs<'a>(uids: &[&'a str], frontends: &'a [Vec<String>]) -> Vec<(&'a str, &'a str)> {
    let each = uids.iter().zip(frontends);
    let pairs = each.flat_map(|(uid, frontends)| {
        let frontends = frontends.iter();
        frontends.map(|frontend_id| (*uid, &**frontend_id))
    });
    pairs.collect()
}

impl Blueprint {
    /// Where it is kept who is online: the same store for all servers of an application. Default: none;
    /// an application that runs all its servers in one process shares one in memory among them.
    #[must_use]
    pub fn presence(mut self, store: Arc<dyn PresenceStore>) -> Self {
        self.stores.presence = Some(store);
        self
    }
}

impl<R: Incoming> FromRequest<R> for Presence {
    fn from_request(request: &mut R) -> Result<Self, Error> {
        Ok(request.context().presence().clone())
    }
}

impl fmt::Debug for Presence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Presence").finish_non_exhaustive()
    }
}
