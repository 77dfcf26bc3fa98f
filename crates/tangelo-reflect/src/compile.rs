//! .proto files to descriptors, in Rust alone.

use std::path::{Path, PathBuf};

use prost_reflect::prost_types::FileDescriptorSet;
use protox::{
    Compiler,
    file::{ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver},
};

use crate::{LoadErrors, Pool};

const KRPCEXT: &str = include_str!("../proto/krpcext.proto");
/// krpc's own krpcext.proto imports this name.
const DESCRIPTOR: &str =
    "syntax = \"proto2\";\nimport public \"google/protobuf/descriptor.proto\";\n";

/// .proto files that compile, and whose services have all that krpc needs.
#[derive(Debug)]
pub struct Compiled {
    compiler: Compiler,
    pool: Pool,
}

/// Why .proto files do not compile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// A file cannot be read or is no valid .proto file; the message names file and line.
    #[error("{0}")]
    Proto(String),
    /// Services lack their numbers or what else krpc needs: all mistakes of all services.
    #[error(transparent)]
    Definitions(#[from] LoadErrors),
}

/// Compiles .proto files with what they import.
///
/// Imports are looked for in `dirs`, then in the directories of the files. `krpcext.proto`, `descriptor.proto` and
/// Google's well-known types are found there or, where they are not, within this crate. A file
/// is called by its path within the first of those directories that it is in.
///
/// # Errors
/// A file that cannot be read or is not valid, and all that is wrong with the services.
pub fn compile(
    files: &[impl AsRef<Path>],
    dirs: &[impl AsRef<Path>],
) -> Result<Compiled, CompileError> {
    let mut resolver = ChainFileResolver::new();
    for dir in dirs {
        resolver.add(IncludeFileResolver::new(dir.as_ref().to_path_buf()));
    }
    for file in files {
        let file = file.as_ref();
        if let Err(error) = std::fs::metadata(file) {
            return Err(CompileError::Proto(format!("{}: {error}", file.display())));
        }
        let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty());
        let dir = dir.map_or_else(|| PathBuf::from("."), Path::to_path_buf);
        resolver.add(IncludeFileResolver::new(dir));
    }
    resolver.add(Builtin);
    resolver.add(GoogleFileResolver::new());

    let mut compiler = Compiler::with_file_resolver(resolver);
    // Its `Debug` is how it says file and line.
    let proto = |error: protox::Error| CompileError::Proto(format!("{error:?}"));
    compiler
        .open_files(files.iter().map(AsRef::as_ref))
        .map_err(proto)?;

    let mut pool = Pool::new();
    compiler.include_source_info(false).include_imports(true);
    pool.add_set("", &compiler.encode_file_descriptor_set())?;
    Ok(Compiled { compiler, pool })
}

impl Compiled {
    /// Their services, and those of the files they import.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The files as a serialized `FileDescriptorSet` without comments, as `protoc --descriptor_set_out` writes it.
    ///
    /// With or without the files they import; krpc's tools expect them without.
    pub fn descriptor_set(&mut self, imports: bool) -> Vec<u8> {
        self.compiler
            .include_source_info(false)
            .include_imports(imports)
            .encode_file_descriptor_set()
    }

    /// The files and those they import, with comments but without krpc's options: what prost-build takes.
    pub fn with_comments(&mut self) -> FileDescriptorSet {
        self.compiler
            .include_source_info(true)
            .include_imports(true)
            .file_descriptor_set()
    }
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
