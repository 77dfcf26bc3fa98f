//! Who claimed which user, of those a front end keeps account of.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tangelo_rpc::{Code, Status};
use tokio::{sync::OwnedMutexGuard, time::Instant};

use super::ring::Member;
use crate::{Context, session::SessionId};

/// Claims on one user that may wait for one that is being decided.
const MOST_WAITING: usize = 32;

/// Who claimed which user. Claims on one user are decided one after the other.
#[derive(Debug, Default)]
pub(super) struct Claims(Mutex<HashMap<Arc<str>, Arc<Slot>>>);

#[derive(Debug, Default)]
struct Slot {
    /// Locked by whoever has his turn.
    owner: Arc<tokio::sync::Mutex<Option<Owner>>>,
    /// Sessions that went while somebody else had his turn.
    gone: Mutex<Vec<(Arc<str>, SessionId)>>,
}

/// A session that has a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) front_end: Member,
    pub(super) session: SessionId,
    /// Since when it has the user, by the clock here.
    pub(super) since: Instant,
}

impl Owner {
    /// A session of this front end, which may have had the user for a while.
    pub(super) fn here(context: &Context, session: SessionId, held: Option<Duration>) -> Self {
        let identity = context.cluster.identity();
        let front_end = Member {
            id: Arc::from(&*identity.server_id),
            epoch: identity.epoch,
        };
        Self::new(front_end, session, held)
    }

    pub(super) fn new(front_end: Member, session: SessionId, held: Option<Duration>) -> Self {
        let now = Instant::now();
        Self {
            front_end,
            session,
            since: held.and_then(|held| now.checked_sub(held)).unwrap_or(now),
        }
    }

    pub(super) fn is(&self, frontend_id: &str, session: SessionId) -> bool {
        self.session == session && *self.front_end.id == *frontend_id
    }
}

/// The turn of one who looks at, or changes, who has a user.
pub(super) struct Turn<'a> {
    claims: &'a Claims,
    uid: &'a str,
    slot: Arc<Slot>,
    owner: Option<OwnedMutexGuard<Option<Owner>>>,
}

impl Claims {
    /// Waits for its turn. Cancel safe.
    ///
    /// # Errors
    /// As many wait as may.
    pub(super) async fn turn<'a>(&'a self, uid: &'a str) -> Result<Turn<'a>, Status> {
        let slot = {
            let mut slots = self.0.lock();
            let slot = slots.entry(Arc::from(uid)).or_default();
            // The table has one, and whoever decides.
            if Arc::strong_count(slot) >= MOST_WAITING + 2 {
                let words = "too many sessions are being bound to this user";
                return Err(Status::new(Code::QUEUE_FULL, words));
            }
            Arc::clone(slot)
        };
        let mut turn = self.waiting(uid, slot);
        turn.owner = Some(Arc::clone(&turn.slot.owner).lock_owned().await);
        Ok(turn)
    }

    /// A session elsewhere has the user no longer. What it has claimed before is decided first.
    pub(super) async fn release(&self, uid: &str, frontend_id: &str, session: SessionId) {
        if let Ok(mut turn) = self.turn(uid).await {
            turn.release(|owner| owner.is(frontend_id, session));
        }
    }

    /// A session of this front end has the user no longer.
    pub(super) fn release_here(&self, uid: &str, here: &Arc<str>, session: SessionId) {
        let Some(slot) = self.0.lock().get(uid).cloned() else {
            return;
        };
        slot.gone.lock().push((Arc::clone(here), session));
        // Whoever has his turn looks when it is over.
        self.waiting(uid, slot).look_who_is_gone();
    }

    /// What sessions of this front end have claimed they have no longer.
    pub(super) fn forget(&self, front_end: &Member) {
        self.0.lock().retain(|_, slot| {
            // One that is being decided is about to be found out.
            slot.owner.try_lock().map_or(true, |owner| {
                owner
                    .as_ref()
                    .is_some_and(|owner| owner.front_end != *front_end)
            })
        });
    }

    fn waiting<'a>(&'a self, uid: &'a str, slot: Arc<Slot>) -> Turn<'a> {
        Turn {
            claims: self,
            uid,
            slot,
            owner: None,
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().len()
    }
}

impl Turn<'_> {
    pub(super) fn owner(&self) -> Option<&Owner> {
        self.owner.as_deref()?.as_ref()
    }

    pub(super) fn set_owner(&mut self, new: Option<Owner>) {
        if let Some(owner) = self.owner.as_deref_mut() {
            *owner = new;
        }
    }

