//! dictionary.json.

use super::folder::Folder;

const FILE: &str = "dictionary.json";

/// The routes that get short codes, in their order.
pub(super) fn read(folder: &mut Folder<'_>) -> Vec<String> {
    let Some(found) = folder.find(FILE) else {
        return Vec::new();
    };
    // The template has `{}`.
    if found.node.is_empty() {
        return Vec::new();
    }
    folder.has_no_effect(
        FILE,
        "routes have no short codes yet: clients send them in full",
    );
    let Some(list) = found.node.list() else {
        folder.odd(&found, &found.node, "expected a list of routes");
        return Vec::new();
    };
    let mut routes = Vec::new();
    for node in list {
        match node.text() {
            Some(route) => routes.push(route.to_owned()),
            None => folder.odd(&found, node, "expected a route, as a text"),
        }
    }
    routes
}
