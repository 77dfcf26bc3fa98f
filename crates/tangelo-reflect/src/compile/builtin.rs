//! The files that lie within this crate.

use protox::file::{File, FileResolver};

const KRPCEXT: &str = include_str!("../../proto/krpcext.proto");
const GOOGLE_HTTP: &str = include_str!("../../proto/google/api/http.proto");
const GOOGLE_ANNOTATIONS: &str = include_str!("../../proto/google/api/annotations.proto");
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
            "google/api/http.proto" => File::from_source(name, GOOGLE_HTTP),
            "google/api/annotations.proto" => File::from_source(name, GOOGLE_ANNOTATIONS),
            _ => Err(protox::Error::file_not_found(name)),
        }
    }
}
