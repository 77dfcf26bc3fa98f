//! One user of a front end.

use std::{collections::BTreeSet, sync::Arc};

use tokio::sync::oneshot;

use super::{Pending, State};
use crate::{GlobalChannels, SessionId, global_channels::Refusal};

/// One user of a front end.
#[derive(Debug, Default)]
pub(super) struct User {
    /// Those that are bound to him.
    pub(super) sessions: Vec<SessionId>,
    /// What the store says about his being here.
    pub(super) presence: Said,
    /// The global channels he is in.
    pub(super) channels: BTreeSet<Arc<str>>,
    /// Those the store may say he is in.
    pub(super) said: BTreeSet<Arc<str>>,
    /// Those of them of which it surely does.
    pub(super) sure: BTreeSet<Arc<str>>,
    /// Who waits for the store to say so.
    pub(super) waiting: Vec<Waiting>,
    /// Whether he is among those that have changed.
    is_noted: bool,
}

/// Whether a store says something. One that has failed may have done what it was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Said {
    #[default]
    No,
    Perhaps,
    Yes,
}

/// Who waits for a change to be in the store.
#[derive(Debug)]
pub(super) struct Waiting {
    channel: Arc<str>,
    /// Whether he shall be in the channel, by this very change.
    joins: Option<bool>,
    done: oneshot::Sender<Result<(), Refusal>>,
}

impl User {
    pub(super) fn is_here(&self) -> bool {
        !self.sessions.is_empty()
    }

    /// Whether he is in this channel, and the store says so.
    pub(super) fn is_in(&self, channel: &str) -> bool {
        self.channels.contains(channel) && self.sure.contains(channel)
    }

    /// Whether he was not about to be in it.
    pub(super) fn join(&mut self, channel: &str) -> Result<bool, Refusal> {
        if self.channels.contains(channel) {
            return Ok(false);
        }
        if self.channels.len() >= GlobalChannels::MOST_PER_USER {
            return Err(Refusal::TooMany);
        }
        Ok(self.channels.insert(Arc::from(channel)))
    }

    /// What has not come into the store shall not.
    pub(super) fn withdraw(&mut self, channel: &str) {
        if !self.sure.contains(channel) {
            self.channels.remove(channel);
        }
    }

    /// Waits until the store says that he is in a channel; `joins` if he is brought into it by this.
    pub(super) fn wait(&mut self, channel: &str, joins: bool) -> Pending {
        self.wait_for(channel, Some(joins))
    }

    fn wait_for(&mut self, channel: &str, joins: Option<bool>) -> Pending {
        let (done, pending) = oneshot::channel();
        self.waiting.push(Waiting {
            channel: Arc::from(channel),
            joins,
            done,
        });
        pending
    }

    /// The stores may have forgotten what they said.
    pub(super) fn doubt(&mut self) {
        if self.presence == Said::Yes {
            self.presence = Said::Perhaps;
        }
        self.sure.clear();
    }

    /// The stores have been told, or not: `outcome`.
    pub(super) fn answer(&mut self, waiting: Vec<Waiting>, outcome: &Result<(), Refusal>) {
        for Waiting {
            channel,
            joins,
            done,
        } in waiting
        {
            if outcome.is_err() && joins == Some(true) {
                self.withdraw(&channel);
            }
            let gone = joins.is_some() && !self.channels.contains(&channel);
            let outcome = match outcome {
                // His last session closed meanwhile.
                Ok(()) if gone => Err(Refusal::NoSession),
                outcome => outcome.clone(),
            };
            // Nobody may wait any more.
            let _ = done.send(outcome);
        }
    }

    /// Whether there is nothing to remember of him.
    fn is_forgettable(&self) -> bool {
        !self.is_here()
            && !self.is_noted
            && self.presence == Said::No
            && self.channels.is_empty()
            && self.said.is_empty()
            && self.waiting.is_empty()
    }
}

impl State {
    /// The stores may not say of this user what they should.
    pub(super) fn note(&mut self, uid: &str) {
        let Some((uid, _)) = self.users.get_key_value(uid) else {
            return;
        };
        let uid = Arc::clone(uid);
        if let Some(user) = self.users.get_mut(&uid)
            && !std::mem::replace(&mut user.is_noted, true)
        {
            self.changed.push_back(uid);
        }
    }

    /// The next user of whom that is so.
    pub(super) fn next_noted(&mut self) -> Option<Arc<str>> {
        let uid = self.changed.pop_front()?;
        if let Some(user) = self.users.get_mut(&uid) {
            user.is_noted = false;
        }
        Some(uid)
    }

    /// A user shall be in a channel no longer; none if he is not in it.
    pub(super) fn take_out(&mut self, uid: &str, channel: &str) -> Option<Pending> {
        let user = self.users.get_mut(uid)?;
        if !user.channels.remove(channel) {
            return None;
        }
        let pending = user.wait_for(channel, None);
        self.note(uid);
        Some(pending)
    }

    pub(super) fn forget(&mut self, uid: &str) {
        if self.users.get(uid).is_some_and(User::is_forgettable) {
            self.users.remove(uid);
        }
    }
}
