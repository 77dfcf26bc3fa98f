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
    /// Whether there need not be such a file: as long as there has been none.
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

    /// What was read was right. A file that goes now has not gone on purpose: what is reachable without it was behind it.
    pub(super) fn settle(&mut self) {
        if self.file.as_ref().is_some_and(|file| file.exists()) {
            self.may_be_missing = false;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bootstrap, bootstrap::settings::Origins};

    #[test]
    fn a_file_that_was_there_must_stay() {
        let folder = std::env::temp_dir().join(format!("tangelo-sources-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("routes.xml");
        let _ = fs::remove_file(&file);
        let config = WebServerConfig::new("web").auto_route(true).proto_dir("");
        let proto = Bootstrap::new("a").load_proto_dirs(&Origins::default());
        let mut sources = Sources::new(&config, Vec::new(), proto);
        assert!(sources.may_be_missing);
        sources.file = Some(file.clone());
        assert!(sources.routes().is_ok());
        sources.settle();
        assert!(sources.routes().is_ok());
        fs::write(&file, "<routes/>").unwrap();
        sources.settle();
        fs::remove_file(&file).unwrap();
        assert!(sources.routes().unwrap_err().contains("routes.xml"));
        fs::remove_dir_all(folder).unwrap();
    }
}
