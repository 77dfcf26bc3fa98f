//! Reads .proto files and has Rust written for them.

use std::path::{Path, PathBuf};

use prost_reflect::DescriptorPool;
use protox::file::{
    ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver,
};

use crate::{
    Builder, Error,
    generate::{self, Generator},
    ids,
};

const KRPCEXT: &str = include_str!("../proto/krpcext.proto");
/// krpc's own krpcext.proto imports this name.
const DESCRIPTOR: &str =
    "syntax = \"proto2\";\nimport public \"google/protobuf/descriptor.proto\";\n";

#[expect(
    clippy::print_stdout,
    reason = "it is how a build script talks to cargo"
)]
pub(crate) fn compile(builder: &Builder, files: &[impl AsRef<Path>]) -> Result<(), Error> {
    let mut resolver = ChainFileResolver::new();
    let mut names = Vec::new();
    for file in files {
        let file = file.as_ref();
        println!("cargo::rerun-if-changed={}", file.display());
        let folder = file
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.map_or_else(|| PathBuf::from("."), Path::to_path_buf);
        resolver.add(IncludeFileResolver::new(folder));
        names.push(file.file_name().unwrap_or(file.as_os_str()).to_owned());
    }
    resolver.add(Builtin);
    resolver.add(GoogleFileResolver::new());

    let proto = |error: protox::Error| Error::Proto(format!("{error:?}"));
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_source_info(true).include_imports(true);
    compiler.open_files(names).map_err(proto)?;
    // The options are extensions, which only this form keeps.
    let encoded = compiler.encode_file_descriptor_set();
    let pool = DescriptorPool::decode(encoded.as_slice())
        .map_err(|error| Error::Proto(error.to_string()))?;
    let ids = ids::read(&pool)?;

    let mut config = prost_build::Config::new();
    config
        .bytes(["."])
        .type_attribute(".", generate::ALLOW)
        .prost_path(format!("{}::codegen::prost", builder.rpc_path));
    if builder.services {
        config.service_generator(Box::new(Generator::new(builder.rpc_path.clone(), ids)));
    }
    if let Some(out_dir) = &builder.out_dir {
        config.out_dir(out_dir);
    }
    let mut set = compiler.file_descriptor_set();
    // Nobody calls the options' own file from Rust.
    set.file
        .retain(|file| !matches!(file.package(), "krpc" | "google.protobuf"));
    config.compile_fds(set)?;
    Ok(())
}

/// The files that lie within this crate.
#[derive(Debug)]
struct Builtin;

impl FileResolver for Builtin {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match name {
            "krpcext.proto" => File::from_source(name, KRPCEXT),
            "descriptor.proto" => File::from_source(name, DESCRIPTOR),
            _ => Err(protox::Error::file_not_found(name)),
        }
    }
}
