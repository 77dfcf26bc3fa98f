//! servers.json.

use serde_json::json;

use super::*;

#[test]
fn sections_of_environments_are_optional() {
    let chat = r#"{"chat": [{"id": "chat-1", "host": "10.0.0.1", "port": 6050}]}"#;
    let plain = servers_json(chat);
    let sections = servers_json(&format!(r#"{{"development": {chat}, "production": {{}}}}"#));
    assert_eq!(plain.config.servers(), sections.config.servers());
    let [chat] = plain.config.servers() else {
        panic!("one server")
    };
    assert_eq!((&*chat.server_type, &*chat.host), ("chat", "10.0.0.1"));
    assert_eq!((chat.port, chat.frontend), (Some(6050), false));
}

#[test]
fn a_section_that_is_not_there_is_answered_with_those_that_are() {
    let told = wrong_servers_json("{\"production\": {},\n\"test\": {}}");
    assert_eq!(
        told,
        ["servers.json:1: there is no section `development`; there are: production, test"]
    );
}

#[test]
fn servers_stand_in_the_order_of_the_file() {
    let loaded = servers_json(
        r#"{"zoo": [{"id": "z", "port": 3}], "area": [{"id": "b", "port": 2}, {"id": "a", "port": 1}]}"#,
    );
    assert_eq!(
        ports(&loaded),
        [("z", Some(3)), ("b", Some(2)), ("a", Some(1))]
    );
}

#[test]
fn a_cluster_is_so_many_servers_and_plus_plus_counts_them() {
    let loaded = servers_json(
        r#"{"chat": [
            {"clusterCount": 2, "host": "10.0.0.1", "port": "6050++", "area": "7++", "name": "C++"},
            {"clusterCount": "3", "port": "7000++", "clientPort": "3150++", "frontend": "true"}
        ], "other": [{"clusterCount": 1}]}"#,
    );
    let servers = loaded.config.servers();
    let seen: Vec<_> = servers
        .iter()
        .map(|one| (&*one.id, one.port, one.client_port, one.frontend))
        .collect();
    assert_eq!(
        seen,
        [
            ("cluster-server-chat-0", Some(6050), None, false),
            ("cluster-server-chat-1", Some(6051), None, false),
            ("cluster-server-chat-2", Some(7000), Some(3150), true),
            ("cluster-server-chat-3", Some(7001), Some(3151), true),
            ("cluster-server-chat-4", Some(7002), Some(3152), true),
            ("cluster-server-other-0", None, None, false),
        ]
    );
    let own = &servers[1].settings;
    assert_eq!(own["area"], 8, "the application's values count as well");
    assert_eq!(own["name"], "C++", "what is no number stays as it is");
}

#[test]
fn two_servers_of_a_host_do_not_have_one_port() {
    let told = wrong_servers_json(
        r#"{"chat": [{"id": "a", "port": 7000}, {"id": "b", "port": 7000, "host": "10.0.0.1"}],
            "gate": [{"id": "c", "port": 0, "clientPort": 7000, "frontend": true},
                     {"id": "d", "port": 0, "clientPort": 7000, "clientHost": "::1", "frontend": true}]}"#,
    );
    assert_eq!(
        told,
        ["servers.json:2: c: a has port 7000 of 127.0.0.1 already"]
    );
}

