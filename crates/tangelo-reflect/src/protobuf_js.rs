//! Messages as ProtoBuf.js has them in JSON, versions 3 to 5: `{"package": "chat", "messages": [...]}`, as its
//! `proto2js` writes it.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, Kind, MessageDescriptor, ReflectMessage as _,
    prost_types::{
        DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
        FieldOptions, FileDescriptorProto, MessageOptions, OneofDescriptorProto,
        field_descriptor_proto::{Label, Type},
    },
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{JsonError, JsonOptions, body_to_json, value_to_body};

/// Bytes of the longest body that is read: what it becomes in memory is many times as much.
pub const MAX_BODY: usize = 1 << 20;

/// Messages by their full names, such as `connector.entryHandler.entry`.
#[derive(Clone, Debug, Default)]
pub struct ProtobufJs {
    messages: Vec<MessageDescriptor>,
    by_name: BTreeMap<String, usize>,
}

/// Why a JSON text is not messages.
#[derive(Debug, thiserror::Error)]
#[error("no messages of ProtoBuf.js: {0}")]
pub struct ProtobufJsError(String);

/// Why a body is not its message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// Not as the message has it.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A required field is not there.
    #[error("`{0}` is required and not there")]
    Missing(String),
    /// Longer than [`MAX_BODY`].
    #[error("longer than {MAX_BODY} bytes")]
    TooLong,
    /// No JSON object.
    #[error("no JSON object")]
    NoObject,
    /// No message of this number.
    #[error("there is no such message")]
    NoMessage,
}

impl ProtobufJs {
    /// Reads the JSON text.
    ///
    /// # Errors
    /// No JSON of this form; `extend`, `imports`, groups, which are not there; names that cannot be looked up.
    pub fn parse(json: &str) -> Result<Self, ProtobufJsError> {
        let wrong = |problem: String| ProtobufJsError(problem);
        let file: File = serde_json::from_str(json).map_err(|error| wrong(error.to_string()))?;
        if !file.imports.is_empty() {
            return Err(wrong("imports: say all in one file".to_owned()));
        }
        let descriptor = FileDescriptorProto {
            name: Some("messages.json".to_owned()),
            package: file.package,
            syntax: file.syntax,
            message_type: all(file.messages, Message::descriptor).map_err(wrong)?,
            enum_type: file.enums.into_iter().map(Enum::descriptor).collect(),
            ..FileDescriptorProto::default()
        };
        let mut pool = DescriptorPool::new();
        let added = pool.add_file_descriptor_proto(descriptor);
        added.map_err(|error| wrong(error.to_string()))?;
        let messages: Vec<_> = pool.all_messages().collect();
        let names = messages.iter().enumerate();
        let by_name = names.map(|(place, message)| (message.full_name().to_owned(), place));
        Ok(Self {
            by_name: by_name.collect(),
            messages,
        })
    }

