//! servers.json: which servers there are.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Map, Value};
use tangelo_registry::Instance;

use crate::args::Change;

/// What is wrong with the configuration, all of it at once.
#[derive(Debug, thiserror::Error)]
#[error("{}:\n  {}", file.display(), mistakes.join("\n  "))]
pub struct ConfigError {
    file: PathBuf,
    mistakes: Vec<String>,
}

/// A server as servers.json has it. What else it says is the application's.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    id: String,
    #[serde(default = "loopback")]
    host: String,
    port: Option<u16>,
    client_port: Option<u16>,
    #[serde(default)]
    frontend: bool,
    #[serde(flatten)]
    settings: Map<String, Value>,
}

fn loopback() -> String {
    "127.0.0.1".to_owned()
}

/// Reads servers.json of this folder, in the order it is written.
pub(crate) fn load(
    folder: &Path,
    env: &str,
    changes: &[Change],
) -> Result<Vec<Instance>, ConfigError> {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
    let file = folder.join("servers.json");
    let failed = |mistakes: Vec<String>| ConfigError {
        file: file.clone(),
        mistakes,
    };
    let text = fs::read_to_string(&file).map_err(|error| failed(vec![error.to_string()]))?;
    let whole: Map<String, Value> =
        serde_json::from_str(&text).map_err(|error| failed(vec![error.to_string()]))?;
    read(whole, env, changes).map_err(failed)
}

/// Pomelo's form: server types and their servers, or sections of that, one for each environment.
fn read(
    mut whole: Map<String, Value>,
    env: &str,
    changes: &[Change],
) -> Result<Vec<Instance>, Vec<String>> {
    let types = match whole.remove(env) {
        Some(Value::Object(section)) => section,
        None if whole.values().all(Value::is_array) => whole,
        _ => {
            let sections: Vec<_> = whole.keys().map(String::as_str).collect();
            let problem = format!("no section `{env}`; there are: {}", sections.join(", "));
            return Err(vec![problem]);
        }
    };
    let mut mistakes = Vec::new();
    let mut instances: Vec<Instance> = Vec::new();
    let mut used = HashSet::new();
    for (server_type, servers) in types {
        let Value::Array(servers) = servers else {
            mistakes.push(format!("{server_type}: expected a list of servers"));
            continue;
        };
        for (position, mut server) in servers.into_iter().enumerate() {
            let place = server.get("id").and_then(Value::as_str).map_or_else(
                || format!("{server_type}[{position}]"),
                |id| format!("{server_type}: {id}"),
            );
            apply(changes, &server_type, &mut server, &mut used);
            let wrong = check(&server);
            if !wrong.is_empty() {
                mistakes.extend(wrong.into_iter().map(|wrong| format!("{place}: {wrong}")));
                continue;
            }
            match serde_json::from_value::<Entry>(server) {
                Ok(entry) if entry.frontend && entry.client_port.is_none() => {
                    mistakes.push(format!("{place}: a front end needs a `clientPort`"));
                }
                Ok(entry) if instances.iter().any(|other| other.id == entry.id) => {
                    mistakes.push(format!("{place}: there are two servers of this id"));
                }
                Ok(entry) => instances.push(instance(&server_type, entry)),
                Err(error) => mistakes.push(format!("{place}: {error}")),
            }
        }
    }
    for (index, change) in changes.iter().enumerate() {
        if !used.contains(&index) {
            let Change { server, key, .. } = change;
            mistakes.push(format!(
                "--set {server}.{key}: there is no server or type `{server}`"
            ));
        }
    }
    if mistakes.is_empty() {
        Ok(instances)
    } else {
        Err(mistakes)
    }
}

