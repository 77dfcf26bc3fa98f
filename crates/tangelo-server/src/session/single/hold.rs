//! What the front end does that keeps account of a user.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use prost::Message;
use tangelo_rpc::{Code, Connection, Reply, Status};
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::{
    LANE, PAUSE, RECONNECT, Single,
    claims::Owner,
    is_lost,
    ring::{Member, Ring},
};
use crate::{
    Context,
    generated::session::{ClaimReq, ClaimRes, ContestReq, ContestRes, ReleaseReq},
    session::{SessionId, remote},
};

/// How long one of all front ends may take to say whether it has a session of a user.
const ASKING_ALL: Duration = Duration::from_secs(1);

/// A session that wants a user.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) uid: Arc<str>,
    pub(super) owner: Owner,
    /// It has the user already, and others kept account of that.
    pub(super) held: bool,
    /// The newer session wins, not the older one.
    pub(super) kick_old: bool,
}

impl Single {
    /// Asks who keeps account of the user, which may be this front end.
    pub(super) async fn ask_holder(
        &self,
        context: &Arc<Context>,
        holder: &Member,
        claim: &Claim,
        held: Option<Duration>,
        deadline: Instant,
    ) -> Result<bool, Status> {
        if *holder.id == *context.server_id() {
            return self.decide(context, claim.clone()).await;
        }
        let request = ClaimReq {
            uid: claim.uid.to_string(),
            sid: claim.owner.session.0,
            kick_old: claim.kick_old,
            held: claim.held,
            held_ms: held.unwrap_or_default().as_millis() as u64,
            across: self.across.clone(),
        };
        let connection = remote::road(context, &holder.id, LANE)?;
        let answer: ClaimRes =
            remote::ask_until(deadline, &connection, remote::CLAIM, &request).await?;
        remote::done(answer.ret_code, answer.ret_msg)?;
        Ok(answer.granted)
    }

    /// Answers a claim.
    pub(in crate::session) async fn serve_claim(
        &self,
        context: &Arc<Context>,
        connection: &Connection,
        request: ClaimReq,
    ) -> Result<Reply, Status> {
        let hello = connection.hello().ok_or(Code::DECODE_REQ_ERROR)?;
        let held = Some(Duration::from_millis(request.held_ms)).filter(|_| request.held);
        let front_end = Member {
            id: Arc::from(&*hello.identity.server_id),
            epoch: hello.identity.epoch,
        };
        let claim = Claim {
            uid: request.uid.into(),
            owner: Owner::new(front_end, SessionId(request.sid), held),
            held: request.held,
            kick_old: request.kick_old,
        };
        let decided = if request.across == self.across {
            let deadline = Instant::now() + remote::PATIENCE;
            let decided = timeout_at(deadline, self.decide(context, claim)).await;
            decided.unwrap_or_else(|_| Err(Code::RPC_TIMEOUT.into()))
        } else {
            Err(disagree(context, &self.across, &request.across))
        };
        let (ret_code, ret_msg) = remote::told(&decided);
        let answer = ClaimRes {
            ret_code,
            ret_msg,
            granted: decided.unwrap_or(false),
        };
        Ok(Reply::protobuf(ret_code, answer.encode_to_vec()))
    }

    /// Takes note that a session has the user no longer.
    pub(in crate::session) async fn serve_release(
        &self,
        connection: &Connection,
        request: ReleaseReq,
    ) -> Result<Reply, Status> {
        let hello = connection.hello().ok_or(Code::DECODE_REQ_ERROR)?;
        let (frontend_id, session) = (&hello.identity.server_id, SessionId(request.sid));
        let release = self.claims.release(&request.uid, frontend_id, session);
        // Who holds it for longer than that finds it out himself.
        let _ = timeout_at(Instant::now() + remote::PATIENCE, release).await;
        Ok(Reply::default())
    }

    /// Answers whether a session of this front end keeps the user.
    pub(in crate::session) fn serve_contest(
        &self,
        context: &Arc<Context>,
        request: &ContestReq,
    ) -> Reply {
        let answer = ContestRes {
            kept: self.contested(context.sessions(), request),
            ..ContestRes::default()
        };
        Reply::protobuf(0, answer.encode_to_vec())
    }

