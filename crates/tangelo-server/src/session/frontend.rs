//! A session as an argument of handlers that belong on front ends.

use std::{ops::Deref, sync::Arc};

use super::{FrontSession, Kind, Session};

/// A session on the front end its client is connected to, as a handler's argument: refused on a back
/// end. It offers what [`Session`] does, which acts at once there.
#[derive(Clone, Debug)]
pub struct FrontendSession(Session);

impl FrontendSession {
    pub(crate) fn of(session: &Session) -> Option<Self> {
        session.is_front().then(|| Self(session.clone()))
    }

    /// Whether its client has lost its connection and may come back: see
    /// [`Blueprint::resume`](crate::Blueprint::resume).
    pub fn is_away(&self) -> bool {
        match &self.0.0 {
            Kind::Front(session) => session.is_away(),
            Kind::Back(_) => false,
        }
    }

    pub(super) fn new(session: Arc<FrontSession>) -> Self {
        Self(Session(Kind::Front(session)))
    }
}

impl Deref for FrontendSession {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.0
    }
}
