//! .proto files to descriptors, in Rust alone.

mod builtin;
mod words;

use std::path::{Path, PathBuf};

use prost_reflect::prost_types::{FileDescriptorProto, FileDescriptorSet};
use protox::{
    Compiler,
    file::{ChainFileResolver, FileMetadata, GoogleFileResolver, IncludeFileResolver},
};

use self::builtin::Builtin;
use crate::{FIRST_APPLICATION_ID, LoadErrors, Pool, pool::line};

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
    /// A file cannot be read or is no valid .proto file; the message names file and line, and what to do if
    /// that is not plain.
    #[error("{0}")]
    Proto(String),
    /// Services lack their numbers or what else krpc needs: all mistakes of all services, with file and line.
    #[error(transparent)]
    Definitions(#[from] LoadErrors),
}

/// Compiles an application's .proto files with what they import.
///
/// Imports are looked for in `dirs`, then in the directories of the files. `krpcext.proto`, `descriptor.proto`,
/// `google/api/annotations.proto` and Google's well-known types are found there or, where they are not, within this crate. A file
/// is called by its path within the first of those directories that it is in.
///
/// # Errors
/// A file that cannot be read, is not valid or is not of proto3, and all that is wrong with the services; one whose
/// number is below [`FIRST_APPLICATION_ID`] too.
pub fn compile(
    files: &[impl AsRef<Path>],
    dirs: &[impl AsRef<Path>],
) -> Result<Compiled, CompileError> {
    compile_into(Pool::from_number(FIRST_APPLICATION_ID), files, dirs)
}

/// As [`compile`], for the framework's own files: their services may have the numbers from 2 on.
///
/// # Errors
/// As [`compile`], but for those numbers.
pub fn compile_system(
    files: &[impl AsRef<Path>],
    dirs: &[impl AsRef<Path>],
) -> Result<Compiled, CompileError> {
    compile_into(Pool::new(), files, dirs)
}

fn compile_into(
    pool: Pool,
    files: &[impl AsRef<Path>],
    dirs: &[impl AsRef<Path>],
) -> Result<Compiled, CompileError> {
    let mut all: Vec<PathBuf> = dirs.iter().map(|dir| dir.as_ref().to_path_buf()).collect();
    for file in files {
        let file = file.as_ref();
        if let Err(error) = std::fs::metadata(file) {
            return Err(CompileError::Proto(format!("{}: {error}", file.display())));
        }
        let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty());
        all.push(dir.map_or_else(|| PathBuf::from("."), Path::to_path_buf));
    }
    let mut resolver = ChainFileResolver::new();
    for dir in &all {
        resolver.add(IncludeFileResolver::new(dir.clone()));
    }
    resolver.add(Builtin);
    resolver.add(GoogleFileResolver::new());

    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler
        .open_files(files.iter().map(AsRef::as_ref))
        .map_err(|error| CompileError::Proto(words::of(&error, &all)))?;
    let compiled = Compiled { compiler, pool };
    compiled.check()
}

impl Compiled {
    /// Holds what has been compiled to krpc's rules.
    fn check(mut self) -> Result<Self, CompileError> {
        let sources = self.with_comments();
        let asked = self.compiler.files().filter(|file| !file.is_import());
        let asked: Vec<_> = asked.map(|file| file.name()).collect();
        let files = sources.file.iter();
        let other_syntax = files
            .filter(|file| asked.contains(&file.name()) && file.syntax() != "proto3")
            .map(|file| {
                let place = self.place(file, &[SYNTAX]);
                format!("{place}: not of proto3: {}", words::PROTO3)
            });
        let other_syntax: Vec<_> = other_syntax.collect();
        if !other_syntax.is_empty() {
            return Err(CompileError::Proto(other_syntax.join("\n")));
        }
        let mut pool = std::mem::take(&mut self.pool);
        let set = self.compiler.encode_file_descriptor_set();
        pool.add_compiled(&set, |name| self.path(name))?;
        self.pool = pool;
        Ok(self)
    }

    /// Their services, and those of the files they import.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The paths of the files and of those they import, but for those that lie within this crate.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.compiler.files().filter_map(FileMetadata::path)
    }

    /// Where something of a file stands, for messages: `proto/user.proto:12`.
    ///
    /// `path` leads to it from the file, by field numbers and positions, as `SourceCodeInfo` has it; `file` is one of
    /// [`with_comments`](Self::with_comments).
    pub fn place(&self, file: &FileDescriptorProto, path: &[i32]) -> String {
        let name = file.name();
        let place = self.path(name).unwrap_or_else(|| name.to_owned());
        line::at(place, line::line(file, &[path, &[]]))
    }

    /// The files as a serialized `FileDescriptorSet` without comments, as `protoc --descriptor_set_out` writes it.
    ///
    /// With or without the files they import; krpc's tools expect them without.
    pub fn descriptor_set(&mut self, imports: bool) -> Vec<u8> {
        self.encoded(imports, false)
    }

    /// The same with comments and lines, as `protoc --include_source_info` writes it: what documents of services are
    /// made of.
    pub fn descriptor_set_with_comments(&mut self, imports: bool) -> Vec<u8> {
        self.encoded(imports, true)
    }

    fn encoded(&mut self, imports: bool, comments: bool) -> Vec<u8> {
        self.compiler
            .include_source_info(comments)
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

    /// Where a file lies, if it does not within this crate.
    fn path(&self, name: &str) -> Option<String> {
        let mut files = self.compiler.files();
        let path = files.find(|file| file.name() == name)?.path()?;
        Some(words::shown(path))
    }
}

/// Where a file's syntax is in its descriptor.
const SYNTAX: i32 = 12;
