//! What front ends tell a back end about their sessions.

use std::sync::Arc;

use prost::Message as _;
use tangelo_rpc::{
    Answer, Code, Connection, Definition, Reply, Request, Service, Status, link::Hello,
};

use super::{Channels, GONE, Member, RESTORE};
use crate::{
    generated::{
        channel::{GoneReq, RestoreReq},
        session::ClosedReq,
    },
    membership::CLOSED,
    session::SessionId,
};

/// Answers service Channel on a back end.
pub(crate) struct ChannelOnBackEnd(pub(crate) Channels);

/// Answers service Session on a back end.
pub(crate) struct SessionOnBackEnd(pub(crate) Channels);

impl Definition for ChannelOnBackEnd {
    const SERVICE_ID: i32 = RESTORE.0;
    const NAME: &'static str = "Channel";
}

impl Service for ChannelOnBackEnd {
    fn call(&self, request: Request) -> Answer {
        Box::pin(std::future::ready(
            self.serve(&request).map(|()| Reply::default()),
        ))
    }
}

impl ChannelOnBackEnd {
    fn serve(&self, request: &Request) -> Result<(), Status> {
        let body = request.body.clone();
        match (request.service_id, request.msg_id) {
            RESTORE => self.restore(RestoreReq::decode(body).map_err(undecodable)?, request),
            GONE => self.gone(&GoneReq::decode(body).map_err(undecodable)?, request),
            _ => Err(Code::NOT_FOUND.into()),
        }
    }

    fn restore(&self, message: RestoreReq, request: &Request) -> Result<(), Status> {
        let (connection, hello) = peer(request)?;
        for membership in message.memberships {
            let member = Member {
                uid: membership.uid.into(),
                session: SessionId(message.sid),
                frontend_id: Arc::from(&*hello.identity.server_id),
            };
            let from = Some(&*message.from).filter(|from| !from.is_empty());
            self.0
                .restore(&membership.channel, member, connection, from);
        }
        Ok(())
    }

    fn gone(&self, message: &GoneReq, request: &Request) -> Result<(), Status> {
        let (_, hello) = peer(request)?;
        let (frontend_id, session) = (&hello.identity.server_id, SessionId(message.sid));
        self.0
            .drop_out(&message.channel, frontend_id, session, None);
        Ok(())
    }
}

impl Definition for SessionOnBackEnd {
    const SERVICE_ID: i32 = CLOSED.0;
    const NAME: &'static str = "Session";
}

impl Service for SessionOnBackEnd {
    fn call(&self, request: Request) -> Answer {
        Box::pin(std::future::ready(
            self.closed(&request).map(|()| Reply::default()),
        ))
    }
}

impl SessionOnBackEnd {
    fn closed(&self, request: &Request) -> Result<(), Status> {
        if (request.service_id, request.msg_id) != CLOSED {
            return Err(Code::NOT_FOUND.into());
        }
        let message = ClosedReq::decode(request.body.clone()).map_err(undecodable)?;
        let (_, hello) = peer(request)?;
        self.0
            .session_closed(&hello.identity.server_id, SessionId(message.sid));
        Ok(())
    }
}

/// The server that asks.
pub(super) fn peer(request: &Request) -> Result<(&Connection, &Hello), Status> {
    let connection = request.connection.as_ref().ok_or(Code::DECODE_REQ_ERROR)?;
    let hello = connection.hello().ok_or(Code::DECODE_REQ_ERROR)?;
    Ok((connection, hello))
}

pub(super) fn undecodable(error: prost::DecodeError) -> Status {
    Status::from(Code::DECODE_REQ_ERROR).with_cause(error)
}
