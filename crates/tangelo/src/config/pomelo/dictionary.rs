//! dictionary.json.

use tangelo_wire::pomelo::message::MAX_ROUTE;

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
    let Some(list) = found.node.list() else {
        folder.odd(&found, &found.node, "expected a list of routes");
        return Vec::new();
    };
    let mut routes = Vec::new();
    for node in list {
        match node.text() {
            Some(route) if (1..=MAX_ROUTE).contains(&route.len()) => routes.push(route.to_owned()),
            _ => folder.odd(&found, node, "expected a route, a text of 1 to 255 bytes"),
        }
    }
    routes
}
