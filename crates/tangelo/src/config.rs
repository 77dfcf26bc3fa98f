//! The configuration of an application: a folder of Pomelo's files, `tangelo.toml`, or both; what the
//! environment and the command line change of it; and everything that is wrong with it, at once.

mod alike;
mod changes;
mod chapters;
mod definitions;
mod draft;
mod jobs;
mod json;
mod keys;
mod load;
mod node;
mod notices;
mod pomelo;
mod read;
mod servers;
#[cfg(test)]
mod tests;
mod toml;
mod tune;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::de::DeserializeOwned;
use serde_json::Value;
use tangelo_registry::Instance;

pub use keys::Key;
pub use pomelo::{AdminServer, AdminUser, Master, ProtoField, ProtoMessage, ProtoRule, Protos};

pub(crate) use changes::{Rest, is_of_servers};
pub(crate) use chapters::{ENV, OURS};
pub(crate) use jobs::Job;
pub(crate) use load::{Asked, Krpc, Loaded, TomlFile, load};
pub(crate) use servers::Server;

use self::{notices::Notices, pomelo::Folder};
use crate::Mistakes;

/// What the configuration of an application says. Handlers have it as
/// [`State<Config>`](crate::server::State), `main` from [`Running::config`](crate::Running::config).
///
/// Some of Pomelo's files are about what is not there yet. They are kept here, and nothing else comes of
/// them: [`notices`](Self::notices) says which.
#[derive(Clone, Debug)]
pub struct Config(Arc<Content>);

#[derive(Debug)]
struct Content {
    env: String,
    /// Where files of the application are looked for.
    folder: PathBuf,
    servers: Vec<Instance>,
    files: pomelo::Files,
    /// Whether that is a folder of Pomelo's.
    has_folder: bool,
    /// Of the files that clients are told of, before they were read.
    stamps: Vec<definitions::Stamp>,
    notices: Vec<String>,
}

impl Config {
    /// The environment: `development`, unless something else was said.
    pub fn env(&self) -> &str {
        &self.0.env
    }

    /// Every server of the configuration, whether it runs in this process or not.
    pub fn servers(&self) -> &[Instance] {
        &self.0.servers
    }

    /// What was told at the start and is no mistake: what has no effect yet, and what is odd.
    pub fn notices(&self) -> &[String] {
        &self.0.notices
    }

    /// The master of master.json.
    pub fn master(&self) -> Option<&Master> {
        self.0.files.master.as_ref()
    }

    /// The masters of masterha.json, which stand by.
    pub fn standby_masters(&self) -> &[Master] {
        &self.0.files.masters
    }

    /// The users of adminUser.json.
    pub fn admin_users(&self) -> &[AdminUser] {
        &self.0.files.admin_users
    }

    /// What servers show the master, by adminServer.json; none where there is no such file.
    pub fn admin_servers(&self) -> Option<&[AdminServer]> {
        self.0.files.admin_servers.as_deref()
    }

    /// The routes of dictionary.json, in their order.
    pub fn dictionary(&self) -> &[String] {
        &self.0.files.dictionary
    }

    /// The messages of serverProtos.json and clientProtos.json.
    pub fn protos(&self) -> &Protos {
        &self.0.files.protos
    }

    /// What log4js.json says.
    pub fn log4js(&self) -> Option<&Value> {
        self.0.files.log4js.as_ref()
    }

    /// Reads a file of the application's own beside the others, as Pomelo's `loadConfigBaseApp` does:
    /// `name`, of which the section of the environment counts if it has one, or else `<env>/name`. None if
    /// neither is there.
    ///
    /// # Errors
    /// It is no JSON, or not of this form.
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Mistakes> {
        let Content { folder, env, .. } = &*self.0;
        let (mut notices, mut mistakes) = (Notices::default(), Mistakes::default());
        let found = Folder::new(folder, env, 0, &mut notices, &mut mistakes).find(name);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let Some(found) = found else { return Ok(None) };
        match serde_json::from_value(found.node.json()) {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                let at = folder.join(name);
                Err(Mistakes::one(format!("{}: {error}", at.display())))
            }
        }
    }

    /// Where files of the application are looked for: the folder of Pomelo's files, or that of
    /// `tangelo.toml`.
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }
}
