//! JSON to a body.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::BufMut;
use serde_json::{Map, Value};

use super::{
    Definitions, Dialect, Kind, MAX_DEPTH, MessageId, ProtoRule,
    compile::{Field, Message},
    wire,
};
use crate::varint;

/// Why JSON does not fit its definition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// It is no JSON.
    #[error("no JSON: {0}")]
    Syntax(String),
    /// A required field is not there.
    #[error("`{0}` is required and not there")]
    Missing(String),
    /// A field holds something else than its definition says.
    #[error("{path}: expected {expected}")]
    Field {
        /// As `path[2].x`; `the body` where that as a whole is wrong.
        path: String,
        /// What its definition says.
        expected: &'static str,
    },
    /// More than [`MAX_DEPTH`] messages within each other.
    #[error("more than {MAX_DEPTH} messages within each other")]
    TooDeep,
    /// No definition of this number.
    #[error("there is no such definition")]
    NoDefinition,
}

impl Definitions {
    /// A JSON object as a body, its fields in the order of the definition.
    ///
    /// As in Pomelo, what has no definition is left out, numbers lose what is behind their point, and an
    /// empty list is not there. Null is what is not there.
    ///
    /// # Errors
    /// Any [`EncodeError`].
    pub fn encode(&self, id: MessageId, json: &[u8]) -> Result<Vec<u8>, EncodeError> {
        self.write(id, json, Care::Strict)
    }

    /// As much of a JSON object as fits: what a client is told that something has failed need not be a
    /// whole answer.
    ///
    /// # Errors
    /// It is no JSON object.
    pub fn encode_what_fits(&self, id: MessageId, json: &[u8]) -> Result<Vec<u8>, EncodeError> {
        self.write(id, json, Care::WhatFits)
    }

