//! A document as text, with properties in the order of the .proto file.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

/// Stands in a schema beside `properties`: their names in their order. It is not written.
pub(super) const ORDER: &str = "\0order";

/// How a document begins.
const FIRST: [&str; 3] = ["openapi", "info", "servers"];

/// A part of a document, to be written.
pub(super) struct Ordered<'d>(pub(super) &'d Value);

/// An object whose members of these names are first.
struct Members<'d> {
    all: &'d Map<String, Value>,
    first: Vec<&'d str>,
}

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Array(parts) => serializer.collect_seq(parts.iter().map(Ordered)),
            Value::Object(all) => {
                let first = FIRST.to_vec();
                Members { all, first }.serialize(serializer)
            }
            plain => plain.serialize(serializer),
        }
    }
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let order = self.all.get(ORDER).and_then(Value::as_array);
        let order = || {
            let names = order.into_iter().flatten();
            names.filter_map(Value::as_str).collect::<Vec<_>>()
        };
        let first = self
            .first
            .iter()
            .filter_map(|name| self.all.get_key_value(*name));
        let others = self.all.iter();
        let others = others.filter(|(name, _)| !self.first.contains(&name.as_str()));
        let mut members = serializer.serialize_map(None)?;
        for (name, value) in first.chain(others).filter(|(name, _)| *name != ORDER) {
            match (name.as_str(), value) {
                ("properties", Value::Object(all)) => {
                    let first = order();
                    members.serialize_entry(name, &Members { all, first })?;
                }
                _ => members.serialize_entry(name, &Ordered(value))?,
            }
        }
        members.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn properties_are_in_their_order_and_all_else_is_as_it_was() {
        let document = json!({
            "info": {},
            "openapi": "3.1.0",
            "a": [{ ORDER: ["z", "b"], "properties": { "b": 1, "z": { "properties": { "y": 1, "x": [2] } } } }],
        });
        assert_eq!(
            serde_json::to_string(&Ordered(&document)).unwrap(),
            r#"{"openapi":"3.1.0","info":{},"a":[{"properties":{"z":{"properties":{"x":[2],"y":1}},"b":1}}]}"#
        );
    }
}
