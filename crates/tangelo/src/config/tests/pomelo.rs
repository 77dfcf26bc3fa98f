//! The files of a folder that are not of servers.

use serde_json::json;

use super::*;
use crate::config::{Config, ProtoRule};

const SERVERS: (&str, &str) = ("servers.json", r#"{"chat": [{"id": "chat-1"}]}"#);

#[track_caller]
fn with(files: &[(&str, &str)]) -> Config {
    let files: Vec<_> = files.iter().copied().chain([SERVERS]).collect();
    let folder = Folder::with(&files);
    let places = std::slice::from_ref(&folder.0);
    loaded(&Asked {
        places,
        ..Asked::default()
    })
    .config
}

/// The notices, without the folder they are of.
fn notices(config: &Config) -> Vec<String> {
    let inside = format!("{}/", config.folder().display());
    let notices = config.notices().iter();
    notices.map(|notice| notice.replace(&inside, "")).collect()
}

#[test]
fn a_master_is_kept() {
    let section =
        r#"{"development": {"id": "master-server-1", "host": "127.0.0.1", "port": "3005"}}"#;
    let config = with(&[("master.json", section)]);
    let master = config.master().unwrap();
    assert_eq!(
        (&*master.id, &*master.host, master.port),
        ("master-server-1", "127.0.0.1", 3005)
    );
    let config = with(&[(
        "masterha.json",
        r#"{"masterha": [{"id": "m", "host": "h", "port": 1}, 5]}"#,
    )]);
    assert_eq!(config.standby_masters().len(), 1);
    assert!(notices(&config)[1].starts_with("masterha.json:1: expected a master"));
}

#[test]
fn users_and_servers_of_the_console_are_kept_and_shown_without_their_secrets() {
    let config = with(&[
        (
            "adminUser.json",
            r#"[{"id": "1", "username": "admin", "password": "t7Yq", "level": 1},
                {"id": "2", "username": "wang", "password": "wang", "level": "2"}, {"id": "3"}]"#,
        ),
        (
            "adminServer.json",
            r#"[{"type": "chat", "token": "secret-token"}]"#,
        ),
    ]);
    let [admin, wang] = config.admin_users() else {
        panic!("two users")
    };
    assert_eq!((admin.level, wang.level), (1, 2));
    assert_eq!((&*admin.password, &*wang.id), ("t7Yq", "2"));
    assert_eq!(config.admin_servers().unwrap()[0].token, "secret-token");
    let shown = format!("{config:?}");
    assert!(shown.contains("wang") && !shown.contains("t7Yq"), "{shown}");
    assert!(!shown.contains("secret-token"), "{shown}");
    assert!(
        notices(&config)
            .iter()
            .any(|notice| notice.starts_with("adminUser.json:2: expected a user"))
    );
    assert_eq!(
        with(&[]).admin_servers(),
        None,
        "where there is no file, that is seen"
    );
}

#[test]
fn passwords_that_everybody_knows_are_told() {
    let users = |password: &str| {
        format!(
            r#"[{{"id": "1", "username": "admin", "password": "{password}", "level": 1}},
                {{"id": "2", "username": "monitor", "password": "monitor", "level": 2}}]"#
        )
    };
    let told = notices(&with(&[("adminUser.json", &users("admin"))]));
    let known = "adminUser.json: everybody knows the passwords of admin, monitor: change them";
    assert!(told.contains(&known.to_owned()), "{told:?}");
    let told = notices(&with(&[("adminUser.json", &users("t7Yq"))]));
    let known = "adminUser.json: everybody knows the passwords of monitor: change them";
    assert!(told.contains(&known.to_owned()), "{told:?}");
}

