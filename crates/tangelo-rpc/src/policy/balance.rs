//! Which of the addresses that may be called is called.

mod consistent_hash;
mod dice;
mod least_active;
mod random;
mod response_time;
mod round_robin;

use std::{fmt, sync::Arc};

use tokio::time::Instant;

pub use self::{
    consistent_hash::ConsistentHash, least_active::LeastActive, random::Random,
    response_time::ResponseTime, round_robin::RoundRobin,
};
use super::node::Node;

/// Chooses a node for each call. Every balance here keeps to the nodes' weights: what has weight 0
/// is not chosen, unless everything has weight 0; then all count alike.
pub trait Balance: fmt::Debug + Send + Sync + 'static {
    /// An index into the nodes of the choice, of which there is at least one.
    fn pick(&self, choice: &Choice<'_>) -> usize;

    /// The name of the request's field that it wants as [`Choice::key`]; none if it needs no key.
    fn key_field(&self) -> Option<&str> {
        None
    }
}

/// What there is to choose from, and for what.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// The nodes that may be called. Never empty.
    pub nodes: &'a [Arc<Node>],
    /// What the field named by [`Balance::key_field`] holds, as text; none if it is not there.
    pub key: Option<&'a [u8]>,
    /// The message that is called.
    pub msg_id: i32,
    /// The time.
    pub now: Instant,
}

/// Where a new balance comes from, and krpc's names for it.
type Known = (&'static [&'static str], fn() -> Arc<dyn Balance>);

const KNOWN: [Known; 4] = [
    (&["roundrobin", "rr", "roundrobinweight"], || {
        Arc::new(RoundRobin::default())
    }),
    (&["random", "randomweight"], || Arc::new(Random::default())),
    (&["leastactive", "leastactiveweight"], || {
        Arc::new(LeastActive::default())
    }),
    (&["responsetime"], || Arc::new(ResponseTime::default())),
];

/// The balance that krpc's configuration calls by this name: `roundrobin`, `rr`, `random`,
/// `leastactive`, `responsetime`, `hash:hashField=x`. Case does not matter. The names that end in
/// `weight` mean the same as those without, as all respect weights.
///
/// # Errors
/// There is no balance of this name, or it does not take these parameters.
pub fn by_name(spec: &str) -> Result<Arc<dyn Balance>, UnknownBalance> {
    let (name, parameters) = spec.split_once(':').unwrap_or((spec, ""));
    let (name, parameters) = (name.trim().to_ascii_lowercase(), parameters.trim());
    if name == "hash" {
        let field = hash_field(parameters).ok_or_else(|| UnknownBalance::Parameters {
            spec: spec.to_owned(),
            wanted: "`hashField=` and a field of the request",
        })?;
        return Ok(Arc::new(ConsistentHash::new(field)));
    }
    let known = KNOWN.iter().find(|(names, _)| names.contains(&&*name));
    match known {
        Some((_, make)) if parameters.is_empty() => Ok(make()),
        Some(_) => Err(UnknownBalance::Parameters {
            spec: spec.to_owned(),
            wanted: "no parameters",
        }),
        None => Err(UnknownBalance::Name(spec.to_owned())),
    }
}

/// What a referer balances with: a [`Balance`], or a name that [`by_name`] knows.
#[derive(Clone, Debug)]
pub struct LoadBalance(Result<Arc<dyn Balance>, UnknownBalance>);

impl LoadBalance {
    /// The balance.
    ///
    /// # Errors
    /// There is none of the name it was given.
    pub fn balance(&self) -> Result<&Arc<dyn Balance>, &UnknownBalance> {
        self.0.as_ref()
    }

    /// The name of the request's field that it wants as [`Choice::key`]; none if it needs no key.
    pub fn key_field(&self) -> Option<&str> {
        self.0.as_ref().ok()?.key_field()
    }
}

impl Default for LoadBalance {
    fn default() -> Self {
        Arc::new(RoundRobin::default()).into()
    }
}

impl From<&str> for LoadBalance {
    fn from(name: &str) -> Self {
        Self(by_name(name))
    }
}

impl From<String> for LoadBalance {
    fn from(name: String) -> Self {
        Self(by_name(&name))
    }
}

impl From<Arc<dyn Balance>> for LoadBalance {
    fn from(balance: Arc<dyn Balance>) -> Self {
        Self(Ok(balance))
    }
}

impl<B: Balance> From<Arc<B>> for LoadBalance {
    fn from(balance: Arc<B>) -> Self {
        Self(Ok(balance))
    }
}

/// The field in `hashField=x`.
fn hash_field(parameters: &str) -> Option<&str> {
    let (name, field) = parameters.split_once('=')?;
    let (name, field) = (name.trim(), field.trim().trim_end_matches(';').trim_end());
    (name.eq_ignore_ascii_case("hashField") && !field.is_empty() && !field.contains([';', '=']))
        .then_some(field)
}

/// Why [`by_name`] found nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownBalance {
    /// There is no such name.
    #[error("no balance is called `{0}`; there are: {names}, hash:hashField=x", names = names())]
    Name(String),
    /// The name is known, but not with these parameters.
    #[error("the balance in `{spec}` takes {wanted}")]
    Parameters {
        /// What was asked for.
        spec: String,
        /// What it takes.
        wanted: &'static str,
    },
}

fn names() -> String {
    let names: Vec<_> = KNOWN
        .iter()
        .flat_map(|(names, _)| *names)
        .copied()
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests;
