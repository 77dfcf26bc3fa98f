//! Finding a file as Pomelo does: `config/x.json`, of which the section of the environment counts if it
//! has one, or else `config/<env>/x.json`.

use std::path::{Path, PathBuf};

use crate::{
    Mistakes,
    config::{
        json,
        node::{FileName, Node},
        notices::Notices,
        read,
    },
    mistakes::At,
};

/// A folder while it is read.
pub(in crate::config) struct Folder<'a> {
    path: PathBuf,
    env: String,
    next_file: usize,
    pub(super) is_unreadable: bool,
    pub(super) notices: &'a mut Notices,
    pub(super) mistakes: &'a mut Mistakes,
}

/// What a file says for the environment.
#[derive(Debug)]
pub(in crate::config) struct Found {
    pub(super) file: FileName,
    pub(in crate::config) node: Node,
    /// Whether it is a section of the file.
    pub(super) is_section: bool,
}

impl Found {
    pub(super) fn at(&self, node: &Node) -> At {
        self.file.at(node.line)
    }
}

impl<'a> Folder<'a> {
    pub(in crate::config) fn new(
        path: &Path,
        env: &str,
        first_file: usize,
        notices: &'a mut Notices,
        mistakes: &'a mut Mistakes,
    ) -> Self {
        Self {
            path: path.to_path_buf(),
            env: env.to_owned(),
            next_file: first_file,
            is_unreadable: false,
            notices,
            mistakes,
        }
    }

    /// A file that means nothing yet, where a key said twice is as in Pomelo.
    pub(in crate::config) fn find(&mut self, name: &str) -> Option<Found> {
        let (found, doubles) = self.find_any(name)?;
        for (key, line) in doubles {
            let at = found.file.at(line);
            self.notices.add(format!(
                "{at}: `{key}` stands here a second time; as in Pomelo the last counts"
            ));
        }
        Some(found)
    }

    /// A file of ours, where a key said twice is a mistake.
    pub(super) fn find_strict(&mut self, name: &str) -> Option<Found> {
        let (found, doubles) = self.find_any(name)?;
        for (key, line) in doubles {
            let at = found.file.at(line);
            let problem = format!("`{key}` stands here a second time");
            self.mistakes.add_at(Some(&at), problem);
        }
        Some(found)
    }

    fn find_any(&mut self, name: &str) -> Option<(Found, Vec<(String, usize)>)> {
        let plain = self.path.join(name);
        let of_env = self.path.join(&self.env).join(name);
        match self.read(&plain) {
            Read::NotThere => match self.read(&of_env) {
                Read::Node(file, node) => Some(section(file, node, None)),
                Read::NotThere | Read::Wrong => None,
            },
            Read::Wrong => None,
            Read::Node(file, node) => {
                if of_env.exists() && of_env != plain {
                    let (of_env, plain) = (of_env.display(), plain.display());
                    let notice = format!("{of_env} is not read, because there is {plain}");
                    self.notices.add(notice);
                }
                Some(section(file, node, Some(&self.env)))
            }
        }
    }

    fn read(&mut self, path: &Path) -> Read {
        let name = path.display().to_string();
        let text = match read::text(path) {
            Ok(Some(text)) => text,
            Ok(None) => return Read::NotThere,
            Err(problem) => {
                self.mistakes.add(format!("{name}: {problem}"));
                self.is_unreadable = true;
                return Read::Wrong;
            }
        };
        let file = FileName {
            number: self.next_file,
            name,
        };
        self.next_file += 1;
        match json::parse(&text) {
            Ok(node) => Read::Node(file, node),
            Err((line, problem)) => {
                self.mistakes.add_at(Some(&file.at(line)), problem);
                self.is_unreadable = true;
                Read::Wrong
            }
        }
    }

    pub(super) fn env(&self) -> &str {
        &self.env
    }

    /// Something of a file is not as Pomelo documents it, which it does not mind.
    pub(super) fn odd(&mut self, found: &Found, node: &Node, what: &str) {
        let at = found.at(node);
        self.notices.add(format!("{at}: {what}"));
    }

    /// A file is kept, and nothing comes of it.
    pub(super) fn has_no_effect(&mut self, name: &str, why: &'static str) {
        self.notices.no_effect(name, why);
    }
}

enum Read {
    NotThere,
    Wrong,
    Node(FileName, Node),
}

/// The section of the environment, if there is one, and the keys said twice in the file.
fn section(file: FileName, node: Node, env: Option<&str>) -> (Found, Vec<(String, usize)>) {
    let doubles = node.doubles().into_iter();
    let doubles = doubles.map(|(key, line)| (key.to_owned(), line)).collect();
    let section = env.and_then(|env| node.get(env)).cloned();
    let found = Found {
        file,
        is_section: section.is_some(),
        node: section.unwrap_or(node),
    };
    (found, doubles)
}
