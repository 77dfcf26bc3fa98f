//! A body to JSON.
//!
//! A message is looked through once to see where its fields lie, and then written as text field by
//! field: what is kept of it is places, so that a small body does not become large values.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    Definitions, Dialect, Kind, LONGEST_VARINT, MAX_DEPTH, MAX_JSON, MAX_NUMBER, MessageId,
    ProtoRule,
    compile::{Field, Message},
    wire,
};
use crate::{pomelo::json, varint};

/// Why bytes are not what their definition says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The message ends within a field.
    #[error("the message ends within {0}")]
    Truncated(String),
    /// A number of more than ten bytes, or one beyond what its type holds.
    #[error("{0} is too large")]
    TooLarge(String),
    /// A field without a definition, in Pomelo's own dialect.
    #[error("there is no field {0}")]
    UnknownField(u64),
    /// A text that is no UTF-8, also not as old browsers write it.
    #[error("{0} is no UTF-8")]
    NotText(String),
    /// More than [`MAX_DEPTH`] messages within each other.
    #[error("more than {MAX_DEPTH} messages within each other")]
    TooDeep,
    /// Its JSON has more than [`MAX_JSON`] bytes.
    #[error("longer than {MAX_JSON} bytes as JSON")]
    TooLong,
    /// No definition of this number.
    #[error("there is no such definition")]
    NoDefinition,
}

impl Definitions {
    /// A body as JSON: an object with the fields that are there.
    ///
    /// As in Pomelo nobody minds a required field that is missing, and of a field that is there twice
    /// the last counts, unless it is repeated. A number that JSON does not have (NaN, infinite) is null.
    ///
    /// # Errors
    /// Any [`DecodeError`].
    pub fn decode(&self, id: MessageId, body: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let mut writer = Writer {
            definitions: self,
            out: Vec::with_capacity(body.len().saturating_mul(2).saturating_add(16)),
        };
        let message = self.message(id).ok_or(DecodeError::NoDefinition)?;
        writer.message(message, body, 1)?;
        Ok(writer.out)
    }
}

/// Where the values of a field lie.
enum Found<'a> {
    /// From its first byte to the message's end; what it needs of them its type tells.
    One(&'a [u8]),
    Many(Vec<&'a [u8]>),
}

struct Writer<'a> {
    definitions: &'a Definitions,
    out: Vec<u8>,
}

impl Writer<'_> {
    fn message(&mut self, message: &Message, body: &[u8], depth: usize) -> Result<(), DecodeError> {
        if depth > MAX_DEPTH {
            return Err(DecodeError::TooDeep);
        }
        // Only what is there: a definition may have many fields, and a body many messages.
        let mut found = BTreeMap::new();
        let mut rest = body;
        while !rest.is_empty() {
            let (key, length) = number(rest, || "a field's number".to_owned())?;
            rest = rest.get(length..).unwrap_or_default();
            let (tag, wire) = (key >> 3, (key & 7) as u8);
            let place = u32::try_from(tag).ok().and_then(|tag| message.place(tag));
            let known = place.and_then(|place| Some((place, message.fields.get(place)?)));
            let Some((place, field)) = known else {
                if self.definitions.dialect() == Dialect::Pomelo {
                    return Err(DecodeError::UnknownField(tag));
                }
                rest = past_unknown(rest, tag, wire)?;
                continue;
            };
            let (_, found) = found
                .entry(place)
                .or_insert_with(|| (field, Found::Many(Vec::new())));
            rest = self.find(field, rest, wire, found)?;
        }
        self.push(b"{")?;
        let mut is_first = true;
        for (field, found) in found.into_values() {
            if !std::mem::take(&mut is_first) {
                self.push(b",")?;
            }
            self.push(field.key.as_bytes())?;
            match found {
                Found::One(at) => self.value(field, at, depth)?,
                Found::Many(all) => self.list(field, &all, depth)?,
            }
        }
        self.push(b"}")
    }

    /// Keeps where a field's values lie; returns what follows them.
    fn find<'a>(
        &self,
        field: &Field,
        rest: &'a [u8],
        wire: u8,
        found: &mut Found<'a>,
    ) -> Result<&'a [u8], DecodeError> {
        if field.rule != ProtoRule::Repeated {
            *found = Found::One(rest);
            return past(field, rest);
        }
        let Found::Many(all) = found else {
            return Ok(rest);
        };
        if !field.kind.is_number() {
            all.push(rest);
            return past(field, rest);
        }
        match self.definitions.dialect() {
            Dialect::Pomelo => {
                let (count, length) = number(rest, || field.shown())?;
                let mut rest = rest.get(length..).unwrap_or_default();
                // Each takes a byte at least, so a count that promises more than there is ends here.
                for _ in 0..count {
                    all.push(rest);
                    rest = past(field, rest)?;
                }
                Ok(rest)
            }
            Dialect::Extended if wire == wire::LENGTH => {
                let (mut list, rest) = block(rest, || field.shown())?;
                while !list.is_empty() {
                    all.push(list);
                    list = past(field, list)?;
                }
                Ok(rest)
            }
            Dialect::Extended => {
                all.push(rest);
                past(field, rest)
            }
        }
    }

    fn list(&mut self, field: &Field, all: &[&[u8]], depth: usize) -> Result<(), DecodeError> {
        self.push(b"[")?;
        for (place, at) in all.iter().enumerate() {
            if place > 0 {
                self.push(b",")?;
            }
            self.value(field, at, depth)?;
        }
        self.push(b"]")
    }

    fn value(&mut self, field: &Field, at: &[u8], depth: usize) -> Result<(), DecodeError> {
        let shown = || field.shown();
        match field.kind {
            Kind::UInt32 => {
                let value = exact(at, field)?;
                self.json(&value)
            }
            Kind::SInt32 => {
                let value = unzigzag(exact(at, field)?);
                self.json(&value)
            }
            Kind::UInt64 => {
                let (value, _) = number(at, shown)?;
                self.json(&value)
            }
            Kind::SInt64 => {
                let (value, _) = number(at, shown)?;
                self.json(&unzigzag(value))
            }
            Kind::Bool => {
                let (value, _) = number(at, shown)?;
                self.json(&(value != 0))
            }
            Kind::Float => {
                let bytes = at.first_chunk().ok_or_else(|| truncated(field))?;
                self.float(f32::from_le_bytes(*bytes).into())
            }
            Kind::Double => {
                let bytes = at.first_chunk().ok_or_else(|| truncated(field))?;
                self.float(f64::from_le_bytes(*bytes))
            }
            Kind::String => {
                let (bytes, _) = block(at, shown)?;
                let mended = json::mend(bytes);
                let text = std::str::from_utf8(&mended);
                self.text(text.map_err(|_| DecodeError::NotText(field.shown()))?)
            }
            Kind::Bytes => {
                let (bytes, _) = block(at, shown)?;
                self.push(b"\"")?;
                self.push(STANDARD.encode(bytes).as_bytes())?;
                self.push(b"\"")
            }
            Kind::Message(id) => {
                let (body, _) = block(at, shown)?;
                let definitions = self.definitions;
                let message = definitions.message(id).ok_or(DecodeError::NoDefinition)?;
                self.message(message, body, depth + 1)
            }
        }
    }

    /// As JavaScript writes it: a whole number has no point, so that who expects one reads it.
    fn float(&mut self, value: f64) -> Result<(), DecodeError> {
        if value.fract() == 0.0 && value.abs() <= MAX_NUMBER as f64 {
            self.json(&(value as i64))
        } else {
            self.json(&value)
        }
    }

    fn text(&mut self, text: &str) -> Result<(), DecodeError> {
        self.json(text)
    }

    fn json<T: serde::Serialize + ?Sized>(&mut self, value: &T) -> Result<(), DecodeError> {
        serde_json::to_writer(&mut self.out, value).map_err(|_| DecodeError::TooLong)?;
        self.push(b"")
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        self.out.extend_from_slice(bytes);
        if self.out.len() > MAX_JSON {
            return Err(DecodeError::TooLong);
        }
        Ok(())
    }
}

