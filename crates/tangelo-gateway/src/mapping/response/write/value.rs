//! A single value as JSON.

use std::io::Write as _;

use base64::{display::Base64Display, engine::general_purpose::STANDARD};
use prost_reflect::Kind;
use serde::Serialize;
use tangelo_reflect::message::{self, Malformed, Raw, zigzag};

use super::{Stop, Writer};

pub(super) fn other_form() -> Stop {
    Stop::Malformed("a field has another form than its type".to_owned())
}

/// Whether it is what a message has that says nothing.
pub(super) fn is_default(raw: Raw<'_>) -> bool {
    match raw {
        Raw::Varint(number) | Raw::Fixed64(number) => number == 0,
        Raw::Fixed32(number) => number == 0,
        Raw::Bytes(bytes) | Raw::Group(bytes) => bytes.is_empty(),
    }
}

/// Reads a value of a packed list.
type Next = for<'b> fn(&mut &'b [u8]) -> Result<Raw<'b>, Malformed>;

/// How values of the kind stand in a packed list; `None` for those that are never packed.
pub(super) fn packed(kind: &Kind) -> Option<Next> {
    match kind {
        Kind::String | Kind::Bytes | Kind::Message(_) => None,
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => Some(message::fixed64),
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => Some(message::fixed32),
        _ => Some(message::varint),
    }
}

impl Writer<'_, '_> {
    pub(super) fn scalar(&mut self, kind: &Kind, raw: Raw<'_>) -> Result<(), Stop> {
        match (kind, raw) {
            (Kind::Int32, Raw::Varint(number)) => self.json(&(number as i32)),
            (Kind::Int64, Raw::Varint(number)) => self.long(number as i64),
            (Kind::Uint32, Raw::Varint(number)) => self.json(&(number as u32)),
            (Kind::Uint64, Raw::Varint(number)) | (Kind::Fixed64, Raw::Fixed64(number)) => {
                self.long(number);
            }
            (Kind::Sint32, Raw::Varint(number)) => {
                self.json(&(zigzag(number & u64::from(u32::MAX)) as i32));
            }
            (Kind::Sint64, Raw::Varint(number)) => self.long(zigzag(number)),
            (Kind::Sfixed64, Raw::Fixed64(number)) => self.long(number as i64),
            (Kind::Fixed32, Raw::Fixed32(number)) => self.json(&number),
            (Kind::Sfixed32, Raw::Fixed32(number)) => self.json(&(number as i32)),
            (Kind::Double, Raw::Fixed64(bits)) => {
                let number = f64::from_bits(bits);
                self.float(number, &number);
            }
            (Kind::Float, Raw::Fixed32(bits)) => {
                let number = f32::from_bits(bits);
                self.float(number.into(), &number);
            }
            (Kind::Bool, Raw::Varint(number)) => self.json(&(number != 0)),
            (Kind::Enum(names), Raw::Varint(number)) => {
                let number = number as i32;
                match names.get_value(number) {
                    Some(value) if self.form.enum_names => self.json(value.name()),
                    _ => self.json(&number),
                }
            }
            (Kind::String, Raw::Bytes(bytes)) => {
                let text = std::str::from_utf8(bytes);
                self.json(text.map_err(|error| Stop::Malformed(error.to_string()))?);
            }
            (Kind::Bytes, Raw::Bytes(bytes)) => self.bytes(bytes),
            _ => return Err(other_form()),
        }
        Ok(())
    }

    pub(super) fn default(&mut self, kind: &Kind) {
        let text: &[u8] = match kind {
            Kind::Bool => b"false",
            Kind::String => b"\"\"",
            Kind::Bytes => return self.bytes(&[]),
            Kind::Double | Kind::Float => b"0.0",
            Kind::Enum(names) => {
                let value = names.default_value();
                return if self.form.enum_names {
                    self.json(value.name());
                } else {
                    self.json(&value.number());
                };
            }
            Kind::Message(_) => b"{}",
            _ if self.form.int64_strings && is_long(kind) => b"\"0\"",
            _ => b"0",
        };
        self.out.extend_from_slice(text);
    }

    /// Numbers, booleans and texts; nothing of theirs fails in memory.
    pub(super) fn json<T: Serialize + ?Sized>(&mut self, value: &T) {
        let _ = serde_json::to_writer(&mut self.out, value);
    }

    fn long<T: Serialize>(&mut self, number: T) {
        if self.form.int64_strings {
            self.out.push(b'"');
            self.json(&number);
            self.out.push(b'"');
        } else {
            self.json(&number);
        }
    }

    /// What JSON has no number for is a string.
    fn float<T: Serialize>(&mut self, wide: f64, number: &T) {
        if wide.is_finite() {
            self.json(number);
        } else if wide.is_nan() {
            self.json("NaN");
        } else if wide > 0.0 {
            self.json("Infinity");
        } else {
            self.json("-Infinity");
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if self.form.base64 {
            self.out.push(b'"');
            let _ = write!(self.out, "{}", Base64Display::new(bytes, &STANDARD));
            self.out.push(b'"');
        } else {
            self.json(bytes);
        }
    }
}

fn is_long(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64
    )
}
