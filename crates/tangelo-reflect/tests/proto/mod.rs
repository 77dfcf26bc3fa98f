//! Types of messages from .proto text, and messages of them.

#![allow(dead_code, reason = "each test file takes what it needs")]

use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, Value, prost::Message};
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

const KRPCEXT: &str = include_str!("../../proto/krpcext.proto");
/// krpc's own krpcext.proto imports this name.
const DESCRIPTOR: &str =
    "syntax = \"proto2\";\nimport public \"google/protobuf/descriptor.proto\";\n";

/// A file with these messages as a `FileDescriptorSet`, with all it imports.
pub(crate) fn compile(source: &str) -> Vec<u8> {
    compile_with(KRPCEXT.to_owned(), source)
}

/// The same with a rule that is not ours: `later`, with number 16.
pub(crate) fn compile_with_a_later_rule(source: &str) -> Vec<u8> {
    let last = "string retMsg = 15;";
    assert!(KRPCEXT.contains(last));
    let krpcext = KRPCEXT.replace(last, &format!("{last} string later = 16;"));
    compile_with(krpcext, source)
}

fn compile_with(krpcext: String, source: &str) -> Vec<u8> {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Sources {
        krpcext,
        shop: match source.strip_prefix("proto2 ") {
            Some(source) => header("proto2", source),
            None => header("proto3", source),
        },
    });
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true);
    if let Err(error) = compiler.open_file("shop.proto") {
        panic!("{error:?}\n{source}");
    }
    // The options are extensions, which only this form keeps.
    compiler.encode_file_descriptor_set()
}

fn header(syntax: &str, source: &str) -> String {
    format!("syntax = \"{syntax}\";\npackage shop;\nimport \"krpcext.proto\";\n{source}")
}

/// The type `shop.<name>` of a file with these messages.
pub(crate) fn descriptor(source: &str, name: &str) -> MessageDescriptor {
    let pool = DescriptorPool::decode(compile(source).as_slice()).unwrap();
    pool.get_message_by_name(&format!("shop.{name}")).unwrap()
}

/// A message of a type with these fields set.
pub(crate) fn message<const N: usize>(
    descriptor: &MessageDescriptor,
    fields: [(&str, Value); N],
) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for (name, value) in fields {
        message.try_set_field_by_name(name, value).unwrap();
    }
    message
}

/// A message of the type of a field.
pub(crate) fn within<const N: usize>(
    descriptor: &MessageDescriptor,
    field: &str,
    fields: [(&str, Value); N],
) -> Value {
    let field = descriptor.get_field_by_name(field).unwrap();
    let kind = match field.kind() {
        prost_reflect::Kind::Message(entry) if field.is_map() => {
            entry.map_entry_value_field().kind()
        }
        kind => kind,
    };
    Value::Message(message(kind.as_message().unwrap(), fields))
}

pub(crate) fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

pub(crate) fn list<const N: usize>(values: [Value; N]) -> Value {
    Value::List(values.into())
}

/// A descriptor set as protoc writes it without `--include_imports`, with the options' file unknown.
pub(crate) fn without_krpcext(set: &[u8]) -> Vec<u8> {
    let pool = DescriptorPool::global();
    let descriptor = pool
        .get_message_by_name("google.protobuf.FileDescriptorSet")
        .unwrap();
    let mut set = DynamicMessage::decode(descriptor, set).unwrap();
    let files = set.get_field_by_name_mut("file").unwrap();
    let files = files.as_list_mut().unwrap();
    let name = |file: &Value| {
        let name = file.as_message().unwrap().get_field_by_name("name");
        name.unwrap().as_str().unwrap().to_owned()
    };
    files.retain(|file| name(file) == "shop.proto");
    for file in files {
        file.as_message_mut()
            .unwrap()
            .clear_field_by_name("dependency");
    }
    set.encode_to_vec()
}

#[derive(Debug)]
struct Sources {
    krpcext: String,
    shop: String,
}

impl FileResolver for Sources {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match name {
            "shop.proto" => File::from_source(name, &self.shop),
            "krpcext.proto" => File::from_source(name, &self.krpcext),
            "descriptor.proto" => File::from_source(name, DESCRIPTOR),
            _ => Err(protox::Error::file_not_found(name)),
        }
    }
}
