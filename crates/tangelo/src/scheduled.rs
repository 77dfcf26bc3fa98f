//! The jobs a configuration has for its servers.

use std::collections::BTreeSet;

use tangelo_server::{Blueprint, Job};
use tracing::warn;

use crate::{
    Mistakes,
    config::{Job as Entry, Server},
    mistakes::At,
};

/// The jobs a configuration has for its servers, read.
pub(crate) struct Scheduled {
    jobs: Vec<(String, At, Job)>,
    /// Types of which a blueprint has been looked at: all servers of a type have the same mistakes.
    checked: BTreeSet<String>,
}

impl Scheduled {
    /// Reads them all, whichever servers run here.
    pub(crate) fn read(entries: &[Entry], servers: &[Server], mistakes: &mut Mistakes) -> Self {
        let mut jobs = Vec::new();
        for Entry {
            server_type,
            at,
            value,
        } in entries
        {
            let of_type = || {
                let all = servers.iter().map(|server| &server.instance);
                all.filter(|instance| instance.server_type == *server_type)
            };
            if of_type().next().is_none() {
                warn!(%at, server_type, "a job is for servers of a type that the configuration does not name");
            }
            let job = match Job::from_pomelo(value) {
                Ok(job) => job,
                Err(wrong) => {
                    let id = value.get("id").map(|id| format!(" {id}"));
                    let id = id.unwrap_or_default();
                    for wrong in wrong.mistakes() {
                        mistakes.add_at(Some(at), format!("jobs.{server_type}{id}: {wrong}"));
                    }
                    continue;
                }
            };
            if let Some(bound) = job.server_id()
                && !of_type().any(|instance| instance.id == bound)
            {
                let problem = format!("`serverId`: there is no {server_type} `{bound}`");
                mistakes.add_at(Some(at), told(server_type, &job, &problem));
            }
            jobs.push((server_type.clone(), at.clone(), job));
        }
        Self {
            jobs,
            checked: BTreeSet::new(),
        }
    }

    /// Gives a server the jobs of its type, and notes all that is wrong with it.
    pub(crate) fn give(&mut self, mut blueprint: Blueprint, mistakes: &mut Mistakes) -> Blueprint {
        let server_type = blueprint.server_type().to_owned();
        let first = self.checked.insert(server_type.clone());
        if first {
            for mistake in blueprint.check() {
                mistakes.add(format!("{server_type}: {mistake}"));
            }
        }
        for (_, at, job) in self.jobs.iter().filter(|(of, ..)| *of == server_type) {
            let wrong = blueprint.check_job(job);
            if first {
                for wrong in &wrong {
                    mistakes.add_at(Some(at), told(&server_type, job, wrong));
                }
            }
            if wrong.is_empty() {
                blueprint = blueprint.schedule(job.clone());
            }
        }
        blueprint
    }
}

fn told(server_type: &str, job: &Job, problem: &str) -> String {
    format!("jobs.{server_type} {:?}: {problem}", job.id())
}
