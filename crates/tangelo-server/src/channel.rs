//! Channels: named groups of sessions that hear the same pushes.
//!
//! They live on a back end; their members' clients are on front ends. A push is encoded once and
//! travels once per connection to a front end, in order with the replies of its sessions.

mod frontends;
mod members;
mod service;

use std::{fmt, hash::BuildHasher, sync::Arc};

use parking_lot::Mutex;
use prost::{
    bytes::BufMut,
    encoding::{self, WireType},
};
use serde::Serialize;
use tangelo_connector::Push;
use tangelo_rpc::{Connection, Status};
use tracing::debug;

use self::members::{Joined, Members, Sessions};
pub(crate) use self::{
    frontends::FrontEnds,
    service::{ChannelOnBackEnd, SessionOnBackEnd},
};
use crate::{
    Error, Session,
    generated::channel::{JoinedReq, LeftReq},
    session::{self, SessionId},
};

/// Service and message numbers; see channel.proto.
pub(crate) const PUSH: (i32, i32) = (13, 1);
pub(crate) const JOINED: (i32, i32) = (13, 2);
pub(crate) const LEFT: (i32, i32) = (13, 3);
pub(crate) const RESTORE: (i32, i32) = (13, 4);

/// Session ids in one frame; a larger push takes several.
const SIDS_PER_FRAME: usize = 8 << 10;
/// Channels of different names seldom wait for each other.
const SHARDS: usize = 16;

/// All channels of a back end: Pomelo's `channelService`. A channel exists while it has members.
#[derive(Clone)]
pub struct Channels {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    shards: [Mutex<Shard>; SHARDS],
    /// Locked after a shard, if both are.
    sessions: Mutex<Sessions>,
    frontends: FrontEnds,
    on_leave: Option<OnLeave>,
}

type Shard = std::collections::HashMap<String, Members, foldhash::fast::RandomState>;

/// What an application does when a member is gone.
pub(crate) type OnLeave = Arc<dyn Fn(&Channel, &Member) + Send + Sync>;

/// One channel, by its name. Using it creates nothing until somebody is added.
#[derive(Clone)]
pub struct Channel {
    name: Arc<str>,
    channels: Channels,
}

/// One member of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who it is.
    pub uid: Arc<str>,
    /// Its session.
    pub session: SessionId,
    /// Name of the front end its client is connected to.
    pub frontend_id: Arc<str>,
}

impl Channels {
    pub(crate) fn new(on_leave: Option<OnLeave>) -> Self {
        Self {
            shared: Arc::new(Shared {
                shards: Default::default(),
                sessions: Mutex::default(),
                frontends: FrontEnds::default(),
                on_leave,
            }),
        }
    }

    /// The channel of this name.
    pub fn get(&self, name: &str) -> Channel {
        Channel {
            name: Arc::from(name),
            channels: self.clone(),
        }
    }

    pub(crate) fn frontends(&self) -> &FrontEnds {
        &self.shared.frontends
    }

    /// A session is gone: it leaves every channel, and the application hears of it.
    pub(crate) fn session_closed(&self, frontend_id: &str, session: SessionId) {
        // Not held while the application is told, which may use the channels.
        let channels = self.shared.sessions.lock().remove(frontend_id, session);
        for name in channels {
            self.drop_out(&name, frontend_id, session, None);
        }
    }

    /// What belonged to this connection and has not been restored over another is gone.
    pub(crate) fn connection_lost(&self, connection: &Connection) {
        let lost: Vec<_> = self
            .shared
            .shards
            .iter()
            .flat_map(|shard| {
                let shard = shard.lock();
                let of_channel = |(name, members): (&String, &Members)| {
                    let lost = members
                        .behind(connection)
                        .map(|member| (name.clone(), member));
                    lost.collect::<Vec<_>>()
                };
                shard.iter().flat_map(of_channel).collect::<Vec<_>>()
            })
            .collect();
        debug!(members = lost.len(), "members of a lost front end leave");
        for (name, member) in lost {
            self.drop_out(&name, &member.frontend_id, member.session, Some(connection));
        }
    }

    /// A front end brings a member again.
    pub(crate) fn restore(&self, name: &str, member: Member, connection: &Connection) {
        let (frontend_id, session) = (Arc::clone(&member.frontend_id), member.session);
        self.with(name, |members| {
            members.add(member, connection, Joined::Again);
            let mut sessions = self.shared.sessions.lock();
            sessions.joined(&frontend_id, session, name);
        });
    }

    /// A member is gone, unless it has been restored over another connection than the `lost` one.
    fn drop_out(
        &self,
        name: &str,
        frontend_id: &str,
        session: SessionId,
        lost: Option<&Connection>,
    ) {
        let left = self.with(name, |members| {
            if lost.is_some_and(|lost| !members.is_behind(frontend_id, session, lost)) {
                return None;
            }
            let mut sessions = self.shared.sessions.lock();
            sessions.left(frontend_id, session, name);
            members.remove(frontend_id, session)
        });
        if let (Some(member), Some(on_leave)) = (left, &self.shared.on_leave) {
            let channel = self.get(name);
            if let Err(panicked) = tangelo_runtime::guard::catch(|| on_leave(&channel, &member)) {
                tracing::error!(channel = name, %panicked, "on_leave failed");
            }
        }
    }