/// What is wrong with the keys that are ours, key by key. Others are the application's, unless they
/// are ours but for their case.
fn check(server: &Value) -> Vec<String> {
    type Fits = fn(&Value) -> bool;
    const KEYS: [(&str, &str, Fits); 5] = [
        ("id", "a text", Value::is_string),
        ("host", "a text", Value::is_string),
        ("port", "a port number", is_port),
        ("clientPort", "a port number", is_port),
        ("frontend", "true or false", Value::is_boolean),
    ];
    let Value::Object(server) = server else {
        return vec!["expected a server, as an object".to_owned()];
    };
    let mut wrong = Vec::new();
    if !server.contains_key("id") {
        wrong.push("needs an `id`".to_owned());
    }
    for (key, value) in server {
        for (ours, form, fits) in KEYS {
            if key == ours && !fits(value) {
                wrong.push(format!("`{key}`: expected {form}, found {value}"));
            } else if key != ours && key.eq_ignore_ascii_case(ours) {
                wrong.push(format!("`{key}`: it is written `{ours}`"));
            }
        }
    }
    wrong
}

fn is_port(value: &Value) -> bool {
    value
        .as_u64()
        .is_some_and(|port| u16::try_from(port).is_ok())
}

fn apply(changes: &[Change], server_type: &str, server: &mut Value, used: &mut HashSet<usize>) {
    let Value::Object(server) = server else {
        return;
    };
    let id = server.get("id").and_then(Value::as_str).map(str::to_owned);
    for (index, change) in changes.iter().enumerate() {
        if change.server == server_type || Some(&change.server) == id.as_ref() {
            server.insert(change.key.clone(), change.value.clone());
            used.insert(index);
        }
    }
}

fn instance(server_type: &str, entry: Entry) -> Instance {
    Instance {
        id: entry.id,
        server_type: server_type.to_owned(),
        host: entry.host,
        port: entry.port,
        client_port: entry.client_port,
        frontend: entry.frontend,
        settings: entry.settings,
        ..Instance::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str, changes: &[&str]) -> Result<Vec<Instance>, Vec<String>> {
        let changes: Vec<Change> = changes
            .iter()
            .map(|change| change.parse().unwrap())
            .collect();
        read(serde_json::from_str(text).unwrap(), "development", &changes)
    }

    const CHAT: &str = r#"{"id": "chat-1", "port": 6050, "zone": 7}"#;

    #[test]
    fn with_and_without_sections() {
        let plain = read_text(&format!(r#"{{"chat": [{CHAT}]}}"#), &[]).unwrap();
        let sections = format!(r#"{{"development": {{"chat": [{CHAT}]}}, "production": {{}}}}"#);
        assert_eq!(read_text(&sections, &[]).unwrap(), plain);
        let [chat] = &*plain else {
            panic!("one server")
        };
        assert_eq!((chat.server_type.as_str(), chat.port), ("chat", Some(6050)));
        assert_eq!(
            chat.settings.get("zone"),
            Some(&Value::from(7)),
            "free keys are kept"
        );
    }

    #[test]
    fn settings_change_by_id_and_by_type() {
        let text = r#"{"chat": [{"id": "a", "port": 1}, {"id": "b", "port": 2}]}"#;
        let servers = read_text(text, &["chat.host=::1", "b.port=3"]).unwrap();
        let seen: Vec<_> = servers.iter().map(|s| (s.host.as_str(), s.port)).collect();
        assert_eq!(seen, [("::1", Some(1)), ("::1", Some(3))]);
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let text = r#"{"gate": [{"id": "g", "frontend": true}], "chat": [{"id": "c"}, {"id": "c"}, {"port": 70000}]}"#;
        let mistakes = read_text(text, &["nobody.port=1"]).unwrap_err();
        assert_eq!(mistakes.len(), 5, "{mistakes:#?}");
    }

    #[test]
    fn a_mistake_names_the_key_and_what_belongs_there() {
        let mistakes = |changes: &[&str]| {
            read_text(&format!(r#"{{"chat": [{CHAT}]}}"#), changes)
                .unwrap_err()
                .join("; ")
        };
        assert_eq!(
            mistakes(&["chat.port=abc"]),
            "chat: chat-1: `port`: expected a port number, found \"abc\""
        );
        assert_eq!(
            mistakes(&["chat-1.clientport=1"]),
            "chat: chat-1: `clientport`: it is written `clientPort`"
        );
    }

    #[test]
    fn a_section_that_is_not_there_is_answered_with_those_that_are() {
        let text = r#"{"production": {}, "test": {}}"#;
        let mistakes = read_text(text, &[]).unwrap_err();
        assert_eq!(
            mistakes,
            ["no section `development`; there are: production, test"]
        );
    }
}
