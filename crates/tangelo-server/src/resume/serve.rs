//! What a front end answers when a client of its sessions has come back somewhere else.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::join_all;
use prost::Message;
use tangelo_rpc::{Answer, Code, Definition, Reply, Request, Service, Status};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::{FIND, Ring, Said, Secret, TAKE};
use crate::{
    Sessions,
    channel::RESTORE,
    generated::{
        channel::RestoreReq,
        resume::{FindReq, FindRes, Membership, OnServer, Said as SaidMessage, TakeReq, TakeRes},
        session::GetReq,
    },
    session::{Demand, FrontSession, SessionId, look_at_nobody},
};

/// How long requests that run may take to be answered before the session goes without them.
pub(crate) const SETTLING: Duration = Duration::from_secs(2);
/// How long what is on its way from back ends may take.
const ARRIVING: Duration = Duration::from_secs(1);
/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(4);
/// Bytes of messages that go with a session: the frame they travel in has room for them. The oldest stay
/// behind.
const MOST_SAID: usize = 512 << 10;

/// Answers service Resume for the sessions of this front end.
pub(crate) struct ResumeService(pub(crate) Sessions);

impl Definition for ResumeService {
    const SERVICE_ID: i32 = FIND.0;
    const NAME: &'static str = "Resume";
}

impl Service for ResumeService {
    fn call(&self, request: Request) -> Answer {
        let hello = request.connection.as_ref().and_then(|it| it.hello());
        let Some(from) = hello.map(|hello| hello.identity.server_id.clone()) else {
            let words = "sessions are not for strangers";
            let refused = Err(Status::new(Code::SERVICE_NOT_ALLOWED, words));
            return Box::pin(std::future::ready(refused));
        };
        let (sessions, body) = (self.0.clone(), request.body);
        match (request.service_id, request.msg_id) {
            FIND => Box::pin(std::future::ready(sessions.serve_find(body))),
            TAKE => Box::pin(async move { sessions.serve_take(body, &from).await }),
            _ => Box::pin(std::future::ready(Err(Code::NOT_FOUND.into()))),
        }
    }
}

/// What goes to the other front end.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) received: u64,
    pub(crate) first: u64,
    pub(crate) said: Vec<Said>,
}

impl Given {
    /// All that the ring has, or the newest of it.
    pub(crate) fn new(received: u64, ring: &Ring) -> Self {
        let mut bytes = 0;
        let fits = |said: &&Said| {
            bytes += said.outgoing().size();
            bytes <= MOST_SAID
        };
        let mut said: Vec<_> = ring.newest_first().take_while(fits).cloned().collect();
        said.reverse();
        Self {
            received,
            first: ring.sent() - said.len() as u64,
            said,
        }
    }
}

impl Sessions {
    fn serve_find(&self, body: Bytes) -> Result<Reply, Status> {
        let request: FindReq = decode(body)?;
        let mut answer = FindRes::default();
        let secret = Secret::from_bytes(&request.secret);
        if let (Some(session), Some(secret)) = (self.find(SessionId(request.sid)), secret) {
            answer.known = session.is_resumed_by(&secret);
            answer.wrong = !answer.known;
            if answer.known {
                answer.servers = channels_elsewhere(&session);
            }
        }
        Ok(Reply::protobuf(0, answer.encode_to_vec()))
    }

    async fn serve_take(&self, body: Bytes, from: &str) -> Result<Reply, Status> {
        let request: TakeReq = decode(body)?;
        let deadline = Instant::now() + PATIENCE;
        let mut answer = TakeRes::default();
        let secret = Secret::from_bytes(&request.secret);
        if let (Some(session), Some(secret)) = (self.find(SessionId(request.sid)), secret)
            && session.is_resumed_by(&secret)
        {
            drain_roads(&session, &request.moved, Instant::now() + ARRIVING).await;
            let (give, given) = oneshot::channel();
            session.demand(Demand {
                secret,
                received: request.received,
                give,
            });
            if let Ok(Ok(given)) = timeout_at(deadline, given).await {
                answer = TakeRes {
                    taken: true,
                    uid: session.uid().as_deref().unwrap_or_default().to_owned(),
                    settings: session.settings(),
                    received: given.received,
                    first: given.first,
                    said: given.said.iter().map(to_message).collect(),
                    ..answer
                };
            } else {
                answer.kept = bring_back(&session, from, &request.moved);
            }
        }
        Ok(Reply::protobuf(0, answer.encode_to_vec()))
    }
}

/// What back ends have said over the old roads is here when they have answered over them.
async fn drain_roads(session: &Arc<FrontSession>, moved: &[String], deadline: Instant) {
    let roads = session.with_memberships(|memberships, _| memberships.on_roads(moved));
    let nobody = GetReq {
        whose: Some(look_at_nobody()),
    };
    let asked = roads.into_iter().flatten().map(|(road, _)| {
        let nobody = nobody.encode_to_vec().into();
        async move {
            // A road that is lost brings nothing any more.
            let _ = road.call(crate::session::GET, deadline, nobody).await;
        }
    });
    join_all(asked).await;
}

/// The session stays, and so its channels are here again; `false` if it has closed.
fn bring_back(session: &FrontSession, from: &str, moved: &[String]) -> bool {
    let stays = session.with_memberships(|memberships, _| {
        for (road, channels) in memberships.on_roads(moved) {
            let message = RestoreReq {
                sid: session.id().0,
                memberships: channels,
                from: from.to_owned(),
            };
            // One that is lost brings them when it is back.
            let _ = road.tell(RESTORE, |out| message.encode_raw(out));
        }
    });
    stays.is_some()
}

fn channels_elsewhere(session: &FrontSession) -> Vec<OnServer> {
    let elsewhere = session.with_memberships(|memberships, _| memberships.elsewhere());
    let to_message = |(server_id, channels): (String, Vec<_>)| OnServer {
        server_id,
        memberships: Vec::from_iter(channels.into_iter().map(
            |known: crate::generated::channel::Membership| Membership {
                channel: known.channel,
                uid: known.uid,
                bound: known.bound,
            },
        )),
    };
    elsewhere
        .unwrap_or_default()
        .into_iter()
        .map(to_message)
        .collect()
}

fn to_message(said: &Said) -> SaidMessage {
    match said {
        Said::Push(push) => SaidMessage {
            id: 0,
            route: push.route().to_owned(),
            body: push.body().clone(),
        },
        Said::Response { id, body } => SaidMessage {
            id: *id,
            route: String::new(),
            body: body.clone(),
        },
    }
}

fn decode<M: Message + Default>(body: Bytes) -> Result<M, Status> {
    M::decode(body).map_err(|error| Status::from(Code::DECODE_REQ_ERROR).with_cause(error))
}
