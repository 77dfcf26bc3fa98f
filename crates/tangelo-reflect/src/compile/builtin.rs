//! The files that lie within this crate.

use protox::file::{File, FileResolver};

const KRPCEXT: &str = include_str!("../../proto/krpcext.proto");
/// krpc's own krpcext.proto imports this name.
const DESCRIPTOR: &str =
    "syntax = \"proto2\";\nimport public \"google/protobuf/descriptor.proto\";\n";

/// Finds them by the names they are imported by.
#[derive(Debug)]
pub(super) struct Builtin;

impl FileResolver for Builtin {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match name {
            "krpcext.proto" => File::from_source(name, KRPCEXT),
            "descriptor.proto" => File::from_source(name, DESCRIPTOR),
            _ => Err(protox::Error::file_not_found(name)),
        }
    }
}
