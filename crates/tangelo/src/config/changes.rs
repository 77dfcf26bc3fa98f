//! Single changes of servers: by the environment, by the code, by the command line.

use serde_json::Value;

use super::draft::{Draft, SETTINGS, Voice};
use crate::{
    Mistakes,
    bootstrap::Chapter,
    mistakes::At,
    outside::{Assignment, BETWEEN, PREFIX, Variables, is_in_variable, texts},
};

/// The chapter of variables that are for servers.
const CHAPTER: &str = "SERVERS";
/// The variable that says which environment it is.
const ENV: &str = "TANGELO__ENV";

/// One change of a server, or of all of a type.
#[derive(Clone, Debug)]
pub(super) struct Change {
    target: Target,
    key: String,
    /// The first of these that the key takes.
    values: Vec<Value>,
    /// How it is called in mistakes.
    said: String,
    voice: Voice,
    /// The ids and types that it was for.
    met: Vec<String>,
    /// Whether it is told already that it is wrong.
    told: bool,
}

#[derive(Clone, Debug)]
enum Target {
    /// An id or a type.
    Name(String),
    /// As a variable writes it.
    Variable(String),
}

/// Everything that was said outside of files.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) all: Vec<Change>,
    /// Which environment the variables say it is.
    pub(super) env: Option<String>,
    /// What is not of servers: for krpc services.
    pub(super) rest: Rest,
}

/// What is said of krpc services.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rest {
    pub(crate) variables: Vec<(String, String)>,
    /// In code.
    pub(crate) changes: Vec<(String, Value)>,
    /// On the command line.
    pub(crate) assignments: Vec<Assignment>,
}

impl Changes {
    pub(super) fn variables(&mut self, variables: &Variables, mistakes: &mut Mistakes) {
        const FORM: &str = "expected TANGELO__SERVERS__ID__KEY, such as \
                            TANGELO__SERVERS__CHAT_SERVER_1__PORT";
        for (name, value) in &variables.0 {
            let rest = name.strip_prefix(PREFIX).unwrap_or(name);
            if name == ENV {
                self.env = Some(value.clone());
                continue;
            }
            let of_servers = rest.split_once(BETWEEN);
            let Some((_, rest)) = of_servers.filter(|(chapter, _)| *chapter == CHAPTER) else {
                self.rest.variables.push((name.clone(), value.clone()));
                continue;
            };
            let Some((target, key)) = rest.rsplit_once(BETWEEN) else {
                mistakes.add(format!("{name}: {FORM}"));
                continue;
            };
            self.all.push(Change {
                target: Target::Variable(target.to_owned()),
                key: key.to_ascii_lowercase(),
                values: texts(value),
                said: name.clone(),
                voice: Voice::Environment,
                met: Vec::new(),
                told: false,
            });
        }
    }

    pub(super) fn code(&mut self, changes: &[(String, String, Value)]) {
        for (server, key, value) in changes {
            self.all.push(Change {
                target: Target::Name(server.clone()),
                key: key.clone(),
                values: vec![value.clone()],
                said: format!("set {server}.{key}"),
                voice: Voice::Code,
                met: Vec::new(),
                told: false,
            });
        }
    }

    pub(super) fn flags(&mut self, assignments: &[Assignment]) {
        for Assignment { key: path, value } in assignments {
            let (server, key) = path.rsplit_once('.').unwrap_or((path, ""));
            let (server, key) = match server.strip_suffix(".settings") {
                Some(server) => (server, format!("{SETTINGS}.{key}")),
                None => (server, key.to_owned()),
            };
            self.all.push(Change {
                target: Target::Name(server.to_owned()),
                key,
                values: texts(value),
                said: format!("--set {path}"),
                voice: Voice::Flag,
                met: Vec::new(),
                told: false,
            });
        }
    }

    /// Makes the changes that are for this name, an id or a type.
    pub(super) fn apply(&mut self, name: &str, draft: &mut Draft, mistakes: &mut Mistakes) {
        for change in &mut self.all {
            if change.is_for(name) {
                change.met(name);
                if let Err(problem) = change.make(draft)
                    && !std::mem::replace(&mut change.told, true)
                {
                    mistakes.add(format!("{}: {problem}", change.said));
                }
            }
        }
    }

    /// Tells which changes were for nobody, or for more than one; those that name a chapter of krpc
    /// services are for these.
    pub(super) fn finish(self, known: &[String], krpc: bool, mistakes: &mut Mistakes) -> Rest {
        let mut rest = self.rest;
        if !krpc {
            for (name, _) in std::mem::take(&mut rest.variables) {
                let form = "expected TANGELO__SERVERS__ID__KEY, or TANGELO__ENV";
                mistakes.add(format!("{name}: {form}"));
            }
        }
        for change in self.all {
            let said = &change.said;
            match (&change.target, &change.met[..]) {
                (_, [_]) => {}
                (Target::Name(_), [_, ..]) => {}
                (Target::Variable(_), [_, ..]) => {
                    let met = change.met.join(", ");
                    mistakes.add(format!("{said}: may mean each of {met}"));
                }
                (Target::Name(name), []) if krpc && is_of_krpc(name) => rest.add(change),
                (Target::Name(name) | Target::Variable(name), []) => {
                    let known = known.join(", ");
                    let problem = format!("there is no server or type `{name}`; there are");
                    mistakes.add(format!("{said}: {problem}: {known}"));
                }
            }
        }
        rest
    }
}

impl Change {
    fn is_for(&self, name: &str) -> bool {
        match &self.target {
            Target::Name(target) => target == name,
            Target::Variable(target) => is_in_variable(name, target),
        }
    }

    fn met(&mut self, name: &str) {
        if !self.met.iter().any(|met| met == name) {
            self.met.push(name.to_owned());
        }
    }

    fn make(&self, draft: &mut Draft) -> Result<(), String> {
        if self.key == "id" {
            return Err("is given where the server is declared".to_owned());
        }
        if let Some(key) = self.key.strip_prefix("settings.") {
            if let Some(value) = self.values.first() {
                draft.keep(key, value.clone(), self.voice);
            }
            return Ok(());
        }
        let at = At::Outside(self.said.clone());
        let mut tried = self
            .values
            .iter()
            .map(|value| draft.say(&self.key, value.clone(), at.clone(), self.voice));
        let first = tried.next().unwrap_or(Ok(()));
        match first {
            Err(_) if tried.any(|outcome| outcome.is_ok()) => Ok(()),
            outcome => outcome,
        }
    }
}

impl Rest {
    fn add(&mut self, change: Change) {
        let Target::Name(name) = change.target else {
            return;
        };
        let key = format!("{name}.{}", change.key);
        match (change.voice, change.values.into_iter().next_back()) {
            (Voice::Flag, Some(Value::String(value))) => {
                self.assignments.push(Assignment { key, value });
            }
            (_, Some(value)) => self.changes.push((key, value)),
            (_, None) => {}
        }
    }
}

/// Whether a variable is for the servers of an application, and not for krpc services.
pub(crate) fn is_of_servers(variable: &str) -> bool {
    let rest = variable.strip_prefix(PREFIX).unwrap_or(variable);
    let chapter = rest.split_once(BETWEEN).map(|(chapter, _)| chapter);
    variable == ENV || chapter == Some(CHAPTER)
}

/// Whether this is `server.default`, or `application`.
fn is_of_krpc(target: &str) -> bool {
    let chapter = target
        .split_once('.')
        .map_or(target, |(chapter, _)| chapter);
    let Some(chapter) = Chapter::named(chapter) else {
        return false;
    };
    chapter.is_one() != target.contains('.')
}
