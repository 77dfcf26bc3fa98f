//! What is asked of the front end that has a session, by others.

mod serve;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use prost::Message;
use serde_json::{Map, Value};
use tangelo_connector::Push;
use tangelo_rpc::{Code, Connection, Status};
use tokio::time::{Instant, timeout};

pub(crate) use self::serve::SessionService;
use super::{BindError, SessionId};
use crate::{
    Context,
    generated::forward,
    generated::session::{
        BindReq, BindRes, ChangeSettingsReq, ChangeSettingsRes, GetReq, GetRes, KickReq, KickRes,
        PushReq, PushRes, Refusal, ReleaseReq, UnbindReq, UnbindRes, Whose,
    },
};

/// Service and message numbers; see session.proto.
pub(super) const BIND: (i32, i32) = (12, 2);
pub(super) const UNBIND: (i32, i32) = (12, 3);
pub(super) const CHANGE_SETTINGS: (i32, i32) = (12, 4);
pub(crate) const GET: (i32, i32) = (12, 5);
pub(super) const KICK: (i32, i32) = (12, 6);
pub(super) const PUSH: (i32, i32) = (12, 7);
pub(super) const CLAIM: (i32, i32) = (12, 8);
pub(super) const RELEASE: (i32, i32) = (12, 9);
pub(super) const CONTEST: (i32, i32) = (12, 10);

/// How long another front end may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// The connection to a front end for what belongs to `key`, such as a session's id, if it stands.
pub(crate) fn road(
    context: &Arc<Context>,
    frontend_id: &str,
    key: u64,
) -> Result<Connection, Status> {
    let cluster = &context.cluster;
    let dialed = cluster.by_id(frontend_id);
    let dialed = dialed.and_then(|remote| remote.connection(key).ok());
    let either = || cluster.dialers().connection(frontend_id, key);
    let connection = dialed.map_or_else(either, Ok);
    let connection = connection.map_err(Status::of_call)?;
    Ok(seen_from(context, connection))
}

/// The same; one that this server is not connected to so far is dialed.
pub(super) async fn meet(
    context: &Arc<Context>,
    frontend_id: &str,
    key: u64,
) -> Result<Connection, Status> {
    let met = timeout(PATIENCE, context.cluster.connection(frontend_id, key)).await;
    let connection = met.unwrap_or_else(|_| Err(Code::NO_CONNECTION.into()));
    let connection = connection.map_err(Status::of_call)?;
    Ok(seen_from(context, connection))
}

/// What is seen over a connection belongs to this server, whichever side dialed.
fn seen_from(context: &Arc<Context>, connection: Connection) -> Connection {
    if connection.extension::<Arc<Context>>().is_none() {
        connection.set_extension(Arc::clone(context));
    }
    connection
}

pub(super) async fn bind(
    front_end: &Connection,
    session: SessionId,
    uid: &str,
) -> Result<(), BindError> {
    let request = BindReq {
        sid: session.0,
        uid: uid.to_owned(),
    };
    let answer: BindRes = ask(front_end, BIND, &request).await?;
    Err(match answer.refusal() {
        Refusal::Bound => BindError::Bound(answer.bound.into()),
        Refusal::Taken => BindError::Taken,
        Refusal::Closed => BindError::Closed,
        Refusal::Other => return Ok(done(answer.ret_code, answer.ret_msg)?),
    })
}

pub(super) async fn unbind(front_end: &Connection, session: SessionId) -> Result<(), Status> {
    let request = UnbindReq { sid: session.0 };
    let answer: UnbindRes = ask(front_end, UNBIND, &request).await?;
    done(answer.ret_code, answer.ret_msg)
}

pub(super) async fn change_settings(
    front_end: &Connection,
    session: SessionId,
    set: Map<String, Value>,
    removed: Vec<String>,
) -> Result<(), Status> {
    let set = serde_json::to_vec(&set)
        .map_err(|error| Status::from(Code::ENCODE_REQ_ERROR).with_cause(error))?;
    let request = ChangeSettingsReq {
        sid: session.0,
        removed,
        set: set.into(),
    };
    let answer: ChangeSettingsRes = ask(front_end, CHANGE_SETTINGS, &request).await?;
    done(answer.ret_code, answer.ret_msg)
}