    /// Looks at, or changes, the members of one channel.
    fn with<T>(&self, name: &str, use_them: impl FnOnce(&mut Members) -> T) -> T {
        let shard = foldhash::fast::FixedState::default().hash_one(name) as usize % SHARDS;
        let Some(shard) = self.shared.shards.get(shard) else {
            return use_them(&mut Members::default());
        };
        let mut shard = shard.lock();
        if let Some(members) = shard.get_mut(name) {
            let outcome = use_them(members);
            if members.is_empty() {
                shard.remove(name);
            }
            return outcome;
        }
        let mut members = Members::default();
        let outcome = use_them(&mut members);
        if !members.is_empty() {
            shard.insert(name.to_owned(), members);
        }
        outcome
    }
}

impl Channel {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds a session under its user's id. It leaves by itself when it closes.
    ///
    /// # Errors
    /// It is not bound to a user, that user or this session is in the channel already, or its front
    /// end cannot be reached.
    pub fn add(&self, session: &Session) -> Result<(), Error> {
        if session.is_front() {
            let here = session.context().server_id();
            let problem =
                format!("channels live on back ends, and {here} is this session's front end");
            return Err(Error::new(problem));
        }
        self.add_by_id(&session.uid()?, session.id(), session.frontend_id())
    }

    /// Adds the session of this id, on this front end, as this user: what [`add`](Self::add) does,
    /// for services that are told about sessions by others.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn add_by_id(&self, uid: &str, session: SessionId, frontend_id: &str) -> Result<(), Error> {
        let shared = &self.channels.shared;
        let connection = shared.frontends.connection(frontend_id, session)?;
        let member = Member {
            uid: Arc::from(uid),
            session,
            frontend_id: Arc::from(frontend_id),
        };
        self.channels.with(&self.name, |members| {
            if members.by_uid(uid).is_some() {
                return Err(Error::new(format!("{uid} is in the channel already")));
            }
            if members.has(frontend_id, session) {
                return Err(Error::new("the session is in the channel already"));
            }
            let message = JoinedReq {
                sid: session.0,
                channel: self.name.to_string(),
                uid: uid.to_owned(),
            };
            // Before the front end can answer that the session has closed.
            let mut sessions = shared.sessions.lock();
            connection.tell(JOINED, |out| prost::Message::encode_raw(&message, out))?;
            members.add(member, &connection, Joined::Now);
            sessions.joined(frontend_id, session, &self.name);
            Ok(())
        })
    }

    /// Takes a user out; `false` if it was not in.
    pub fn leave(&self, uid: &str) -> bool {
        let left = self.channels.with(&self.name, |members| {
            let member = members.by_uid(uid)?.clone();
            let connection = members.connection(&member);
            members.remove(&member.frontend_id, member.session);
            let mut sessions = self.channels.shared.sessions.lock();
            sessions.left(&member.frontend_id, member.session, &self.name);
            if let Some(connection) = connection {
                let message = LeftReq {
                    sid: member.session.0,
                    channel: self.name.to_string(),
                };
                // A connection that has ended takes its members along.
                let _ = connection.tell(LEFT, |out| prost::Message::encode_raw(&message, out));
            }
            Some(())
        });
        left.is_some()
    }

    /// Its members, in the order they came.
    pub fn members(&self) -> Vec<Member> {
        self.channels.with(&self.name, |members| members.all())
    }

    /// Tells every member.
    ///
    /// # Errors
    /// The message is no JSON or too long. Members who are gone are no error.
    pub fn push<T: Serialize + ?Sized>(&self, route: &str, message: &T) -> Result<(), Error> {
        self.push_where(route, message, |_| true)
    }

    /// Tells those members who have one of these user ids; returns how many there are.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_to<T: Serialize + ?Sized>(
        &self,
        uids: &[&str],
        route: &str,
        message: &T,
    ) -> Result<usize, Error> {
        let push = session::encode(route, message)?;
        Ok(self.channels.with(&self.name, |members| {
            let found = uids.iter().filter_map(|uid| members.by_uid(uid));
            let told = found.filter_map(|member| {
                let connection = members.connection(member)?;
                tell_push(&connection, &[member.session], &push).ok()
            });
            told.count()
        }))
    }

    /// Tells all members but one.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_except<T: Serialize + ?Sized>(
        &self,
        uid: &str,
        route: &str,
        message: &T,
    ) -> Result<(), Error> {
        self.push_where(route, message, |other| other != uid)
    }

    fn push_where<T: Serialize + ?Sized>(
        &self,
        route: &str,
        message: &T,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<(), Error> {
        let push = session::encode(route, message)?;
        self.channels.with(&self.name, |members| {
            for (connection, sessions) in members.groups(&wanted) {
                if let Err(status) = tell_push(connection, &sessions, &push) {
                    debug!(channel = &*self.name, %status, "a front end was not reached");
                }
            }
        });
        Ok(())
    }
}

/// Tells a front end what these sessions shall hear.
pub(crate) fn tell_push(
    front_end: &Connection,
    sessions: &[SessionId],
    push: &Push,
) -> Result<(), Status> {
    const SIDS: u32 = 1;
    const ROUTE: u32 = 2;
    const BODY: u32 = 3;
    for sessions in sessions.chunks(SIDS_PER_FRAME) {
        front_end.tell(PUSH, |out| {
            encoding::encode_key(SIDS, WireType::LengthDelimited, out);
            encoding::encode_varint((sessions.len() * size_of::<u64>()) as u64, out);
            for session in sessions {
                out.put_u64_le(session.0);
            }
            for (field, bytes) in [(ROUTE, push.route().as_bytes()), (BODY, push.body())] {
                encoding::encode_key(field, WireType::LengthDelimited, out);
                encoding::encode_varint(bytes.len() as u64, out);
                out.put_slice(bytes);
            }
        })?;
    }
    Ok(())
}

impl fmt::Debug for Channels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Channels").finish_non_exhaustive()
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Channel")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
