//! Fields of an encoded message, where they are: nothing else of it is decoded.

use bytes::{Bytes, BytesMut};
use prost::encoding::{self, DecodeContext, WireType};
use prost_reflect::{Cardinality, FieldDescriptor, Kind, Value};

/// Why bytes are no protobuf message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no protobuf message: {0}")]
pub struct Malformed(String);

impl Malformed {
    pub(crate) fn new(problem: &str) -> Self {
        Self(problem.to_owned())
    }
}

/// The value of a field, by its form on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raw<'a> {
    /// A number in as many bytes as it needs.
    Varint(u64),
    /// Eight bytes.
    Fixed64(u64),
    /// A string, bytes, a message or a packed list.
    Bytes(&'a [u8]),
    /// The fields between its marks.
    Group(&'a [u8]),
    /// Four bytes.
    Fixed32(u32),
}

/// An `int32` at the top level. `None` if the message does not have it; of several the last.
///
/// # Errors
/// Bytes that are no message, before or after the field.
pub fn int32(body: &[u8], field: u32) -> Result<Option<i32>, Malformed> {
    let number = last(body, field, |raw| match raw {
        Raw::Varint(number) => Some(number),
        _ => None,
    })?;
    // A negative one is written in ten bytes, as if it had 64 bits.
    Ok(number.map(|number| number as i32))
}

/// A `string` at the top level. `None` if the message does not have it; of several the last.
///
/// # Errors
/// Bytes that are no message, before or after the field, and a string that is not UTF-8.
pub fn string(body: &[u8], field: u32) -> Result<Option<&str>, Malformed> {
    let bytes = last(body, field, |raw| match raw {
        Raw::Bytes(bytes) => Some(bytes),
        _ => None,
    })?;
    bytes
        .map(|bytes| std::str::from_utf8(bytes).map_err(|error| Malformed(error.to_string())))
        .transpose()
}

/// The message with this string at its end, so that it counts whatever the field was before.
///
/// In the same memory if nobody else holds the body.
pub fn fill_text(body: Bytes, field: u32, text: &str) -> Bytes {
    let mut message = body.try_into_mut().unwrap_or_else(|shared| {
        let mut copy = BytesMut::with_capacity(shared.len() + text.len() + MAX_HEAD);
        copy.extend_from_slice(&shared);
        copy
    });
    encoding::encode_key(field, WireType::LengthDelimited, &mut message);
    encoding::encode_varint(text.len() as u64, &mut message);
    message.extend_from_slice(text.as_bytes());
    message.freeze()
}

/// The message with this number at its end, so that it counts whatever the field was before.
pub fn fill_int32(body: Bytes, field: u32, value: i32) -> Bytes {
    let mut message = BytesMut::from(body);
    encoding::int32::encode(field, &value, &mut message);
    message.freeze()
}

/// How many of the bytes, from the first, are whole fields of a message.
pub fn whole_fields(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    let mut end = 0;
    while !rest.is_empty() && next(&mut rest).is_ok() {
        end = bytes.len() - rest.len();
    }
    end
}

/// Bytes of the longest key and length before a string.
const MAX_HEAD: usize = 15;

/// The text of a field at the top level: a string, a number in decimal, `true` or `false`, an enum's number.
///
/// A field that is not in the message has its default, as `0` and the empty string, unless it can be
/// told from one that was set to it (`optional`, oneofs): then `None`. `None` too for bytes, messages, lists and maps,
/// and for what is no message.
pub fn field_text(body: &[u8], field: &FieldDescriptor) -> Option<String> {
    if field.cardinality() == Cardinality::Repeated {
        return None;
    }
    let kind = field.kind();
    if matches!(kind, Kind::Bytes | Kind::Message(_)) {
        return None;
    }
    match last(body, field.number(), |raw| text(&kind, raw)).ok()? {
        Some(text) => Some(text),
        None if field.supports_presence() => None,
        None => match field.default_value() {
            Value::Bool(value) => Some(value.to_string()),
            Value::String(value) => Some(value),
            _ => Some("0".to_owned()),
        },
    }
}

/// The text of a value, as of [`field_text`]; `None` if its form is not that of the kind.
pub fn text(kind: &Kind, raw: Raw<'_>) -> Option<String> {
    Some(match (kind, raw) {
        (Kind::Int32 | Kind::Enum(_), Raw::Varint(number)) => (number as i32).to_string(),
        (Kind::Int64, Raw::Varint(number)) => (number as i64).to_string(),
        (Kind::Uint32, Raw::Varint(number)) => (number as u32).to_string(),
        (Kind::Uint64, Raw::Varint(number)) | (Kind::Fixed64, Raw::Fixed64(number)) => {
            number.to_string()
        }
        (Kind::Sint32, Raw::Varint(number)) => zigzag(number & u64::from(u32::MAX)).to_string(),
        (Kind::Sint64, Raw::Varint(number)) => zigzag(number).to_string(),
        (Kind::Bool, Raw::Varint(number)) => (number != 0).to_string(),
        (Kind::Sfixed64, Raw::Fixed64(number)) => (number as i64).to_string(),
        (Kind::Double, Raw::Fixed64(number)) => f64::from_bits(number).to_string(),
        (Kind::Fixed32, Raw::Fixed32(number)) => number.to_string(),
        (Kind::Sfixed32, Raw::Fixed32(number)) => (number as i32).to_string(),
        (Kind::Float, Raw::Fixed32(number)) => f32::from_bits(number).to_string(),
        (Kind::String, Raw::Bytes(bytes)) => std::str::from_utf8(bytes).ok()?.to_owned(),
        _ => return None,
    })
}

/// What a number stands for that is written so that small negative ones are short.
pub fn zigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// The last of a field's values that has the right form, read to the message's end.
fn last<'a, T>(
    mut body: &'a [u8],
    field: u32,
    read: impl Fn(Raw<'a>) -> Option<T>,
) -> Result<Option<T>, Malformed> {
    let mut found = None;
    while !body.is_empty() {
        let (number, raw) = next(&mut body)?;
        if number == field
            && let Some(value) = read(raw)
        {
            found = Some(value);
        }
    }
    Ok(found)
}

/// The field at the front of `rest`, which is not empty.
///
/// # Errors
/// Bytes that are none.
pub fn next<'a>(rest: &mut &'a [u8]) -> Result<(u32, Raw<'a>), Malformed> {
    let (number, wire_type) = encoding::decode_key(rest)?;
    let raw = match wire_type {
        WireType::Varint => varint(rest)?,
        WireType::SixtyFourBit => fixed64(rest)?,
        WireType::LengthDelimited => {
            let length = encoding::decode_varint(rest)?;
            let length = usize::try_from(length).map_err(|_| truncated())?;
            let (bytes, after) = rest.split_at_checked(length).ok_or_else(truncated)?;
            *rest = after;
            Raw::Bytes(bytes)
        }
        WireType::ThirtyTwoBit => fixed32(rest)?,
        WireType::StartGroup | WireType::EndGroup => {
            let group = *rest;
            encoding::skip_field(wire_type, number, rest, DecodeContext::default())?;
            let end = rest.len() + encoding::key_len(number);
            let inside = group.len().checked_sub(end).ok_or_else(truncated)?;
            Raw::Group(group.get(..inside).unwrap_or_default())
        }
    };
    Ok((number, raw))
}

