//! What other makers' sides are built of.

use std::fs;

use crate::root;

/// Those of the peers whose figures are in the tables.
const PEERS: [&str; 3] = ["axum", "tarpc", "tonic"];

/// Each with its version, from the lock files they are built by.
pub(crate) fn of_peers() -> String {
    let read = |file: &str| fs::read_to_string(root().join(file)).unwrap_or_default();
    let lock = read("benches/peers/Cargo.lock");
    let peers = PEERS.map(|name| format!("{name} {}", locked(&lock, name).unwrap_or("?")));
    let pomelo: Option<serde_json::Value> =
        serde_json::from_str(&read("benches/pomelo/package-lock.json")).ok();
    let pomelo = pomelo
        .as_ref()
        .map(|lock| &lock["packages"]["node_modules/pomelo"]["version"]);
    let pomelo = pomelo.and_then(|version| version.as_str()).unwrap_or("?");
    format!("Pomelo {pomelo}, {}", peers.join(", "))
}

/// The version of a package in a lock file of cargo's.
fn locked<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let (_, package) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    package.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_them_are_known() {
        let versions = of_peers();
        for name in ["Pomelo", "axum", "tarpc", "tonic"] {
            assert!(versions.contains(name), "{versions}");
        }
        assert!(!versions.contains('?'), "{versions}");
    }
}
