//! What a front end remembers of its sessions' channels, which live on back ends.
//!
//! A back end says which sessions are in its channels. So the front end knows whom to tell when a
//! session closes; and when a back end comes back without its memory, or over a new connection, the
//! front end brings the members again before anything else.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;

use prost::Message as _;
use tangelo_rpc::{Answer, Code, Connection, Definition, Reply, Request, Service, Status};
use tracing::{debug, warn};

use crate::{
    OutboundKind, Sessions,
    channel::{JOINED, LEFT, PUSH, RESTORE},
    generated::channel::{JoinedReq, LeftReq, Membership, PushReq, RestoreReq},
    generated::session::ClosedReq,
    push::Pushes,
    session::SessionId,
};

/// One-way, front end to back end: a session is gone.
pub(crate) const CLOSED: (i32, i32) = (12, 1);
/// Sessions remembered that have gone while their back end was away; the oldest are forgotten.
const MOST_DEPARTED: usize = 4096;
/// Channels one session may be in on one back end.
const MAX_CHANNELS: usize = 1024;

/// The channels one session is in.
#[derive(Debug, Default)]
pub(crate) struct Memberships(Vec<OnServer>);

#[derive(Debug)]
struct OnServer {
    server_id: String,
    connection: Connection,
    channels: Vec<Membership>,
}

impl Memberships {
    fn joined(&mut self, server_id: &str, connection: &Connection, membership: Membership) {
        let server = match self
            .0
            .iter_mut()
            .position(|server| server.server_id == server_id)
        {
            Some(known) => self.0.get_mut(known),
            None => {
                self.0.push(OnServer {
                    server_id: server_id.to_owned(),
                    connection: connection.clone(),
                    channels: Vec::new(),
                });
                self.0.last_mut()
            }
        };
        let Some(server) = server else { return };
        server.connection = connection.clone();
        server
            .channels
            .retain(|known| known.channel != membership.channel);
        if server.channels.len() < MAX_CHANNELS {
            server.channels.push(membership);
        } else {
            warn!(
                server_id,
                "a session is in too many channels: it would not be restored to all"
            );
        }
    }

    fn left(&mut self, server_id: &str, channel: &str) {
        if let Some(server) = self
            .0
            .iter_mut()
            .find(|server| server.server_id == server_id)
        {
            server.channels.retain(|known| known.channel != channel);
        }
        self.0.retain(|server| !server.channels.is_empty());
    }

    /// What to restore on this server, which is now behind this connection.
    fn restored(&mut self, server_id: &str, connection: &Connection) -> Option<Vec<Membership>> {
        let server = self
            .0
            .iter_mut()
            .find(|server| server.server_id == server_id)?;
        server.connection = connection.clone();
        Some(server.channels.clone())
    }

    /// Tells the back ends that know the session that it is gone. Those that cannot be reached are
    /// told when they are back.
    pub(crate) fn tell_closed(self, session: SessionId, departed: &Departed) {
        for server in self.0 {
            if server.connection.is_closed() {
                departed.add(session, server);
            } else {
                tell_closed(&server.connection, session);
            }
        }
    }
}

/// Sessions that have gone while a back end that knew them could not be reached.
#[derive(Debug, Default)]
pub(crate) struct Departed(Mutex<VecDeque<(SessionId, OnServer)>>);

impl Departed {
    fn add(&self, session: SessionId, server: OnServer) {
        let mut departed = self.0.lock();
        if departed.len() >= MOST_DEPARTED {
            departed.pop_front();
        }
        departed.push_back((session, server));
    }

    /// Those that belong to this new connection.
    pub(crate) fn take(&self, connection: &Connection) -> Vec<RestoreReq> {
        let mut departed = self.0.lock();
        let all = std::mem::take(&mut *departed);
        let (theirs, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(session, server)| {
            connection.hello().is_some_and(|hello| {
                server.server_id == hello.identity.server_id && hello.carries(session.0)
            })
        });
        departed.extend(others);
        let restored = theirs.into_iter().map(|(session, server)| RestoreReq {
            sid: session.0,
            memberships: server.channels,
        });
        restored.collect()
    }
}

