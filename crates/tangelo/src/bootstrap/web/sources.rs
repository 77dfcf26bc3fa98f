//! What a web server's routes and messages are read from.

use std::{fs, io, path::PathBuf};

use tangelo_gateway::route::Routes;
use tangelo_reflect::{LoadErrors, Pool};
use tangelo_rpc::config::WebServerConfig;

use super::{Proto, marks::Marks};

/// What a web server's routes and messages are read from.
#[derive(Clone)]
pub(super) struct Sources {
    /// What code brings.
    own: Routes,
    file: Option<PathBuf>,
    /// Whether there need not be such a file.
    may_be_missing: bool,
    proto: Proto,
}

/// What tells that its files are others than before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SourceMarks {
    pub(super) files: Vec<PathBuf>,
    routes: Marks,
    proto: Marks,
}

impl Sources {
    pub(super) fn new(config: &WebServerConfig, own: Vec<Routes>, proto: Proto) -> Self {
        let is_default = config.routes_file == WebServerConfig::default().routes_file;
        let has_others = !own.is_empty() || config.auto_route || config.http_annotations;
        let may_be_missing = is_default && has_others;
        let own = own.into_iter().reduce(Routes::and).unwrap_or_default();
        Self {
            own,
            file: (!config.routes_file.is_empty()).then(|| config.routes_file.clone().into()),
            may_be_missing,
            proto,
        }
    }

    /// Reads the file and what it imports. What is wrong in them is told when they are loaded.
    pub(super) fn routes(&self) -> Result<Routes, String> {
        let Some(file) = &self.file else {
            return Ok(self.own.clone());
        };
        match fs::metadata(file) {
            Ok(_) => Ok(self.own.clone().import(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.may_be_missing => {
                Ok(self.own.clone())
            }
            Err(error) => {
                let looked = std::path::absolute(file);
                let looked = looked.as_deref().unwrap_or(file).display();
                Err(format!("{looked}: {error}"))
            }
        }
    }

    /// Reads the descriptors.
    pub(super) fn pool(&self) -> Result<Pool, LoadErrors> {
        self.proto.pool()
    }

    /// How its files are now, of which these were read for the routes.
    pub(super) fn marks(&self, read: &[PathBuf]) -> SourceMarks {
        SourceMarks {
            files: read.to_vec(),
            routes: Marks::of(self.file.iter().chain(read).cloned()),
            proto: self.proto.marks(),
        }
    }

    /// The same, with descriptors as they were loaded at the start.
    pub(super) fn first_marks(&self, read: &[PathBuf]) -> SourceMarks {
        SourceMarks {
            proto: self.proto.loaded.clone(),
            ..self.marks(read)
        }
    }
}
