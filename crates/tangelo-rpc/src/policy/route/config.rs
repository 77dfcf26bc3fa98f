use std::cmp::Reverse;

use serde::Deserialize;

use super::{RouteRules, Rule, Weight};
use crate::policy::{
    expression::{Expression, ExpressionError},
    pattern::Pattern,
};

/// The routing of a service as krpc keeps it in a registry, in JSON:
/// `{"serviceId":100,"disabled":false,"weights":[…],"rules":[…]}`. Lists may be missing or null.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteConfig {
    /// The service.
    pub service_id: i32,
    /// Whether nobody may call it. Default: false.
    #[serde(default)]
    pub disabled: bool,
    /// What each address gets. Default: none, so that all get the same.
    #[serde(default)]
    pub weights: Option<Vec<RouteWeight>>,
    /// Which addresses a call may go to. Default: none, so that it may go to all.
    #[serde(default)]
    pub rules: Option<Vec<RouteRule>>,
}

/// What an address gets: `{"addr":"10.0.0.1:5600","weight":50}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RouteWeight {
    /// `host:port` or `host`; in it `*` stands for zero or more digits.
    pub addr: String,
    /// Its share beside the others' of 100. With 0 it gets nothing, unless all have 0.
    pub weight: u32,
}

/// Where some calls may go: `{"from":"msgId == 1","to":"host == 10.0.0.*","priority":2}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct RouteRule {
    /// The calls it is about. Default: empty, all.
    #[serde(default)]
    pub from: Option<String>,
    /// Where they go: one comparison with `host` or `addr`, in which `$host` is this process's own
    /// address. A rule in which it is empty is none. Default: empty.
    #[serde(default)]
    pub to: Option<String>,
    /// The higher it is the earlier it is asked; in the order of the list where it is the same.
    /// Default: 0.
    #[serde(default)]
    pub priority: i32,
}

/// What is wrong with a [`RouteConfig`], all of it at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("routing of service {service_id}:\n  {}", mistakes.join("\n  "))]
pub struct RouteError {
    /// The service.
    pub service_id: i32,
    /// One line each.
    pub mistakes: Vec<String>,
}

impl RouteRules {
    /// Makes rules of what is configured, for a process whose own address is `own_host`.
    ///
    /// # Errors
    /// Everything that is wrong with it. (krpc takes a `from` that it cannot read for one that is
    /// always true; better keep the rules there were.)
    pub fn new(config: &RouteConfig, own_host: &str) -> Result<Self, RouteError> {
        let mut mistakes = Vec::new();
        let mut weights = Vec::new();
        for (index, written) in config.weights.iter().flatten().enumerate() {
            match weight(written) {
                Ok(weight) => weights.push(weight),
                Err(error) => mistakes.push(format!("weights[{index}].addr: {error}")),
            }
        }
        let mut rules = Vec::new();
        for (index, written) in config.rules.iter().flatten().enumerate() {
            let from: Result<Expression, _> = written.from.as_deref().unwrap_or("").parse();
            let to = written.to.as_deref().unwrap_or("").trim();
            let to = (!to.is_empty()).then(|| target(to, own_host)).transpose();
            match (from, to) {
                (Ok(from), Ok(Some(to))) => rules.push((written.priority, Rule { from, to })),
                (Ok(_), Ok(None)) => {}
                (from, to) => {
                    let from = from.err().map(|error| ("from", error.to_string()));
                    let to = to.err().map(|error| ("to", error));
                    let place = |(key, error)| format!("rules[{index}].{key}: {error}");
                    mistakes.extend(from.into_iter().chain(to).map(place));
                }
            }
        }
        if !mistakes.is_empty() {
            return Err(RouteError {
                service_id: config.service_id,
                mistakes,
            });
        }
        rules.sort_by_key(|(priority, _)| Reverse(*priority));
        Ok(Self {
            service_id: config.service_id,
            disabled: config.disabled,
            weights,
            rules: rules.into_iter().map(|(_, rule)| rule).collect(),
        })
    }
}

fn weight(written: &RouteWeight) -> Result<Weight, String> {
    let address = written.addr.trim();
    if address.is_empty() {
        return Err("expected an address".to_owned());
    }
    let pattern = Pattern::is_in(address).then(|| Pattern::new(address));
    Ok(Weight {
        address: address.to_owned(),
        pattern: pattern.transpose().map_err(|error| error.to_string())?,
        weight: written.weight,
    })
}

fn target(written: &str, own_host: &str) -> Result<Expression, String> {
    let to: Expression = written
        .replace("$host", own_host)
        .parse()
        .map_err(|error: ExpressionError| error.to_string())?;
    match to.only_key() {
        Some("host" | "addr") => Ok(to),
        _ => Err("expected one comparison with `host` or `addr`".to_owned()),
    }
}
