//! The page for those who come from Pomelo says what can be configured, all of it and nothing else.

use std::fmt::Write;

use tangelo::config::Key;

const PAGE: &str = include_str!("../../../docs/pomelo.md");

fn code(text: &str) -> String {
    match text {
        "" => String::new(),
        _ => format!("`{text}`"),
    }
}

#[test]
fn every_key_of_a_server_stands_in_the_table() {
    let mut table =
        String::from("| tangelo.toml | servers.json | default | meaning |\n|---|---|---|---|\n");
    for key in Key::ALL {
        let (name, pomelo) = (code(key.name()), code(key.pomelo()));
        let (default, meaning) = (code(key.default()), key.meaning());
        let _ = writeln!(table, "| {name} | {pomelo} | {default} | {meaning} |");
    }
    let table = table.replace("|  |", "| |").replace("|  |", "| |");
    assert!(PAGE.contains(&table), "put into docs/pomelo.md:\n\n{table}");
}
