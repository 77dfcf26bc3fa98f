//! What the environment, the code and the command line change.

use super::*;
use crate::outside::{Assignment, Variables};

const TWO: &str =
    r#"{"chat": [{"id": "chat-a", "port": 1}, {"id": "chat-b", "port": 2, "area": 1}]}"#;

fn variables(all: &[(&str, &str)]) -> Variables {
    let all = all.iter();
    Variables::among(all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

fn flags(all: &[&str]) -> Vec<Assignment> {
    all.iter().map(|flag| flag.parse().unwrap()).collect()
}

fn code(
    server: &str,
    key: &str,
    value: impl Into<serde_json::Value>,
) -> (String, String, serde_json::Value) {
    (server.to_owned(), key.to_owned(), value.into())
}

/// What becomes of two servers.
fn change(asked: Asked<'_>) -> Result<Loaded, Vec<String>> {
    let folder = Folder::with(&[("servers.json", TWO)]);
    let places = std::slice::from_ref(&folder.0);
    said(&Asked { places, ..asked }).map_err(|told| told.iter().map(str::to_owned).collect())
}

#[test]
fn a_change_is_for_one_server_or_for_all_of_a_type() {
    let flags = flags(&[
        "chat.host=::1",
        "chat-b.port=3",
        "chat-b.max_in_flight=7",
        "chat-b.frontend=true",
        "chat-b.client_port=4",
    ]);
    let loaded = change(Asked {
        assignments: &flags,
        ..Asked::default()
    })
    .unwrap();
    let [a, b] = &loaded.servers[..] else {
        panic!("two servers")
    };
    assert_eq!((&*a.instance.host, a.instance.port), ("::1", Some(1)));
    assert_eq!((&*b.instance.host, b.instance.port), ("::1", Some(3)));
    assert_eq!(
        b.tuning.max_in_flight,
        Some(7),
        "keys of ours have both spellings"
    );
}

#[test]
fn files_are_overruled_by_variables_these_by_the_code_and_all_by_the_command_line() {
    let (variables, code) = (
        variables(&[
            ("TANGELO__SERVERS__CHAT_A__DEADLINE", "10"),
            ("TANGELO__SERVERS__CHAT__HOST", "h"),
        ]),
        [code("chat", "deadline", 20)],
    );
    let deadline = |asked: Asked<'_>| change(asked).unwrap().servers[0].tuning.deadline;
    let ms = |ms| Some(std::time::Duration::from_millis(ms));
    let asked = || Asked {
        variables: Some(&variables),
        ..Asked::default()
    };
    assert_eq!(deadline(asked()), ms(10));
    assert_eq!(
        deadline(Asked {
            changes: &code,
            ..asked()
        }),
        ms(20),
        "of a type, but later"
    );
    let flags = flags(&["chat.deadline=30"]);
    assert_eq!(
        deadline(Asked {
            changes: &code,
            assignments: &flags,
            ..asked()
        }),
        ms(30)
    );
    let host = change(asked()).unwrap().servers[1].instance.host.clone();
    assert_eq!(host, "h");
}

#[test]
fn the_applications_own_settings_change_too() {
    let flags = flags(&[
        "chat.area=5",
        "chat-a.settings.zone={\"x\": 1}",
        "chat.name=red",
    ]);
    let loaded = change(Asked {
        assignments: &flags,
        ..Asked::default()
    })
    .unwrap();
    let settings = &loaded.servers[0].instance.settings;
    assert_eq!(
        (&settings["area"], &settings["name"]),
        (&5.into(), &"red".into())
    );
    assert_eq!(settings["zone"]["x"], 1);
    assert_eq!(loaded.servers[1].instance.settings["area"], 5);
}

#[test]
fn a_cluster_is_changed_as_a_whole_and_server_by_server() {
    let folder = Folder::with(&[(
        "tangelo.toml",
        "[servers.chat]\ncluster_count = 1\nport = \"1++\"\n",
    )]);
    let flags = flags(&[
        "chat.cluster_count=3",
        "chat.port=7000++",
        "cluster-server-chat-1.port=9",
    ]);
    let loaded = loaded(&Asked {
        places: &[folder.path("tangelo.toml")],
        assignments: &flags,
        ..Asked::default()
    });
    let ports: Vec<_> = ports(&loaded)
        .iter()
        .map(|(_, port)| port.unwrap())
        .collect();
    assert_eq!(ports, [7000, 9, 7002]);
}

#[test]
fn what_is_wrong_with_changes_is_told_once_each() {
    let (variables, flags) = (
        variables(&[
            ("TANGELO__SERVERS__NOBODY__PORT", "1"),
            ("TANGELO__SERVERS__CHAT_A__PROT", "1"),
            ("TANGELO__SERVERS__PORT", "1"),
            ("TANGELO__SERVER__DEFAULT__PORT", "1"),
        ]),
        flags(&[
            "nobody.port=1",
            "chat.port=abc",
            "chat-a.id=x",
            "chat-a.clientport=1",
            "chat-a.portt=1",
            "application.name=x",
        ]),
    );
    let told = change(Asked {
        variables: Some(&variables),
        assignments: &flags,
        ..Asked::default()
    })
    .unwrap_err();
    let known = "there are: chat, chat-a, chat-b";
    assert_eq!(
        told,
        [
            "TANGELO__SERVERS__PORT: expected TANGELO__SERVERS__ID__KEY, such as TANGELO__SERVERS__CHAT_SERVER_1__PORT".to_owned(),
            "--set chat.port: expected a whole number from 0 to 65535, found \"abc\"".to_owned(),
            "TANGELO__SERVERS__CHAT_A__PROT: unknown key; do you mean `port`? What is yours stands under `settings`".to_owned(),
            "--set chat-a.id: is given where the server is declared".to_owned(),
            "--set chat-a.clientport: is written `clientPort` here".to_owned(),
            "--set chat-a.portt: unknown key; do you mean `port`? What is yours stands under `settings`".to_owned(),
            "TANGELO__SERVER__DEFAULT__PORT: expected TANGELO__SERVERS__ID__KEY, or TANGELO__ENV".to_owned(),
            format!("TANGELO__SERVERS__NOBODY__PORT: there is no server or type `NOBODY`; {known}"),
            format!("--set nobody.port: there is no server or type `nobody`; {known}"),
            format!("--set application.name: there is no server or type `application`; {known}"),
        ]
    );
}

#[test]
fn a_variable_that_may_mean_two_servers_is_a_mistake() {
    let folder = Folder::with(&[("servers.json", r#"{"a-b": [{"id": "a.b"}]}"#)]);
    let variables = variables(&[("TANGELO__SERVERS__A_B__PORT", "1")]);
    let told = mistakes(
        &folder,
        &Asked {
            places: std::slice::from_ref(&folder.0),
            variables: Some(&variables),
            ..Asked::default()
        },
    );
    assert_eq!(
        told,
        ["TANGELO__SERVERS__A_B__PORT: may mean each of a-b, a.b"]
    );
}

#[test]
fn what_is_of_krpc_services_is_handed_on() {
    let (variables, flags) = (
        variables(&[("TANGELO__SERVER__DEFAULT__PORT", "1")]),
        flags(&["server.default.port=5", "application.name=x"]),
    );
    let code = [code("referer.us", "timeout", 7)];
    let loaded = change(Asked {
        variables: Some(&variables),
        changes: &code,
        assignments: &flags,
        krpc: true,
        ..Asked::default()
    })
    .unwrap();
    let rest = loaded.krpc.rest;
    assert_eq!((rest.variables.len(), rest.assignments), (1, flags));
    assert_eq!(rest.changes, [("referer.us.timeout".to_owned(), 7.into())]);
}
