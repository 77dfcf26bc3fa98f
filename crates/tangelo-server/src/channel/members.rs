//! Who is in a channel, and which channels a session is in.

use std::{collections::HashMap, sync::Arc};

use tangelo_rpc::Connection;

use super::Member;
use crate::session::SessionId;

/// Whether a member is new, or brought again by its front end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joined {
    Now,
    Again,
}

/// The members of one channel, in the order they came.
#[derive(Default)]
pub(super) struct Members {
    list: Vec<(Member, Connection)>,
    by_uid: HashMap<Arc<str>, usize, foldhash::fast::RandomState>,
}

impl Members {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn all(&self) -> Vec<Member> {
        self.list.iter().map(|(member, _)| member.clone()).collect()
    }

    pub(super) fn by_uid(&self, uid: &str) -> Option<&Member> {
        self.list
            .get(*self.by_uid.get(uid)?)
            .map(|(member, _)| member)
    }

    pub(super) fn connection(&self, member: &Member) -> Option<Connection> {
        let (_, connection) = self.list.get(*self.by_uid.get(&member.uid)?)?;
        Some(connection.clone())
    }

    /// Adds a member. One brought again takes the place of what is known of that session, and is
    /// left out if its user has come anew in between.
    pub(super) fn add(&mut self, member: Member, connection: &Connection, joined: Joined) {
        if joined == Joined::Again
            && let Some((known, its_connection)) = self
                .by_uid
                .get(&member.uid)
                .and_then(|at| self.list.get_mut(*at))
        {
            if known.session == member.session {
                *its_connection = connection.clone();
            }
            return;
        }
        if joined == Joined::Again && self.has(&member.frontend_id, member.session) {
            return;
        }
        self.by_uid.insert(Arc::clone(&member.uid), self.list.len());
        self.list.push((member, connection.clone()));
    }

    /// Whether this session is a member, under whatever user.
    pub(super) fn has(&self, frontend_id: &str, session: SessionId) -> bool {
        self.position(frontend_id, session).is_some()
    }

    fn position(&self, frontend_id: &str, session: SessionId) -> Option<usize> {
        self.list.iter().position(|(member, _)| {
            member.session == session && *member.frontend_id == *frontend_id
        })
    }

    pub(super) fn remove(&mut self, frontend_id: &str, session: SessionId) -> Option<Member> {
        let at = self.position(frontend_id, session)?;
        let (member, _) = self.list.remove(at);
        self.by_uid.remove(&member.uid);
        for place in self.by_uid.values_mut().filter(|place| **place > at) {
            *place -= 1;
        }
        Some(member)
    }

    /// Members whose connection this is.
    pub(super) fn behind(&self, connection: &Connection) -> impl Iterator<Item = Member> {
        let theirs = self
            .list
            .iter()
            .filter(|(_, other)| other.id() == connection.id());
        theirs.map(|(member, _)| member.clone())
    }

    /// Whether this session is a member, and this its connection.
    pub(super) fn is_behind(
        &self,
        frontend_id: &str,
        session: SessionId,
        connection: &Connection,
    ) -> bool {
        self.behind(connection)
            .any(|member| member.session == session && *member.frontend_id == *frontend_id)
    }

    /// The sessions that are wanted, by connection.
    pub(super) fn groups(
        &self,
        wanted: &impl Fn(&str) -> bool,
    ) -> impl Iterator<Item = (&Connection, Vec<SessionId>)> {
        let mut groups: Vec<(&Connection, Vec<SessionId>)> = Vec::new();
        for (member, connection) in self.list.iter().filter(|(member, _)| wanted(&member.uid)) {
            match groups
                .iter_mut()
                .find(|(other, _)| other.id() == connection.id())
            {
                Some((_, sessions)) => sessions.push(member.session),
                None => groups.push((connection, vec![member.session])),
            }
        }
        groups.into_iter()
    }
}

/// Which channels each session is in.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    channels: HashMap<(Arc<str>, SessionId), Vec<Arc<str>>>,
}

impl Sessions {
    pub(super) fn joined(&mut self, frontend_id: &str, session: SessionId, channel: &str) {
        let channels = self
            .channels
            .entry((Arc::from(frontend_id), session))
            .or_default();
        if !channels.iter().any(|known| **known == *channel) {
            channels.push(Arc::from(channel));
        }
    }

    pub(super) fn left(&mut self, frontend_id: &str, session: SessionId, channel: &str) {
        let key = (Arc::from(frontend_id), session);
        if let Some(channels) = self.channels.get_mut(&key) {
            channels.retain(|known| **known != *channel);
            if channels.is_empty() {
                self.channels.remove(&key);
            }
        }
    }

    pub(super) fn remove(&mut self, frontend_id: &str, session: SessionId) -> Vec<Arc<str>> {
        self.channels
            .remove(&(Arc::from(frontend_id), session))
            .unwrap_or_default()
    }
}
