//! Values of single fields, as rules look at them.

use std::{borrow::Cow, fmt::Write};

use prost_reflect::{EnumDescriptor, Kind, Value};

use crate::message::{Malformed, Raw, zigzag};

/// Numbers of one body that rules look at as text. The next one breaks its rule: a number is two bytes of a
/// body, and its text takes much longer.
pub const MAX_NUMBERS_AS_TEXT: usize = 100_000;

/// A value that is no message, list or map.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scalar<'a> {
    Text(&'a str),
    Integer(i128),
    Float(f32),
    Double(f64),
    Bool(bool),
    Enum(i32),
    /// No rule can be for it.
    Bytes,
}

impl<'a> Scalar<'a> {
    pub(super) fn read(kind: &Kind, raw: Raw<'a>) -> Result<Self, Malformed> {
        Ok(match (kind, raw) {
            (Kind::String, Raw::Bytes(bytes)) => {
                let text = std::str::from_utf8(bytes);
                Self::Text(text.map_err(|_| Malformed::new("a string that is not UTF-8"))?)
            }
            (Kind::Int32, Raw::Varint(number)) => Self::Integer((number as i32).into()),
            (Kind::Int64, Raw::Varint(number)) => Self::Integer((number as i64).into()),
            (Kind::Uint32, Raw::Varint(number)) => Self::Integer((number as u32).into()),
            (Kind::Uint64, Raw::Varint(number)) | (Kind::Fixed64, Raw::Fixed64(number)) => {
                Self::Integer(number.into())
            }
            (Kind::Sint32, Raw::Varint(number)) => {
                Self::Integer(zigzag(number & u64::from(u32::MAX)).into())
            }
            (Kind::Sint64, Raw::Varint(number)) => Self::Integer(zigzag(number).into()),
            (Kind::Fixed32, Raw::Fixed32(number)) => Self::Integer(number.into()),
            (Kind::Sfixed32, Raw::Fixed32(number)) => Self::Integer((number as i32).into()),
            (Kind::Sfixed64, Raw::Fixed64(number)) => Self::Integer((number as i64).into()),
            (Kind::Float, Raw::Fixed32(number)) => Self::Float(f32::from_bits(number)),
            (Kind::Double, Raw::Fixed64(number)) => Self::Double(f64::from_bits(number)),
            (Kind::Bool, Raw::Varint(number)) => Self::Bool(number != 0),
            (Kind::Enum(_), Raw::Varint(number)) => Self::Enum(number as i32),
            (Kind::Bytes, Raw::Bytes(_)) => Self::Bytes,
            _ => return Err(Malformed::new("a field in another form than its type's")),
        })
    }

    pub(super) fn of(value: &'a Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text),
            Value::Bool(value) => Self::Bool(*value),
            Value::I32(number) => Self::Integer((*number).into()),
            Value::I64(number) => Self::Integer((*number).into()),
            Value::U32(number) => Self::Integer((*number).into()),
            Value::U64(number) => Self::Integer((*number).into()),
            Value::F32(number) => Self::Float(*number),
            Value::F64(number) => Self::Double(*number),
            Value::EnumNumber(number) => Self::Enum(*number),
            Value::Bytes(_) | Value::Message(_) | Value::List(_) | Value::Map(_) => Self::Bytes,
        }
    }

    /// A fraction is cut off; what is too large for the type stays outside of any range with an end.
    pub(super) fn number(self) -> Option<i128> {
        match self {
            Self::Text(text) => text.parse::<i64>().ok().map(i128::from),
            Self::Integer(number) => Some(number),
            Self::Float(number) => (!number.is_nan()).then_some(number as i128),
            Self::Double(number) => (!number.is_nan()).then_some(number as i128),
            Self::Bool(_) | Self::Enum(_) | Self::Bytes => None,
        }
    }
}

/// Shows values as they are written.
#[derive(Debug)]
pub(super) struct Texts {
    /// Numbers that may still be.
    left: usize,
}

impl Default for Texts {
    fn default() -> Self {
        Self {
            left: MAX_NUMBERS_AS_TEXT,
        }
    }
}

impl Texts {
    /// The text of a value; none for one number too many, and for bytes. `names` are those of an enum.
    pub(super) fn of<'a>(
        &mut self,
        value: Scalar<'a>,
        names: Option<&EnumDescriptor>,
    ) -> Option<Cow<'a, str>> {
        match value {
            Scalar::Text(text) => return Some(text.into()),
            Scalar::Bool(value) => return Some(if value { "true" } else { "false" }.into()),
            Scalar::Bytes => return None,
            _ => self.left = self.left.checked_sub(1)?,
        }
        let mut text = String::new();
        let written = match value {
            Scalar::Integer(number) => write!(text, "{number}"),
            // With a fraction, as in Java: `1.0`.
            Scalar::Float(number) => write!(text, "{number:?}"),
            Scalar::Double(number) => write!(text, "{number:?}"),
            Scalar::Enum(number) => match names.and_then(|names| names.get_value(number)) {
                Some(value) => write!(text, "{}", value.name()),
                None => write!(text, "{number}"),
            },
            Scalar::Text(_) | Scalar::Bool(_) | Scalar::Bytes => Ok(()),
        };
        written.ok().map(|()| text.into())
    }
}
