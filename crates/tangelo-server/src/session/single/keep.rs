//! Brings the claims of a front end's sessions to their holders when front ends come or go.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::{LANE, RECONNECT, SETTLING, Single, ring::Ring};
use crate::{
    Context,
    session::{BindError, FrontSession, remote},
};

/// How often it is looked whether anything is left to do.
const TICK: Duration = Duration::from_secs(1);
/// Claims brought at once.
const AT_ONCE: usize = 64;

/// Keeps the claims where they belong, for as long as it is polled.
pub(crate) async fn keep(context: Arc<Context>) {
    let Some(single) = context.sessions().single().cloned() else {
        return;
    };
    let now = || Ring::now(&context, single.across());
    let mut ring = now();
    single.unsettle(&ring);
    // Front ends that are not there any more, and since when.
    let mut missing = Vec::new();
    let mut all_brought = true;
    loop {
        let changed = context.cluster.wait_until(|_| now() != ring);
        let _ = timeout(TICK, changed).await;
        let before = std::mem::replace(&mut ring, now());
        if before != ring {
            single.unsettle(&ring);
            let gone = before
                .members()
                .iter()
                .filter(|gone| !ring.members().contains(gone));
            missing.extend(gone.map(|gone| (gone.clone(), Instant::now())));
        }
        if before != ring || !all_brought || !single.is_settled(&context) {
            all_brought = single.bring(&context, &ring).await;
        }
        missing.retain(|(gone, since)| {
            let road = remote::road(&context, &gone.id, LANE);
            let hello = road.as_ref().ok().and_then(|connection| connection.hello());
            if hello.is_some_and(|hello| hello.identity.epoch == gone.epoch) {
                // It is back, or leaves and is still there.
                return !ring.members().contains(gone);
            }
            let is_over = since.elapsed() > RECONNECT;
            if is_over {
                single.claims.forget(gone);
            }
            !is_over
        });
    }
}

impl Single {
    /// Claims are under way for a while.
    fn unsettle(&self, ring: &Ring) {
        *self.settled.lock() = Some((ring.clone(), Instant::now() + SETTLING));
    }

    /// Whether all claims are where they belong.
    pub(super) fn is_settled(&self, context: &Context) -> bool {
        let now = Ring::now(context, self.across());
        let settled = self.settled.lock();
        settled
            .as_ref()
            .is_some_and(|(ring, at)| *ring == now && *at < Instant::now())
    }

    /// Claims users anew for the sessions that have them, where others keep account now. Whether all of
    /// those could be asked.
    async fn bring(&self, context: &Arc<Context>, ring: &Ring) -> bool {
        let moved = self.moved(ring);
        if moved.is_empty() {
            return true;
        }
        let count = moved.len();
        let brought = stream::iter(moved)
            .map(|(uid, session, since)| async move {
                self.bring_one(context, &uid, &session, since).await
            })
            .buffer_unordered(AT_ONCE)
            .filter(|brought| std::future::ready(*brought))
            .count()
            .await;
        let server = context.server_id();
        info!(
            server,
            count, brought, "users are kept account of elsewhere"
        );
        brought == count
    }

    /// The users of sessions here that others keep account of now.
    fn moved(&self, ring: &Ring) -> Vec<(Arc<str>, Arc<FrontSession>, Instant)> {
        let mine = self.mine.lock();
        let all = mine
            .iter()
            .flat_map(|(uid, sessions)| sessions.iter().map(move |mine| (uid, mine)));
        let moved = all
            .filter(|(uid, mine)| mine.has(uid) && mine.holder.as_ref() != Some(ring.holder(uid)));
        moved
            .map(|(uid, mine)| (Arc::clone(uid), Arc::clone(&mine.session), mine.since))
            .collect()
    }

    async fn bring_one(
        &self,
        context: &Arc<Context>,
        uid: &str,
        session: &Arc<FrontSession>,
        since: Instant,
    ) -> bool {
        let mut before = None;
        self.change_mine(uid, session.id(), |mine| before = mine.holder.clone());
        let deadline = Instant::now() + remote::PATIENCE;
        let claimed = (uid, session.id());
        let claim = self.claim(context, claimed, Some(since.elapsed()), deadline);
        let holder = match claim.await {
            Ok(holder) => holder,
            Err(BindError::Taken) => {
                let mut is_had = false;
                self.change_mine(uid, session.id(), |mine| is_had = mine.since == since);
                if is_had {
                    let server = context.server_id();
                    info!(server, session = %session.id(), "the user has another session");
                    context.sessions().close(session, self.kicked());
                }
                return true;
            }
            Err(error) => {
                warn!(server = context.server_id(), %error, "a claim was not brought");
                self.change_mine(uid, session.id(), |mine| mine.holder = None);
                return false;
            }
        };
        // Who kept account of it before need not any more.
        if let Some(other) = before.filter(|before| *before != holder) {
            self.release(context, &other, uid, session.id());
        }
        if !self.change_mine(uid, session.id(), |_| {}) {
            // It was unbound meanwhile.
            self.release(context, &holder, uid, session.id());
        }
        true
    }
}
