//! Channels: named groups of sessions that hear the same pushes.
//!
//! They live on one server, mostly a back end; their members' clients are on front ends, or here, if this is
//! one. A push is encoded once and travels once per connection to a front end, in order with the replies of
//! its sessions.

mod add;
mod broadcast;
mod catch_up;
mod confirm;
mod delivery;
mod error;
mod filter;
mod frame;
mod frontends;
mod handle;
mod history;
mod joined;
mod members;
mod on_back_end;
mod on_front_end;
mod options;
mod push;
mod road;
mod room;
mod sending;
mod users;

use std::{collections::HashMap, fmt, hash::BuildHasher, sync::Arc};

use parking_lot::Mutex;
use tangelo_registry::Instances;
use tangelo_rpc::{Connection, link::Identity};
use tokio::sync::watch;
use tracing::{debug, error};

pub use self::{
    broadcast::{BroadcastOptions, Broadcasted},
    error::ChannelError,
    handle::Channel,
    options::ChannelOptions,
    push::{Delivered, Receivers},
};
pub(crate) use self::{
    delivery::{Delivery, Terms},
    filter::{NamedFilter, PushFilters},
    frontends::FrontEnds,
    on_back_end::{ChannelOnBackEnd, SessionOnBackEnd},
    on_front_end::ChannelOnFrontEnd,
    road::Road,
    sending::tell_push,
};
use self::{joined::Joined, room::Room};
use crate::session::SessionId;

/// Service and message numbers; see channel.proto.
pub(crate) const PUSH: (i32, i32) = (13, 1);
pub(crate) const JOINED: (i32, i32) = (13, 2);
pub(crate) const LEFT: (i32, i32) = (13, 3);
pub(crate) const RESTORE: (i32, i32) = (13, 4);
pub(crate) const GONE: (i32, i32) = (13, 5);
pub(crate) const ENROLL: (i32, i32) = (13, 6);
pub(crate) const REFRESH: (i32, i32) = (13, 7);

/// Channels of different names seldom wait for each other.
const SHARDS: usize = 16;

/// All channels of a server: Pomelo's `channelService`. As a handler's argument: those of the server it
/// runs on. Clones share them.
///
/// What one task pushes arrives in its order everywhere, and before what its handler answers. What several
/// push at once arrives in one order at all members; but not at those that are clients of this very server
/// where the application is asked about the push: by a [filter](ChannelOptions::filter), a
/// [scheduler](crate::Blueprint::push_scheduler) or the key of a
/// [replaceable route](crate::Blueprint::replaceable_by).
///
/// A channel that was [created](Self::create) stays until it is [destroyed](Self::destroy); one that
/// [`get_or_create`](Self::get_or_create) made is there while somebody is in it.
#[derive(Clone)]
pub struct Channels {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    shards: [Mutex<Shard>; SHARDS],
    /// Locked after a shard, if both are.
    joined: Mutex<Joined>,
    frontends: FrontEnds,
    /// This server's own clients.
    here: Delivery,
    own: Arc<Identity>,
    /// The servers there are.
    registered: watch::Receiver<Instances>,
    usual: Arc<ChannelOptions>,
    on_leave: Option<OnLeave>,
}

type Shard = HashMap<Arc<str>, Room, foldhash::fast::RandomState>;

