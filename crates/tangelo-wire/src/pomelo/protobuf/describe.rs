//! Definitions as clients are told them.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};

use super::{Definitions, ProtoField, ProtoMessage};

impl Definitions {
    /// As clients are told them: Pomelo's parsed form, as JSON.
    pub fn describe(&self) -> String {
        serde_json::to_string(&Routes(&self.sources)).unwrap_or_default()
    }
}

struct Routes<'a>(&'a [ProtoMessage]);

/// A message but for its name.
struct Parsed<'a>(&'a ProtoMessage);

struct ParsedField<'a>(&'a ProtoField);

impl Serialize for Routes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            self.0
                .iter()
                .map(|message| (&message.name, Parsed(message))),
        )
    }
}

impl Serialize for Parsed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(message) = self;
        let mut map = serializer.serialize_map(None)?;
        for field in &message.fields {
            map.serialize_entry(&field.name, &ParsedField(field))?;
        }
        map.serialize_entry("__messages", &Inner(&message.messages))?;
        // An object of JavaScript has such keys in their order.
        let tags = message.fields.iter();
        let tags: BTreeMap<u32, &str> = tags.map(|field| (field.tag, &*field.name)).collect();
        map.serialize_entry("__tags", &tags)?;
        map.end()
    }
}

/// Messages within one: the last of a name counts, where its first stands.
struct Inner<'a>(&'a [ProtoMessage]);

impl Serialize for Inner<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut last: Vec<&ProtoMessage> = Vec::new();
        let mut places = std::collections::HashMap::new();
        for message in self.0 {
            let place = *places.entry(&message.name).or_insert(last.len());
            match last.get_mut(place) {
                Some(earlier) => *earlier = message,
                None => last.push(message),
            }
        }
        serializer.collect_map(
            last.into_iter()
                .map(|message| (&message.name, Parsed(message))),
        )
    }
}

impl Serialize for ParsedField<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(field) = self;
        let mut parsed = serializer.serialize_struct("field", 3)?;
        parsed.serialize_field("option", field.rule.name())?;
        parsed.serialize_field("type", &field.kind)?;
        parsed.serialize_field("tag", &field.tag)?;
        parsed.end()
    }
}
