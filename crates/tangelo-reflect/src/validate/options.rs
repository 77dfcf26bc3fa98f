//! The option `krpc.vld` of a field.

use prost::{
    DecodeError, Message,
    encoding::{DecodeContext, decode_key, skip_field},
};
use prost_reflect::{FieldDescriptor, Value};

use super::rules::Rules;

/// The rules of a field as they are written: what krpcext.proto calls `Validate`. A string rule that is not given is
/// empty.
#[derive(Clone, PartialEq, Message)]
pub struct WrittenRules {
    /// A string that is not empty.
    #[prost(bool, tag = "1")]
    pub required: bool,
    /// What text has to look like.
    #[prost(string, tag = "2")]
    pub r#match: String,
    /// A list, with commas.
    #[prost(string, tag = "3")]
    pub values: String,
    /// Range of the length, in UTF-16 units.
    #[prost(string, tag = "4")]
    pub length: String,
    /// Range of the number.
    #[prost(string, tag = "5")]
    pub nrange: String,
    /// Range of the text.
    #[prost(string, tag = "6")]
    pub srange: String,
    /// Range of the number of elements.
    #[prost(string, tag = "7")]
    pub arrlen: String,
    /// As `match`; what is empty passes.
    #[prost(string, tag = "8")]
    pub empty_or_match: String,
    /// As `values`; what is empty passes.
    #[prost(string, tag = "9")]
    pub empty_or_values: String,
    /// As `length`; what is empty passes.
    #[prost(string, tag = "10")]
    pub empty_or_length: String,
    /// As `nrange`; what is empty passes.
    #[prost(string, tag = "11")]
    pub empty_or_nrange: String,
    /// As `srange`; what is empty passes.
    #[prost(string, tag = "12")]
    pub empty_or_srange: String,
    /// As `arrlen`; what is empty passes.
    #[prost(string, tag = "13")]
    pub empty_or_arrlen: String,
    /// What to answer if a rule is broken; 0: -621.
    #[prost(int32, tag = "14")]
    pub ret_code: i32,
    /// Text of that answer.
    #[prost(string, tag = "15")]
    pub ret_msg: String,
}

impl WrittenRules {
    /// The rules of this field; `None` if there are none, or none that can be read: who compiles them is told why.
    pub fn of(field: &FieldDescriptor) -> Option<Self> {
        read(field).ok().flatten()
    }

    /// Whether a message may leave this field out, whose rules these are.
    pub fn allow_absence(&self, field: &FieldDescriptor) -> bool {
        let absent = Value::default_value_for_field(field);
        field
            .containing_oneof()
            .is_some_and(|choice| !choice.is_synthetic())
            || Rules::parse(field, self).is_ok_and(|rules| rules.hold_default(&absent))
    }
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
pub(super) fn read(field: &FieldDescriptor) -> Result<Option<WrittenRules>, String> {
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
    WrittenRules::decode(encoded.as_slice())
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
