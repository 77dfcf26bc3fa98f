//! One channel, as those who use it hold it.

use std::{fmt, sync::Arc};

use super::{ChannelError, ChannelOptions, Channels, Member, Road, room::Room};
use crate::{Session, generated::channel::LeftReq, session::SessionId};

/// One channel, by its name: it speaks of whatever channel has the name when it is used. Clones do the
/// same.
#[derive(Clone)]
pub struct Channel {
    pub(super) name: Arc<str>,
    pub(super) channels: Channels,
    /// What it is made with if it is not there; none: then it is an error to add somebody.
    pub(super) made_with: Option<Arc<ChannelOptions>>,
}

impl Channel {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes a session out; `false` if it was not in.
    pub fn leave(&self, session: &Session) -> bool {
        self.leave_by_id(session.id(), session.frontend_id())
    }

    /// Takes the session of this id, on this front end, out; `false` if it was not in.
    pub fn leave_by_id(&self, session: SessionId, frontend_id: &str) -> bool {
        let left = self.in_room(|name, room| {
            let member = room.members.member(frontend_id, session)?.clone();
            self.channels.take_out(name, room, &member);
            Some(())
        });
        left.flatten().is_some()
    }

    /// Takes all sessions of a user out: how many there were.
    pub fn leave_by_uid(&self, uid: &str) -> usize {
        let left = self.in_room(|name, room| {
            let members: Vec<_> = room.members.of_uid(uid).cloned().collect();
            for member in &members {
                self.channels.take_out(name, room, member);
            }
            members.len()
        });
        left.unwrap_or_default()
    }

    /// Takes everybody out and ends it, as [`Channels::destroy`] does.
    pub fn destroy(&self) -> bool {
        self.channels.destroy(&self.name)
    }

    /// Its members, in the order they came.
    pub fn members(&self) -> Vec<Member> {
        let members = self.in_room(|_, room| room.members.iter().cloned().collect());
        members.unwrap_or_default()
    }

    /// The member under this user's id; of several the one that came last.
    pub fn member(&self, uid: &str) -> Option<Member> {
        let member = self.in_room(|_, room| room.members.of_uid(uid).next_back().cloned());
        member.flatten()
    }

    /// Its users, each once, in the order they came.
    pub fn uids(&self) -> Vec<Arc<str>> {
        let uids = self.in_room(|_, room| room.members.uids());
        uids.unwrap_or_default()
    }

    /// Whether a session is in it.
    pub fn has(&self, session: &Session) -> bool {
        let (id, frontend_id) = (session.id(), session.frontend_id());
        let has = self.in_room(|_, room| room.members.has(frontend_id, id));
        has.unwrap_or_default()
    }

    /// How many sessions are in it.
    pub fn amount(&self) -> usize {
        let amount = self.in_room(|_, room| room.members.len());
        amount.unwrap_or_default()
    }

    pub(super) fn in_room<T>(&self, use_it: impl FnOnce(&Arc<str>, &mut Room) -> T) -> Option<T> {
        self.channels.in_room(&self.name, use_it)
    }

    /// As [`in_room`](Self::in_room), where it also comes to be.
    ///
    /// # Errors
    /// It is not there, and this handle does not make it.
    pub(super) fn in_made_room<T>(
        &self,
        use_it: impl FnOnce(&Arc<str>, &mut Room) -> Result<T, ChannelError>,
    ) -> Result<T, ChannelError> {
        if let Some(options) = &self.made_with {
            self.channels.make_room(&self.name, options, use_it)
        } else {
            let not_found = || ChannelError::NotFound(self.name.to_string());
            self.in_room(use_it).ok_or_else(not_found)?
        }
    }
}

impl Channels {
    /// Looks at a channel, or changes it, and makes it before if it is not there.
    fn make_room<T>(
        &self,
        name: &Arc<str>,
        options: &Arc<ChannelOptions>,
        use_it: impl FnOnce(&Arc<str>, &mut Room) -> T,
    ) -> T {
        self.in_shard(name, |shard| {
            let room = shard
                .entry(Arc::clone(name))
                .or_insert_with(|| Room::new(options));
            room.claim(options);
            let outcome = use_it(name, room);
            if room.is_over() {
                shard.remove(name);
            }
            outcome
        })
    }

    /// Takes a member out and tells its front end.
    pub(super) fn take_out(&self, name: &Arc<str>, room: &mut Room, member: &Member) {
        let left = room.members.remove(&member.frontend_id, member.session);
        if let Some((member, road)) = left {
            room.forget(&member, &road);
            let mut joined = self.shared.joined.lock();
            joined.remove(&member.frontend_id, member.session, name);
            self.tell_left(&road, name, [member.session].into_iter());
        }
    }

    /// Tells a front end that these sessions are not in the channel any more.
    pub(super) fn tell_left(
        &self,
        road: &Road,
        name: &str,
        sessions: impl ExactSizeIterator<Item = SessionId>,
    ) {
        match road {
            Road::Here => {
                for session in sessions {
                    if let Some(session) = self.shared.here.sessions.find(session) {
                        session.with_memberships(|memberships, _| {
                            memberships.left(self.own_id(), name);
                        });
                    }
                }
            }
            Road::Over(connection) => {
                let sids: Vec<_> = sessions.map(|session| session.0).collect();
                for sids in sids.chunks(SIDS_PER_FRAME) {
                    let message = LeftReq {
                        sids: sids.to_vec(),
                        channel: name.to_owned(),
                        ..LeftReq::default()
                    };
                    // A connection that has ended takes its members along.
                    let _ = connection.tell(super::LEFT, |out| {
                        prost::Message::encode_raw(&message, out);
                    });
                }
            }
        }
    }
}

/// Session ids in a frame that takes them out.
const SIDS_PER_FRAME: usize = 64 << 10;

impl fmt::Debug for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Channel")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
