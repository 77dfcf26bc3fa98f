//! The chapters of `tangelo.toml` that are an application's: its server types, its servers, their jobs,
//! and what is different in an environment. The others are of krpc services.

use std::collections::BTreeMap;

use super::{
    alike::alike,
    draft::{Draft, Voice},
    jobs::{self, Job},
    keys::{OWN, Spelling},
    node::{Entry, FileName, Kind, Node},
};
use crate::{
    Mistakes,
    bootstrap::{Chapter, DESCRIPTORS},
};

/// Chapters that are read here.
pub(crate) const OURS: [&str; 4] = ["types", "servers", "jobs", ENV];
/// What is different in an environment: `[env.production.types.chat]`.
pub(crate) const ENV: &str = "env";

/// What a file says, or a section of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Chapters {
    /// What holds for all servers of a type.
    pub(super) types: BTreeMap<String, Draft>,
    /// The servers of the types in their order.
    pub(super) servers: Vec<(String, Vec<Draft>)>,
    pub(super) jobs: Vec<(String, Vec<Job>)>,
    /// The environments that it speaks of.
    pub(super) envs: Vec<(String, Self)>,
}

/// Reads the chapters. `krpc` tells whether somebody reads the others.
pub(super) fn read(whole: &Node, file: &FileName, krpc: bool, mistakes: &mut Mistakes) -> Chapters {
    let reader = &mut Reader {
        file,
        krpc,
        mistakes,
    };
    reader.chapters(whole, true)
}

impl Chapters {
    /// With what is different in the environment.
    pub(super) fn in_env(mut self, env: &str) -> Self {
        let envs = std::mem::take(&mut self.envs).into_iter();
        let section = envs.filter(|(name, _)| name == env);
        section.fold(self, |all, (_, section)| all.then(section))
    }

    /// With what is said later: keys of types are overruled one by one, servers and jobs of a type stand
    /// in place of those before.
    pub(super) fn then(mut self, later: Self) -> Self {
        for (server_type, draft) in later.types {
            let merged = draft.over(self.types.get(&server_type));
            self.types.insert(server_type, merged);
        }
        replace(&mut self.servers, later.servers);
        replace(&mut self.jobs, later.jobs);
        self
    }
}

fn replace<T>(all: &mut Vec<(String, T)>, others: Vec<(String, T)>) {
    for (name, other) in others {
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = other,
            None => all.push((name, other)),
        }
    }
}

struct Reader<'a> {
    file: &'a FileName,
    krpc: bool,
    mistakes: &'a mut Mistakes,
}