    /// The number of the message of this full name.
    pub fn number(&self, name: &str) -> Option<u32> {
        let place = self.by_name.get(name)?;
        u32::try_from(*place).ok()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    fn message(&self, number: u32) -> Result<&MessageDescriptor, BodyError> {
        let message = self.messages.get(number as usize);
        message.ok_or(BodyError::NoMessage)
    }

    /// A body as JSON: numbers for 64-bit integers and enums, base64 for bytes, what is not there left out.
    ///
    /// # Errors
    /// Any [`BodyError`].
    pub fn to_json(&self, number: u32, body: &[u8]) -> Result<String, BodyError> {
        if body.len() > MAX_BODY {
            return Err(BodyError::TooLong);
        }
        let options = JsonOptions {
            defaults: false,
            int64_numbers: true,
            enum_numbers: true,
        };
        Ok(body_to_json(self.message(number)?, body, options)?)
    }

    /// A JSON object as a body. What the message does not have is an error, as in ProtoBuf.js, and so is a required
    /// field that is not there.
    ///
    /// # Errors
    /// Any [`BodyError`].
    pub fn to_body(&self, number: u32, json: &[u8]) -> Result<Bytes, BodyError> {
        let message = self.message(number)?;
        let body = value_to_body(message, &Value::Object(object(json)?))?;
        let decoded = DynamicMessage::decode(message.clone(), body.clone());
        match decoded.ok().and_then(|message| missing(&message)) {
            Some(path) => Err(BodyError::Missing(path)),
            None => Ok(body),
        }
    }

    /// As much of a JSON object as the message has, whatever it requires.
    ///
    /// # Errors
    /// No JSON object.
    pub fn to_body_what_fits(&self, number: u32, json: &[u8]) -> Result<Bytes, BodyError> {
        let message = self.message(number)?;
        // Messages one behind the other are one.
        let mut body = Vec::new();
        for field in object(json)? {
            let one = Value::Object(Map::from_iter([field]));
            if let Ok(part) = value_to_body(message, &one) {
                body.extend_from_slice(&part);
            }
        }
        Ok(body.into())
    }
}

fn object(json: &[u8]) -> Result<Map<String, Value>, BodyError> {
    match serde_json::from_slice(json) {
        Ok(Value::Object(fields)) => Ok(fields),
        _ => Err(BodyError::NoObject),
    }
}

/// The first required field that is not there.
fn missing(message: &DynamicMessage) -> Option<String> {
    for field in message.descriptor().fields() {
        if !message.has_field(&field) {
            if field.cardinality() == Cardinality::Required {
                return Some(field.name().to_owned());
            }
            continue;
        }
        if !matches!(field.kind(), Kind::Message(_)) {
            continue;
        }
        let value = message.get_field(&field);
        let inner = match &*value {
            prost_reflect::Value::Message(inner) => missing(inner),
            prost_reflect::Value::List(all) => all.iter().find_map(of_value),
            prost_reflect::Value::Map(all) => all.values().find_map(of_value),
            _ => None,
        };
        if let Some(path) = inner {
            return Some(format!("{}.{path}", field.name()));
        }
    }
    None
}

fn of_value(value: &prost_reflect::Value) -> Option<String> {
    match value {
        prost_reflect::Value::Message(inner) => missing(inner),
        _ => None,
    }
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    package: Option<String>,
    #[serde(default)]
    syntax: Option<String>,
    #[serde(default)]
    imports: Vec<Value>,
    #[serde(default)]
    messages: Vec<Message>,
    #[serde(default)]
    enums: Vec<Enum>,
}

#[derive(Deserialize)]
struct Message {
    /// What is extended, in place of a name.
    #[serde(default, rename = "ref")]
    extends: Option<String>,
    #[serde(default)]
    name: String,
    #[serde(default, rename = "isGroup")]
    is_group: bool,
    #[serde(default)]
    fields: Vec<Field>,
    #[serde(default)]
    oneofs: BTreeMap<String, Vec<i32>>,
    #[serde(default)]
    messages: Vec<Self>,
    #[serde(default)]
    enums: Vec<Enum>,
}

#[derive(Deserialize)]
struct Field {
    rule: String,
    r#type: String,
    #[serde(default)]
    keytype: Option<String>,
    name: String,
    id: i32,
    #[serde(default)]
    options: Map<String, Value>,
    #[serde(default)]
    oneof: Option<String>,
}

#[derive(Deserialize)]
struct Enum {
    name: String,
    values: Vec<EnumValue>,
}

#[derive(Deserialize)]
struct EnumValue {
    name: String,
    id: i32,
}

fn all<T, U>(from: Vec<T>, make: impl Fn(T) -> Result<U, String>) -> Result<Vec<U>, String> {
    from.into_iter().map(make).collect()
}

impl Message {
    fn descriptor(self) -> Result<DescriptorProto, String> {
        let name = &self.name;
        if let Some(of) = self.extends {
            return Err(format!("extend {of}: say its fields where it is defined"));
        }
        if self.is_group {
            return Err(format!("{name}: groups are not there"));
        }
        let mut nested = all(self.messages, Self::descriptor)?;
        let oneofs: Vec<_> = self.oneofs.into_keys().collect();
        let mut fields = Vec::new();
        for field in self.fields {
            let (field, entry) = field.descriptor(&oneofs)?;
            fields.push(field);
            nested.extend(entry);
        }
        let oneofs = oneofs.into_iter().map(|name| OneofDescriptorProto {
            name: Some(name),
            options: None,
        });
        Ok(DescriptorProto {
            name: Some(self.name),
            field: fields,
            nested_type: nested,
            enum_type: self.enums.into_iter().map(Enum::descriptor).collect(),
            oneof_decl: oneofs.collect(),
            ..DescriptorProto::default()
        })
    }
}

impl Field {
    /// And of a map the message that its entries are.
    fn descriptor(
        self,
        oneofs: &[String],
    ) -> Result<(FieldDescriptorProto, Option<DescriptorProto>), String> {
        let label = match self.rule.as_str() {
            "required" => Label::Required,
            "optional" => Label::Optional,
            "repeated" | "map" => Label::Repeated,
            other => return Err(format!("{}: there is no rule `{other}`", self.name)),
        };
        let mut field = typed(&self.name, self.id, label, &self.r#type);
        if let Some(packed) = self.options.get("packed").and_then(Value::as_bool) {
            field.options = Some(FieldOptions {
                packed: Some(packed),
                ..FieldOptions::default()
            });
        }
        let oneof = self
            .oneof
            .and_then(|name| oneofs.iter().position(|known| *known == name));
        field.oneof_index = oneof.and_then(|place| i32::try_from(place).ok());
        if self.rule != "map" {
            return Ok((field, None));
        }
        let entry_name = format!("{}_entry", self.name);
        let key_type = self.keytype.as_deref().unwrap_or("string");
        let entry = DescriptorProto {
            name: Some(entry_name.clone()),
            field: vec![
                typed("key", 1, Label::Optional, key_type),
                typed("value", 2, Label::Optional, &self.r#type),
            ],
            options: Some(MessageOptions {
                map_entry: Some(true),
                ..MessageOptions::default()
            }),
            ..DescriptorProto::default()
        };
        let field = typed(&self.name, self.id, label, &entry_name);
        Ok((field, Some(entry)))
    }
}

impl Enum {
    fn descriptor(self) -> EnumDescriptorProto {
        let values = self
            .values
            .into_iter()
            .map(|value| EnumValueDescriptorProto {
                name: Some(value.name),
                number: Some(value.id),
                options: None,
            });
        EnumDescriptorProto {
            name: Some(self.name),
            value: values.collect(),
            ..EnumDescriptorProto::default()
        }
    }
}

fn typed(name: &str, number: i32, label: Label, kind: &str) -> FieldDescriptorProto {
    let scalar = match kind {
        "double" => Some(Type::Double),
        "float" => Some(Type::Float),
        "int64" => Some(Type::Int64),
        "uint64" => Some(Type::Uint64),
        "int32" => Some(Type::Int32),
        "fixed64" => Some(Type::Fixed64),
        "fixed32" => Some(Type::Fixed32),
        "bool" => Some(Type::Bool),
        "string" => Some(Type::String),
        "bytes" => Some(Type::Bytes),
        "uint32" => Some(Type::Uint32),
        "sfixed32" => Some(Type::Sfixed32),
        "sfixed64" => Some(Type::Sfixed64),
        "sint32" => Some(Type::Sint32),
        "sint64" => Some(Type::Sint64),
        _ => None,
    };
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(label.into()),
        r#type: scalar.map(Into::into),
        // Message or enum: found out when the name is looked up.
        type_name: scalar.is_none().then(|| kind.to_owned()),
        ..FieldDescriptorProto::default()
    }
}
