//! Who is online, in memory.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::{PresenceStore, Stored};

/// Who is online, in memory: for servers of one process, which share it.
#[derive(Debug, Default)]
pub struct MemoryPresence {
    frontends: Mutex<HashMap<Arc<str>, BTreeSet<Arc<str>>>>,
}

impl MemoryPresence {
    /// Nobody.
    pub fn new() -> Self {
        Self::default()
    }
}

impl PresenceStore for MemoryPresence {
    fn add<'a>(&'a self, frontend_id: &'a str, uids: &'a [Arc<str>]) -> Stored<'a, ()> {
        let frontend_id: Arc<str> = Arc::from(frontend_id);
        let mut frontends = self.frontends.lock();
        for uid in uids {
            let of_user = frontends.entry(Arc::clone(uid)).or_default();
            of_user.insert(Arc::clone(&frontend_id));
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn remove<'a>(&'a self, frontend_id: &'a str, uids: &'a [Arc<str>]) -> Stored<'a, ()> {
        let mut frontends = self.frontends.lock();
        for uid in uids {
            if let Some(of_user) = frontends.get_mut(uid) {
                of_user.remove(frontend_id);
                if of_user.is_empty() {
                    frontends.remove(uid);
                }
            }
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn frontends<'a>(&'a self, uids: &'a [&'a str]) -> Stored<'a, Vec<Vec<String>>> {
        let frontends = self.frontends.lock();
        let of_user = |uid: &&str| {
            let of_user = frontends.get(*uid).into_iter().flatten();
            of_user.map(|frontend_id| frontend_id.to_string()).collect()
        };
        let found = uids.iter().map(of_user).collect();
        Box::pin(std::future::ready(Ok(found)))
    }

    fn remove_frontend<'a>(&'a self, frontend_id: &'a str) -> Stored<'a, ()> {
        self.frontends.lock().retain(|_, of_user| {
            of_user.remove(frontend_id);
            !of_user.is_empty()
        });
        Box::pin(std::future::ready(Ok(())))
    }
}
