//! Where sessions are.

use std::{collections::BTreeMap, pin::Pin};

use super::Session;

/// What a store answers.
pub type Stored<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Why a store does not answer: answered with 503.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be reached, or hangs.
    #[error("sessions cannot be reached: {0}")]
    Unreachable(String),
    /// What is to be remembered of one client is too much.
    #[error("a session of {size} bytes; {limit} at the most")]
    TooLarge {
        /// Bytes there would be.
        size: usize,
        /// Bytes there may be.
        limit: usize,
    },
}

/// What is known of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked {
    /// Its session.
    Found(Session),
    /// It was exchanged for another a moment ago: a request that was on its way while its client logged in. It is
    /// a stranger's, but must not be given a new cookie, which would take the place of the good one.
    Exchanged,
    /// Nothing, or no longer.
    Nothing,
}

/// Where sessions are, by their secrets. A store may be shared by several gateways.
///
/// It forgets what nobody has looked for in its time. Each of its futures is dropped when the request is over that
/// it was made for; what was begun may then be done or not.
pub trait SessionStore: Send + Sync + 'static {
    /// Looks for a session, whose time begins anew.
    fn find<'a>(&'a self, secret: &'a str) -> Stored<'a, Looked>;

    /// Remembers a new session.
    fn create<'a>(&'a self, secret: &'a str, session: Session) -> Stored<'a, ()>;

    /// Adds values to a session, in place of those of the same names. If there is none any more, whether
    /// something was changed tells.
    fn merge<'a>(&'a self, secret: &'a str, values: BTreeMap<String, String>) -> Stored<'a, bool>;

    /// Remembers this session under another secret, and knows of the old one for a moment that it was
    /// [exchanged](Looked::Exchanged).
    fn exchange<'a>(&'a self, old: &'a str, new: &'a str, session: Session) -> Stored<'a, ()>;

    /// Forgets a session.
    fn remove<'a>(&'a self, secret: &'a str) -> Stored<'a, ()>;
}
