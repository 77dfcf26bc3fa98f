//! Dynamic routing: which addresses of a service a call may go to, and how much each of them gets.

mod config;

use std::borrow::Cow;

pub use self::config::{RouteConfig, RouteError, RouteRule, RouteWeight};
use super::{
    expression::{Expression, Lookup},
    node::DEFAULT_WEIGHT,
    pattern::Pattern,
};

/// The routing rules of a service, ready to be asked.
#[derive(Clone, Debug)]
pub struct RouteRules {
    service_id: i32,
    disabled: bool,
    weights: Vec<Weight>,
    /// Those of the highest priority first.
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Weight {
    address: String,
    /// The address, if there are stars in it.
    pattern: Option<Pattern>,
    weight: u32,
}

#[derive(Clone, Debug)]
struct Rule {
    from: Expression,
    to: Expression,
}

impl RouteRules {
    /// The service they are about.
    pub fn service_id(&self) -> i32 {
        self.service_id
    }

    /// Whether nobody may call the service at all.
    pub fn is_disabled(&self) -> bool {
        self.disabled
    }

    /// The weight of `address` (`host:port`): that of the first entry that is the address itself,
    /// else a pattern of it, else its host, else a pattern of its host, else [`DEFAULT_WEIGHT`].
    pub fn weight_of(&self, address: &str) -> u32 {
        let weight = self.weight_as_written(address);
        let weight = weight.or_else(|| self.weight_as_written(host_of(address)?));
        weight.unwrap_or(DEFAULT_WEIGHT)
    }

    fn weight_as_written(&self, text: &str) -> Option<u32> {
        let same = |entry: &&Weight| entry.pattern.is_none() && entry.address == text;
        let like = |entry: &&Weight| {
            let pattern = entry.pattern.as_ref();
            pattern.is_some_and(|pattern| pattern.matches(text))
        };
        let mut entries = self.weights.iter();
        let found = entries
            .find(same)
            .or_else(|| self.weights.iter().find(like));
        found.map(|entry| entry.weight)
    }

    /// The addresses a call may go to. To be asked once for each call.
    ///
    /// The first rule decides whose `from` is true. `lookup` knows what krpc's rules may ask for:
    /// `host` (this process's address), `application`, `msgId`, `dyeing`, and the call's trace tags;
    /// what is empty counts as missing. Where no rule decides, all addresses are admitted. (krpc
    /// admits none then, which blocks the service.)
    pub fn decide(&self, lookup: &Lookup<'_>) -> Admitted<'_> {
        let filled = |key: &str| lookup(key).filter(|value| !value.is_empty());
        let deciding = self.rules.iter().find(|rule| rule.from.matches(&filled));
        Admitted(deciding.map(|rule| &rule.to))
    }
}

/// Which addresses one call may go to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Admitted<'a>(Option<&'a Expression>);

impl Admitted<'_> {
    /// Whether this address (`host:port`) is one of them.
    pub fn admits(&self, address: &str) -> bool {
        let Some(to) = self.0 else {
            return true;
        };
        to.matches(&|key| match key {
            "addr" => Some(Cow::Borrowed(address)),
            "host" => host_of(address).map(Cow::Borrowed),
            _ => None,
        })
    }

    /// Whether it is all of them, as no rule has decided.
    pub fn is_all(&self) -> bool {
        self.0.is_none()
    }
}

fn host_of(address: &str) -> Option<&str> {
    address.rsplit_once(':').map(|(host, _)| host)
}

#[cfg(test)]
mod tests;
