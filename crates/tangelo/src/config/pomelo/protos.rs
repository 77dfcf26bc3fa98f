//! serverProtos.json, clientProtos.json.

use std::collections::{HashMap, HashSet};

use super::folder::{Folder, Found};
use crate::config::node::{Entry, Node};

/// The types of Pomelo's protobuf, apart from messages.
const TYPES: [&str; 6] = ["uInt32", "sInt32", "int32", "float", "double", "string"];
/// The word before the name of a message that others hold.
const MESSAGE: &str = "message";

/// The messages that have definitions, by route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Protos {
    /// What servers say: serverProtos.json.
    pub server: Vec<ProtoMessage>,
    /// What clients say: clientProtos.json.
    pub client: Vec<ProtoMessage>,
}

/// A message, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProtoMessage {
    /// Its route; of a message within others its name. One that all may hold stands beside the routes as
    /// `message Name`, as in the file.
    pub name: String,
    /// Its fields.
    pub fields: Vec<ProtoField>,
    /// The messages that are known in it.
    pub messages: Vec<Self>,
}

/// A field of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProtoField {
    /// How often it is there.
    pub rule: ProtoRule,
    /// `uInt32`, `sInt32`, `int32`, `float`, `double`, `string`, or a message's name.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its number.
    pub tag: u32,
}

/// How often a field is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtoRule {
    /// Once.
    Required,
    /// Once or never.
    Optional,
    /// Any number of times.
    Repeated,
}

pub(super) fn read(folder: &mut Folder<'_>) -> Protos {
    Protos {
        server: file(folder, "serverProtos.json"),
        client: file(folder, "clientProtos.json"),
    }
}

fn file(folder: &mut Folder<'_>, name: &str) -> Vec<ProtoMessage> {
    let Some(found) = folder.find(name) else {
        return Vec::new();
    };
    if found.node.is_empty() {
        return Vec::new();
    }
    folder.has_no_effect(
        name,
        "messages go as JSON: there are no protobuf definitions yet",
    );
    let Some(entries) = found.node.table() else {
        let what = "expected messages by their routes";
        folder.odd(&found, &found.node, what);
        return Vec::new();
    };
    let shared = names(entries).collect();
    let mut reader = Reader {
        folder,
        found: &found,
        shared,
    };
    let messages = entries.iter().filter_map(|Entry { key, value }| {
        let fields = reader.table(value, key)?;
        Some(reader.message(key, fields))
    });
    messages.collect()
}

/// The messages that entries define for others.
fn names(entries: &[Entry]) -> impl Iterator<Item = &str> {
    let entries = entries.iter();
    entries.filter_map(|entry| match words(&entry.key)[..] {
        [MESSAGE, name] => Some(name),
        _ => None,
    })
}

fn words(key: &str) -> Vec<&str> {
    key.split(' ').collect()
}

struct Reader<'a, 'b> {
    folder: &'a mut Folder<'b>,
    found: &'a Found,
    /// Messages that all may hold.
    shared: HashSet<&'a str>,
}

impl<'a> Reader<'a, '_> {
    fn table(&mut self, node: &'a Node, key: &str) -> Option<&'a [Entry]> {
        let entries = node.table();
        if entries.is_none() {
            self.odd(node, &format!("{key}: expected a message's fields"));
        }
        entries
    }

    fn message(&mut self, name: &str, entries: &'a [Entry]) -> ProtoMessage {
        let mut message = ProtoMessage {
            name: name.to_owned(),
            ..ProtoMessage::default()
        };
        // What stands around it is not known in it.
        let own: HashSet<_> = names(entries).collect();
        let mut tags: HashMap<u32, &str> = HashMap::new();
        for Entry { key, value } in entries {
            let rule = match words(key)[..] {
                [MESSAGE, inner] => {
                    if let Some(fields) = self.table(value, key) {
                        message.messages.push(self.message(inner, fields));
                    }
                    continue;
                }
                [rule, kind, field] => rule_named(rule).map(|rule| (rule, kind, field)),
                _ => None,
            };
            let Some((rule, kind, field)) = rule else {
                let form = "expected `required|optional|repeated type name`, or `message Name`";
                self.odd(value, &format!("{name}: `{key}` is left out: {form}"));
                continue;
            };
            let tag = super::number(value).and_then(|tag| u32::try_from(tag).ok());
            let Some(tag) = tag.filter(|tag| *tag > 0) else {
                let form = "expected a field's number, from 1";
                self.odd(value, &format!("{name}: `{key}` is left out: {form}"));
                continue;
            };
            if let Some(first) = tags.get(&tag) {
                let taken = format!("{tag} is the number of `{first}`");
                self.odd(value, &format!("{name}: `{key}` is left out: {taken}"));
                continue;
            }
            tags.insert(tag, field);
            if !TYPES.contains(&kind) && !own.contains(kind) && !self.shared.contains(kind) {
                let problem = format!("{name}: `{key}`: there is no type or message `{kind}`");
                self.odd(value, &problem);
            }
            message.fields.push(ProtoField {
                rule,
                kind: kind.to_owned(),
                name: field.to_owned(),
                tag,
            });
        }
        message
    }

    fn odd(&mut self, node: &Node, what: &str) {
        self.folder.odd(self.found, node, what);
    }
}

fn rule_named(name: &str) -> Option<ProtoRule> {
    match name {
        "required" => Some(ProtoRule::Required),
        "optional" => Some(ProtoRule::Optional),
        "repeated" => Some(ProtoRule::Repeated),
        _ => None,
    }
}
