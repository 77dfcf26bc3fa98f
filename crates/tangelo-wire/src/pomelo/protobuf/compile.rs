//! Definitions, with every name looked up.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::{Dialect, Kind, MAX_DEPTH, MAX_TAG, ProtoMessage, ProtoRule};

/// The word before the name of a message that all may hold.
const SHARED: &str = "message ";

/// Messages by their routes, ready to be read and written.
///
/// What is wrong with a file of them concerns the routes it is found in: those are left out, so that
/// their bodies are JSON on both sides, and the others are there.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    pub(super) dialect: Dialect,
    pub(super) messages: Vec<Message>,
    routes: HashMap<Box<str>, MessageId, foldhash::fast::RandomState>,
    /// The files' own words for those that are there.
    pub(super) sources: Vec<ProtoMessage>,
}

/// The definition of one message among those of [`Definitions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MessageId(pub(super) u32);

/// Why a route of a file has no definition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{route}: {problem}")]
pub struct Problem {
    /// The route.
    pub route: String,
    /// What is wrong, with the field.
    pub problem: String,
}

impl MessageId {
    /// Its number among all of its definitions.
    pub fn number(self) -> u32 {
        self.0
    }

    /// The definition of this number. One that there is not is an error where it is used.
    pub fn from_number(number: u32) -> Self {
        Self(number)
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Message {
    /// In the order of the file.
    pub(super) fields: Vec<Field>,
    /// Places among the fields, by tag.
    by_tag: HashMap<u32, usize, foldhash::fast::RandomState>,
}

#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: Box<str>,
    /// The name as JSON has it before a value, with its colon.
    pub(super) key: Box<str>,
    pub(super) rule: ProtoRule,
    pub(super) kind: Kind,
    pub(super) tag: u32,
}

impl Definitions {
    /// Looks up what definitions name, as the dialect has it.
    ///
    /// The second value says what is wrong and which routes are left out for it: a type that is not
    /// there, a number or a name that is taken, nested deeper than [`MAX_DEPTH`]. Routes with types that
    /// only [`Dialect::Extended`] has are left out of the other without a word.
    pub fn new(sources: &[ProtoMessage], dialect: Dialect) -> (Self, Vec<Problem>) {
        let shared = sources
            .iter()
            .filter_map(|source| Some((source.name.strip_prefix(SHARED)?, source)));
        let mut compiler = Compiler {
            dialect,
            shared: shared.collect(),
            known: HashMap::new(),
            messages: Vec::new(),
        };
        let mut definitions = Self {
            dialect,
            ..Self::default()
        };
        let mut problems = Vec::new();
        let mut seen = HashSet::new();
        let mut used = HashSet::new();
        for source in sources {
            if source.name.starts_with(SHARED) {
                continue;
            }
            if !seen.insert(source.name.as_str()) {
                problems.push(Problem {
                    route: source.name.clone(),
                    problem: "defined twice; the first counts".to_owned(),
                });
                continue;
            }
            // What a route that is left out had added goes with it.
            let before = compiler.messages.len();
            let known = compiler.known.clone();
            match compiler.message(source, 1) {
                Ok(id) => {
                    definitions.routes.insert(source.name.as_str().into(), id);
                    used.insert(source.name.as_str());
                }
                Err(refusal) => {
                    compiler.messages.truncate(before);
                    compiler.known = known;
                    if let Refusal::Wrong(problem) = refusal {
                        problems.push(Problem {
                            route: source.name.clone(),
                            problem,
                        });
                    }
                }
            }
        }
        let names = compiler.known.keys();
        let names: HashSet<String> = names.map(|name| format!("{SHARED}{name}")).collect();
        definitions.sources = sources
            .iter()
            .filter(|source| {
                names.contains(&source.name)
                    || used.contains(source.name.as_str()) && seen.remove(source.name.as_str())
            })
            .cloned()
            .collect();
        definitions.messages = compiler.messages;
        (definitions, problems)
    }

    /// The definition of what goes under this route, if it has one.
    pub fn of(&self, route: &str) -> Option<MessageId> {
        self.routes.get(route).copied()
    }

