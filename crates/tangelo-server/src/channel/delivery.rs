//! What happens on a front end to a push for its clients, wherever it comes from.

use std::{fmt, sync::Arc};

use tangelo_connector::Push;
use tangelo_rpc::Status;
use tracing::warn;

use super::{
    NamedFilter,
    filter::{Asked, PushFilters},
};
use crate::{
    OutboundKind, Sessions,
    push::{Pushes, Round},
    session::{FrontSession, SessionId},
};

/// Tells clients of this server what is pushed to them.
pub(crate) struct Delivery {
    pub(crate) sessions: Sessions,
    pub(crate) pushes: Arc<Pushes>,
    pub(crate) filters: PushFilters,
}

/// Whom of its receivers a push is for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms<'a> {
    /// Only sessions bound to a user.
    pub(crate) bound_only: bool,
    /// Only those whom this filter admits.
    pub(crate) filter: Option<&'a NamedFilter>,
    /// Only those who are in this channel of that server still.
    pub(crate) member_of: Option<(&'a str, &'a str)>,
}

/// A push about to be told to one session after another.
pub(crate) struct Telling<'a> {
    sessions: &'a Sessions,
    pushing: Round<'a>,
    terms: Terms<'a>,
    filter: Option<Asked<'a>>,
    told: u32,
}

impl Delivery {
    /// Whether what the application brought is asked about this push here.
    pub(crate) fn asks_application(&self, push: &Push, terms: &Terms<'_>) -> bool {
        terms.filter.is_some() || self.pushes.asks_application(push.route())
    }

    /// Tells one session.
    pub(crate) fn tell(&self, push: &Arc<Push>, terms: Terms<'_>, session: SessionId) {
        match self.begin(OutboundKind::Push, push, terms) {
            Ok(mut telling) => {
                telling.session(session);
            }
            Err(status) => warn!(route = push.route(), %status, "a push reaches nobody here"),
        }
    }

    /// # Errors
    /// It names a filter that is not there.
    pub(crate) fn begin<'a>(
        &'a self,
        kind: OutboundKind,
        push: &Arc<Push>,
        terms: Terms<'a>,
    ) -> Result<Telling<'a>, Status> {
        let filter = terms.filter.map(|filter| self.filters.find(filter));
        let filter = filter.transpose()?;
        Ok(Telling {
            sessions: &self.sessions,
            pushing: self.pushes.begin(kind, Arc::clone(push), None),
            terms,
            filter,
            told: 0,
        })
    }
}

impl Telling<'_> {
    /// Tells this session. `false` if it does not get it though it is meant: it has closed, or left the
    /// channel, or its client does not keep up.
    pub(crate) fn session(&mut self, id: SessionId) -> bool {
        match self.sessions.find(id) {
            Some(session) => self.tell(&session),
            None => false,
        }
    }

    /// Tells those of a user's sessions that `chosen` names. Whether there was one.
    pub(crate) fn user(&mut self, uid: &str, chosen: impl Fn(SessionId) -> bool) -> bool {
        let mut reached = false;
        for session in self.sessions.bound_to(uid) {
            if chosen(session.id()) {
                reached |= self.tell(&session);
            }
        }
        reached
    }

    /// Tells all sessions that `chosen` names.
    pub(crate) fn all(&mut self, chosen: impl Fn(SessionId) -> bool) {
        for session in self.sessions.every() {
            if chosen(session.id()) {
                self.tell(&session);
            }
        }
    }

    /// How many sessions got it.
    pub(crate) fn told(&self) -> u32 {
        self.told
    }

    fn tell(&mut self, session: &Arc<FrontSession>) -> bool {
        if self.terms.bound_only && session.uid().is_none() {
            return true;
        }
        if let Some((server_id, channel)) = self.terms.member_of
            && !session.is_member(server_id, channel)
        {
            return false;
        }
        let admits = |filter: &Asked<'_>| filter.admits(session, self.pushing.push());
        if !self.filter.as_ref().is_none_or(admits) {
            return true;
        }
        let told = self.pushing.tell(session);
        self.told += u32::from(told);
        told
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Delivery")
            .field("filters", &self.filters)
            .finish_non_exhaustive()
    }
}