    /// Whether the claim is granted: no other session has the user, or it has to give way and has.
    async fn decide(&self, context: &Arc<Context>, claim: Claim) -> Result<bool, Status> {
        let mut turn = self.claims.turn(&claim.uid).await?;
        let kept = match turn.owner() {
            Some(owner) if owner.is(&claim.owner.front_end.id, claim.owner.session) => false,
            Some(owner) => {
                if claim.held && !self.is_held(context, &claim).await? {
                    return Ok(false);
                }
                // What a new claim waited for its turn does not make it older.
                let is_older = claim.held && claim.owner.since < owner.since;
                let gives_way = claim.kick_old != is_older;
                self.contest(context, &claim.uid, owner, gives_way).await?
            }
            None if !claim.held && !self.is_settled(context) => {
                self.contest_everywhere(context, &claim).await
            }
            None => false,
        };
        if !kept {
            turn.set_owner(Some(claim.owner));
        }
        Ok(!kept)
    }

    /// Whether a session still has the user that was said to have it: it may have been unbound while
    /// its claim waited, and nobody is kicked for that.
    async fn is_held(&self, context: &Arc<Context>, claim: &Claim) -> Result<bool, Status> {
        let held = ContestReq {
            bound: true,
            ..contest(&claim.uid, Some(claim.owner.session), false)
        };
        self.ask_owner(context, &claim.owner.front_end.id, held)
            .await
    }

    /// Whether a session keeps the user. A front end that cannot be reached for a while has no sessions
    /// any more.
    async fn contest(
        &self,
        context: &Arc<Context>,
        uid: &str,
        owner: &Owner,
        gives_way: bool,
    ) -> Result<bool, Status> {
        let frontend_id = &*owner.front_end.id;
        let patience = Instant::now() + RECONNECT;
        loop {
            let asked = contest(uid, Some(owner.session), gives_way);
            let kept = self.ask_owner(context, frontend_id, asked).await;
            let Err(status) = &kept else {
                return kept;
            };
            if status.code() == Code::SERVER_SHUTDOWN {
                return Ok(self.contest_leaving(context, uid, owner, gives_way));
            }
            if !is_lost(status.code()) {
                return kept;
            }
            let instances = context.cluster.instances();
            let is_named = instances.iter().any(|instance| instance.id == frontend_id);
            if !is_named || Instant::now() >= patience {
                return Ok(false);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// A front end that leaves is asked nothing any more. It is told to let the session go; unless it
    /// has to, the session keeps the user for as long as the front end is there.
    fn contest_leaving(
        &self,
        context: &Arc<Context>,
        uid: &str,
        owner: &Owner,
        gives_way: bool,
    ) -> bool {
        if let (true, Ok(road)) = (gives_way, remote::road(context, &owner.front_end.id, LANE)) {
            let request = contest(uid, Some(owner.session), gives_way);
            // If it cannot be said the front end is gone, and the session with it.
            let _ = road.tell(remote::CONTEST, |out| request.encode_raw(out));
        }
        !gives_way
    }

    /// Whether a session keeps the user on any of the front ends that are up and answer: asked while
    /// claims are under way to this one.
    async fn contest_everywhere(&self, context: &Arc<Context>, claim: &Claim) -> bool {
        let ring = Ring::now(context, self.across());
        let deadline = Instant::now() + ASKING_ALL;
        let asked = ring.members().iter().map(|member| {
            let asked = ContestReq {
                bound: true,
                ..contest(&claim.uid, None, claim.kick_old)
            };
            timeout_at(deadline, self.ask_owner(context, &member.id, asked))
        });
        let answers = join_all(asked).await;
        answers.into_iter().any(|kept| matches!(kept, Ok(Ok(true))))
    }

    async fn ask_owner(
        &self,
        context: &Arc<Context>,
        frontend_id: &str,
        request: ContestReq,
    ) -> Result<bool, Status> {
        if frontend_id == context.server_id() {
            return Ok(self.contested(context.sessions(), &request));
        }
        let connection = remote::road(context, frontend_id, LANE)?;
        let answer: ContestRes = remote::ask(&connection, remote::CONTEST, &request).await?;
        remote::done(answer.ret_code, answer.ret_msg)?;
        Ok(answer.kept)
    }
}

fn contest(uid: &str, session: Option<SessionId>, gives_way: bool) -> ContestReq {
    ContestReq {
        uid: uid.to_owned(),
        sid: session.map_or(0, u64::from),
        kick: gives_way,
        bound: false,
    }
}

fn disagree(context: &Context, across: &str, theirs: &str) -> Status {
    if let Some(left_out) = context.may_log() {
        let server = context.server_id();
        warn!(
            server,
            across, theirs, left_out, "front ends do not agree on single_session"
        );
    }
    let words = "single_session is not the same on all front ends";
    Status::new(Code::EXEC_EXCEPTION, words)
}
