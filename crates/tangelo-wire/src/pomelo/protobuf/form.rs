//! The JSON form of definitions: `{"onMove": {"required uInt32 id": 1}}`.
//!
//! The order of keys counts, so they are read one by one.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::{MAX_TAG, ProtoField, ProtoKey, ProtoMessage};

/// Why a text is no definitions.
#[derive(Debug, thiserror::Error)]
#[error("no definitions: {0}")]
pub struct FormError(#[from] serde_json::Error);

impl ProtoMessage {
    /// Reads the form of `serverProtos.json` and `clientProtos.json`: the messages by their routes.
    ///
    /// # Errors
    /// No JSON, a key in another form than Pomelo's, a number that a field cannot have. Nested deeper than
    /// serde_json reads, which is 128 levels.
    pub fn parse(json: &str) -> Result<Vec<Self>, FormError> {
        Ok(serde_json::from_str::<Messages>(json)?.0)
    }
}

struct Messages(Vec<ProtoMessage>);

/// A message but for its name.
struct Content(ProtoMessage);

struct Tag(u32);

impl<'de> Deserialize<'de> for Messages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Routes;
        impl<'de> Visitor<'de> for Routes {
            type Value = Messages;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("messages by their routes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Messages, A::Error> {
                let mut messages = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    let content = map.next_value::<Content>()?.0;
                    messages.push(ProtoMessage { name, ..content });
                }
                Ok(Messages(messages))
            }
        }
        deserializer.deserialize_map(Routes)
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Content;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a message's fields")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
                let mut message = ProtoMessage::default();
                while let Some(key) = map.next_key::<String>()? {
                    match ProtoKey::parse(&key) {
                        Some(ProtoKey::Message(name)) => {
                            let name = name.to_owned();
                            let content = map.next_value::<Content>()?.0;
                            message.messages.push(ProtoMessage { name, ..content });
                        }
                        Some(ProtoKey::Field(rule, kind, name)) => {
                            let tag = map.next_value::<Tag>()?.0;
                            message.fields.push(ProtoField::new(rule, kind, name, tag));
                        }
                        None => {
                            return Err(serde::de::Error::custom(format_args!(
                                "`{key}`: expected `required|optional|repeated type name`, or `message Name`"
                            )));
                        }
                    }
                }
                Ok(Content(message))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Some files have their numbers as texts.
        let value = serde_json::Value::deserialize(deserializer)?;
        let tag = match &value {
            serde_json::Value::String(text) => text.parse().ok(),
            value => value.as_u64(),
        };
        tag.and_then(|tag| u32::try_from(tag).ok())
            .filter(|tag| (1..=MAX_TAG).contains(tag))
            .map(Tag)
            .ok_or_else(|| {
                serde::de::Error::custom(format_args!(
                    "expected a field's number, 1 to {MAX_TAG}, found {value}"
                ))
            })
    }
}
