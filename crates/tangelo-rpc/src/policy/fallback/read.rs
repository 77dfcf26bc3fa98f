//! From files to entries, and the lines they begin in.

mod json;
mod toml;
mod yaml;

use std::path::Path;

use serde_json::Value;

use super::entry::Place;

/// A line of a file and what is wrong there.
type Mistake = (usize, String);

/// What a file holds: entries with the lines they begin in, and mistakes in the place of others.
type Entries = Vec<Result<(usize, Value), Mistake>>;

pub(super) fn entries(file: &Path, text: &str) -> Vec<Result<(Place, Value), String>> {
    let place = |line| Place::Line {
        file: file.display().to_string(),
        line,
    };
    let extension = file.extension().unwrap_or_default().to_ascii_lowercase();
    let entries = match extension.to_str() {
        Some("toml") => toml::entries(text),
        Some("json") => json::entries(text),
        Some("yaml" | "yml") => yaml::entries(text),
        _ => Err((1, "expected a .toml, .json, .yaml or .yml file".to_owned())),
    };
    let entries = entries.unwrap_or_else(|mistake| vec![Err(mistake)]);
    let placed = entries.into_iter().map(|entry| match entry {
        Ok((line, entry)) => Ok((place(line), entry)),
        Err((line, mistake)) => Err(format!("{}: {mistake}", place(line))),
    });
    placed.collect()
}

/// The line in which this byte stands, from 1.
fn line_of(text: &str, byte: usize) -> usize {
    let before = text.as_bytes().iter().take(byte);
    before.filter(|byte| **byte == b'\n').count() + 1
}