impl Reader<'_> {
    fn chapters(&mut self, node: &Node, is_whole: bool) -> Chapters {
        let mut chapters = Chapters::default();
        for Entry { key, value } in node.table().unwrap_or_default() {
            match key.as_str() {
                "types" => {
                    for Entry { key, value } in self.named(key, value) {
                        let draft = self.server_type(key, value);
                        chapters.types.insert(key.clone(), draft);
                    }
                }
                "servers" => {
                    for Entry { key, value } in self.named(key, value) {
                        let servers = self.servers(key, value);
                        chapters.servers.push((key.clone(), servers));
                    }
                }
                "jobs" => {
                    for Entry { key, value } in self.named(key, value) {
                        let jobs =
                            jobs::of_type(key, value, self.file, Spelling::Ours, self.mistakes);
                        chapters.jobs.push((key.clone(), jobs));
                    }
                }
                ENV if is_whole => {
                    for Entry { key, value } in self.named(key, value) {
                        let section = match &value.kind {
                            Kind::Table(_) => self.chapters(value, false),
                            _ => {
                                self.wrong(value, &format!("env.{key}"), "expected a table");
                                Chapters::default()
                            }
                        };
                        chapters.envs.push((key.clone(), section));
                    }
                }
                other => self.other(other, value),
            }
        }
        chapters
    }

    /// The entries of a chapter that has names in it.
    fn named<'a>(&mut self, chapter: &str, node: &'a Node) -> &'a [Entry] {
        let entries = node.table();
        if entries.is_none() {
            let form = match chapter {
                ENV => "expected [env.production.servers.chat]".to_owned(),
                "jobs" => "expected [[jobs.chat]]".to_owned(),
                _ => format!("expected [{chapter}.chat]"),
            };
            self.wrong(node, chapter, &form);
        }
        entries.unwrap_or_default()
    }

    fn server_type(&mut self, server_type: &str, node: &Node) -> Draft {
        let label = format!("types.{server_type}");
        let mut shared = node.clone();
        if let Kind::Table(entries) = &mut shared.kind {
            entries.retain(|Entry { key, value }| {
                let is_own = OWN.contains(&key.as_str());
                if is_own {
                    let servers = format!("[servers.{server_type}] or [[servers.{server_type}]]");
                    let problem = format!("belongs into {servers}");
                    self.wrong(value, &format!("{label}.{key}"), &problem);
                }
                !is_own
            });
        }
        self.draft(server_type, label, &shared)
    }

    /// `[servers.chat]`, one or those of a cluster, or all of `[[servers.chat]]`.
    fn servers(&mut self, server_type: &str, node: &Node) -> Vec<Draft> {
        let place = format!("servers.{server_type}");
        if server_type.is_empty() || server_type.contains('.') {
            let problem = "is no server type: a route begins with it, up to a dot";
            self.wrong(node, &place, problem);
        }
        match &node.kind {
            Kind::Table(_) => vec![self.draft(server_type, place, node)],
            Kind::List(list) => {
                let servers = list.iter().enumerate();
                let servers = servers.map(|(position, node)| {
                    self.draft(server_type, format!("{place}[{position}]"), node)
                });
                servers.collect()
            }
            Kind::Plain(_) => {
                let form = format!("expected [{place}] or [[{place}]]");
                self.wrong(node, &place, &form);
                Vec::new()
            }
        }
    }

    fn draft(&mut self, server_type: &str, place: String, node: &Node) -> Draft {
        let at = self.file.at(node.line);
        let mut draft = Draft::new(server_type, place, at, Spelling::Ours);
        let Some(entries) = node.table() else {
            let label = draft.label();
            self.wrong(node, &label, "expected a table");
            return draft;
        };
        let mut wrong = Vec::new();
        for Entry { key, value } in entries {
            let at = self.file.at(value.line);
            if let Err(problem) = draft.say(key, value.json(), at, Voice::File) {
                wrong.push((value, key, problem));
            }
        }
        let label = draft.label();
        for (node, key, problem) in wrong {
            self.wrong(node, &format!("{label}.{key}"), &problem);
        }
        draft
    }

    /// A chapter of krpc services, or one that there is not.
    fn other(&mut self, name: &str, node: &Node) {
        let is_krpc = name == DESCRIPTORS || Chapter::named(name).is_some();
        match (is_krpc, self.krpc) {
            (true, true) => {}
            (true, false) => {
                let hint = match name {
                    "server" => "; servers for clients are [servers.<type>]",
                    _ => "",
                };
                let problem = format!(
                    "is of krpc services, of which this application has none (App::rpc){hint}"
                );
                self.wrong(node, name, &problem);
            }
            (false, _) => {
                let krpc = Chapter::ALL.map(Chapter::name);
                let known: Vec<_> = OURS.iter().chain(&krpc).copied().collect();
                let problem = match alike(name, known.iter().copied()) {
                    Some(meant) => format!("unknown chapter; do you mean `{meant}`?"),
                    None => format!(
                        "unknown chapter; there are: {}, {DESCRIPTORS}",
                        known.join(", ")
                    ),
                };
                self.wrong(node, name, &problem);
            }
        }
    }

    fn wrong(&mut self, node: &Node, what: &str, problem: &str) {
        let at = self.file.at(node.line);
        self.mistakes
            .add_at(Some(&at), format!("{what}: {problem}"));
    }
}