/// The sessions as the front end shows them, encoded.
pub(super) async fn get(front_end: &Connection, whose: Whose) -> Result<Vec<Bytes>, Status> {
    let request = GetReq { whose: Some(whose) };
    let answer: GetRes = ask(front_end, GET, &request).await?;
    done(answer.ret_code, answer.ret_msg)?;
    Ok(answer.sessions)
}

/// The sessions bound to a user there.
pub(crate) async fn ids_of(front_end: &Connection, uid: &str) -> Result<Vec<SessionId>, Status> {
    let sessions = get(front_end, Whose::from(uid)).await?;
    let ids = sessions.into_iter().map(|session| {
        let session = forward::Session::decode(session)
            .map_err(|error| Status::from(Code::DECODE_RES_ERROR).with_cause(error))?;
        Ok(SessionId(session.sid))
    });
    ids.collect()
}

/// Returns how many there were.
pub(super) async fn kick(
    front_end: &Connection,
    whose: Whose,
    reason: &str,
) -> Result<usize, Status> {
    let request = KickReq {
        whose: Some(whose),
        reason: reason.to_owned(),
    };
    let answer: KickRes = ask(front_end, KICK, &request).await?;
    done(answer.ret_code, answer.ret_msg)?;
    Ok(answer.kicked as usize)
}

/// Returns how many there were.
pub(super) async fn push(
    front_end: &Connection,
    whose: Whose,
    push: &Push,
) -> Result<usize, Status> {
    let answer: PushRes = ask(front_end, PUSH, &push_request(whose, push)).await?;
    done(answer.ret_code, answer.ret_msg)?;
    Ok(answer.reached as usize)
}

/// The same, without an answer.
pub(super) fn tell_push(front_end: &Connection, whose: Whose, push: &Push) -> Result<(), Status> {
    let request = push_request(whose, push);
    let told = front_end.tell(PUSH, |out| request.encode_raw(out));
    told.map_err(Status::of_call)
}

fn push_request(whose: Whose, push: &Push) -> PushReq {
    PushReq {
        whose: Some(whose),
        route: push.route().to_owned(),
        body: push.body().clone(),
    }
}

/// Asks, and waits for no longer than [`PATIENCE`].
pub(super) async fn ask<A: Message + Default>(
    connection: &Connection,
    method: (i32, i32),
    request: &impl Message,
) -> Result<A, Status> {
    ask_until(Instant::now() + PATIENCE, connection, method, request).await
}

pub(crate) async fn ask_until<A: Message + Default>(
    deadline: Instant,
    connection: &Connection,
    method: (i32, i32),
    request: &impl Message,
) -> Result<A, Status> {
    let request = request.encode_to_vec().into();
    let reply = connection.call(method, deadline, request).await;
    let reply = reply.map_err(Status::of_call)?;
    A::decode(reply.body).map_err(|error| Status::from(Code::DECODE_RES_ERROR).with_cause(error))
}

/// A question about no session at all: its answer comes behind what was said before.
pub(crate) fn look_at_nobody() -> Whose {
    Whose::default()
}

/// Tells a front end that keeps account of a user that a session has it no longer.
pub(super) fn release(front_end: &Connection, uid: &str, session: SessionId) -> Result<(), Status> {
    let request = ReleaseReq {
        uid: uid.to_owned(),
        sid: session.0,
    };
    front_end.tell(RELEASE, |out| request.encode_raw(out))
}

/// How it went, as the other side is told; the cause stays here.
pub(super) fn told<T>(outcome: &Result<T, Status>) -> (i32, String) {
    match outcome {
        Ok(_) => (0, String::new()),
        Err(status) => (status.code().0, status.message().to_owned()),
    }
}

/// What the other side said of how it went.
pub(super) fn done(code: i32, words: String) -> Result<(), Status> {
    match code {
        0 => Ok(()),
        code => Err(Status::new(code, words).of_call()),
    }
}

impl From<SessionId> for Whose {
    fn from(session: SessionId) -> Self {
        Self {
            sid: session.0,
            uid: String::new(),
        }
    }
}

impl From<&str> for Whose {
    fn from(uid: &str) -> Self {
        Self {
            sid: 0,
            uid: uid.to_owned(),
        }
    }
}
