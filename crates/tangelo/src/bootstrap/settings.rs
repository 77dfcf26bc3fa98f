//! Settings that do not stand in code, in the order they overrule each other: files, variables of the
//! environment, single changes.

mod changes;
mod file;
mod origins;
mod value;

use std::path::{Path, PathBuf};

pub(crate) use file::DESCRIPTORS;
pub(super) use origins::Origins;
pub(crate) use value::json;

use super::Bootstrap;

/// Read where neither the code nor the command line names a file, if it is there.
const DEFAULT_FILE: &str = "tangelo.toml";

impl Bootstrap {
    /// Reads all files; what is wrong with them is among the mistakes then. Returns none if one could
    /// not be read at all: what else is wrong cannot be told.
    pub(super) fn read_files(&mut self, origins: &mut Origins) -> Option<()> {
        let mut all_read = Some(());
        let mut first = 0;
        if let Some(krpc) = &self.within {
            let krpc = krpc.clone();
            for file in &krpc.files {
                first = first.max(file.number + 1);
                file::read_shared(self, file, &krpc.env, origins);
            }
        }
        for (number, path) in (first..).zip(&self.take_files(DEFAULT_FILE)) {
            let read = file::read(self, (number, path), origins);
            all_read = all_read.and(read);
        }
        all_read
    }

    /// The files of the code, then that of the command line. An application that minds the command
    /// line reads `default` where nobody names a file, if it is there.
    pub(super) fn take_files(&mut self, default: impl AsRef<Path>) -> Vec<PathBuf> {
        let mut files = std::mem::take(&mut self.files);
        let Some(arguments) = &self.arguments else {
            return files;
        };
        match &arguments.config {
            Some(file) => files.push(file.clone()),
            // That of the application is read already.
            None if self.within.is_some() => {}
            None if files.is_empty() && default.as_ref().exists() => {
                files.push(default.as_ref().to_path_buf());
            }
            None => {}
        }
        files
    }
}
