//! Web sessions: what is remembered of a client between its requests.
//!
//! A client has a secret in a cookie, services see an id. They have nothing to do with each other: who knows an id
//! has nothing, and a client cannot choose either. The secret is exchanged when somebody logs in, the id stays. So
//! a secret that somebody has planted in a browser is worth nothing once its owner logs in.

mod cookie;
mod memory;
mod secret;
mod store;

use std::{collections::BTreeMap, fmt};

pub use self::{
    cookie::{SameSite, SessionCookie},
    memory::{MemoryLimits, MemorySessions},
    store::{Looked, SessionStore, StoreError, Stored},
};
pub(crate) use secret::{new_id, new_secret};

/// Says in a session whether its client has logged in: `"1"`.
pub const LOGIN_FLAG: &str = "loginFlag";

/// A session as it is remembered.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Session {
    /// Its id, which services see. It stays as long as the session is there.
    pub id: String,
    /// What services have put into it.
    pub values: BTreeMap<String, String>,
}

impl Session {
    /// A session of which nothing is known but its id.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            values: BTreeMap::new(),
        }
    }

    /// Whether its client has logged in.
    pub fn is_logged_in(&self) -> bool {
        self.values.get(LOGIN_FLAG).is_some_and(|flag| flag == "1")
    }

    /// Bytes that it takes, as far as services decide on them.
    pub fn size(&self) -> usize {
        let values = self.values.iter();
        values.map(|(name, value)| name.len() + value.len()).sum()
    }
}

/// Values are left out: they are people's.
impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Session")
            .field("id", &self.id)
            .field("values", &self.values.len())
            .finish()
    }
}
