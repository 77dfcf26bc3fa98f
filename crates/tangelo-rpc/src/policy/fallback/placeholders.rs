//! What an answer says that is another one each time.

use std::{
    fmt::Write,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value};
use uuid::Uuid;

use super::Sources;

/// The system's clock and randomness.
#[derive(Debug)]
pub(super) struct System;

impl Sources for System {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn uuid(&self) -> String {
        Uuid::new_v4().to_string()
    }
}

/// The values for one answer: one time for all of it, and an id for each place that wants one.
pub(super) struct Moment<'a> {
    sources: &'a dyn Sources,
    ts: String,
    now: String,
}

impl<'a> Moment<'a> {
    pub(super) fn of(sources: &'a dyn Sources) -> Self {
        let now = sources.now();
        let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut text = String::new();
        // It has no text for times after the year 9999; such stay empty.
        let time = humantime::format_rfc3339_millis(UNIX_EPOCH + since_1970);
        let _ = write!(text, "{time}");
        Self {
            sources,
            ts: since_1970.as_millis().to_string(),
            now: text,
        }
    }

    /// A copy of these fields with all placeholders replaced.
    pub(super) fn fill(&self, fields: &Map<String, Value>) -> Map<String, Value> {
        let fields = fields.iter();
        fields
            .map(|(key, value)| (key.clone(), self.value(value)))
            .collect()
    }

    fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(fields) => Value::Object(self.fill(fields)),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    fn text(&self, text: &str) -> String {
        let text = text.replace("{ts}", &self.ts).replace("{now}", &self.now);
        let mut parts = text.split("{uuid}");
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            filled.push_str(&self.sources.uuid());
            filled.push_str(part);
        }
        filled
    }
}
