//! Folders of descriptor files, which web servers know services by.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use tangelo_reflect::{LoadErrors, Pool};
use tangelo_rpc::config::WebServerConfig;

use super::{Bootstrap, Chapter, Origins, marks::Marks};

/// What an application knows of services, and from where.
#[derive(Clone)]
pub(in crate::bootstrap) struct Proto {
    /// Without the folders.
    base: Arc<Pool>,
    folders: Vec<PathBuf>,
    /// One that is looked for, though nobody has named it.
    maybe: Option<PathBuf>,
    /// How their files were when the application was planned.
    pub(super) loaded: Marks,
}

impl Bootstrap {
    /// Makes the services known that the folders of web servers describe: to all of the application.
    pub(in crate::bootstrap) fn load_proto_dirs(&mut self, origins: &Origins) -> Proto {
        let mut proto = Proto {
            base: Arc::new(self.pool.clone()),
            folders: Vec::new(),
            maybe: None,
            loaded: Marks::default(),
        };
        let default = WebServerConfig::default().proto_dir;
        for config in &self.web_servers {
            let folder = PathBuf::from(&config.proto_dir);
            if config.proto_dir.is_empty() || proto.folders.contains(&folder) {
                continue;
            }
            if config.proto_dir == default && !folder.exists() {
                proto.maybe = Some(folder);
            } else {
                proto.folders.push(folder);
            }
        }
        // Before they are read, so that no change is missed.
        proto.loaded = proto.marks();
        for folder in &proto.folders {
            if let Err(errors) = self.pool.load_dir(folder) {
                let named = |config: &WebServerConfig| Path::new(&config.proto_dir) == folder;
                let position = self.web_servers.iter().position(named);
                let place = Chapter::WebServer.at(position.unwrap_or_default());
                let at = origins.of(place, "proto_dir").cloned();
                let label = self.label(place);
                for error in errors.iter() {
                    let mistake = format!("{label}.proto_dir: {error}");
                    self.mistakes.add_at(at.as_ref(), mistake);
                }
            }
        }
        proto
    }
}

impl Proto {
    /// Reads the folders again.
    pub(super) fn pool(&self) -> Result<Pool, LoadErrors> {
        let mut pool = (*self.base).clone();
        for folder in self.all() {
            pool.load_dir(folder)?;
        }
        pool.add_rest();
        Ok(pool)
    }

    /// How the descriptor files are now.
    pub(super) fn marks(&self) -> Marks {
        let entries = self.all().filter_map(|folder| fs::read_dir(folder).ok());
        let paths = entries
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()));
        let mut files: Vec<_> = paths.filter(|path| is_set(path)).collect();
        files.sort();
        Marks::of(files)
    }

    fn all(&self) -> impl Iterator<Item = &Path> {
        let maybe = self.maybe.as_deref().filter(|folder| folder.exists());
        self.folders.iter().map(PathBuf::as_path).chain(maybe)
    }
}

fn is_set(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.ends_with(".proto.pb"))
}
