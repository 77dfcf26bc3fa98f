//! Messages as JSON, by protobuf's mapping.

mod explain;
mod nesting;
pub mod words;

use bytes::Bytes;
use prost::Message;
use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::Value;

use self::nesting::{Bounded, Limit, Nesting};

/// Objects and arrays within each other, at the most, in what is read and in what is written.
pub const MAX_DEPTH: usize = 64;
/// Bytes of the longest JSON that is read or written: four times krpc's largest package by default.
pub const MAX_JSON: usize = 4 << 20;
/// Bytes of the longest message that is read.
pub const MAX_MESSAGE: usize = MAX_JSON;

/// How a message is written as JSON. By default as protobuf says.
///
/// krpc's own gateway wrote numbers and booleans always, 64-bit integers and enums as numbers; clients made for it
/// may want all three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JsonOptions {
    /// Writes fields that have their default value too, so that `"retCode": 0` is there. Default: no.
    pub defaults: bool,
    /// Writes 64-bit integers as numbers, which JavaScript reads exactly up to 2^53 only. Default: as strings.
    pub int64_numbers: bool,
    /// Writes an enum's number. Default: its name.
    pub enum_numbers: bool,
}

/// Why JSON is no message, or a message cannot be written as JSON.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The text is not JSON.
    #[error("no JSON: {0}")]
    Syntax(serde_json::Error),
    /// A field is not as the message has it.
    #[error("{path}: {problem}")]
    Field {
        /// As `users[2].age`, in the names the JSON has; `the body` where that as a whole is wrong.
        path: String,
        /// What was expected.
        problem: String,
    },
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    /// Longer than [`MAX_JSON`] or [`MAX_MESSAGE`].
    #[error("longer than {MAX_JSON} bytes")]
    TooLong,
    /// The bytes are not this message.
    #[error("no {message}: {problem}")]
    Message {
        /// Full name of the message.
        message: String,
        /// What is wrong with them.
        problem: String,
    },
}

/// Whether a JSON text nests deeper than [`MAX_DEPTH`]; found without reading it.
pub fn is_too_deep(json: &[u8]) -> bool {
    // Most texts have too few brackets for it, and those are counted faster than followed.
    let open = json.iter().filter(|&&byte| byte == b'{' || byte == b'[');
    open.count() > MAX_DEPTH && Nesting::default().feed(json).is_err()
}

/// The message that a JSON text says, encoded.
///
/// Names are those of the .proto file or their lowerCamelCase. 64-bit integers are strings or numbers, enums names or
/// numbers, bytes base64; `null` is a field that is absent.
///
/// # Errors
/// What is no JSON or not this message, with the path of the field; a field that the message does not have; too
/// long or too deep.
pub fn json_to_body(descriptor: &MessageDescriptor, json: &str) -> Result<Bytes, JsonError> {
    if json.len() > MAX_JSON {
        return Err(JsonError::TooLong);
    }
    if is_too_deep(json.as_bytes()) {
        return Err(JsonError::TooDeep);
    }
    let mut text = serde_json::Deserializer::from_str(json);
    let message = DynamicMessage::deserialize_with_options(
        descriptor.clone(),
        &mut text,
        &DeserializeOptions::new(),
    );
    let message = message.and_then(|message| text.end().map(|()| message));
    let error = match message {
        Ok(message) => return Ok(message.encode_to_vec().into()),
        Err(error) => error,
    };
    let value = serde_json::from_str(json).map_err(JsonError::Syntax)?;
    // A name that stands twice does so in the text only.
    Err(explain::explain(descriptor, &value).unwrap_or(JsonError::Syntax(error)))
}

/// As [`json_to_body`], from JSON that has been read; its length is whose who read it.
///
/// # Errors
/// As [`json_to_body`].
pub fn value_to_body(descriptor: &MessageDescriptor, value: &Value) -> Result<Bytes, JsonError> {
    if !nesting::fits(value, MAX_DEPTH) {
        return Err(JsonError::TooDeep);
    }
    let options = DeserializeOptions::new();
    match DynamicMessage::deserialize_with_options(descriptor.clone(), value, &options) {
        Ok(message) => Ok(message.encode_to_vec().into()),
        Err(error) => Err(explain::explain(descriptor, value).unwrap_or(JsonError::Syntax(error))),
    }
}

/// An encoded message as a JSON text, with names as the .proto file has them.
///
/// The fields stand in the order of their numbers, the entries of a map in any. Fields that
/// the descriptor does not know are left out.
///
/// # Errors
/// Bytes that are not this message, an Any whose type is not in the same pool, too long or too deep.
pub fn body_to_json(
    descriptor: &MessageDescriptor,
    body: &[u8],
    options: JsonOptions,
) -> Result<String, JsonError> {
    let wrong = |problem: String| JsonError::Message {
        message: descriptor.full_name().to_owned(),
        problem,
    };
    if body.len() > MAX_MESSAGE {
        return Err(JsonError::TooLong);
    }
    let message = DynamicMessage::decode(descriptor.clone(), body);
    let message = message.map_err(|error| wrong(error.to_string()))?;
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .skip_default_fields(!options.defaults)
        .stringify_64_bit_integers(!options.int64_numbers)
        .use_enum_numbers(options.enum_numbers);
    let mut bounded = Bounded::default();
    let mut writer = serde_json::Serializer::new(&mut bounded);
    match (
        message.serialize_with_options(&mut writer, &options),
        bounded.full,
    ) {
        (Ok(()), _) => String::from_utf8(bounded.json).map_err(|error| wrong(error.to_string())),
        (Err(_), Some(Limit::Depth)) => Err(JsonError::TooDeep),
        (Err(_), Some(Limit::Length)) => Err(JsonError::TooLong),
        (Err(error), None) => Err(wrong(error.to_string())),
    }
}
