//! Scheduled jobs as files have them: crons.json, and `[[jobs.chat]]` in `tangelo.toml`.

use serde_json::Value;

use super::node::{FileName, Node};
use crate::{Mistakes, mistakes::At};

/// A job of a file, as it stands there: `id`, `time`, `action`, perhaps `serverId`.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "what runs them comes next")]
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
        jobs.push(Job {
            server_type: server_type.to_owned(),
            at,
            value: node.json(),
        });
    }
    jobs
}