#[test]
fn a_dictionary_keeps_its_order_and_the_templates_is_none() {
    let longest = "x".repeat(255);
    let text = format!(r#"["onChat", "onAdd", "onChat", "{longest}", 5, "", "x{longest}"]"#);
    let config = with(&[("dictionary.json", &text)]);
    assert_eq!(config.dictionary(), ["onChat", "onAdd", "onChat", &longest]);
    let told = notices(&config);
    assert_eq!(
        told,
        ["dictionary.json:1: expected a route, a text of 1 to 255 bytes"; 3]
    );
    let template = with(&[("dictionary.json", "{}")]);
    assert!(template.dictionary().is_empty() && template.notices().is_empty());
    let odd = with(&[("dictionary.json", r#"{"onChat": 1}"#)]);
    assert_eq!(
        notices(&odd)[0],
        "dictionary.json:1: expected a list of routes"
    );
}

#[test]
fn definitions_of_messages_keep_their_order() {
    let config = with(&[
        (
            "serverProtos.json",
            r#"{"onMove": {"required uInt32 id": 1, "message Path": {"repeated Point points": 1, "message Point": {"required sInt32 x": "1"}},
                "repeated Path path": 3, "optional Shared note": 2},
                "message Shared": {"required string text": 1}}"#,
        ),
        (
            "clientProtos.json",
            r#"{"chat.chatHandler.send": {"required string content": 1}}"#,
        ),
    ]);
    let [on_move, shared] = &config.protos().server[..] else {
        panic!("two messages")
    };
    assert_eq!(
        (&*on_move.name, &*shared.name),
        ("onMove", "message Shared")
    );
    let fields: Vec<_> = on_move
        .fields
        .iter()
        .map(|field| (field.rule, &*field.kind, &*field.name, field.tag))
        .collect();
    assert_eq!(
        fields,
        [
            (ProtoRule::Required, "uInt32", "id", 1),
            (ProtoRule::Repeated, "Path", "path", 3),
            (ProtoRule::Optional, "Shared", "note", 2),
        ]
    );
    assert_eq!(on_move.messages[0].messages[0].fields[0].name, "x");
    assert_eq!(config.protos().client[0].fields[0].kind, "string");
    assert!(config.notices().is_empty(), "{:?}", config.notices());
}

#[test]
fn what_pomelo_leaves_out_of_a_definition_without_a_word_is_told() {
    let config = with(&[(
        "serverProtos.json",
        "{\"onMove\": {\"required uInt32 id\": 1,\n\"required uInt32 other\": 1,\n\"uInt32 short\": 2,\n\
         \"required  uInt32 wide\": 3,\n\"required boolean yes\": 4,\n\"optional string zero\": 0,\n\"message In\": 5},\n\"on\": 1}",
    )]);
    let fields = config.protos().server[0].fields.iter();
    let kept: Vec<_> = fields.map(|field| &*field.name).collect();
    assert_eq!(kept, ["id", "yes"]);
    let told = notices(&config);
    let form = "expected `required|optional|repeated type name`, or `message Name`";
    assert_eq!(
        told,
        [
            "serverProtos.json:2: onMove: `required uInt32 other` is left out: 1 is the number of `id`".to_owned(),
            format!("serverProtos.json:3: onMove: `uInt32 short` is left out: {form}"),
            format!("serverProtos.json:4: onMove: `required  uInt32 wide` is left out: {form}"),
            "serverProtos.json:6: onMove: `optional string zero` is left out: expected a field's number, 1 to 536870911".to_owned(),
            "serverProtos.json:7: message In: expected a message's fields".to_owned(),
            "serverProtos.json:8: on: expected a message's fields".to_owned(),
            "serverProtos.json:1: onMove: `yes`: there is no type or message `boolean`; its bodies are JSON".to_owned(),
        ]
    );
}

#[test]
fn what_has_no_effect_yet_is_told_once_with_its_reason() {
    let config = with(&[
        ("master.json", r#"{"id": "m", "host": "h", "port": 1}"#),
        ("adminUser.json", "[]"),
        ("adminServer.json", r#"[{"type": "chat", "token": "t"}]"#),
        ("dictionary.json", r#"["onChat"]"#),
        ("clientProtos.json", "{}"),
        ("log4js.json", r#"{"appenders": []}"#),
    ]);
    assert_eq!(
        config.notices(),
        ["kept, but without effect: \
          master.json (there is no master: servers find each other by servers.json); \
          adminServer.json (there is no admin console yet); \
          log4js.json (lines of the log go where `tracing` has them go)"]
    );
    assert_eq!(config.log4js(), Some(&json!({"appenders": []})));
}

#[test]
fn a_key_said_twice_counts_as_in_pomelo_and_is_told() {
    let config = with(&[(
        "master.json",
        "{\"id\": \"a\",\n\"id\": \"b\", \"host\": \"h\", \"port\": 1}",
    )]);
    assert_eq!(config.master().unwrap().id, "b");
    assert_eq!(
        notices(&config)[1],
        "master.json:2: `id` stands here a second time; as in Pomelo the last counts"
    );
}

#[test]
fn no_file_of_them_keeps_servers_from_starting_by_its_form() {
    for text in ["null", "5", "\"x\"", "[5]", "{\"a\": 1}", "[]"] {
        for file in [
            "master.json",
            "masterha.json",
            "adminUser.json",
            "adminServer.json",
            "dictionary.json",
            "serverProtos.json",
            "clientProtos.json",
            "log4js.json",
        ] {
            with(&[(file, text)]);
        }
    }
}

#[test]
fn much_that_is_odd_is_told_in_part_and_counted() {
    let odd = |count: usize| format!("[{}]", vec!["5"; count].join(","));
    let told = notices(&with(&[("dictionary.json", &odd(20))]));
    assert_eq!(told.len(), 20);
    let told = notices(&with(&[("dictionary.json", &odd(1020))]));
    assert_eq!(told.len(), 21);
    assert_eq!(told[20], "and 1000 more that is odd");
}

#[test]
fn a_long_file_takes_no_longer_than_it_is_long() {
    let fields: Vec<_> = (1..20_000)
        .map(|tag| format!("\"required uInt32 field{tag}\": {tag}"))
        .collect();
    let text = format!("{{\"on\": {{{}}}}}", fields.join(","));
    let config = with(&[("serverProtos.json", &text)]);
    assert_eq!(config.protos().server[0].fields.len(), 19_999);
}

#[test]
fn jobs_stand_in_crons_json_under_either_name_with_sections_or_without() {
    let jobs = |file: &str, text: &str| {
        let folder = Folder::with(&[(file, text), SERVERS]);
        let places = std::slice::from_ref(&folder.0);
        let loaded = said(&Asked {
            places,
            ..Asked::default()
        });
        loaded
            .map(|loaded| loaded.jobs.len())
            .map_err(|told| told.to_string())
    };
    let two = r#"{"chat": [{"id": 1}, {"id": 2}]}"#;
    for file in ["crons.json", "cron.json", "development/crons.json"] {
        assert_eq!(jobs(file, two), Ok(2), "{file}");
    }
    assert_eq!(
        jobs("crons.json", &format!(r#"{{"development": {two}}}"#)),
        Ok(2)
    );
    assert_eq!(
        jobs("crons.json", &format!(r#"{{"production": {two}}}"#)),
        Ok(0)
    );
    assert_eq!(jobs("crons.json", "{}"), Ok(0));
    for (text, told) in [
        ("[]", "expected server types and their jobs, found a list"),
        (
            r#"{"chat": 5}"#,
            "jobs.chat: expected a list of jobs, found a number",
        ),
        (
            r#"{"chat": [5]}"#,
            "jobs.chat[0]: expected a job, found a number",
        ),
        (
            "{\"chat\": [{\"id\": 1,\n\"id\": 2}]}",
            "`id` stands here a second time",
        ),
        ("{", "EOF while parsing an object"),
    ] {
        let error = jobs("crons.json", text).unwrap_err();
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn jobs_stand_in_one_file() {
    let folder = Folder::with(&[SERVERS, ("crons.json", "{}"), ("cron.json", "{}")]);
    let places = std::slice::from_ref(&folder.0);
    let told = mistakes(
        &folder,
        &Asked {
            places,
            ..Asked::default()
        },
    );
    assert_eq!(
        told,
        ["cron.json:1: there is crons.json as well: have all jobs in one"]
    );
}

#[test]
fn definitions_may_have_the_form_of_the_decode_io_plugin() {
    let text = r#"{"package": null, "messages": [{"name": "onMove", "fields": []}]}"#;
    let config = with(&[("serverProtos.json", text), ("clientProtos.json", "{}")]);
    let told: serde_json::Value =
        serde_json::from_str(config.protos().server_js.as_deref().unwrap()).unwrap();
    assert_eq!(told["messages"][0]["name"], "onMove");
    assert!(config.protos().client_js.is_none() && config.protos().server.is_empty());
    assert!(config.notices().is_empty());
    let odd = with(&[("serverProtos.json", r#"{"messages": [{"name": 5}]}"#)]);
    let told = notices(&odd);
    assert!(
        told[0].starts_with("serverProtos.json:1: no messages of ProtoBuf.js"),
        "{told:?}"
    );
    assert!(odd.protos().server_js.is_none());
}
