//! Scheduled jobs as files have them: crons.json, and `[[jobs.chat]]` in `tangelo.toml`.

use serde_json::{Map, Value};

use super::{
    alike::alike,
    keys::Spelling,
    node::{Entry, FileName, Node},
};
use crate::{Mistakes, mistakes::At};

/// What `tangelo.toml` says of a job: what crons.json says, in our spelling.
const KEYS: [&str; 5] = ["id", "time", "action", "server_id", "overlap"];

/// A job of a file, as it stands there: `id`, `time`, `action`, perhaps `serverId`.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) server_type: String,
    pub(crate) at: At,
    pub(crate) value: Value,
}

/// The jobs of the servers of a type.
pub(super) fn of_type(
    server_type: &str,
    node: &Node,
    file: &FileName,
    spelling: Spelling,
    mistakes: &mut Mistakes,
) -> Vec<Job> {
    let Some(list) = node.list() else {
        let problem = format!(
            "jobs.{server_type}: expected a list of jobs, found {}",
            node.shown()
        );
        mistakes.add_at(Some(&file.at(node.line)), problem);
        return Vec::new();
    };
    let mut jobs = Vec::new();
    for (position, node) in list.iter().enumerate() {
        let at = file.at(node.line);
        if node.table().is_none() {
            let problem = format!(
                "jobs.{server_type}[{position}]: expected a job, found {}",
                node.shown()
            );
            mistakes.add_at(Some(&at), problem);
            continue;
        }
        let value = match spelling {
            Spelling::Pomelo => node.json(),
            Spelling::Ours => ours(
                node,
                &format!("jobs.{server_type}[{position}]"),
                file,
                mistakes,
            ),
        };
        jobs.push(Job {
            server_type: server_type.to_owned(),
            at,
            value,
        });
    }
    jobs
}

/// A job of `tangelo.toml`, where every key means something.
fn ours(node: &Node, place: &str, file: &FileName, mistakes: &mut Mistakes) -> Value {
    let mut job = Map::new();
    for Entry { key, value } in node.table().unwrap_or_default() {
        if KEYS.contains(&key.as_str()) {
            let pomelo = match key.as_str() {
                "server_id" => "serverId",
                other => other,
            };
            job.insert(pomelo.to_owned(), value.json());
            continue;
        }
        let problem = match alike(key, KEYS) {
            Some(meant) => format!("unknown key; do you mean `{meant}`?"),
            None => format!("unknown key; there are: {}", KEYS.join(", ")),
        };
        mistakes.add_at(
            Some(&file.at(value.line)),
            format!("{place}.{key}: {problem}"),
        );
    }
    Value::Object(job)
}
