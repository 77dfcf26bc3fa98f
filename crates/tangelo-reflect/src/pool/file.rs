//! A set of descriptors, taken apart.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use prost_reflect::DynamicMessage;

use super::{MAX_FILES, MAX_SET, builtin, error::LoadError};

/// One file of a set, not yet linked with what it imports.
#[derive(Clone, Debug)]
pub(super) struct File {
    /// The set's name, for errors; the .proto file's path where that was compiled here.
    pub(super) set: Arc<str>,
    /// As others import it.
    pub(super) name: String,
    pub(super) package: String,
    pub(super) imports: Vec<String>,
    pub(super) syntax: String,
    /// Names of the services it defines, without the package.
    pub(super) services: Vec<String>,
    /// Its FileDescriptorProto.
    pub(super) bytes: Bytes,
}

/// google.protobuf.FileDescriptorSet, its files left as they are.
#[derive(Clone, PartialEq, Message)]
struct Set {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    file: Vec<Bytes>,
}

/// The fields of google.protobuf.FileDescriptorProto that are looked at before it is linked.
#[derive(Clone, PartialEq, Message)]
struct Head {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    package: String,
    #[prost(string, repeated, tag = "3")]
    dependency: Vec<String>,
    #[prost(message, repeated, tag = "6")]
    service: Vec<ServiceHead>,
    #[prost(string, tag = "12")]
    syntax: String,
}

/// google.protobuf.ServiceDescriptorProto, as far as it is looked at here.
#[derive(Clone, PartialEq, Message)]
struct ServiceHead {
    #[prost(string, tag = "1")]
    name: String,
}

/// The files of a set.
pub(super) fn split(set: &str, bytes: &[u8]) -> Result<Vec<File>, LoadError> {
    let problem = |problem: String| LoadError::File {
        place: if set.is_empty() { "the set" } else { set }.to_owned(),
        problem,
    };
    if bytes.len() > MAX_SET {
        return Err(problem(format!("longer than {MAX_SET} bytes")));
    }
    let no_set = |error| {
        problem(format!(
            "no set of descriptors, as `tangelo descriptor` or `protoc --descriptor_set_out` writes it: {error}"
        ))
    };
    let files = Set::decode(Bytes::copy_from_slice(bytes))
        .map_err(no_set)?
        .file;
    if files.is_empty() {
        return Err(problem("holds no file".to_owned()));
    }
    if files.len() > MAX_FILES {
        return Err(problem(format!("holds more than {MAX_FILES} files")));
    }
    let set: Arc<str> = set.into();
    files
        .into_iter()
        .map(|bytes| {
            let head = Head::decode(bytes.clone()).map_err(no_set)?;
            if head.name.is_empty() {
                return Err(problem("holds a file without a name".to_owned()));
            }
            Ok(File {
                set: Arc::clone(&set),
                name: head.name,
                package: head.package,
                imports: head.dependency,
                syntax: head.syntax,
                services: head.service.into_iter().map(|it| it.name).collect(),
                bytes,
            })
        })
        .collect()
}

impl File {
    /// Whether both say the same, comments aside.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.bytes == other.bytes
            || matches!((self.definitions(), other.definitions()), (Some(ours), Some(theirs)) if ours == theirs)
    }

    fn definitions(&self) -> Option<DynamicMessage> {
        let descriptor =
            builtin::pool().get_message_by_name("google.protobuf.FileDescriptorProto")?;
        let mut definitions = DynamicMessage::decode(descriptor, self.bytes.clone()).ok()?;
        definitions.clear_field_by_name("source_code_info");
        Some(definitions)
    }

    /// Where to look for a mistake: the set, and the file unless the set's name says it.
    pub(super) fn place(&self) -> String {
        let (set, name) = (&*self.set, &self.name);
        if set.is_empty() {
            name.clone()
        } else if set.ends_with(name) || set.ends_with(&format!("{name}.pb")) {
            set.to_owned()
        } else {
            format!("{set} ({name})")
        }
    }
}
