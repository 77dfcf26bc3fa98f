//! The page for those who come from krpc says what there is, all of it and nothing else.

use std::fmt::Write;

use tangelo::rpc::{
    Code,
    config::{
        ApplicationConfig, ClientConfig, Key, MethodConfig, MonitorConfig, RefererConfig, Refused,
        RegistryConfig, ServerConfig, ServiceConfig, WebServerConfig,
    },
};

const PAGE: &str = include_str!("../../../docs/krpc.md");

/// Keys that krpc does not have, or has under another name.
const OURS: [(&str, &str, &str); 50] = [
    ("application", "fallback_file", "fallbackPlugin"),
    ("client", "lazy", ""),
    ("client", "layout", ""),
    ("client", "tls_ca", ""),
    ("client", "tls_cert", ""),
    ("client", "tls_key", ""),
    ("client", "tls_server_name", ""),
    ("server", "max_timeout", ""),
    ("server", "layout", ""),
    ("server", "tls_cert", ""),
    ("server", "tls_key", ""),
    ("server", "tls_client_ca", ""),
    ("webserver", "content_timeout", ""),
    ("webserver", "header_timeout", ""),
    ("webserver", "int64_strings", ""),
    ("webserver", "json", ""),
    ("webserver", "live_path", ""),
    ("webserver", "max_contents_length", ""),
    ("webserver", "max_headers", ""),
    ("webserver", "max_sessions", ""),
    ("webserver", "max_session_size", ""),
    ("webserver", "max_streams", ""),
    ("webserver", "max_timeout", ""),
    ("webserver", "min_size_to_compress", ""),
    ("webserver", "compress", ""),
    ("webserver", "negative_status", ""),
    ("webserver", "ready_path", ""),
    ("webserver", "reload_interval", ""),
    ("webserver", "session_id_cookie_same_site", ""),
    ("webserver", "session_seconds", ""),
    ("webserver", "max_file_length", ""),
    ("webserver", "max_files", ""),
    ("webserver", "max_uploads_length", ""),
    ("webserver", "upload_timeout", ""),
    ("webserver", "auto_route_prefix", ""),
    ("webserver", "auto_route_session_mode", ""),
    ("webserver", "auto_route_plugins", ""),
    ("webserver", "http_annotations", ""),
    ("webserver", "openapi_path", ""),
    ("webserver", "openapi_page", ""),
    ("webserver", "openapi_title", ""),
    ("webserver", "openapi_version", ""),
    ("webserver", "tls_cert", ""),
    ("webserver", "tls_key", ""),
    ("webserver", "trusted_proxies", ""),
    ("service", "weight", ""),
    ("service", "blocking", ""),
    ("service", "interface", "interfaceName"),
    ("referer", "interface", "interfaceName"),
    ("registry", "address", "address, addrs"),
];

/// krpc's name of a key.
fn krpcs(chapter: &str, key: &str) -> String {
    let ours = OURS
        .iter()
        .find(|(of, name, _)| (*of, *name) == (chapter, key));
    match ours {
        Some((_, _, krpcs)) => (*krpcs).to_owned(),
        None => camel_case(key),
    }
}

fn camel_case(snake: &str) -> String {
    let mut parts = snake.split('_');
    let mut camel = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        camel.push_str(&part[..1].to_uppercase());
        camel.push_str(&part[1..]);
    }
    camel
}

fn code(text: &str) -> String {
    match text {
        "" => String::new(),
        _ => format!("`{text}`"),
    }
}

fn table(chapter: &str, keys: &[Key], refused: &[Refused]) -> String {
    let mut table = String::from("| krpc | key | default | meaning |\n|---|---|---|---|\n");
    for key in keys {
        let (krpcs, name) = (code(&krpcs(chapter, key.name())), code(key.name()));
        let (default, meaning) = (code(key.default()), key.meaning());
        let _ = writeln!(table, "| {krpcs} | {name} | {default} | {meaning} |");
    }
    for key in refused {
        let is_said = keys
            .iter()
            .any(|known| krpcs(chapter, known.name()).contains(&camel_case(key.name())));
        if !is_said {
            let (krpcs, reason) = (code(&camel_case(key.name())), key.reason());
            let _ = writeln!(table, "| {krpcs} | | | {reason} |");
        }
    }
    table.replace("|  |", "| |").replace("|  |", "| |")
}

#[test]
fn every_key_and_every_refusal_stands_in_its_table() {
    macro_rules! chapters {
        ($($name:literal: $config:ident),*) => {
            [$(($name, table($name, $config::KEYS, $config::REFUSED))),*]
        };
    }
    let chapters = chapters![
        "application": ApplicationConfig,
        "registry": RegistryConfig,
        "client": ClientConfig,
        "server": ServerConfig,
        "webserver": WebServerConfig,
        "service": ServiceConfig,
        "referer": RefererConfig,
        "method": MethodConfig,
        "monitor": MonitorConfig
    ];
    let is_missing = |(_, table): &&(_, String)| !PAGE.contains(table.as_str());
    let missing: Vec<_> = chapters.iter().filter(is_missing).collect();
    let missing: Vec<_> = missing
        .iter()
        .map(|(name, table)| format!("### {name}\n\n{table}"))
        .collect();
    assert!(
        missing.is_empty(),
        "put into docs/krpc.md:\n\n{}",
        missing.join("\n")
    );
}

#[test]
fn every_code_stands_in_the_table_of_codes() {
    let mut table = String::from("| code | before 0.2 | name | words |\n|---|---|---|---|\n");
    for number in (-699..=-600).rev() {
        let code = Code(number);
        if code.text() == "unknown error" {
            continue;
        }
        let before = match code.to_v1() {
            before if before == number => String::new(),
            before => before.to_string(),
        };
        let name = format!("{code:?}");
        let name = name
            .trim_end_matches(')')
            .rsplit_once(", ")
            .map_or("?", |(_, name)| name);
        let _ = writeln!(
            table,
            "| {number} | {before} | `{name}` | {} |",
            code.text()
        );
    }
    let table = table.replace("|  |", "| |");
    assert!(PAGE.contains(&table), "put into docs/krpc.md:\n\n{table}");
}