    fn release(&mut self, is_gone: impl Fn(&Owner) -> bool) {
        if self.owner().is_some_and(is_gone) {
            self.set_owner(None);
        }
    }

    /// Those who went during a turn are heard when it ends, by whoever finds nobody at his turn.
    fn look_who_is_gone(&mut self) {
        while !self.slot.gone.lock().is_empty() {
            if self.owner.is_none() {
                let Ok(owner) = Arc::clone(&self.slot.owner).try_lock_owned() else {
                    return;
                };
                self.owner = Some(owner);
            }
            let gone = std::mem::take(&mut *self.slot.gone.lock());
            self.release(|owner| gone.iter().any(|(id, session)| owner.is(id, *session)));
            self.owner = None;
        }
    }
}

impl Drop for Turn<'_> {
    /// A user nobody has, and nobody waits for, takes no room.
    fn drop(&mut self) {
        self.look_who_is_gone();
        self.owner = None;
        self.look_who_is_gone();
        let mut slots = self.claims.0.lock();
        // The table has one, and this.
        let unused = |slot: &Arc<Slot>| {
            Arc::strong_count(slot) == 2 && slot.owner.try_lock().is_ok_and(|owner| owner.is_none())
        };
        if slots.get(self.uid).is_some_and(unused) {
            slots.remove(self.uid);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn owner(id: &str, epoch: u32, session: u64) -> Owner {
        let front_end = Member {
            id: id.into(),
            epoch,
        };
        Owner::new(front_end, SessionId(session), None)
    }

    #[tokio::test]
    async fn claims_on_one_user_wait_for_each_other_and_no_more_than_may() {
        let claims = Claims::default();
        let first = claims.turn("u").await.unwrap();
        let mut waiting: Vec<_> = (0..MOST_WAITING)
            .map(|_| Box::pin(claims.turn("u")))
            .collect();
        for turn in &mut waiting {
            assert!(turn.now_or_never().is_none());
        }
        let refused = claims.turn("u").now_or_never().unwrap();
        assert_eq!(refused.err().unwrap().code(), Code::QUEUE_FULL);
        assert!(
            claims.turn("v").now_or_never().is_some(),
            "nobody else waits"
        );

        drop(first);
        for turn in waiting {
            turn.await.unwrap();
        }
        assert_eq!(claims.len(), 0);
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_nothing_behind() {
        let claims = Claims::default();
        let first = claims.turn("u").await.unwrap();
        let mut second = Box::pin(claims.turn("u"));
        assert!((&mut second).now_or_never().is_none());
        drop(first);
        drop(second);
        assert_eq!(claims.len(), 0);
    }

    #[tokio::test]
    async fn a_user_is_released_by_who_has_it_and_by_nobody_else() {
        let claims = Claims::default();
        let (a, b) = (owner("a", 1, 7), owner("b", 1, 7));
        claims.turn("u").await.unwrap().set_owner(Some(a.clone()));
        claims.release_here("u", &"b".into(), SessionId(7));
        claims.release_here("u", &"a".into(), SessionId(8));
        claims.release_here("v", &"a".into(), SessionId(7));
        assert_eq!(claims.turn("u").await.unwrap().owner(), Some(&a));

        // During another's turn it is heard when that is over.
        let mut turn = claims.turn("u").await.unwrap();
        claims.release_here("u", &"a".into(), SessionId(7));
        let mut release = Box::pin(claims.release("u", "a", SessionId(7)));
        assert!((&mut release).now_or_never().is_none());
        turn.set_owner(Some(b.clone()));
        drop(turn);
        release.await;
        assert_eq!(claims.turn("u").await.unwrap().owner(), Some(&b));

        let turn = claims.turn("u").await.unwrap();
        claims.release_here("u", &"b".into(), SessionId(7));
        drop(turn);
        assert_eq!(claims.len(), 0);
    }

    #[tokio::test]
    async fn a_life_of_a_front_end_is_forgotten_and_the_next_is_not() {
        let claims = Claims::default();
        for (uid, epoch) in [("u", 1), ("v", 2)] {
            let mut turn = claims.turn(uid).await.unwrap();
            turn.set_owner(Some(owner("a", epoch, 7)));
        }
        claims.forget(&owner("a", 1, 0).front_end);
        assert_eq!(claims.len(), 1);
        assert!(claims.turn("v").await.unwrap().owner().is_some());
    }
}