#[test]
fn a_cluster_has_up_to_a_thousand_servers() {
    let of = |count: u32| format!(r#"{{"chat": [{{"clusterCount": {count}, "port": "3000++"}}]}}"#);
    let loaded = servers_json(&of(1000));
    assert_eq!(loaded.servers[999].instance.port, Some(3999));
    assert_eq!(
        wrong_servers_json(&of(1001)),
        ["servers.json:1: chat[0].clusterCount: expected 1 to 1000, found 1001"]
    );
    assert_eq!(wrong_servers_json(&of(0)).len(), 1);
}

#[test]
fn a_port_that_counts_past_the_last_is_a_mistake() {
    let of = |first: u32| format!(r#"{{"chat": [{{"clusterCount": 2, "port": "{first}++"}}]}}"#);
    assert_eq!(
        servers_json(&of(65534)).servers[1].instance.port,
        Some(65535)
    );
    let told = wrong_servers_json(&of(65535));
    assert_eq!(
        told,
        [
            "servers.json:1: chat.cluster-server-chat-1.port: expected a whole number from 0 to 65535, found 65536"
        ]
    );
}

#[test]
fn plus_plus_without_a_cluster_is_a_mistake() {
    let told = wrong_servers_json(r#"{"chat": [{"id": "chat-1", "port": "6050++"}]}"#);
    assert_eq!(
        told,
        [
            "servers.json:1: chat.chat-1.port: `++` counts the servers of a `clusterCount`, which is not said"
        ]
    );
}

#[test]
fn numbers_and_truth_may_be_texts() {
    let loaded = servers_json(
        r#"{"connector": [{"id": "1", "port": "4050", "clientPort": "3050", "frontend": "true",
            "max-connections": "100"}], "chat": [{"id": "2", "port": 6050.0, "frontend": "false"}, {"id": "3", "frontend": false}]}"#,
    );
    let [connector, text, plain] = &loaded.servers[..] else {
        panic!("three servers")
    };
    let instance = &connector.instance;
    assert_eq!(
        (instance.port, instance.client_port),
        (Some(4050), Some(3050))
    );
    assert_eq!(text.instance.port, Some(6050));
    assert!(instance.frontend && !text.instance.frontend && !plain.instance.frontend);
    assert_eq!(connector.tuning.max_connections, Some(100));
}

#[test]
fn what_is_no_key_of_ours_is_the_applications() {
    let loaded = servers_json(
        r#"{"area": [{"id": "area-1", "port": 1, "areaId": 7, "map": {"w": [1, 2]}, "weight": "3",
            "auto-restart": "true", "restart-force": true, "cpu": 2, "args": ["--x"]}]}"#,
    );
    let area = &loaded.config.servers()[0];
    assert_eq!(
        json!(area.settings),
        json!({"areaId": 7, "map": {"w": [1, 2]}, "weight": "3", "auto-restart": "true",
            "restart-force": true, "cpu": 2, "args": ["--x"]})
    );
    let [notice] = loaded.config.notices() else {
        panic!("one notice: {:?}", loaded.config.notices())
    };
    for key in ["auto-restart", "restart-force", "cpu", "args"] {
        assert!(
            notice.contains(&format!("`{key}` in servers.json")),
            "{notice}"
        );
    }
}

#[test]
fn clients_may_connect_elsewhere_than_servers() {
    let loaded = servers_json(
        r#"{"c": [{"id": "c-1", "host": "10.0.0.1", "clientHost": "0.0.0.0", "clientPort": 1, "frontend": true}]}"#,
    );
    let instance = &loaded.servers[0].instance;
    assert_eq!(instance.client_host.as_deref(), Some("0.0.0.0"));
    assert_eq!(instance.host, "10.0.0.1");
}

