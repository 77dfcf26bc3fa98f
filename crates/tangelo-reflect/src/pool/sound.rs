//! What the linker lets pass and reading a message by it would stumble over.
//!
//! No compiler writes such files; broken ones can hold them.

use prost_reflect::{Cardinality, DescriptorPool, DynamicMessage, Kind, MessageDescriptor};

use super::file::File;

/// Whether the entries of the file's maps are what they must be.
pub(super) fn maps(descriptors: &DescriptorPool, file: &str) -> Result<(), String> {
    let Some(file) = descriptors.get_file_by_name(file) else {
        return Ok(());
    };
    file.messages().try_for_each(|message| entries(&message))
}

/// A message and those within it; the decoder bounds how deep they nest.
fn entries(message: &MessageDescriptor) -> Result<(), String> {
    if message.is_map_entry() {
        let part = |number| {
            let field = message.get_field(number)?;
            (field.cardinality() == Cardinality::Optional && field.containing_oneof().is_none())
                .then(|| field.kind())
        };
        let key = part(1).is_some_and(|kind| {
            !matches!(
                kind,
                Kind::Double | Kind::Float | Kind::Bytes | Kind::Message(_) | Kind::Enum(_)
            )
        });
        if !key || part(2).is_none() {
            return Err(format!("{} is no entry of a map", message.full_name()));
        }
    }
    message
        .child_messages()
        .try_for_each(|child| entries(&child))
}

/// Whether all options can be read by the extensions that are known now.
///
/// A file may give a meaning to bytes of one that came before it.
pub(super) fn options<'a>(
    descriptors: &DescriptorPool,
    files: impl IntoIterator<Item = &'a File>,
) -> Result<(), String> {
    let name = "google.protobuf.FileDescriptorProto";
    let Some(descriptor) = descriptors.get_message_by_name(name) else {
        return Ok(());
    };
    for file in files {
        DynamicMessage::decode(descriptor.clone(), file.bytes.clone()).map_err(|error| {
            format!(
                "extends options so that those of {} are wrong: {error}",
                file.name
            )
        })?;
    }
    Ok(())
}
