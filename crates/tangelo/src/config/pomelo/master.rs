//! master.json, masterha.json.

use super::folder::{Folder, Found};
use crate::config::{node::Node, pomelo::number};

const NO_MASTER: &str = "there is no master: servers find each other by servers.json";

/// Where Pomelo's master listens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Master {
    /// Its name.
    pub id: String,
    /// Its address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// The master of master.json.
pub(super) fn one(folder: &mut Folder<'_>) -> Option<Master> {
    let found = folder.find("master.json")?;
    folder.has_no_effect("master.json", NO_MASTER);
    master(folder, &found, &found.node)
}

/// The masters of masterha.json, which stand by.
pub(super) fn all(folder: &mut Folder<'_>) -> Vec<Master> {
    let Some(found) = folder.find("masterha.json") else {
        return Vec::new();
    };
    folder.has_no_effect("masterha.json", NO_MASTER);
    let Some(list) = found.node.get("masterha").and_then(Node::list) else {
        folder.odd(
            &found,
            &found.node,
            "expected `masterha`, a list of masters",
        );
        return Vec::new();
    };
    let masters = list.iter().filter_map(|node| master(folder, &found, node));
    masters.collect()
}

fn master(folder: &mut Folder<'_>, found: &Found, node: &Node) -> Option<Master> {
    let text = |key: &str| Some(node.get(key)?.text()?.to_owned());
    let port = node.get("port").and_then(number);
    let port = port.and_then(|port| u16::try_from(port).ok());
    match (text("id"), text("host"), port) {
        (Some(id), Some(host), Some(port)) => Some(Master { id, host, port }),
        _ => {
            folder.odd(found, node, "expected a master: `id`, `host`, `port`");
            None
        }
    }
}