/// Brings members that have gone, and takes them away: so the channels hear of it.
pub(crate) fn tell_departed(back_end: &Connection, departed: Vec<RestoreReq>) {
    for message in departed {
        let _ = back_end.tell(RESTORE, |out| message.encode_raw(out));
        tell_closed(back_end, SessionId(message.sid));
    }
}

/// Tells a back end that a session is gone.
pub(crate) fn tell_closed(back_end: &Connection, session: SessionId) {
    let message = ClosedReq { sid: session.0 };
    // A connection that has ended needs no telling: the back end sees that itself.
    let _ = back_end.tell(CLOSED, |out| message.encode_raw(out));
}

/// Brings the members again that belong to this new connection to a back end.
pub(crate) fn restore(back_end: &Connection, sessions: &Sessions) {
    let Some(hello) = back_end.hello() else {
        return;
    };
    let mut restored = 0usize;
    for session in sessions
        .every()
        .into_iter()
        .filter(|session| hello.carries(session.id().0))
    {
        session.with_memberships(|memberships| {
            let server_id = &hello.identity.server_id;
            if let Some(channels) = memberships.restored(server_id, back_end) {
                let message = RestoreReq {
                    sid: session.id().0,
                    memberships: channels,
                };
                let _ = back_end.tell(RESTORE, |out| message.encode_raw(out));
                restored += 1;
            }
        });
    }
    debug!(
        server = hello.identity.server_id,
        restored, "members restored"
    );
}

/// Answers service Channel on a front end.
#[derive(Debug)]
pub(crate) struct ChannelOnFrontEnd {
    pub(crate) sessions: Sessions,
    pub(crate) pushes: Arc<Pushes>,
}

impl Definition for ChannelOnFrontEnd {
    const SERVICE_ID: i32 = PUSH.0;
    const NAME: &'static str = "Channel";
}

impl Service for ChannelOnFrontEnd {
    fn call(&self, request: Request) -> Answer {
        Box::pin(std::future::ready(
            self.serve(&request).map(|()| Reply::default()),
        ))
    }
}

impl ChannelOnFrontEnd {
    fn serve(&self, request: &Request) -> Result<(), Status> {
        let body = request.body.clone();
        let undecodable =
            |error: prost::DecodeError| Status::from(Code::DECODE_REQ_ERROR).with_cause(error);
        let connection = request.connection.as_ref().ok_or(Code::DECODE_REQ_ERROR)?;
        match (request.service_id, request.msg_id) {
            PUSH => self.push(PushReq::decode(body).map_err(undecodable)?),
            JOINED => {
                self.joined(JoinedReq::decode(body).map_err(undecodable)?, connection);
                Ok(())
            }
            LEFT => {
                self.left(&LeftReq::decode(body).map_err(undecodable)?, connection);
                Ok(())
            }
            _ => Err(Code::NOT_FOUND.into()),
        }
    }

    fn push(&self, message: PushReq) -> Result<(), Status> {
        // A copy: the message's own is a part of the read buffer, which a slow client would keep whole.
        let body = Bytes::copy_from_slice(&message.body);
        let push = tangelo_connector::Push::new(message.route, body)
            .map_err(|error| Status::from(Code::DECODE_REQ_ERROR).with_cause(error))?;
        let mut round = self.pushes.begin(OutboundKind::Push, push, None);
        for sid in message.sids {
            if let Some(session) = self.sessions.find(SessionId(sid)) {
                round.tell(&session);
            }
        }
        Ok(())
    }

    fn joined(&self, message: JoinedReq, connection: &Connection) {
        let Some(hello) = connection.hello() else {
            return;
        };
        let sid = SessionId(message.sid);
        let membership = Membership {
            channel: message.channel,
            uid: message.uid,
        };
        let noted = self.sessions.find(sid).is_some_and(|session| {
            session.with_memberships(|memberships| {
                memberships.joined(&hello.identity.server_id, connection, membership);
            })
        });
        if !noted {
            // It closed while the back end took it in.
            tell_closed(connection, sid);
        }
    }

    fn left(&self, message: &LeftReq, connection: &Connection) {
        let Some(hello) = connection.hello() else {
            return;
        };
        if let Some(session) = self.sessions.find(SessionId(message.sid)) {
            session.with_memberships(|memberships| {
                memberships.left(&hello.identity.server_id, &message.channel);
            });
        }
    }
}
