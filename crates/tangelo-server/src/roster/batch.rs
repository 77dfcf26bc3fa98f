//! What the stores are told at once.

use std::sync::Arc;

use super::{
    State,
    user::{Said, Waiting},
};
use crate::{
    global_channels::Refusal,
    store::{StoreError, Stores, ask},
};

/// Users of whom the stores are told at once.
const MOST_USERS: usize = 256;

/// What the stores are told at once.
#[derive(Debug, Default)]
pub(super) struct Batch {
    users: Vec<(Arc<str>, Vec<Waiting>)>,
    gone: Vec<Arc<str>>,
    come: Vec<Arc<str>>,
    /// Channel and user.
    left: Vec<(Arc<str>, Arc<str>)>,
    joined: Vec<(Arc<str>, Arc<str>)>,
}

/// How far the stores have been told: the first so many of the four.
#[derive(Debug)]
pub(super) struct Written {
    parts: usize,
    pub(super) outcome: Result<(), StoreError>,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Tells the stores, until one fails.
    pub(super) async fn write(&self, frontend_id: &str, stores: &Stores) -> Written {
        let mut parts = 0;
        let outcome = async {
            if let Some(store) = &stores.presence {
                if !self.gone.is_empty() {
                    ask(|| store.remove(frontend_id, &self.gone)).await?;
                }
                parts = 1;
                if !self.come.is_empty() {
                    ask(|| store.add(frontend_id, &self.come)).await?;
                }
            }
            parts = 2;
            if let Some(store) = &stores.channels {
                if !self.left.is_empty() {
                    ask(|| store.remove(frontend_id, &self.left)).await?;
                }
                parts = 3;
                if !self.joined.is_empty() {
                    ask(|| store.add(frontend_id, &self.joined)).await?;
                }
            }
            parts = 4;
            Ok(())
        };
        let outcome = outcome.await;
        Written { parts, outcome }
    }
}

impl State {
    /// The next users of whom the stores may not say what they should, and what to tell them.
    pub(super) fn take(&mut self, stores: &Stores) -> Batch {
        let mut batch = Batch::default();
        while batch.users.len() < MOST_USERS
            && let Some(uid) = self.next_noted()
        {
            let Some(user) = self.users.get_mut(&uid) else {
                continue;
            };
            let is_here = stores.presence.is_some() && user.is_here();
            match user.presence {
                Said::No | Said::Perhaps if is_here => batch.come.push(Arc::clone(&uid)),
                Said::Yes | Said::Perhaps if !is_here => batch.gone.push(Arc::clone(&uid)),
                _ => {}
            }
            if is_here && user.presence == Said::No {
                user.presence = Said::Perhaps;
            }
            let pair = |channel: &Arc<str>| (Arc::clone(channel), Arc::clone(&uid));
            let left = user.said.difference(&user.channels).map(pair);
            batch.left.extend(left);
            let joined = user.channels.difference(&user.sure).map(pair);
            batch.joined.extend(joined);
            user.said.extend(user.channels.iter().cloned());
            let waiting = std::mem::take(&mut user.waiting);
            batch.users.push((uid, waiting));
        }
        batch
    }

    /// The stores have been told so far.
    pub(super) fn settle(&mut self, batch: Batch, written: &Written) {
        let Batch {
            users,
            gone,
            come,
            left,
            joined,
        } = batch;
        for (part, uids, said) in [(1, gone, Said::No), (2, come, Said::Yes)] {
            for uid in uids.iter().filter(|_| written.parts >= part) {
                if let Some(user) = self.users.get_mut(uid) {
                    user.presence = said;
                }
            }
        }
        for (channel, uid) in left {
            let Some(user) = self.users.get_mut(&uid) else {
                continue;
            };
            user.sure.remove(&channel);
            if written.parts >= 3 {
                user.said.remove(&channel);
            }
        }
        for (channel, uid) in joined.into_iter().filter(|_| written.parts >= 4) {
            if let Some(user) = self.users.get_mut(&uid) {
                user.sure.insert(channel);
            }
        }
        let outcome = written.outcome.clone().map_err(Refusal::Store);
        for (uid, waiting) in users {
            if let Some(user) = self.users.get_mut(&uid) {
                user.answer(waiting, &outcome);
            }
            if outcome.is_err() {
                self.note(&uid);
            }
            self.forget(&uid);
        }
    }
}
