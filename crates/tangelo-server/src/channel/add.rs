//! How a session comes into a channel.

use std::{sync::Arc, time::Duration};

use tangelo_connector::Push;
use tangelo_rpc::{Code, Connection, Status};
use tokio::time::Instant;

use super::{
    Channel, ChannelError, Channels, FIND, JOINED, Member, Road,
    catch_up::Next,
    push::{self, tell_push},
    room::Room,
};
use crate::{
    Session,
    generated::channel::{FindReq, FindRes, JoinedReq, Membership},
    session::SessionId,
};

/// How long a front end may take to say which sessions a user has.
const FIND_WITHIN: Duration = Duration::from_secs(3);

/// What a member has to be told that was just added, outside of all locks, and the ticket to ask with for
/// what comes next.
type ToTell = Option<(Vec<Arc<Push>>, u64)>;

impl Channel {
    /// Adds a session under its user's id. It leaves by itself when it closes. Another session of the
    /// same user is another member.
    ///
    /// What the channel [keeps](crate::ChannelOptions::history) is told to it first.
    ///
    /// # Errors
    /// It is not bound to a user, is in already, or is refused by what the channel
    /// [is like](crate::ChannelOptions); there is no such channel; or its front end cannot be reached.
    pub fn add(&self, session: &Session) -> Result<(), ChannelError> {
        let uid = session.bound_uid().ok_or(ChannelError::NotBound)?;
        self.add_by_id(&uid, session.id(), session.frontend_id())
    }

    /// Adds the session of this id, on this front end, as this user, also if it is not bound to it:
    /// for services that are told about sessions by others, and for guests.
    ///
    /// # Errors
    /// As [`add`](Self::add). That a session on another server is not there, or not bound though the
    /// channel is [for those only](crate::ChannelOptions::bound_only), shows later: it leaves, and
    /// [`on_leave`](crate::Blueprint::on_leave) tells of it.
    pub fn add_by_id(
        &self,
        uid: &str,
        session: SessionId,
        frontend_id: &str,
    ) -> Result<(), ChannelError> {
        let road = self.channels.road(frontend_id, session)?;
        let member = Member {
            uid: Arc::from(uid),
            session,
            frontend_id: Arc::from(frontend_id),
        };
        let to_tell =
            self.in_made_room(|name, room| self.channels.let_in(name, room, &member, &road))?;
        match to_tell {
            None => Ok(()),
            Some((kept, ticket)) => self.catch_up(&member, kept, ticket),
        }
    }

    /// Tells a member of this server what the channel keeps, and what was pushed meanwhile.
    ///
    /// # Errors
    /// That was more than can wait; the member is out.
    fn catch_up(
        &self,
        member: &Member,
        mut pushes: Vec<Arc<Push>>,
        ticket: u64,
    ) -> Result<(), ChannelError> {
        loop {
            let options = self.in_room(|_, room| room.options().cloned()).flatten();
            let terms = push::terms(options.as_deref(), self.channels.own_id(), &self.name);
            for push in &pushes {
                self.channels.shared.here.tell(push, terms, member.session);
            }
            let next = self.in_room(|name, room| {
                let next = room.catch_up.next(ticket);
                if matches!(next, Next::TooMuch) {
                    self.channels.take_out(name, room, member);
                }
                next
            });
            match next {
                Some(Next::Tell(more)) => pushes = more,
                Some(Next::Nothing) | None => return Ok(()),
                Some(Next::TooMuch) => return Err(Status::from(Code::QUEUE_FULL).into()),
            }
        }
    }

