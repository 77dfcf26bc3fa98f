//! The option `krpc.vld` of a field.

use prost::{
    DecodeError, Message,
    encoding::{DecodeContext, decode_key, skip_field},
};
use prost_reflect::FieldDescriptor;

/// What krpcext.proto calls `Validate`. A string rule that is not given is empty.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Validate {
    #[prost(bool, tag = "1")]
    pub(super) required: bool,
    #[prost(string, tag = "2")]
    pub(super) r#match: String,
    #[prost(string, tag = "3")]
    pub(super) values: String,
    #[prost(string, tag = "4")]
    pub(super) length: String,
    #[prost(string, tag = "5")]
    pub(super) nrange: String,
    #[prost(string, tag = "6")]
    pub(super) srange: String,
    #[prost(string, tag = "7")]
    pub(super) arrlen: String,
    #[prost(string, tag = "8")]
    pub(super) empty_or_match: String,
    #[prost(string, tag = "9")]
    pub(super) empty_or_values: String,
    #[prost(string, tag = "10")]
    pub(super) empty_or_length: String,
    #[prost(string, tag = "11")]
    pub(super) empty_or_nrange: String,
    #[prost(string, tag = "12")]
    pub(super) empty_or_srange: String,
    #[prost(string, tag = "13")]
    pub(super) empty_or_arrlen: String,
    #[prost(int32, tag = "14")]
    pub(super) ret_code: i32,
    #[prost(string, tag = "15")]
    pub(super) ret_msg: String,
}

const LAST_NUMBER: u32 = 15;

/// The one option of a field that is of interest here. Read from the encoded options, it is found whether
/// the pool knows krpcext.proto or has it as a field without a name. Each part of it may be a field of its own.
#[derive(Clone, PartialEq, Message)]
struct FieldOptions {
    #[prost(bytes = "vec", repeated, tag = "50003")]
    vld: Vec<Vec<u8>>,
}

/// The rules as they are written, or why they cannot be read.
pub(super) fn read(field: &FieldDescriptor) -> Result<Option<Validate>, String> {
    let unreadable = |error: DecodeError| format!("is no krpc.Validate: {error}");
    let options = field.options();
    let parts: FieldOptions = options.transcode_to().map_err(unreadable)?;
    if parts.vld.is_empty() {
        return Ok(None);
    }
    let encoded = parts.vld.concat();
    if let Some(number) = stranger(&encoded).map_err(unreadable)? {
        return Err(format!(
            "has a rule with number {number}, which is not known here; remove it"
        ));
    }
    Validate::decode(encoded.as_slice())
        .map(Some)
        .map_err(unreadable)
}

/// A rule that is not ours to drop in silence.
fn stranger(mut encoded: &[u8]) -> Result<Option<u32>, DecodeError> {
    while !encoded.is_empty() {
        let (number, wire_type) = decode_key(&mut encoded)?;
        if number > LAST_NUMBER {
            return Ok(Some(number));
        }
        skip_field(wire_type, number, &mut encoded, DecodeContext::default())?;
    }
    Ok(None)
}
