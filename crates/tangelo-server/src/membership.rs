//! What a front end remembers of its sessions' channels, which live on back ends and here.
//!
//! A back end says which sessions are in its channels. So the front end knows whom to tell when a
//! session closes; and when a back end comes back without its memory, or over a new connection, the
//! front end brings the members again before anything else.

use std::collections::VecDeque;

use parking_lot::Mutex;
use prost::Message as _;
use tangelo_rpc::Connection;
use tracing::{debug, warn};

use crate::{
    Channels, Sessions,
    channel::{GONE, RESTORE, Road},
    generated::channel::{GoneReq, Membership, RestoreReq},
    generated::session::ClosedReq,
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
    road: Road,
    channels: Vec<Membership>,
}

impl Memberships {
    /// Whether it is noted: not beyond [`MAX_CHANNELS`] if it ends with the binding.
    pub(crate) fn joined(&mut self, server_id: &str, road: &Road, membership: Membership) -> bool {
        let at = match self.position(server_id) {
            Some(at) => at,
            None => {
                self.0.push(OnServer {
                    server_id: server_id.to_owned(),
                    road: road.clone(),
                    channels: Vec::new(),
                });
                self.0.len() - 1
            }
        };
        let Some(server) = self.0.get_mut(at) else {
            return false;
        };
        server.road = road.clone();
        server
            .channels
            .retain(|known| known.channel != membership.channel);
        if server.channels.len() < MAX_CHANNELS {
            server.channels.push(membership);
            return true;
        }
        warn!(
            server_id,
            "a session is in too many channels: it would not be restored to all"
        );
        !membership.bound
    }

    pub(crate) fn left(&mut self, server_id: &str, channel: &str) {
        if let Some(server) = self.server(server_id) {
            server.channels.retain(|known| known.channel != channel);
        }
        self.forget_empty();
    }

    pub(crate) fn has(&self, server_id: &str, channel: &str) -> bool {
        let mut servers = self.0.iter();
        let server = servers.find(|server| server.server_id == server_id);
        let mut channels = server.into_iter().flat_map(|server| &server.channels);
        channels.any(|known| known.channel == channel)
    }

    /// The session is not bound to its user any more: the channels it was in as such.
    pub(crate) fn take_bound(&mut self) -> Self {
        let split = |server: &mut OnServer| {
            let channels = std::mem::take(&mut server.channels);
            let (bound, others) = channels.into_iter().partition(|known| known.bound);
            server.channels = others;
            OnServer {
                server_id: server.server_id.clone(),
                road: server.road.clone(),
                channels: bound,
            }
        };
        let mut bound = Self(self.0.iter_mut().map(split).collect());
        bound.forget_empty();
        self.forget_empty();
        bound
    }

    /// The servers that are not this one, and its channels there.
    pub(crate) fn elsewhere(&self) -> Vec<(String, Vec<Membership>)> {
        let elsewhere = self
            .0
            .iter()
            .filter(|server| matches!(server.road, Road::Over(_)));
        elsewhere
            .map(|server| (server.server_id.clone(), server.channels.clone()))
            .collect()
    }

    /// The roads from these servers, and its channels there.
    pub(crate) fn on_roads(&self, server_ids: &[String]) -> Vec<(Connection, Vec<Membership>)> {
        let those = self
            .0
            .iter()
            .filter(|server| server_ids.contains(&server.server_id));
        let roads = those.filter_map(|server| match &server.road {
            Road::Over(connection) => Some((connection.clone(), server.channels.clone())),
            Road::Here => None,
        });
        roads.collect()
    }

    /// What to restore on this server, which is now behind this connection.
    fn restored(&mut self, server_id: &str, connection: &Connection) -> Option<Vec<Membership>> {
        let server = self.server(server_id)?;
        server.road = Road::Over(connection.clone());
        Some(server.channels.clone())
    }

    /// Tells the servers that know the session that it is gone. Those that cannot be reached are told
    /// when they are back.
    pub(crate) fn tell_closed(self, session: SessionId, departed: &Departed, here: &Channels) {
        for server in self.0 {
            match &server.road {
                Road::Here => here.session_closed(&server.server_id, session),
                Road::Over(connection) if connection.is_closed() => departed.add(session, server),
                Road::Over(connection) => tell_closed(connection, session),
            }
        }
    }

    /// Tells the servers that know the session that it is in these channels no longer. One that cannot
    /// be reached is not told, and does not have it restored when it is back.
    pub(crate) fn tell_gone(self, session: SessionId, here: &Channels) {
        for OnServer {
            server_id,
            road,
            channels,
        } in self.0
        {
            for Membership { channel, .. } in channels {
                match &road {
                    Road::Here => here.drop_out(&channel, &server_id, session, None),
                    Road::Over(connection) => tell_gone(connection, session, &channel),
                }
            }
        }
    }

    fn position(&self, server_id: &str) -> Option<usize> {
        self.0
            .iter()
            .position(|server| server.server_id == server_id)
    }

    fn server(&mut self, server_id: &str) -> Option<&mut OnServer> {
        self.0
            .iter_mut()
            .find(|server| server.server_id == server_id)
    }

    fn forget_empty(&mut self) {
        self.0.retain(|server| !server.channels.is_empty());
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
            from: String::new(),
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

/// Tells a back end that a session is not in one of its channels, as it is not bound to its user.
pub(crate) fn tell_gone(back_end: &Connection, session: SessionId, channel: &str) {
    let message = GoneReq {
        sid: session.0,
        channel: channel.to_owned(),
    };
    let _ = back_end.tell(GONE, |out| message.encode_raw(out));
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
        session.with_memberships(|memberships, _| {
            let server_id = &hello.identity.server_id;
            if let Some(channels) = memberships.restored(server_id, back_end) {
                let message = RestoreReq {
                    sid: session.id().0,
                    memberships: channels,
                    from: String::new(),
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
