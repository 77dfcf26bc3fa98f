//! What a front end answers about its sessions.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use serde_json::{Map, Value};
use tangelo_connector::Push;
use tangelo_rpc::{Answer, Code, Connection, Definition, Reply, Request, Service, Status};

use super::{BIND, CHANGE_SETTINGS, CLAIM, CONTEST, GET, KICK, PUSH, RELEASE, UNBIND, told};
use crate::{
    Context, Sessions,
    channel::SessionOnBackEnd,
    generated::session::{
        BindReq, BindRes, ChangeSettingsReq, ChangeSettingsRes, GetReq, GetRes, KickReq, KickRes,
        PushReq, PushRes, Refusal, UnbindReq, UnbindRes,
    },
    membership::CLOSED,
    session::{BindError, FrontSession, SessionId, Uid, no_such_session},
};

/// Answers service Session for the sessions of this server, and takes note of those that closed
/// elsewhere where there may be channels they were in.
pub(crate) struct SessionService {
    pub(crate) sessions: Sessions,
    pub(crate) closed: Option<SessionOnBackEnd>,
}

impl Definition for SessionService {
    const SERVICE_ID: i32 = CLOSED.0;
    const NAME: &'static str = "Session";
}

impl Service for SessionService {
    fn call(&self, request: Request) -> Answer {
        let method = (request.service_id, request.msg_id);
        match &self.closed {
            Some(closed) if method == CLOSED => return closed.call(request),
            _ => {}
        }
        let known = |connection: &Connection| connection.hello().is_some();
        let Some(connection) = request.connection.filter(known) else {
            let words = "sessions are not for strangers";
            let refused = Err(Status::new(Code::SERVICE_NOT_ALLOWED, words));
            return Box::pin(std::future::ready(refused));
        };
        let (sessions, body) = (self.sessions.clone(), request.body);
        let answer = match method {
            BIND => return Box::pin(async move { sessions.serve_bind(body).await }),
            CLAIM | RELEASE | CONTEST => {
                return Box::pin(
                    async move { sessions.serve_single(method, &connection, body).await },
                );
            }
            UNBIND => sessions.serve_unbind(body),
            CHANGE_SETTINGS => sessions.serve_settings(body),
            GET => sessions.serve_get(body),
            KICK => sessions.serve_kick(body),
            PUSH => sessions.serve_push(body),
            _ => Err(Code::NOT_FOUND.into()),
        };
        Box::pin(std::future::ready(answer))
    }
}

impl Sessions {
    async fn serve_bind(&self, body: Bytes) -> Result<Reply, Status> {
        let request: BindReq = decode(body)?;
        let bound = match self.find(SessionId(request.sid)) {
            Some(session) => self.bind(&session, Uid::from(request.uid)).await,
            None => Err(BindError::Closed),
        };
        let (refusal, to) = match &bound {
            Err(BindError::Bound(to)) => (Refusal::Bound, to.to_string()),
            Err(BindError::Taken) => (Refusal::Taken, String::new()),
            Err(BindError::Closed) => (Refusal::Closed, String::new()),
            Ok(()) | Err(_) => (Refusal::Other, String::new()),
        };
        let (ret_code, ret_msg) = told(&bound.map_err(Status::from));
        let answer = BindRes {
            ret_code,
            ret_msg,
            refusal: refusal.into(),
            bound: to,
        };
        Ok(Reply::protobuf(ret_code, answer.encode_to_vec()))
    }

    fn serve_unbind(&self, body: Bytes) -> Result<Reply, Status> {
        let request: UnbindReq = decode(body)?;
        let session = self.existing(request.sid);
        let (ret_code, ret_msg) = told(&session.and_then(|session| self.unbind(&session)));
        let answer = UnbindRes { ret_code, ret_msg };
        Ok(Reply::protobuf(ret_code, answer.encode_to_vec()))
    }

