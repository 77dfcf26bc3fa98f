//! crons.json.

use super::folder::Folder;
use crate::config::{
    jobs::{self, Job},
    keys::Spelling,
    node::Entry,
};

/// The file that Pomelo reads, and a name under which it is often written.
const FILES: [&str; 2] = ["crons.json", "cron.json"];

pub(super) fn read(folder: &mut Folder<'_>) -> Vec<Job> {
    let [first, second] = FILES;
    let found = match (folder.find_strict(first), folder.find_strict(second)) {
        (Some(_), Some(other)) => {
            let problem = format!("there is {first} as well: have all jobs in one");
            let at = other.at(&other.node);
            folder.mistakes.add_at(Some(&at), problem);
            return Vec::new();
        }
        (one, other) => one.or(other),
    };
    let Some(found) = found else {
        return Vec::new();
    };
    let Some(types) = found.node.table() else {
        let problem = format!(
            "expected server types and their jobs, found {}",
            found.node.shown()
        );
        let at = found.at(&found.node);
        folder.mistakes.add_at(Some(&at), problem);
        return Vec::new();
    };
    // Sections, and none of this environment: no jobs.
    let is_section = |entry: &Entry| entry.value.table().is_some();
    if !found.is_section && types.iter().all(is_section) {
        return Vec::new();
    }
    let mut all = Vec::new();
    for entry in types {
        let (server_type, value) = (entry.key.as_str(), &entry.value);
        all.extend(jobs::of_type(
            server_type,
            value,
            &found.file,
            Spelling::Pomelo,
            folder.mistakes,
        ));
    }
    all
}
