//! Types that have forms of their own as JSON.

use prost_reflect::MessageDescriptor;
use serde_json::Value;
use tangelo_reflect::JsonError;

use super::{fault::Fault, scalar::Scalar, writer::Writer};

/// Writes a message of such a type.
pub(super) fn write(
    message: &MessageDescriptor,
    value: &Value,
    number: u32,
    writer: &mut Writer,
) -> Result<(), Fault> {
    match tangelo_reflect::value_to_body(message, value) {
        Ok(body) => {
            writer.field(number, &Scalar::Bytes(body.as_ref().into()));
            Ok(())
        }
        Err(JsonError::Field { path, problem }) if path == "the body" => Err(Fault::new(problem)),
        Err(JsonError::Field { path, problem }) => Err(Fault::new(problem).within(&path)),
        Err(error) => Err(Fault::new(error.to_string())),
    }
}