    /// Whether no route has a definition.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// How they are read and written.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(super) fn message(&self, id: MessageId) -> Option<&Message> {
        self.messages.get(id.0 as usize)
    }
}

impl Message {
    pub(super) fn place(&self, tag: u32) -> Option<usize> {
        self.by_tag.get(&tag).copied()
    }
}

enum Refusal {
    Wrong(String),
    /// It has types that this dialect does not.
    Extended,
}

struct Compiler<'a> {
    dialect: Dialect,
    shared: HashMap<&'a str, &'a ProtoMessage>,
    /// Shared messages that have been asked for; they may hold themselves.
    known: HashMap<&'a str, MessageId>,
    messages: Vec<Message>,
}

impl<'a> Compiler<'a> {
    fn message(&mut self, source: &'a ProtoMessage, depth: usize) -> Result<MessageId, Refusal> {
        let id = self.place(depth)?;
        self.fill(id, source, depth)?;
        Ok(id)
    }

    /// A place for a message whose fields follow.
    fn place(&mut self, depth: usize) -> Result<MessageId, Refusal> {
        if depth > MAX_DEPTH {
            let problem = format!("more than {MAX_DEPTH} messages within each other");
            return Err(Refusal::Wrong(problem));
        }
        let id = MessageId(self.messages.len() as u32);
        self.messages.push(Message::default());
        Ok(id)
    }

    fn fill(
        &mut self,
        id: MessageId,
        source: &'a ProtoMessage,
        depth: usize,
    ) -> Result<(), Refusal> {
        // Those of a name that stands twice: the last counts, as in an object.
        let inner: HashMap<&str, &ProtoMessage> = source
            .messages
            .iter()
            .map(|inner| (inner.name.as_str(), inner))
            .collect();
        let mut compiled: HashMap<&str, MessageId> = HashMap::new();
        let mut message = Message::default();
        let mut names = HashSet::new();
        for field in &source.fields {
            let name = field.name.as_str();
            let wrong = |problem: &str| Refusal::Wrong(format!("`{name}`: {problem}"));
            // Two words that the form the client gets has for itself.
            if !names.insert(name) || matches!(name, "__messages" | "__tags" | "__proto__") {
                return Err(wrong("the name is taken"));
            }
            if !(1..=MAX_TAG).contains(&field.tag) {
                return Err(wrong("no number that a field can have"));
            }
            if message
                .by_tag
                .insert(field.tag, message.fields.len())
                .is_some()
            {
                return Err(wrong(&format!("number {} is taken", field.tag)));
            }
            let kind = field.kind.as_str();
            let kind = if let Some(kind) = Kind::named(kind) {
                if kind.is_extension() && self.dialect == Dialect::Pomelo {
                    return Err(Refusal::Extended);
                }
                kind
            } else if let Some(known) = compiled.get(kind) {
                Kind::Message(*known)
            } else if let Some(inner) = inner.get(kind) {
                let id = self.message(inner, depth + 1)?;
                compiled.insert(kind, id);
                Kind::Message(id)
            } else if let Some(shared) = self.shared(kind, depth) {
                Kind::Message(shared?)
            } else {
                return Err(wrong(&format!("there is no type or message `{kind}`")));
            };
            message.fields.push(Field {
                name: name.into(),
                key: format!("{}:", Value::from(name)).into(),
                rule: field.rule,
                kind,
                tag: field.tag,
            });
        }
        if let Some(place) = self.messages.get_mut(id.0 as usize) {
            *place = message;
        }
        Ok(())
    }

    fn shared(&mut self, name: &str, depth: usize) -> Option<Result<MessageId, Refusal>> {
        let (name, source) = self
            .shared
            .get_key_value(name)
            .map(|(name, of)| (*name, *of))?;
        if let Some(known) = self.known.get(name) {
            return Some(Ok(*known));
        }
        Some(self.place(depth + 1).and_then(|id| {
            // Known before its fields are: one of them may be of this very kind.
            self.known.insert(name, id);
            self.fill(id, source, depth + 1).map(|()| id)
        }))
    }
}