    fn serve_settings(&self, body: Bytes) -> Result<Reply, Status> {
        let request: ChangeSettingsReq = decode(body)?;
        let set: Map<String, Value> = serde_json::from_slice(&request.set)
            .map_err(|error| Status::from(Code::DECODE_REQ_ERROR).with_cause(error))?;
        let changed = self.existing(request.sid).and_then(|session| {
            let changed = session.change_settings(set, &request.removed);
            // The words are for the log of whoever asked.
            changed.map_err(|too_long| Status::new(Code::BUSINESS_ERROR, too_long.to_string()))
        });
        let (ret_code, ret_msg) = told(&changed);
        let answer = ChangeSettingsRes { ret_code, ret_msg };
        Ok(Reply::protobuf(ret_code, answer.encode_to_vec()))
    }

    fn serve_get(&self, body: Bytes) -> Result<Reply, Status> {
        let request: GetReq = decode(body)?;
        let sessions = self.whose(&request.whose.unwrap_or_default());
        let answer = GetRes {
            sessions: sessions.iter().map(|session| session.snapshot()).collect(),
            ..GetRes::default()
        };
        Ok(Reply::protobuf(0, answer.encode_to_vec()))
    }

    fn serve_kick(&self, body: Bytes) -> Result<Reply, Status> {
        let request: KickReq = decode(body)?;
        let kicked = self.kick_all(&request.whose.unwrap_or_default(), &request.reason);
        let answer = KickRes {
            kicked: kicked as u32,
            ..KickRes::default()
        };
        Ok(Reply::protobuf(0, answer.encode_to_vec()))
    }

    fn serve_push(&self, body: Bytes) -> Result<Reply, Status> {
        let request: PushReq = decode(body)?;
        // A copy: the message's own is a part of the read buffer, which a slow client would keep whole.
        let body = Bytes::copy_from_slice(&request.body);
        let push = Push::new(request.route, body)
            .map_err(|error| Status::from(Code::DECODE_REQ_ERROR).with_cause(error))?;
        let reached = self.push_to(&request.whose.unwrap_or_default(), push);
        let answer = PushRes {
            reached: reached as u32,
            ..PushRes::default()
        };
        Ok(Reply::protobuf(0, answer.encode_to_vec()))
    }

    /// What is said among front ends that let a user have one session alone.
    async fn serve_single(
        &self,
        method: (i32, i32),
        connection: &Connection,
        body: Bytes,
    ) -> Result<Reply, Status> {
        let context: Option<&Arc<Context>> = connection.extension();
        let (Some(single), Some(context)) = (self.single(), context) else {
            let words = "a user may have several sessions here: single_session is not set";
            return Err(Status::new(Code::NOT_FOUND, words));
        };
        match method {
            CLAIM => single.serve_claim(context, connection, decode(body)?).await,
            RELEASE => single.serve_release(connection, decode(body)?).await,
            _ => Ok(single.serve_contest(context, &decode(body)?)),
        }
    }

    fn existing(&self, session: u64) -> Result<Arc<FrontSession>, Status> {
        self.find(SessionId(session)).ok_or_else(no_such_session)
    }
}

fn decode<M: Message + Default>(body: Bytes) -> Result<M, Status> {
    M::decode(body).map_err(|error| Status::from(Code::DECODE_REQ_ERROR).with_cause(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Events;

    #[tokio::test]
    async fn who_has_not_said_who_he_is_is_refused() {
        let service = SessionService {
            sessions: Sessions::new(Events::default(), None),
            closed: None,
        };
        for method in [
            BIND,
            UNBIND,
            CHANGE_SETTINGS,
            GET,
            KICK,
            PUSH,
            CLAIM,
            RELEASE,
            CONTEST,
        ] {
            let refused = service.call(Request::new(method, Bytes::new())).await;
            assert_eq!(refused.unwrap_err().code(), Code::SERVICE_NOT_ALLOWED);
        }
    }
}
