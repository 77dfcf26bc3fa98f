//! What a server is asked for by.

use std::sync::Arc;

use twox_hash::XxHash3_64;

use crate::{FrontendSession, Session, Uid};

/// What a server of a type is found by: Pomelo's route parameter. Made of a `&Session`, for whom the
/// type's route function speaks, or of a text, which is the key itself.
#[derive(Clone, Debug)]
pub struct RouteParam(pub(crate) By);

#[derive(Clone, Debug)]
pub(crate) enum By {
    Session(Session),
    Key(Arc<str>),
}

impl By {
    /// What says over which connection it travels: the same, the same one, so that order is kept.
    pub(crate) fn lane(&self) -> u64 {
        match self {
            Self::Session(session) => session.id().into(),
            Self::Key(key) => XxHash3_64::oneshot(key.as_bytes()),
        }
    }

    pub(crate) fn session(&self) -> Option<&Session> {
        match self {
            Self::Session(session) => Some(session),
            Self::Key(_) => None,
        }
    }
}

impl From<&Session> for RouteParam {
    fn from(session: &Session) -> Self {
        Self(By::Session(session.clone()))
    }
}

impl From<&FrontendSession> for RouteParam {
    fn from(session: &FrontendSession) -> Self {
        Self::from(&**session)
    }
}

impl From<&str> for RouteParam {
    fn from(key: &str) -> Self {
        Self(By::Key(key.into()))
    }
}

impl From<&String> for RouteParam {
    fn from(key: &String) -> Self {
        Self::from(key.as_str())
    }
}

impl From<&Uid> for RouteParam {
    fn from(uid: &Uid) -> Self {
        Self(By::Key(uid.clone().into()))
    }
}

impl From<&Arc<str>> for RouteParam {
    fn from(key: &Arc<str>) -> Self {
        Self(By::Key(Arc::clone(key)))
    }
}