    /// Adds the sessions bound to this user on this front end: Pomelo's `add(uid, sid)`. How many were
    /// added; those that are in already are not.
    ///
    /// Dropped before it resolves, it may have added some.
    ///
    /// # Errors
    /// [`ChannelError::NoSession`] if there is none, and as [`add`](Self::add): then those before it
    /// have been added.
    pub async fn add_by_uid(&self, uid: &str, frontend_id: &str) -> Result<usize, ChannelError> {
        let sessions = self.channels.sessions_of(uid, frontend_id).await?;
        if sessions.is_empty() {
            return Err(ChannelError::NoSession);
        }
        let mut added = 0;
        for session in sessions {
            match self.add_by_id(uid, session, frontend_id) {
                Ok(()) => added += 1,
                Err(ChannelError::AlreadyMember) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(added)
    }
}

impl Channels {
    /// The way to a session's client.
    fn road(&self, frontend_id: &str, session: SessionId) -> Result<Road, Status> {
        if frontend_id == self.own_id() {
            return Ok(Road::Here);
        }
        let connection = self.frontends().connection(frontend_id, session)?;
        Ok(Road::Over(connection))
    }

    fn let_in(
        &self,
        name: &Arc<str>,
        room: &mut Room,
        member: &Member,
        road: &Road,
    ) -> Result<ToTell, ChannelError> {
        let (uid, session, frontend_id) = (&*member.uid, member.session, &*member.frontend_id);
        room.admits(uid, session, frontend_id)?;
        // Before the front end can answer that the session has closed.
        let mut joined = self.shared.joined.lock();
        match road {
            Road::Here => self.join_here(name, member, room.is_bound_only())?,
            Road::Over(connection) => tell_joined(connection, name, member, room.is_bound_only())?,
        }
        joined.add(frontend_id, session, name);
        drop(joined);
        room.members.add(member.clone(), road);

        let kept = room.remembered();
        let options = room.options().cloned();
        let terms = push::terms(options.as_deref(), self.own_id(), name);
        let here = &self.shared.here;
        let asks = |push: &Arc<Push>| here.asks_application(push, &terms);
        if matches!(road, Road::Here) && kept.iter().any(asks) {
            return Ok(Some((kept, room.catch_up.begin(session))));
        }
        for push in kept {
            match road {
                Road::Here => here.tell(&push, terms, session),
                // A connection that has ended takes the member along.
                Road::Over(connection) => {
                    let _ = tell_push(connection, &[session], &push, terms);
                }
            }
        }
        Ok(None)
    }

    /// Notes at a session of this server that it is in a channel.
    fn join_here(&self, name: &str, member: &Member, bound: bool) -> Result<(), ChannelError> {
        let session = self.shared.here.sessions.find(member.session);
        let session = session.ok_or(ChannelError::NoSession)?;
        let membership = Membership {
            channel: name.to_owned(),
            uid: member.uid.to_string(),
            bound,
        };
        let join = session.with_memberships(|memberships, uid| {
            if bound && uid != Some(&*member.uid) {
                return Err(ChannelError::NotBound);
            }
            memberships.joined(self.own_id(), &Road::Here, membership);
            Ok(())
        });
        join.ok_or(ChannelError::NoSession)?
    }

    /// The sessions bound to a user on a front end.
    async fn sessions_of(
        &self,
        uid: &str,
        frontend_id: &str,
    ) -> Result<Vec<SessionId>, ChannelError> {
        if frontend_id == self.own_id() {
            let sessions = self.shared.here.sessions.bound_to(uid);
            return Ok(sessions.iter().map(|session| session.id()).collect());
        }
        let connection = self.frontends().first(frontend_id)?;
        let question = FindReq {
            uid: uid.to_owned(),
        };
        let question = prost::Message::encode_to_vec(&question).into();
        let deadline = Instant::now() + FIND_WITHIN;
        let answer = connection.call(FIND, deadline, question).await?;
        let found: FindRes = prost::Message::decode(answer.body).map_err(undecodable)?;
        Ok(found.sids.into_iter().map(SessionId).collect())
    }
}

fn tell_joined(
    connection: &Connection,
    name: &str,
    member: &Member,
    bound: bool,
) -> Result<(), Status> {
    let message = JoinedReq {
        sid: member.session.0,
        channel: name.to_owned(),
        uid: member.uid.to_string(),
        bound,
    };
    connection.tell(JOINED, |out| prost::Message::encode_raw(&message, out))
}

fn undecodable(error: prost::DecodeError) -> Status {
    Status::from(Code::DECODE_RES_ERROR).with_cause(error)
}
