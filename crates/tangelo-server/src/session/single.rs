//! One session alone for a user, also across front ends.
//!
//! Who wants a user for a session *claims* it from the front end that *holds* the claims on this user:
//! rendezvous hashing names it among those that are up, so all name the same, and one that comes or
//! goes moves few users. The holder takes one claim on a user after the other. If another session has
//! the user, it *contests* that at its front end, which alone knows whether the session still lives:
//! there it keeps the user, or is kicked. So nothing that is remembered wrongly outlives the next claim.
//!
//! When front ends come or go, each brings the claims of its sessions to their new holders (`keep`).
//! A holder that is asked before it has heard of all asks the others itself. Should two sessions
//! have been let through nevertheless, the second claim to arrive finds it out, and one of them is
//! kicked: the newer where the new are refused, else the older.

mod binding;
mod claims;
mod config;
mod hold;
mod keep;
mod ring;

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tangelo_rpc::Code;
use tokio::time::{Instant, timeout_at};

pub use self::config::SingleSession;
pub(crate) use self::keep::keep;
use self::{
    claims::{Claims, Owner},
    hold::Claim,
    ring::{Member, Ring},
};
use super::{BindError, CloseReason, FrontSession, SessionId, Sessions, remote};
use crate::{Context, generated::session::ContestReq};

/// How long a front end that is lost may take until it, and its sessions, are taken for gone.
const RECONNECT: Duration = Duration::from_secs(1);
/// How long after front ends have come or gone claims may be under way to their new holders.
const SETTLING: Duration = Duration::from_secs(3);
/// How long to wait before a front end that was not reached is asked again.
const PAUSE: Duration = Duration::from_millis(20);
/// What front ends say to each other about claims travels over the same connection, in order.
const LANE: u64 = 0;

/// What a front end knows of users' single sessions.
pub(crate) struct Single {
    config: SingleSession,
    /// Types of front ends, in the form they tell each other.
    across: String,
    /// Who claimed which user, of those this front end keeps account of.
    claims: Claims,
    /// The sessions here that have, or claim, a user.
    mine: Mutex<HashMap<Arc<str>, Vec<Mine>>>,
    /// The front ends that were up when it was looked last, and when claims will be settled there.
    settled: Mutex<Option<(Ring, Instant)>>,
}

/// A session here that has, or claims, a user; it has it once it is bound to it.
struct Mine {
    session: Arc<FrontSession>,
    since: Instant,
    /// Who was asked for the user.
    holder: Option<Member>,
}

impl Mine {
    fn has(&self, uid: &str) -> bool {
        self.session.uid().is_some_and(|bound| *bound == *uid)
    }
}

impl Single {
    pub(crate) fn new(mut config: SingleSession, own_type: &str) -> Self {
        config.across.insert(own_type.to_owned());
        Self {
            across: Vec::from_iter(config.across.iter().map(String::as_str)).join(","),
            config,
            claims: Claims::default(),
            mine: Mutex::default(),
            settled: Mutex::new(None),
        }
    }

    /// Types of front ends among which a user has one session.
    pub(crate) fn across(&self) -> &BTreeSet<String> {
        &self.config.across
    }

    fn kicked(&self) -> CloseReason {
        CloseReason::Kicked(Arc::clone(&self.config.reason))
    }

    /// A session of this front end claims the user.
    fn want(&self, uid: &str, session: &Arc<FrontSession>) {
        let mine = Mine {
            session: Arc::clone(session),
            since: Instant::now(),
            holder: None,
        };
        self.mine
            .lock()
            .entry(Arc::from(uid))
            .or_default()
            .push(mine);
    }

    /// Whether it is still among those that have or want the user.
    fn change_mine(&self, uid: &str, session: SessionId, change: impl FnOnce(&mut Mine)) -> bool {
        let mut mine = self.mine.lock();
        let sessions = mine.get_mut(uid).into_iter().flatten();
        let found = sessions
            .into_iter()
            .find(|mine| mine.session.id() == session);
        found.map(change).is_some()
    }

    /// A session neither has nor wants the user any more.
    pub(super) fn let_go(&self, uid: &str, session: &FrontSession) {
        let mut mine = self.mine.lock();
        let Some(sessions) = mine.get_mut(uid) else {
            return;
        };
        let at = sessions
            .iter()
            .position(|mine| mine.session.id() == session.id());
        let Some(gone) = at.map(|at| sessions.remove(at)) else {
            return;
        };
        if sessions.is_empty() {
            mine.remove(uid);
        }
        drop(mine);
        if let Some(holder) = gone.holder {
            self.release(session.context(), &holder, uid, session.id());
        }
    }

    /// Whether the session that is asked for, or any, keeps the user here. If it is to be kicked none
    /// does.
    fn contested(&self, sessions: &Sessions, request: &ContestReq) -> bool {
        let uid = &*request.uid;
        let mine = self.mine.lock();
        let here = mine.get(uid).into_iter().flatten();
        let contested = |mine: &&Mine| {
            let is_asked_for = request.sid == 0 || request.sid == u64::from(mine.session.id());
            is_asked_for && (!request.bound || mine.has(uid))
        };
        let contested = here.filter(contested).map(|mine| &mine.session);
        let contested = contested.filter(|session| !session.is_closed());
        let contested = Vec::from_iter(contested.cloned());
        drop(mine);
        if request.kick {
            for session in &contested {
                sessions.close(session, self.kicked());
            }
        }
        !request.kick && !contested.is_empty()
    }

    /// Claims a user for a session of this front end, which may have had it for a while. Returns who
    /// keeps account of it.
    async fn claim(
        &self,
        context: &Arc<Context>,
        (uid, session): (&str, SessionId),
        held: Option<Duration>,
        deadline: Instant,
    ) -> Result<Member, BindError> {
        let claim = Claim {
            uid: Arc::from(uid),
            owner: Owner::here(context, session, held),
            held: held.is_some(),
            kick_old: self.config.kick_old,
        };
        loop {
            let ring = Ring::now(context, self.across());
            let holder = ring.holder(uid).clone();
            self.change_mine(uid, session, |mine| mine.holder = Some(holder.clone()));
            let granted = self.ask_holder(context, &holder, &claim, held, deadline);
            let granted = timeout_at(deadline, granted).await;
            match granted.unwrap_or_else(|_| Err(Code::RPC_TIMEOUT.into())) {
                // Others may have come or gone meanwhile, and hold the claims now.
                Ok(true) if *Ring::now(context, self.across()).holder(uid) == holder => {
                    return Ok(holder);
                }
                Ok(true) => self.release(context, &holder, uid, session),
                Ok(false) => return Err(BindError::Taken),
                // Lost, or about to be: as soon as that is known another one holds the claims.
                Err(status) if is_lost(status.code()) && Instant::now() + PAUSE < deadline => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(status) => return Err(status.into()),
            }
        }
    }

    /// Tells the holder that a session has the user no longer.
    fn release(&self, context: &Arc<Context>, holder: &Member, uid: &str, session: SessionId) {
        if *holder.id != *context.server_id() {
            if let Ok(connection) = remote::road(context, &holder.id, LANE) {
                // If it is not heard of there, the next who claims the user finds it out.
                let _ = remote::release(&connection, uid, session);
            }
        } else {
            self.claims.release_here(uid, &holder.id, session);
        }
    }
}

/// Whether a code says that who was asked is not there.
fn is_lost(code: Code) -> bool {
    matches!(
        code,
        Code::NO_CONNECTION | Code::SEND_FAILED | Code::CONNECTION_BROKEN | Code::SERVER_SHUTDOWN
    )
}

impl fmt::Debug for Single {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Single")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
