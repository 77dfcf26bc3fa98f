//! The files that every set may import without bringing them.

use std::sync::LazyLock;

use prost::Message;
use prost_reflect::{DescriptorPool, prost_types::FileDescriptorProto};

use super::file::File;

/// What `proto/krpcext.proto` compiles to.
const KRPCEXT: &[u8] = include_bytes!("../../proto/krpcext.proto.pb");
/// What `proto/google/api` compiles to.
const GOOGLE_API: &[u8] = include_bytes!("../../proto/google-api.proto.pb");

const DESCRIPTOR: &str = "google/protobuf/descriptor.proto";

const GOOGLE: [&str; 12] = [
    DESCRIPTOR,
    "google/protobuf/any.proto",
    "google/protobuf/source_context.proto",
    "google/protobuf/type.proto",
    "google/protobuf/api.proto",
    "google/protobuf/duration.proto",
    "google/protobuf/empty.proto",
    "google/protobuf/field_mask.proto",
    "google/protobuf/struct.proto",
    "google/protobuf/timestamp.proto",
    "google/protobuf/wrappers.proto",
    "google/protobuf/compiler/plugin.proto",
];

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let global = DescriptorPool::global();
    let google = GOOGLE
        .iter()
        .filter_map(|name| global.get_file_by_name(name));
    let google = google.map(|file| file.file_descriptor_proto().clone());
    let mut pool = DescriptorPool::new();
    // krpc's own krpcext.proto imports it by this name.
    pool.add_file_descriptor_protos(google.chain([importing("descriptor.proto", DESCRIPTOR)]))
        .expect("Google's files are descriptors");
    pool.decode_file_descriptor_set(KRPCEXT)
        .expect("krpcext.proto.pb is a set of descriptors");
    pool.decode_file_descriptor_set(GOOGLE_API)
        .expect("google-api.proto.pb is a set of descriptors");
    pool
});

/// A pool with nothing but these files.
pub(super) fn pool() -> DescriptorPool {
    POOL.clone()
}

/// Whether a set's file is its copy of one of these: ours is used for it.
///
/// So the options are known by their numbers of today, whichever the set was compiled with.
pub(super) fn is_copy(file: &File) -> bool {
    POOL.get_file_by_name(&file.name).is_some()
        || matches!(
            (file.package.as_str(), base(&file.name)),
            ("krpc", "krpcext.proto") | ("google.protobuf", "descriptor.proto")
        )
}

/// What stands for an import of one of these files by a longer name, as `proto/krpcext.proto`.
pub(super) fn stand_in(import: &str) -> Option<File> {
    let ours = match base(import) {
        "krpcext.proto" => "krpcext.proto",
        "descriptor.proto" => DESCRIPTOR,
        _ => return None,
    };
    Some(File {
        set: "".into(),
        name: import.to_owned(),
        package: String::new(),
        imports: vec![ours.to_owned()],
        syntax: String::new(),
        services: Vec::new(),
        bytes: importing(import, ours).encode_to_vec().into(),
    })
}

fn importing(name: &str, import: &str) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some(name.to_owned()),
        dependency: vec![import.to_owned()],
        public_dependency: vec![0],
        ..FileDescriptorProto::default()
    }
}

fn base(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(_, base)| base)
}
