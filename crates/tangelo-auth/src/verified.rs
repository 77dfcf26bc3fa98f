//! Whose a token is.

use std::fmt;

use serde_json::{Map, Value};

/// Whose a token is, and what else it says of its owner.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// The user.
    pub uid: String,
    /// What a JSON Web Token claims, or what a function of the application's adds.
    pub claims: Map<String, Value>,
}

impl Verified {
    /// This user, of whom nothing else is said.
    pub fn new(uid: impl Into<String>) -> Self {
        Self {
            uid: uid.into(),
            claims: Map::new(),
        }
    }
}

impl From<String> for Verified {
    fn from(uid: String) -> Self {
        Self::new(uid)
    }
}

impl From<&str> for Verified {
    fn from(uid: &str) -> Self {
        Self::new(uid)
    }
}

/// Without what is claimed, which may be personal.
impl fmt::Debug for Verified {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Verified")
            .field("uid", &self.uid)
            .finish_non_exhaustive()
    }
}