/// The number at the front of `rest`.
///
/// # Errors
/// Bytes that are none.
pub fn varint<'a>(rest: &mut &'a [u8]) -> Result<Raw<'a>, Malformed> {
    Ok(Raw::Varint(encoding::decode_varint(rest)?))
}

/// The eight bytes at the front of `rest`.
///
/// # Errors
/// Bytes that are none.
pub fn fixed64<'a>(rest: &mut &'a [u8]) -> Result<Raw<'a>, Malformed> {
    let (bytes, after) = rest.split_first_chunk().ok_or_else(truncated)?;
    *rest = after;
    Ok(Raw::Fixed64(u64::from_le_bytes(*bytes)))
}

/// The four bytes at the front of `rest`.
///
/// # Errors
/// Bytes that are none.
pub fn fixed32<'a>(rest: &mut &'a [u8]) -> Result<Raw<'a>, Malformed> {
    let (bytes, after) = rest.split_first_chunk().ok_or_else(truncated)?;
    *rest = after;
    Ok(Raw::Fixed32(u32::from_le_bytes(*bytes)))
}

impl From<prost::DecodeError> for Malformed {
    fn from(error: prost::DecodeError) -> Self {
        Self(error.to_string())
    }
}

fn truncated() -> Malformed {
    Malformed::new("truncated")
}
