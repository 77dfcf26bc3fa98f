//! One channel's state.

use std::sync::Arc;

use tangelo_connector::Push;

use super::{
    ChannelError, ChannelOptions, Member, Road, catch_up::CatchUp, history::History,
    members::Members,
};
use crate::session::SessionId;

/// One channel's state.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) members: Members,
    /// None: front ends have brought its members, and nobody has said since what it is like.
    options: Option<Arc<ChannelOptions>>,
    history: Option<Box<History>>,
    /// Members who are told what the history has.
    pub(super) catch_up: CatchUp,
    /// Whether it stays while nobody is in it.
    stays: bool,
}

impl Room {
    /// A channel that is gone when nobody is in it any more.
    pub(super) fn new(options: &Arc<ChannelOptions>) -> Self {
        let mut room = Self::default();
        room.claim(options);
        room
    }

    /// What it is like, unless that has been said before.
    pub(super) fn claim(&mut self, options: &Arc<ChannelOptions>) -> bool {
        if self.options.is_some() {
            return false;
        }
        self.history = History::of(options);
        self.options = Some(Arc::clone(options));
        true
    }

    /// It stays until it is destroyed.
    pub(super) fn stay(&mut self) {
        self.stays = true;
    }

    pub(super) fn is_over(&self) -> bool {
        !self.stays && self.members.is_empty()
    }

    pub(super) fn options(&self) -> Option<&Arc<ChannelOptions>> {
        self.options.as_ref()
    }

    pub(super) fn is_bound_only(&self) -> bool {
        self.options
            .as_ref()
            .is_some_and(|options| options.bound_only)
    }

    /// Whether this session can be added.
    pub(super) fn admits(
        &self,
        uid: &str,
        session: SessionId,
        frontend_id: &str,
    ) -> Result<(), ChannelError> {
        if self.members.has(frontend_id, session) {
            return Err(ChannelError::AlreadyMember);
        }
        let Some(options) = &self.options else {
            return Ok(());
        };
        if options.single_session && self.members.of_uid(uid).next().is_some() {
            return Err(ChannelError::UserPresent(uid.to_owned()));
        }
        if self.members.len() >= options.most_members {
            return Err(ChannelError::Full(options.most_members));
        }
        Ok(())
    }

    /// Whether a member that is brought again would be one too many of its user's.
    pub(super) fn has_user_anew(&self, member: &Member) -> bool {
        let single = self.options.as_ref().is_some_and(|is| is.single_session);
        single && self.members.of_uid(&member.uid).next().is_some()
    }

    /// This member has left.
    pub(super) fn forget(&mut self, member: &Member, road: &Road) {
        if matches!(road, Road::Here) {
            self.catch_up.forget(member.session);
        }
    }

    /// A push to all, kept for those who join later.
    pub(super) fn remember(&mut self, push: &Arc<Push>) {
        if let Some(history) = &mut self.history {
            history.add(push);
        }
    }

    /// What is kept for those who join, in order.
    pub(super) fn remembered(&self) -> Vec<Arc<Push>> {
        let history = self.history.as_ref();
        history.map(|history| history.kept()).unwrap_or_default()
    }
}
