//! What the stores shall say of a front end's users: who is online there, and in which global channels.
//!
//! Only a front end itself writes what concerns its users, one call after the other, so that nothing it says
//! is overtaken by what it said before. What it cannot write it keeps, and writes when the store is back; so
//! it can also say everything again to a store that was told to forget it.

mod batch;
mod user;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, oneshot},
    time::timeout,
};
use tracing::{debug, warn};

use self::{batch::Batch, user::User};
use crate::{
    SessionId,
    global_channels::Refusal,
    session::Events,
    store::{StoreError, Stores},
};

/// How long a change of a global channel may take, other changes before it included.
pub(crate) const CHANGE_WITHIN: Duration = Duration::from_secs(5);
/// How long the stores may take to forget a server that ends.
const FAREWELL: Duration = Duration::from_secs(1);
/// Pause after a store has failed; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The users of a front end, and what the stores say of them.
#[derive(Debug)]
pub(crate) struct Roster {
    frontend_id: Arc<str>,
    stores: Stores,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    users: HashMap<Arc<str>, User>,
    /// Those of whom the stores may not say what they should; each once.
    changed: VecDeque<Arc<str>>,
}

/// A change of a global channel on its way to the store.
type Pending = oneshot::Receiver<Result<(), Refusal>>;

impl Roster {
    pub(crate) fn new(frontend_id: &str, stores: Stores) -> Arc<Self> {
        Arc::new(Self {
            frontend_id: Arc::from(frontend_id),
            stores,
            state: Mutex::default(),
            changed: Notify::new(),
        })
    }

    /// Follows what happens to sessions.
    pub(crate) fn follow(self: &Arc<Self>, events: &mut Events) {
        let roster = Arc::clone(self);
        events.on_bind(move |session, uid| roster.came(session.id(), uid));
        let roster = Arc::clone(self);
        events.on_unbind(move |session, uid| roster.went(session.id(), uid));
        let roster = Arc::clone(self);
        events.on_close(move |session, _| {
            if let Ok(uid) = session.uid() {
                roster.went(session.id(), &uid);
            }
        });
    }

    fn came(&self, session: SessionId, uid: &str) {
        self.change(uid, |user| user.sessions.push(session));
    }

    fn went(&self, session: SessionId, uid: &str) {
        self.change(uid, |user| {
            user.sessions.retain(|known| *known != session);
            if !user.is_here() {
                user.channels.clear();
            }
        });
    }

    /// Puts a user of this front end into a global channel; whether he was not in it.
    pub(crate) async fn join(&self, uid: &str, channel: &str) -> Result<bool, Refusal> {
        self.stores.channels.as_ref().ok_or(NO_STORE)?;
        let (joins, pending) = {
            let mut state = self.state.lock();
            let user = state.users.get_mut(uid).filter(|user| user.is_here());
            let user = user.ok_or(Refusal::NoSession)?;
            if user.is_in(channel) {
                return Ok(false);
            }
            let joins = user.join(channel)?;
            let pending = user.wait(channel, joins);
            state.note(uid);
            (joins, pending)
        };
        self.changed.notify_one();
        let outcome = answered(pending).await;
        if joins && outcome == Err(Refusal::Store(StoreError::Late)) {
            // He was told that he is not in it, so he shall not be.
            self.change(uid, |user| user.withdraw(channel));
        }
        outcome.map(|()| joins)
    }

    /// Takes a user of this front end out of a global channel; whether he was in it.
    pub(crate) async fn leave(&self, uid: &str, channel: &str) -> Result<bool, Refusal> {
        let pending = {
            let mut state = self.state.lock();
            let Some(pending) = state.take_out(uid, channel) else {
                return Ok(false);
            };
            pending
        };
        self.changed.notify_one();
        answered(pending).await.map(|()| true)
    }

    /// Takes all users of this front end out of a global channel; whether there was one.
    pub(crate) async fn leave_all(&self, channel: &str) -> Result<bool, Refusal> {
        let pending: Vec<_> = {
            let mut state = self.state.lock();
            let users = state.users.iter();
            let members = users.filter(|(_, user)| user.channels.contains(channel));
            let uids: Vec<_> = members.map(|(uid, _)| Arc::clone(uid)).collect();
            uids.iter()
                .filter_map(|uid| state.take_out(uid, channel))
                .collect()
        };
        self.changed.notify_one();
        let any = !pending.is_empty();
        let all = async {
            for pending in pending {
                answer(pending.await)?;
            }
            Ok(any)
        };
        timeout(CHANGE_WITHIN, all).await.unwrap_or(Err(LATE))
    }

    /// The stores may have forgotten this front end: they are told everything again.
    pub(crate) fn tell_again(&self) {
        let mut state = self.state.lock();
        let uids: Vec<_> = state.users.keys().cloned().collect();
        debug!(users = uids.len(), "the stores are told again");
        for uid in uids {
            if let Some(user) = state.users.get_mut(&uid) {
                user.doubt();
            }
            state.note(&uid);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Keeps the stores up to date. It has no end of its own.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut pause = FIRST_PAUSE;
        // What a server of this name left behind that was killed.
        let mut is_clean = false;
        loop {
            let outcome = if is_clean {
                let batch = self.next_batch().await;
                self.write(batch).await
            } else {
                let cleaned = self.stores.remove_frontend(&self.frontend_id).await;
                is_clean = cleaned.is_ok();
                cleaned
            };
            match outcome {
                Ok(()) => pause = FIRST_PAUSE,
                Err(error) => {
                    let server = &*self.frontend_id;
                    warn!(server, %error, "a store does not say who is here");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// After the end of the server: nobody is here.
    pub(crate) async fn end(&self) {
        let forgotten = timeout(FAREWELL, self.stores.remove_frontend(&self.frontend_id)).await;
        let forgotten = forgotten.unwrap_or(Err(StoreError::Late));
        if let Err(error) = forgotten {
            let server = &*self.frontend_id;
            warn!(server, %error, "a store does not forget who was here");
        }
    }

    async fn next_batch(&self) -> Batch {
        loop {
            let changed = self.changed.notified();
            let batch = self.state.lock().take(&self.stores);
            if !batch.is_empty() {
                return batch;
            }
            changed.await;
        }
    }

    async fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let written = batch.write(&self.frontend_id, &self.stores).await;
        let mut state = self.state.lock();
        state.settle(batch, &written);
        written.outcome
    }

    fn change(&self, uid: &str, change: impl FnOnce(&mut User)) {
        let mut state = self.state.lock();
        let uid = match state.users.get_key_value(uid) {
            Some((uid, _)) => Arc::clone(uid),
            None => Arc::from(uid),
        };
        change(state.users.entry(Arc::clone(&uid)).or_default());
        state.note(&uid);
        drop(state);
        self.changed.notify_one();
    }
}

const NO_STORE: Refusal = Refusal::Store(StoreError::None);
const LATE: Refusal = Refusal::Store(StoreError::Late);

async fn answered(pending: Pending) -> Result<(), Refusal> {
    let in_time = timeout(CHANGE_WITHIN, pending).await;
    in_time.map_or(Err(LATE), answer)
}

/// Nobody answers any more when the server ends.
fn answer(answer: Result<Result<(), Refusal>, oneshot::error::RecvError>) -> Result<(), Refusal> {
    answer.unwrap_or(Err(LATE))
}

#[cfg(test)]
mod tests;
