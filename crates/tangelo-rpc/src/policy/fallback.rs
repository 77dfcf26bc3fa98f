//! What is answered when nobody is there: for degraded service, and to mock services while they are
//! being written.
//!
//! In TOML, JSON, or as krpc's own `fallback.yaml`:
//!
//! ```toml
//! [[fallback]]
//! for = "UserService.login"     # or "100.1"; names in any case
//! match = "user.name == abc"    # on the request's fields; empty or missing: always
//! results = { retCode = 0, retMsg = "mock of {now}", sessionId = "{uuid}" }
//! ```
//!
//! The first entry that fits answers. In the texts of its results `{ts}` is the time in milliseconds
//! since 1970, `{now}` the time as in `2026-11-05T09:30:00.000Z`, `{uuid}` a new random id; they are
//! made anew for each answer.

mod entry;
mod placeholders;
mod read;

use std::{fmt, path::Path, sync::Arc, time::SystemTime};

use serde::Deserialize;
use serde_json::{Map, Value};

use self::{entry::Place, placeholders::Moment};
use super::expression::{Expression, Lookup};

/// Answers for services that cannot be reached. Of no entries, it has none.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Vec<Value>")]
pub struct Fallback {
    rules: Vec<Rule>,
    sources: Arc<dyn Sources>,
}

/// Where the values of placeholders come from: in production the system's clock and randomness.
pub trait Sources: fmt::Debug + Send + Sync + 'static {
    /// The time, for `{ts}` and `{now}`.
    fn now(&self) -> SystemTime;

    /// A new id for each `{uuid}`.
    fn uuid(&self) -> String;
}

/// What is wrong with the entries of a fallback, all of it at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fallback:\n  {}", mistakes.join("\n  "))]
pub struct FallbackError {
    /// One line each, with file and line where there are such.
    pub mistakes: Vec<String>,
}

#[derive(Clone, Debug)]
struct Rule {
    target: Target,
    condition: Expression,
    results: Map<String, Value>,
}

/// The method a rule answers for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Numbers { service_id: i32, msg_id: i32 },
    Names { service: String, method: String },
}

impl Fallback {
    /// Reads the entries in `text`, which is in the format that the name of `file` ends in: `.toml`,
    /// `.json`, `.yaml` or `.yml`. The file itself is not opened.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(file: &Path, text: &str) -> Result<Self, FallbackError> {
        Self::new(read::entries(file, text))
    }

    /// The same with other sources for placeholders.
    #[must_use]
    pub fn with_sources(mut self, sources: Arc<dyn Sources>) -> Self {
        self.sources = sources;
        self
    }

    /// What to answer to a call, as a JSON object with the fields of the response; none if no entry
    /// fits. `lookup` finds the request's fields as text, nested ones as `a.b.c`.
    pub fn find(
        &self,
        service_name: &str,
        method_name: &str,
        service_id: i32,
        msg_id: i32,
        lookup: &Lookup<'_>,
    ) -> Option<Value> {
        let is_for = |rule: &&Rule| match &rule.target {
            Target::Numbers {
                service_id: service,
                msg_id: message,
            } => (*service, *message) == (service_id, msg_id),
            Target::Names { service, method } => {
                service.eq_ignore_ascii_case(service_name)
                    && method.eq_ignore_ascii_case(method_name)
            }
        };
        let mut rules = self.rules.iter().filter(is_for);
        let rule = rules.find(|rule| rule.condition.matches(lookup))?;
        Some(Value::Object(
            Moment::of(&*self.sources).fill(&rule.results),
        ))
    }

    fn new(
        entries: impl IntoIterator<Item = Result<(Place, Value), String>>,
    ) -> Result<Self, FallbackError> {
        let (mut rules, mut mistakes) = (Vec::new(), Vec::new());
        for entry in entries {
            match entry.map(|(place, entry)| (place, entry::rule(entry))) {
                Ok((_, Ok(rule))) => rules.push(rule),
                Ok((place, Err(wrong))) => {
                    mistakes.extend(wrong.iter().map(|wrong| format!("{place}: {wrong}")));
                }
                Err(mistake) => mistakes.push(mistake),
            }
        }
        if !mistakes.is_empty() {
            return Err(FallbackError { mistakes });
        }
        Ok(Self {
            rules,
            sources: Arc::new(placeholders::System),
        })
    }
}

impl Default for Fallback {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            sources: Arc::new(placeholders::System),
        }
    }
}

impl TryFrom<Vec<Value>> for Fallback {
    type Error = FallbackError;

    /// Takes entries that stand in a larger configuration.
    fn try_from(entries: Vec<Value>) -> Result<Self, FallbackError> {
        let entries = entries.into_iter().enumerate();
        Self::new(entries.map(|(index, entry)| Ok((Place::Index(index), entry))))
    }
}

#[cfg(test)]
mod tests;