    fn write(&self, id: MessageId, json: &[u8], care: Care) -> Result<Vec<u8>, EncodeError> {
        let value: Value =
            serde_json::from_slice(json).map_err(|error| EncodeError::Syntax(error.to_string()))?;
        let message = self.message(id).ok_or(EncodeError::NoDefinition)?;
        let fields = object(&value).map_err(Wrong::at_the_top)?;
        let mut out = Vec::with_capacity(json.len());
        let writer = Writer {
            definitions: self,
            care,
        };
        let written = writer.message(message, fields, 1, &mut out);
        written.map_err(Wrong::at_the_top)?;
        Ok(out)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Care {
    Strict,
    WhatFits,
}

/// Why a value does not fit, and where: its path is put together on the way out.
struct Wrong {
    path: Vec<Step>,
    what: What,
}

enum Step {
    Field(Box<str>),
    Element(usize),
}

enum What {
    Expected(&'static str),
    Missing,
    TooDeep,
    NoDefinition,
}

impl What {
    fn here(self) -> Wrong {
        Wrong {
            path: Vec::new(),
            what: self,
        }
    }
}

impl Wrong {
    fn within(mut self, step: Step) -> Self {
        self.path.push(step);
        self
    }

    fn at_the_top(self) -> EncodeError {
        let mut path = String::new();
        for step in self.path.into_iter().rev() {
            match step {
                Step::Field(name) if path.is_empty() => path.push_str(&name),
                Step::Field(name) => {
                    path.push('.');
                    path.push_str(&name);
                }
                Step::Element(place) => path.push_str(&format!("[{place}]")),
            }
        }
        match self.what {
            What::Expected(expected) => EncodeError::Field {
                path: if path.is_empty() {
                    "the body".to_owned()
                } else {
                    path
                },
                expected,
            },
            What::Missing => EncodeError::Missing(path),
            What::TooDeep => EncodeError::TooDeep,
            What::NoDefinition => EncodeError::NoDefinition,
        }
    }
}

struct Writer<'a> {
    definitions: &'a Definitions,
    care: Care,
}

impl Writer<'_> {
    fn message(
        &self,
        message: &Message,
        values: &Map<String, Value>,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Wrong> {
        if depth > MAX_DEPTH {
            return Err(What::TooDeep.here());
        }
        for field in &message.fields {
            let start = out.len();
            let value = values.get(&*field.name).filter(|value| !value.is_null());
            let written = match (value, field.rule) {
                (Some(value), ProtoRule::Repeated) => self.list(field, value, depth, out),
                (Some(value), _) => self.keyed(field, value, depth, out),
                (None, ProtoRule::Required) => Err(What::Missing.here()),
                (None, _) => Ok(()),
            };
            if let Err(wrong) = written {
                if self.care == Care::Strict {
                    return Err(wrong.within(Step::Field(field.name.clone())));
                }
                out.truncate(start);
            }
        }
        Ok(())
    }

    fn list(
        &self,
        field: &Field,
        value: &Value,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Wrong> {
        let values = value
            .as_array()
            .ok_or_else(|| What::Expected("a list").here())?;
        if values.is_empty() {
            return Ok(());
        }
        let element = |place, written: Result<(), Wrong>| {
            written.map_err(|wrong| wrong.within(Step::Element(place)))
        };
        if !field.kind.is_number() {
            for (place, value) in values.iter().enumerate() {
                element(place, self.keyed(field, value, depth, out))?;
            }
            return Ok(());
        }
        match self.definitions.dialect() {
            Dialect::Pomelo => {
                key(field, field.kind.wire(), out);
                varint::write(values.len() as u64, out);
                for (place, value) in values.iter().enumerate() {
                    element(place, self.value(field, value, depth, out))?;
                }
            }
            Dialect::Extended => {
                let mut list = Vec::new();
                for (place, value) in values.iter().enumerate() {
                    element(place, self.value(field, value, depth, &mut list))?;
                }
                key(field, wire::LENGTH, out);
                varint::write(list.len() as u64, out);
                out.put_slice(&list);
            }
        }
        Ok(())
    }

    fn keyed(
        &self,
        field: &Field,
        value: &Value,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Wrong> {
        key(field, field.kind.wire(), out);
        self.value(field, value, depth, out)
    }

    fn value(
        &self,
        field: &Field,
        value: &Value,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Wrong> {
        match field.kind {
            Kind::UInt32 => {
                let number = whole(value).and_then(|number| u32::try_from(number).ok());
                varint::write(or(number, "a whole number, 0 to 4294967295")?.into(), out);
            }
            Kind::SInt32 => {
                let number = whole(value).and_then(|number| i32::try_from(number).ok());
                let expected = "a whole number, -2147483648 to 2147483647";
                varint::write(zigzag(or(number, expected)?.into()), out);
            }
            Kind::UInt64 => {
                let number = whole(value).and_then(|number| u64::try_from(number).ok());
                varint::write(or(number, "a whole number of 64 bits, from 0")?, out);
            }
            Kind::SInt64 => {
                let number = whole(value).and_then(|number| i64::try_from(number).ok());
                varint::write(zigzag(or(number, "a whole number of 64 bits")?), out);
            }
            Kind::Bool => out.put_u8(or(value.as_bool(), "true or false")?.into()),
            Kind::Float => {
                let float = value.as_f64().map(|number| number as f32);
                let float = float.filter(|float| float.is_finite());
                out.put_f32_le(or(float, "a number of four bytes")?);
            }
            Kind::Double => out.put_f64_le(or(value.as_f64(), "a number")?),
            Kind::String => block(or(value.as_str(), "a text")?.as_bytes(), out),
            Kind::Bytes => {
                let bytes = value.as_str().and_then(|text| STANDARD.decode(text).ok());
                block(&or(bytes, "bytes in base64")?, out);
            }
            Kind::Message(id) => {
                let message = self.definitions.message(id);
                let message = message.ok_or_else(|| What::NoDefinition.here())?;
                let mut inner = Vec::new();
                self.message(message, object(value)?, depth + 1, &mut inner)?;
                block(&inner, out);
            }
        }
        Ok(())
    }
}

fn object(value: &Value) -> Result<&Map<String, Value>, Wrong> {
    or(value.as_object(), "an object")
}

fn or<T>(value: Option<T>, expected: &'static str) -> Result<T, Wrong> {
    value.ok_or_else(|| What::Expected(expected).here())
}

/// A whole number, which may stand as a text; what is behind the point of others is left out.
fn whole(value: &Value) -> Option<i128> {
    if let Some(number) = value.as_i64() {
        return Some(number.into());
    }
    if let Some(number) = value.as_u64() {
        return Some(number.into());
    }
    match value {
        Value::Number(number) => number.as_f64().map(|number| number.trunc() as i128),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

fn key(field: &Field, wire: u8, out: &mut Vec<u8>) {
    varint::write(u64::from(field.tag) << 3 | u64::from(wire), out);
}

fn block(bytes: &[u8], out: &mut Vec<u8>) {
    varint::write(bytes.len() as u64, out);
    out.put_slice(bytes);
}
