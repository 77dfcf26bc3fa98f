//! serverProtos.json, clientProtos.json.

use std::collections::HashMap;

use tangelo_reflect::protobuf_js::ProtobufJs;
use tangelo_wire::pomelo::protobuf::{
    Definitions, Dialect, MAX_TAG, ProtoField, ProtoKey, ProtoMessage,
};

use super::folder::{Folder, Found};
use crate::config::node::{Entry, Node};

/// The messages that have definitions, by route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Protos {
    /// What servers say: serverProtos.json.
    pub server: Vec<ProtoMessage>,
    /// What clients say: clientProtos.json.
    pub client: Vec<ProtoMessage>,
    /// serverProtos.json as JSON, where it has the form of ProtoBuf.js, which Pomelo's decodeIO plugin reads.
    pub server_js: Option<String>,
    /// clientProtos.json in that form.
    pub client_js: Option<String>,
}

pub(super) fn read(folder: &mut Folder<'_>) -> Protos {
    let (server, server_js) = file(folder, "serverProtos.json");
    let (client, client_js) = file(folder, "clientProtos.json");
    Protos {
        server,
        client,
        server_js,
        client_js,
    }
}

/// In Pomelo's form, or in that of ProtoBuf.js: there `messages` is a list, and no route.
fn file(folder: &mut Folder<'_>, name: &str) -> (Vec<ProtoMessage>, Option<String>) {
    let Some(found) = folder.find(name) else {
        return (Vec::new(), None);
    };
    if found.node.is_empty() {
        return (Vec::new(), None);
    }
    if found
        .node
        .get("messages")
        .is_some_and(|node| node.list().is_some())
    {
        let json = found.node.json().to_string();
        return match ProtobufJs::parse(&json) {
            Ok(_) => (Vec::new(), Some(json)),
            Err(error) => {
                let problem = format!("{error}; its bodies are JSON");
                folder.odd(&found, &found.node, &problem);
                (Vec::new(), None)
            }
        };
    }
    (pomelos(folder, &found), None)
}

fn pomelos(folder: &mut Folder<'_>, found: &Found) -> Vec<ProtoMessage> {
    let Some(entries) = found.node.table() else {
        let what = "expected messages by their routes";
        folder.odd(found, &found.node, what);
        return Vec::new();
    };
    let mut reader = Reader { folder, found };
    let mut messages: Vec<ProtoMessage> = Vec::new();
    let mut lines: HashMap<&str, (usize, &Node)> = HashMap::new();
    for Entry { key, value } in entries {
        let Some(fields) = reader.table(value, key) else {
            continue;
        };
        let message = reader.message(key, fields);
        // A key that stands twice has been told.
        let place = lines
            .get(&**key)
            .map_or(messages.len(), |(place, _)| *place);
        lines.insert(key, (place, value));
        match messages.get_mut(place) {
            Some(earlier) => *earlier = message,
            None => messages.push(message),
        }
    }
    let (_, problems) = Definitions::new(&messages, Dialect::Extended);
    for problem in problems {
        if let Some((_, node)) = lines.get(&*problem.route) {
            reader.odd(node, &format!("{problem}; its bodies are JSON"));
        }
    }
    messages
}

struct Reader<'a, 'b> {
    folder: &'a mut Folder<'b>,
    found: &'a Found,
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
        let mut message = ProtoMessage::new(name);
        let mut tags: HashMap<u32, &str> = HashMap::new();
        for Entry { key, value } in entries {
            let (rule, kind, field) = match ProtoKey::parse(key) {
                Some(ProtoKey::Message(inner)) => {
                    if let Some(fields) = self.table(value, key) {
                        message.messages.push(self.message(inner, fields));
                    }
                    continue;
                }
                Some(ProtoKey::Field(rule, kind, field)) => (rule, kind, field),
                None => {
                    let form = "expected `required|optional|repeated type name`, or `message Name`";
                    self.odd(value, &format!("{name}: `{key}` is left out: {form}"));
                    continue;
                }
            };
            let tag = super::number(value).and_then(|tag| u32::try_from(tag).ok());
            let Some(tag) = tag.filter(|tag| (1..=MAX_TAG).contains(tag)) else {
                let form = format!("expected a field's number, 1 to {MAX_TAG}");
                self.odd(value, &format!("{name}: `{key}` is left out: {form}"));
                continue;
            };
            if let Some(first) = tags.get(&tag) {
                let taken = format!("{tag} is the number of `{first}`");
                self.odd(value, &format!("{name}: `{key}` is left out: {taken}"));
                continue;
            }
            tags.insert(tag, field);
            message.fields.push(ProtoField::new(rule, kind, field, tag));
        }
        message
    }

    fn odd(&mut self, node: &Node, what: &str) {
        self.folder.odd(self.found, node, what);
    }
}