impl Field {
    pub(super) fn shown(&self) -> String {
        format!("`{}`", self.name)
    }
}

fn truncated(field: &Field) -> DecodeError {
    DecodeError::Truncated(field.shown())
}

/// A number at the front, and the bytes it takes.
fn number(bytes: &[u8], shown: impl Fn() -> String) -> Result<(u64, usize), DecodeError> {
    let found = varint::read(bytes, LONGEST_VARINT);
    // The tenth byte has room for one bit.
    let fits = |(_, length): &(u64, usize)| {
        *length < LONGEST_VARINT || bytes.get(length - 1).is_some_and(|last| *last <= 1)
    };
    found.filter(fits).ok_or_else(|| {
        if bytes.len() < LONGEST_VARINT {
            DecodeError::Truncated(shown())
        } else {
            DecodeError::TooLarge(shown())
        }
    })
}

/// A number that JavaScript counts exactly.
fn exact(bytes: &[u8], field: &Field) -> Result<u64, DecodeError> {
    let (value, _) = number(bytes, || field.shown())?;
    if value > MAX_NUMBER {
        return Err(DecodeError::TooLarge(field.shown()));
    }
    Ok(value)
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// What has its length before it, and what follows it.
fn block(bytes: &[u8], shown: impl Fn() -> String) -> Result<(&[u8], &[u8]), DecodeError> {
    let (length, taken) = number(bytes, &shown)?;
    let rest = bytes.get(taken..).unwrap_or_default();
    usize::try_from(length)
        .ok()
        .and_then(|length| rest.split_at_checked(length))
        .ok_or_else(|| DecodeError::Truncated(shown()))
}

/// What follows one value of a field.
fn past<'a>(field: &Field, bytes: &'a [u8]) -> Result<&'a [u8], DecodeError> {
    match field.kind {
        Kind::UInt32 | Kind::SInt32 | Kind::UInt64 | Kind::SInt64 | Kind::Bool => {
            let (_, length) = number(bytes, || field.shown())?;
            Ok(bytes.get(length..).unwrap_or_default())
        }
        Kind::Float => bytes.get(4..).ok_or_else(|| truncated(field)),
        Kind::Double => bytes.get(8..).ok_or_else(|| truncated(field)),
        Kind::String | Kind::Bytes | Kind::Message(_) => {
            block(bytes, || field.shown()).map(|(_, rest)| rest)
        }
    }
}

/// What follows a field that has no definition, by what its key says of it.
fn past_unknown(bytes: &[u8], tag: u64, wire: u8) -> Result<&[u8], DecodeError> {
    let shown = || format!("field {tag}");
    match wire {
        wire::VARINT => {
            let (_, length) = number(bytes, shown)?;
            Ok(bytes.get(length..).unwrap_or_default())
        }
        wire::EIGHT_BYTES => bytes
            .get(8..)
            .ok_or_else(|| DecodeError::Truncated(shown())),
        wire::FOUR_BYTES => bytes
            .get(4..)
            .ok_or_else(|| DecodeError::Truncated(shown())),
        wire::LENGTH => block(bytes, shown).map(|(_, rest)| rest),
        _ => Err(DecodeError::UnknownField(tag)),
    }
}
