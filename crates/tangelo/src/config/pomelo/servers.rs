//! servers.json.

use super::folder::{Folder, Found};
use crate::{
    config::{
        draft::{Draft, Voice},
        keys::{Spelling, has_no_engine},
        node::{Entry, Node},
    },
    mistakes::At,
};

const FILE: &str = "servers.json";

/// Server types and their servers, in the order of the file; none if there is no such file.
pub(super) fn read(folder: &mut Folder<'_>) -> Option<Vec<Draft>> {
    let found = folder.find_strict(FILE)?;
    let mut drafts = Vec::new();
    let Some(types) = types(folder, &found) else {
        folder.is_unreadable = true;
        return Some(drafts);
    };
    for Entry { key, value } in types {
        if key.is_empty() || key.contains('.') {
            let problem = format!("`{key}` is no server type: a route begins with it, up to a dot");
            folder.mistakes.add_at(Some(&found.at(value)), problem);
        }
        let Some(servers) = value.list() else {
            let problem = format!("{key}: expected a list of servers, found {}", value.shown());
            folder.mistakes.add_at(Some(&found.at(value)), problem);
            continue;
        };
        for (position, server) in servers.iter().enumerate() {
            let place = format!("{key}[{position}]");
            drafts.extend(draft(folder, &found, key, place, server));
        }
    }
    Some(drafts)
}

/// The section of the environment, or the whole if it has no sections.
fn types<'a>(folder: &mut Folder<'_>, found: &'a Found) -> Option<&'a [Entry]> {
    let Some(entries) = found.node.table() else {
        let problem = format!(
            "expected server types and their servers, found {}",
            found.node.shown()
        );
        folder
            .mistakes
            .add_at(Some(&found.at(&found.node)), problem);
        return None;
    };
    let is_section = |entry: &Entry| entry.value.table().is_some();
    if found.is_section || entries.is_empty() || !entries.iter().all(is_section) {
        return Some(entries);
    }
    let sections: Vec<_> = entries.iter().map(|entry| entry.key.as_str()).collect();
    let problem = format!(
        "there is no section `{}`; there are: {}",
        folder.env(),
        sections.join(", ")
    );
    folder
        .mistakes
        .add_at(Some(&found.at(&found.node)), problem);
    None
}

fn draft(
    folder: &mut Folder<'_>,
    found: &Found,
    server_type: &str,
    place: String,
    node: &Node,
) -> Option<Draft> {
    let at = found.at(node);
    let Some(entries) = node.table() else {
        let problem = format!("{place}: expected a server, found {}", node.shown());
        folder.mistakes.add_at(Some(&at), problem);
        return None;
    };
    let mut draft = Draft::new(server_type, place, at, Spelling::Pomelo);
    let says = |key: &str| entries.iter().any(|entry| entry.key == key);
    let is_front = says("frontend") && !says("clientPort");
    let mut wrong: Vec<(At, String, String)> = Vec::new();
    for Entry { key, value } in entries {
        let at = found.at(value);
        if has_no_engine(key) {
            let why = "start, restart and place the processes with your system's own tools";
            folder.notices.no_effect(format!("`{key}` in {FILE}"), why);
        }
        if key == "wsPort" {
            let notice = format!("{at}: `wsPort` is written `clientPort` since Pomelo 0.3");
            folder.notices.add(notice);
            if is_front
                && let Err(problem) = draft.say("clientPort", value.json(), at.clone(), Voice::File)
            {
                wrong.push((at, key.clone(), problem));
                continue;
            }
        }
        if let Err(problem) = draft.say(key, value.json(), at.clone(), Voice::File) {
            wrong.push((at, key.clone(), problem));
        }
    }
    let label = draft.label();
    for (at, key, problem) in wrong {
        let mistake = format!("{label}.{key}: {problem}");
        folder.mistakes.add_at(Some(&at), mistake);
    }
    Some(draft)
}
