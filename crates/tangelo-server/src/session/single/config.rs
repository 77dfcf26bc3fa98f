//! What an application says about single sessions.

use std::{collections::BTreeSet, sync::Arc};

#[cfg(doc)]
use crate::BindError;
use crate::Blueprint;

/// That a user may have one session alone, and what becomes of a second: see
/// [`Blueprint::single_session`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SingleSession {
    pub(super) kick_old: bool,
    pub(super) reason: Arc<str>,
    pub(super) across: BTreeSet<String>,
}

impl SingleSession {
    /// What the client of a session that has to go is told, unless something else is said.
    pub const REASON: &str = "the user has another session";

    /// A user who has a session gets no second: the bind fails with
    /// [`BindError::Taken`].
    pub fn refuse_new() -> Self {
        Self {
            kick_old: false,
            reason: Arc::from(Self::REASON),
            across: BTreeSet::new(),
        }
    }

    /// A user who has a session gets another, and the old one is kicked before.
    pub fn kick_old() -> Self {
        Self {
            kick_old: true,
            ..Self::refuse_new()
        }
    }

    /// What the client of a session that has to go is told. Default [`SingleSession::REASON`].
    #[must_use]
    pub fn reason(mut self, reason: &str) -> Self {
        self.reason = Arc::from(reason);
        self
    }

    /// A user may have one session among the front ends of these types and the own one. All of these
    /// types have to say so; a bind that finds that they do not agree fails. Default: the own type.
    #[must_use]
    pub fn across<T: Into<String>>(mut self, server_types: impl IntoIterator<Item = T>) -> Self {
        self.across.extend(server_types.into_iter().map(Into::into));
        self
    }
}

impl SingleSession {
    /// The types among which a user of this one has one session.
    fn types(&self, own: &str) -> BTreeSet<String> {
        let own = std::iter::once(own.to_owned());
        self.across.iter().cloned().chain(own).collect()
    }
}

impl Blueprint {
    /// On front ends a user may have one session alone, on any of this type. Default: as many as bind.
    ///
    /// Front ends ask each other, so each needs a `port`, and they connect to each other. A bind waits
    /// 3 s for that at the most. Front ends that are lost are passed over: a bind that needs one waits a
    /// second for it to be back. One that is there and does not answer fails the bind with 504.
    #[must_use]
    pub fn single_session(mut self, single_session: SingleSession) -> Self {
        self.single_session = Some(single_session);
        self
    }

    /// Changes what becomes of a user's second session to what `rule` says of it. What is told to whom has
    /// to go, and among which types, stays as it was said.
    #[must_use]
    pub fn change_single_session(mut self, rule: SingleSession) -> Self {
        self.single_session = Some(match self.single_session {
            Some(known) => SingleSession {
                kick_old: rule.kick_old,
                ..known
            },
            None => rule,
        });
        self
    }

    /// What these do not agree on that have to: among which types a user has one session.
    pub fn disagreements(blueprints: &[&Self]) -> BTreeSet<String> {
        let types = |of: &Self| {
            let single = of.single_session.as_ref();
            single
                .map(|single| single.types(&of.server_type))
                .unwrap_or_default()
        };
        let told = |types: BTreeSet<String>| match types.len() {
            0 => "is not said".to_owned(),
            _ => format!("holds across {}", Vec::from_iter(types).join(", ")),
        };
        let mut all = BTreeSet::new();
        for one in blueprints {
            let across = types(one);
            for other in blueprints {
                if across.contains(&other.server_type) && types(other) != across {
                    let (its, others) = (told(across.clone()), told(types(other)));
                    let (one, other) = (&one.server_type, &other.server_type);
                    all.insert(format!(
                        "{one}: single_session {its}; of {other} it {others}"
                    ));
                }
            }
        }
        all
    }
}