#[test]
fn the_old_name_of_a_client_port_is_understood_and_told() {
    let loaded = servers_json(r#"{"c": [{"id": "c-1", "wsPort": 3050, "frontend": true}]}"#);
    assert_eq!(loaded.servers[0].instance.client_port, Some(3050));
    assert!(loaded.config.notices()[0].contains("`wsPort` is written `clientPort`"));
    let both = r#"{"c": [{"id": "c-1", "wsPort": 1, "clientPort": 2, "frontend": true}]}"#;
    assert_eq!(servers_json(both).servers[0].instance.client_port, Some(2));
}

#[test]
fn all_mistakes_are_told_at_once_with_file_line_and_key() {
    let told = wrong_servers_json(
        "{\n\"gate\": [{\"id\": \"g\",\n  \"frontend\": true}],\n\
         \"chat\": [{\"id\": \"c\"},\n {\"id\": \"c\"},\n {\"port\": 70000, \"host\": 5},\n 7,\n\
         {\"id\": \"\", \"frontend\": 1, \"max-connections\": -1}],\n\
         \"a.b\": [],\n\"area\": {}}",
    );
    assert_eq!(
        told,
        [
            "servers.json:3: gate.g: a front end needs a `clientPort`",
            "servers.json:5: chat.c: there is one of this id already (servers.json:4): give each its own",
            "servers.json:6: chat[2].port: expected a whole number from 0 to 65535, found 70000",
            "servers.json:6: chat[2].host: expected a text, found 5",
            "servers.json:6: chat[2].id: is missing",
            "servers.json:7: chat[3]: expected a server, found a number",
            "servers.json:8: chat[4].id: expected a name, found \"\"",
            "servers.json:8: chat[4].frontend: expected true or false, found 1",
            "servers.json:8: chat[4].max-connections: expected a whole number from 0 to 4294967295, found -1",
            "servers.json:9: `a.b` is no server type: a route begins with it, up to a dot",
            "servers.json:10: area: expected a list of servers, found a table",
        ]
    );
}

#[test]
fn a_key_of_ours_in_another_spelling_is_no_key_of_the_applications() {
    for (written, meant) in [
        ("clientport", "clientPort"),
        ("client_port", "clientPort"),
        ("maxConnections", "max-connections"),
        ("Frontend", "frontend"),
    ] {
        let text = format!(r#"{{"c": [{{"id": "c-1", "{written}": 1}}]}}"#);
        let expected = format!("servers.json:1: c.c-1.{written}: is written `{meant}` here");
        assert_eq!(wrong_servers_json(&text), [expected]);
    }
}

#[test]
fn what_pomelo_does_not_know_is_the_applications_in_its_files() {
    let loaded = servers_json(r#"{"area": [{"id": "a", "deadline": "noon", "max_queue": 0}]}"#);
    let server = &loaded.servers[0];
    assert_eq!(server.instance.settings["deadline"], "noon");
    assert_eq!(server.tuning, Default::default());
}

#[test]
fn a_file_without_servers_says_where_they_were_looked_for() {
    for text in ["{}", r#"{"development": {}}"#, r#"{"chat": []}"#] {
        let told = wrong_servers_json(text);
        assert!(
            told[0].starts_with("there are no servers; looked for "),
            "{told:?}"
        );
    }
}

#[test]
fn a_key_said_twice_is_a_mistake() {
    let told = wrong_servers_json("{\"c\": [{\"id\": \"c-1\", \"port\": 1,\n\"port\": 2}]}");
    assert_eq!(told, ["servers.json:2: `port` stands here a second time"]);
}

#[test]
fn what_cannot_be_read_is_told_without_what_follows_from_it() {
    assert_eq!(
        wrong_servers_json("{\n  // the servers\n}"),
        ["servers.json:2: JSON has no comments (column 3)"]
    );
    assert_eq!(
        wrong_servers_json("[]"),
        ["servers.json:1: expected server types and their servers, found a list"]
    );
}

#[test]
fn whatever_a_file_says_it_is_read_or_told() {
    let whole = include_str!("../../../../../suite/config/servers.json").trim();
    let folder = Folder::with(&[]);
    let places = std::slice::from_ref(&folder.0);
    let read = |text: &str| {
        std::fs::write(folder.path("servers.json"), text).unwrap();
        said(&Asked {
            places,
            ..Asked::default()
        })
    };
    assert!(read(whole).is_ok());
    for (at, character) in whole.char_indices().step_by(37) {
        assert!(read(&whole[..at]).is_err(), "cut off at {at}");
        // Whether it is still a configuration is not the point.
        for other in ["null", "[]", "-1", "\"", "}", "\u{0}", "1e999"] {
            let (before, after) = (&whole[..at], &whole[at + character.len_utf8()..]);
            let _ = read(&format!("{before}{other}{after}"));
        }
    }
}
