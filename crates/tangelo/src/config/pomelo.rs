//! A folder of Pomelo's files.

mod admin;
mod crons;
mod dictionary;
mod folder;
mod master;
mod protos;
mod servers;

use std::path::Path;

use serde_json::Value;

pub use admin::{AdminServer, AdminUser};
pub(super) use folder::Folder;
pub use master::Master;
pub use protos::Protos;
pub use tangelo_server::{ProtoField, ProtoMessage, ProtoRule};

use super::{draft::Draft, jobs::Job, node::Node, notices::Notices};
use crate::Mistakes;

/// What a folder says.
pub(super) struct Read {
    /// None if there is no servers.json.
    pub(super) servers: Option<Vec<Draft>>,
    pub(super) jobs: Vec<Job>,
    pub(super) files: Files,
    /// Whether a file cannot be read at all: what else is wrong cannot be told then.
    pub(super) is_unreadable: bool,
}

/// What the files say that are not of servers and jobs.
#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    pub(super) master: Option<Master>,
    pub(super) masters: Vec<Master>,
    pub(super) admin_users: Vec<AdminUser>,
    pub(super) admin_servers: Option<Vec<AdminServer>>,
    pub(super) dictionary: Vec<String>,
    pub(super) protos: Protos,
    pub(super) log4js: Option<Value>,
}

/// Reads the files of a folder.
pub(super) fn read(
    path: &Path,
    env: &str,
    first_file: usize,
    notices: &mut Notices,
    mistakes: &mut Mistakes,
) -> Read {
    let mut folder = Folder::new(path, env, first_file, notices, mistakes);
    let servers = servers::read(&mut folder);
    let jobs = crons::read(&mut folder);
    let files = Files {
        master: master::one(&mut folder),
        masters: master::all(&mut folder),
        admin_users: admin::users(&mut folder),
        admin_servers: admin::servers(&mut folder),
        dictionary: dictionary::read(&mut folder),
        protos: protos::read(&mut folder),
        log4js: log4js(&mut folder),
    };
    Read {
        servers,
        jobs,
        files,
        is_unreadable: folder.is_unreadable,
    }
}

/// Only what clients are told of.
pub(super) fn definitions(folder: &mut Folder<'_>) -> (Vec<String>, Protos) {
    (dictionary::read(folder), protos::read(folder))
}

/// A number, which may be a text as in Pomelo.
fn number(node: &Node) -> Option<u64> {
    match node.text() {
        Some(text) => text.parse().ok(),
        None => node.json().as_u64(),
    }
}

fn log4js(folder: &mut Folder<'_>) -> Option<Value> {
    let found = folder.find("log4js.json")?;
    folder.has_no_effect(
        "log4js.json",
        "lines of the log go where `tracing` has them go",
    );
    Some(found.node.json())
}
