//! What an entry has to look like.

use std::fmt;

use serde_json::{Map, Value};

use super::{Rule, Target};
use crate::policy::expression::Expression;

/// Where an entry stands.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Line { file: String, line: usize },
    Index(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { file, line } => write!(formatter, "{file}:{line}"),
            Self::Index(index) => write!(formatter, "[{index}]"),
        }
    }
}

/// Makes a rule of an entry, or says everything that is wrong with it.
pub(super) fn rule(entry: Value) -> Result<Rule, Vec<String>> {
    let Value::Object(entry) = entry else {
        return Err(vec![format!(
            "expected an entry with `for` and `results`, found {entry}"
        )]);
    };
    let mut mistakes = Vec::new();
    let (mut found, mut condition, mut results) = (None, Expression::always(), None);
    for key in ["for", "results"] {
        if !entry.contains_key(key) {
            mistakes.push(format!("needs `{key}`"));
        }
    }
    for (key, value) in entry {
        let read = match &*key {
            "for" => target(&value).map(|target| found = Some(target)),
            "match" => matching(&value).map(|matching| condition = matching),
            "results" => object(value).map(|object| results = Some(object)),
            _ => Err("there is no such key; there are `for`, `match` and `results`".to_owned()),
        };
        if let Err(mistake) = read {
            mistakes.push(format!("`{key}`: {mistake}"));
        }
    }
    match (found, results) {
        (Some(target), Some(results)) if mistakes.is_empty() => Ok(Rule {
            target,
            condition,
            results,
        }),
        _ => Err(mistakes),
    }
}

fn target(value: &Value) -> Result<Target, String> {
    let parts = value.as_str().and_then(|text| text.trim().rsplit_once('.'));
    let wrong = || format!("expected a text like \"service.method\" or \"100.1\", found {value}");
    let (service, method) = parts.ok_or_else(wrong)?;
    if service.is_empty() || method.is_empty() {
        return Err(wrong());
    }
    Ok(match (service.parse(), method.parse()) {
        (Ok(service_id), Ok(msg_id)) => Target::Numbers { service_id, msg_id },
        _ => Target::Names {
            service: service.to_owned(),
            method: method.to_owned(),
        },
    })
}

fn matching(value: &Value) -> Result<Expression, String> {
    match value {
        Value::Null => Ok(Expression::always()),
        Value::String(text) => text.parse().map_err(|error| format!("{error}")),
        _ => Err(format!("expected an expression as a text, found {value}")),
    }
}

fn object(value: Value) -> Result<Map<String, Value>, String> {
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(format!("expected the fields of a response, found {value}")),
    }
}