/// What an application does when a member is gone.
pub(crate) type OnLeave = Arc<dyn Fn(&Channel, &Member) + Send + Sync>;

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
    pub(crate) fn new(
        here: Delivery,
        own: Arc<Identity>,
        registered: watch::Receiver<Instances>,
        on_leave: Option<OnLeave>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                shards: Default::default(),
                joined: Mutex::default(),
                frontends: FrontEnds::default(),
                here,
                own,
                registered,
                usual: Arc::default(),
                on_leave,
            }),
        }
    }

    /// Makes a channel, which stays until it is destroyed.
    ///
    /// # Errors
    /// [`ChannelError::Exists`]. Members that front ends have brought again after this server was
    /// started anew are no obstacle: they are in it.
    pub fn create(&self, name: &str, options: ChannelOptions) -> Result<Channel, ChannelError> {
        let options = Arc::new(options);
        let created = self.in_shard(name, |shard| match shard.get_mut(name) {
            Some(room) => {
                let is_new = room.claim(&options);
                if is_new {
                    room.stay();
                }
                is_new
            }
            None => {
                let mut room = Room::new(&options);
                room.stay();
                shard.insert(Arc::from(name), room);
                true
            }
        });
        if created {
            Ok(self.handle(name, None))
        } else {
            Err(ChannelError::Exists(name.to_owned()))
        }
    }

    /// The channel of this name.
    ///
    /// # Errors
    /// [`ChannelError::NotFound`].
    pub fn get(&self, name: &str) -> Result<Channel, ChannelError> {
        if self.in_shard(name, |shard| shard.contains_key(name)) {
            Ok(self.handle(name, None))
        } else {
            Err(ChannelError::NotFound(name.to_owned()))
        }
    }

    /// The channel of this name, which comes to be, if it is not there, when somebody is added, and is
    /// gone when nobody is in it any more. It is as [`ChannelOptions`] are by default.
    pub fn get_or_create(&self, name: &str) -> Channel {
        self.handle(name, Some(Arc::clone(&self.shared.usual)))
    }

    /// As [`get_or_create`](Self::get_or_create), with these options if nobody has said others before.
    pub fn get_or_create_with(&self, name: &str, options: ChannelOptions) -> Channel {
        self.handle(name, Some(Arc::new(options)))
    }

    /// Takes everybody out of a channel and ends it; `false` if there was none.
    pub fn destroy(&self, name: &str) -> bool {
        let destroyed = self.in_shard(name, |shard| {
            let room = shard.remove(name)?;
            let mut joined = self.shared.joined.lock();
            for member in room.members.iter() {
                joined.remove(&member.frontend_id, member.session, name);
            }
            for (road, places) in room.members.roads() {
                self.tell_left(road, name, places.iter().map(|(session, _)| *session));
            }
            Some(())
        });
        destroyed.is_some()
    }

    /// The names of all channels, in no order.
    pub fn names(&self) -> Vec<Arc<str>> {
        let names = |shard: &Mutex<Shard>| shard.lock().keys().cloned().collect::<Vec<_>>();
        self.shared.shards.iter().flat_map(names).collect()
    }

    fn handle(&self, name: &str, made_with: Option<Arc<ChannelOptions>>) -> Channel {
        Channel {
            name: Arc::from(name),
            channels: self.clone(),
            made_with,
        }
    }

    pub(crate) fn frontends(&self) -> &FrontEnds {
        &self.shared.frontends
    }

    pub(crate) fn own_id(&self) -> &str {
        &self.shared.own.server_id
    }

    /// A session is gone: it leaves every channel, and the application hears of it.
    pub(crate) fn session_closed(&self, frontend_id: &str, session: SessionId) {
        // Not held while the application is told, which may use the channels.
        let channels = self.shared.joined.lock().take(frontend_id, session);
        for name in channels {
            self.drop_out(&name, frontend_id, session, None);
        }
    }

    /// What belonged to this connection and has not been restored over another is gone.
    pub(crate) fn connection_lost(&self, connection: &Connection) {
        let mut lost = Vec::new();
        for shard in &self.shared.shards {
            for (name, room) in &*shard.lock() {
                let members = room.members.on_road(connection.id());
                lost.extend(members.map(|member| (Arc::clone(name), member.clone())));
            }
        }
        debug!(members = lost.len(), "members of a lost front end leave");
        for (name, member) in lost {
            self.drop_out(&name, &member.frontend_id, member.session, Some(connection));
        }
    }

    /// A front end brings a member again. What is known of the session stays, and is behind this
    /// connection from now on, also one that was a session of the front end `from`.
    pub(crate) fn restore(
        &self,
        name: &str,
        member: Member,
        connection: &Connection,
        from: Option<&str>,
    ) {
        let road = Road::Over(connection.clone());
        self.in_shard(name, |shard| {
            let name = match shard.get_key_value(name) {
                Some((name, _)) => Arc::clone(name),
                None => Arc::from(name),
            };
            let room = shard.entry(Arc::clone(&name)).or_default();
            if let Some(from) = from
                && room.members.change_frontend(from, &member, &road)
            {
                let mut joined = self.shared.joined.lock();
                joined.remove(from, member.session, &name);
                joined.add(&member.frontend_id, member.session, &name);
                return;
            }
            let known = &member.frontend_id;
            if room.members.take_road(known, member.session, &road) {
                return;
            }
            if room.has_user_anew(&member) {
                self.tell_left(&road, &name, [member.session].into_iter());
                return;
            }
            let mut joined = self.shared.joined.lock();
            joined.add(&member.frontend_id, member.session, &name);
            room.members.add(member, &road);
        });
    }

    /// A member is gone, unless it has been restored over another connection than the `lost` one.
    pub(crate) fn drop_out(
        &self,
        name: &str,
        frontend_id: &str,
        session: SessionId,
        lost: Option<&Connection>,
    ) {
        let left = self.in_room(name, |_, room| {
            let members = &mut room.members;
            if lost.is_some_and(|lost| !members.is_on_road(frontend_id, session, lost.id())) {
                return None;
            }
            let mut joined = self.shared.joined.lock();
            joined.remove(frontend_id, session, name);
            let (member, road) = members.remove(frontend_id, session)?;
            room.forget(&member, &road);
            Some(member)
        });
        if let (Some(Some(member)), Some(on_leave)) = (left, &self.shared.on_leave) {
            let channel = self.handle(name, Some(Arc::clone(&self.shared.usual)));
            if let Err(panicked) = tangelo_runtime::guard::catch(|| on_leave(&channel, &member)) {
                error!(channel = name, %panicked, "on_leave failed");
            }
        }
    }

    /// Looks at a channel, or changes it, if it is there.
    fn in_room<T>(&self, name: &str, use_it: impl FnOnce(&Arc<str>, &mut Room) -> T) -> Option<T> {
        self.in_shard(name, |shard| {
            let name = Arc::clone(shard.get_key_value(name)?.0);
            let room = shard.get_mut(&name)?;
            let outcome = use_it(&name, room);
            if room.is_over() {
                shard.remove(&name);
            }
            Some(outcome)
        })
    }

    fn in_shard<T>(&self, name: &str, use_it: impl FnOnce(&mut Shard) -> T) -> T {
        let shard = foldhash::fast::FixedState::default().hash_one(name) as usize % SHARDS;
        match self.shared.shards.get(shard) {
            Some(shard) => use_it(&mut shard.lock()),
            None => use_it(&mut Shard::default()),
        }
    }
}

impl fmt::Debug for Channels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Channels").finish_non_exhaustive()
    }
}
