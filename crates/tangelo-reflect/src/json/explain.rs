//! Why JSON is not a message: which field, and what it should be.
//!
//! Only when a message has been refused: the way to the mistake is followed a second time, and remembered.

use prost_reflect::{DeserializeOptions, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::Value;
use serde_path_to_error::{Deserializer, Segment, Track};

use super::{
    JsonError,
    words::{self, list, push_name},
};

/// The mistake in a value that is no such message; `None` if it is one.
pub(super) fn explain(descriptor: &MessageDescriptor, value: &Value) -> Option<JsonError> {
    let mut track = Track::new();
    let tracked = Deserializer::new(value, &mut track);
    let options = DeserializeOptions::new();
    let error = DynamicMessage::deserialize_with_options(descriptor.clone(), tracked, &options);
    let words = error.err()?.to_string();

    let mut at = Place {
        path: String::new(),
        value: Some(value),
        wanted: Wanted::One(Kind::Message(descriptor.clone())),
    };
    for segment in track.path().iter() {
        at = at.step(segment);
    }
    Some(at.mistake(words))
}

/// A place in the JSON, and what belongs there.
struct Place<'a> {
    path: String,
    value: Option<&'a Value>,
    wanted: Wanted,
}

enum Wanted {
    One(Kind),
    List(Kind),
    /// A map with values of this kind.
    Map(Kind),
    /// Within a type that has a JSON form of its own.
    Unknown,
}

impl<'a> Place<'a> {
    fn step(mut self, segment: &Segment) -> Self {
        match segment {
            Segment::Seq { index } => {
                self.path.push_str(&format!("[{index}]"));
                self.value = self.value.and_then(|value| value.get(index));
                self.wanted = match self.wanted {
                    Wanted::List(kind) => Wanted::One(kind),
                    _ => Wanted::Unknown,
                };
            }
            Segment::Map { key } => {
                push_name(&mut self.path, key);
                self.value = self.value.and_then(|value| value.get(key));
                self.wanted = match self.wanted {
                    Wanted::Map(kind) => Wanted::One(kind),
                    Wanted::One(Kind::Message(message)) if has_fields(&message) => {
                        field(&message, key).map_or(Wanted::Unknown, |field| wanted(&field))
                    }
                    _ => Wanted::Unknown,
                };
            }
            Segment::Enum { .. } | Segment::Unknown => {
                self.value = None;
                self.wanted = Wanted::Unknown;
            }
        }
        self
    }

    /// In words of .proto files; where they have none, in the reader's `words`.
    fn mistake(mut self, words: String) -> JsonError {
        let found = self.value.map_or_else(|| "nothing".to_owned(), found);
        let problem = match &self.wanted {
            Wanted::List(kind) if !self.value.is_some_and(Value::is_array) => {
                format!("expected a list of {kind:?}, found {found}")
            }
            Wanted::Map(kind) if !self.value.is_some_and(Value::is_object) => {
                format!("expected an object with values of {kind:?}, found {found}")
            }
            Wanted::One(Kind::Message(message)) if has_fields(message) => {
                match self.value.and_then(Value::as_object) {
                    None => {
                        let expected = words::expected(&Kind::Message(message.clone()));
                        format!("expected {expected}, found {found}")
                    }
                    Some(object) => match object.keys().find(|key| is_unknown(message, key)) {
                        None => words,
                        Some(key) => {
                            push_name(&mut self.path, key);
                            let fields = message.fields();
                            let fields = list(fields.map(|field| field.name().to_owned()));
                            format!("no such field; {} has {fields}", message.full_name())
                        }
                    },
                }
            }
            Wanted::One(Kind::Message(message)) => {
                format!("expected {}: {words}", message.full_name())
            }
            Wanted::One(Kind::Bytes) => format!("expected bytes in base64, found {found}"),
            Wanted::One(kind) => format!("expected {}, found {found}", words::expected(kind)),
            Wanted::List(_) | Wanted::Map(_) | Wanted::Unknown => words,
        };
        let path = if self.path.is_empty() {
            "the body".to_owned()
        } else {
            self.path
        };
        JsonError::Field { path, problem }
    }
}

/// Types of Google's have forms of their own.
fn has_fields(message: &MessageDescriptor) -> bool {
    message.package_name() != "google.protobuf"
}

fn field(message: &MessageDescriptor, key: &str) -> Option<FieldDescriptor> {
    let field = message.get_field_by_json_name(key);
    field.or_else(|| message.get_field_by_name(key))
}

fn is_unknown(message: &MessageDescriptor, key: &str) -> bool {
    field(message, key).is_none() && message.get_extension_by_json_name(key).is_none()
}

fn wanted(field: &FieldDescriptor) -> Wanted {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => match entry.get_field_by_name("value") {
            Some(value) => Wanted::Map(value.kind()),
            None => Wanted::Unknown,
        },
        kind if field.is_list() => Wanted::List(kind),
        kind => Wanted::One(kind),
    }
}

fn found(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        // What somebody typed into the wrong field may be a secret.
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
