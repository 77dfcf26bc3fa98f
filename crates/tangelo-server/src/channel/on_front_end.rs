//! What a front end does when other servers speak of groups of its sessions.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use tangelo_connector::Push;
use tangelo_rpc::{
    Answer, Code, Connection, Definition, Reply, Request, Service, Status, link::Hello,
};

use super::{
    Channels, Delivery, ENROLL, FIND, JOINED, LEFT, NamedFilter, PUSH, REFRESH, Road, Terms,
    on_back_end::{peer, undecodable},
};
use crate::{
    OutboundKind,
    generated::channel::{
        EnrollReq, FindReq, FindRes, JoinedReq, LeftReq, Membership, PushReq, PushRes,
    },
    global_channels::Change,
    membership,
    roster::Roster,
    session::SessionId,
};

/// Answers service Channel on a front end.
#[derive(Debug)]
pub(crate) struct ChannelOnFrontEnd {
    pub(crate) channels: Channels,
    pub(crate) roster: Option<Arc<Roster>>,
}

impl Definition for ChannelOnFrontEnd {
    const SERVICE_ID: i32 = PUSH.0;
    const NAME: &'static str = "Channel";
}

impl Service for ChannelOnFrontEnd {
    fn call(&self, request: Request) -> Answer {
        if (request.service_id, request.msg_id) == ENROLL {
            return self.enroll(&request);
        }
        Box::pin(std::future::ready(self.serve(&request)))
    }
}

impl ChannelOnFrontEnd {
    fn here(&self) -> &Delivery {
        &self.channels.shared.here
    }

    fn serve(&self, request: &Request) -> Result<Reply, Status> {
        let body = request.body.clone();
        let (connection, hello) = peer(request)?;
        match (request.service_id, request.msg_id) {
            PUSH => {
                let told = self.push(PushReq::decode(body).map_err(undecodable)?, hello)?;
                // Nobody reads the answer to most.
                let told = (!request.one_way).then(|| told.encode_to_vec());
                return Ok(Reply::protobuf(0, told.unwrap_or_default()));
            }
            FIND => {
                let found = self.find(&FindReq::decode(body).map_err(undecodable)?);
                return Ok(Reply::protobuf(0, found.encode_to_vec()));
            }
            JOINED => {
                let message = JoinedReq::decode(body).map_err(undecodable)?;
                self.joined(message, hello, connection);
            }
            LEFT => self.left(&LeftReq::decode(body).map_err(undecodable)?, hello),
            REFRESH => {
                if let Some(roster) = &self.roster {
                    roster.tell_again();
                }
            }
            _ => return Err(Code::NOT_FOUND.into()),
        }
        Ok(Reply::default())
    }

    /// Whatever becomes of it, it does so within its time.
    fn enroll(&self, request: &Request) -> Answer {
        let (roster, body) = (self.roster.clone(), request.body.clone());
        Box::pin(async move {
            let message = EnrollReq::decode(body).map_err(undecodable)?;
            let answer = Change::asked(roster.as_deref(), &message).await;
            Ok(Reply::protobuf(0, answer.encode_to_vec()))
        })
    }

    fn push(&self, message: PushReq, hello: &Hello) -> Result<PushRes, Status> {
        let undecodable = |error: Box<dyn std::error::Error + Send + Sync>| {
            Status::from(Code::DECODE_REQ_ERROR).with_cause(error)
        };
        // A copy: the message's own is a part of the read buffer, which a slow client would keep whole.
        let body = Bytes::copy_from_slice(&message.body);
        let push = Push::new(message.route, body).map_err(|error| undecodable(error.into()))?;
        let push = Arc::new(push);
        let filter = if message.filter.is_empty() {
            None
        } else {
            let filter = NamedFilter::received(message.filter, message.filter_param);
            Some(filter.map_err(|error| undecodable(error.into()))?)
        };
        let in_channel = !message.channel.is_empty();
        let terms = Terms {
            bound_only: message.bound,
            filter: filter.as_ref(),
            member_of: in_channel.then_some((&hello.identity.server_id, &message.channel)),
        };
        let kind = if message.all {
            OutboundKind::Broadcast
        } else {
            OutboundKind::Push
        };
        let mut telling = self.here().begin(kind, &push, terms)?;
        let mut answer = PushRes::default();
        for sid in message.sids {
            if !telling.session(SessionId(sid)) {
                answer.unreached.push(sid);
            }
        }
        let carried = |session: SessionId| hello.carries(session.0);
        for (place, uid) in (0..).zip(&message.uids) {
            if telling.user(uid, carried) {
                answer.reached_uids.push(place);
            }
        }
        if message.all {
            telling.all(carried);
        }
        answer.reached = telling.told();
        Ok(answer)
    }

    fn find(&self, message: &FindReq) -> FindRes {
        let sessions = self.here().sessions.bound_to(&message.uid);
        FindRes {
            sids: sessions.iter().map(|session| session.id().0).collect(),
            ..FindRes::default()
        }
    }

    fn joined(&self, message: JoinedReq, hello: &Hello, connection: &Connection) {
        let sid = SessionId(message.sid);
        let Some(session) = self.here().sessions.find(sid) else {
            // It closed while the back end took it in.
            membership::tell_closed(connection, sid);
            return;
        };
        let bound = message.bound;
        let membership = Membership {
            channel: message.channel.clone(),
            uid: message.uid,
            bound,
        };
        let noted = session.with_memberships(|memberships, uid| {
            if bound && uid != Some(&*membership.uid) {
                return false;
            }
            let road = Road::Over(connection.clone());
            memberships.joined(&hello.identity.server_id, &road, membership)
        });
        match noted {
            Some(true) => {}
            // Whom it is bound to has changed while the back end took it in.
            Some(false) => membership::tell_gone(connection, sid, &message.channel),
            None => membership::tell_closed(connection, sid),
        }
    }

    fn left(&self, message: &LeftReq, hello: &Hello) {
        let one = (message.sid != 0).then_some(message.sid);
        for sid in one.iter().chain(&message.sids) {
            if let Some(session) = self.here().sessions.find(SessionId(*sid)) {
                session.with_memberships(|memberships, _| {
                    memberships.left(&hello.identity.server_id, &message.channel);
                });
            }
        }
    }
}
