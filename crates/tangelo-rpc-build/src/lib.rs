//! .proto files to Rust at build time, in Rust alone: no protoc, no C++ compiler.
//!
//! In `build.rs`:
//!
//! ```no_run
//! fn main() -> Result<(), tangelo_rpc_build::Error> {
//!     tangelo_rpc_build::compile(&["proto/user.proto"])
//! }
//! ```
//!
//! and in the crate `tangelo::include_proto!("user");` with the file's package as the name, in snake_case; `_` where it
//! names none. Messages of another package are called by their place beside it: those of `shop.items` by one
//! of `shop.orders` as `super::items::Item`.
//!
//! For each service there are then a trait to implement (`User`), a server that makes a
//! `Service` of an implementation (`UserServer`) and a client (`UserClient`). The numbers come from the options
//! `(krpc.serviceId)` and `(krpc.msgId)`; `import "krpcext.proto"` finds the file within the crate `tangelo-reflect`,
//! unless one lies beside the importing file, as krpc's own projects have it.
//!
//! A message that answers needs `int32 retCode = 1;`, krpc's outcome: 0, or a negative code of the
//! application's, with words in a `string retMsg` if it likes.

mod comments;
mod compile;
mod generate;
mod names;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use tangelo_reflect::{LoadErrors, compile::CompileError};

/// Compiles .proto files into `OUT_DIR`, for `tangelo::include_proto!`.
///
/// The directories of the files are searched for what they import; [`Builder::include`] adds others.
///
/// # Errors
/// As [`Builder::compile`].
pub fn compile(files: &[impl AsRef<Path>]) -> Result<(), Error> {
    Builder::new().compile(files)
}

/// What [`compile`] does, with other settings.
#[derive(Clone, Debug)]
pub struct Builder {
    rpc_path: String,
    includes: Vec<PathBuf>,
    out_dir: Option<PathBuf>,
    services: bool,
}

/// Why .proto files have not become Rust.
#[derive(thiserror::Error)]
pub enum Error {
    /// A file cannot be read or is no valid .proto file; the message names file and line.
    #[error("{0}")]
    Proto(String),
    /// Services and methods without their numbers, or with such as they cannot have: one line each.
    #[error("{0}")]
    Definitions(LoadErrors),
    /// Names that are two in the .proto files and would be one in Rust: one line each.
    #[error("{}", .0.join("\n"))]
    Names(Vec<String>),
    /// The Rust code cannot be written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl From<CompileError> for Error {
    fn from(error: CompileError) -> Self {
        match error {
            CompileError::Definitions(errors) => Self::Definitions(errors),
            other => Self::Proto(other.to_string()),
        }
    }
}

/// As it reads: a build script's `main` shows errors in this form.
impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            rpc_path: "::tangelo::rpc".to_owned(),
            includes: Vec::new(),
            out_dir: None,
            services: true,
        }
    }
}

impl Builder {
    /// The settings of [`compile`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Path under which the generated code finds the crate `tangelo-rpc`. Default `::tangelo::rpc`.
    #[must_use]
    pub fn rpc_path(mut self, path: impl Into<String>) -> Self {
        self.rpc_path = path.into();
        self
    }

    /// Adds a directory to look for imports in, before those of the files.
    #[must_use]
    pub fn include(mut self, dir: impl Into<PathBuf>) -> Self {
        self.includes.push(dir.into());
        self
    }

    /// Where the generated code goes. Default: cargo's `OUT_DIR`.
    #[must_use]
    pub fn out_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.out_dir = Some(path.into());
        self
    }

    /// Messages alone, for services that are implemented by hand. Tangelo's own are made so, and their numbers
    /// below 100 are not refused.
    #[must_use]
    pub fn messages_only(mut self) -> Self {
        self.services = false;
        self
    }

    /// Compiles the files.
    ///
    /// # Errors
    /// A file that is no valid .proto file, a service that lacks what krpc needs, names that clash, or no place to write
    /// to. All but the last name file, line and remedy.
    pub fn compile(&self, files: &[impl AsRef<Path>]) -> Result<(), Error> {
        compile::compile(self, files)
    }
}
