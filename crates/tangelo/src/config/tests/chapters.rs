//! `tangelo.toml`.

use std::time::Duration;

use serde_json::json;
use tangelo_connector::Serializer;
#[cfg(feature = "tls")]
use tangelo_connector::{ForwardHeader, Networks, Origins};

use super::*;
use crate::config::{Key, keys::OneSession};

#[test]
fn one_file_holds_types_servers_and_jobs() {
    let loaded = toml(
        r#"
        [types.connector]
        frontend = true
        client_host = "0.0.0.0"
        max_connections = 5000
        single_session = "kick_old"
        heartbeat_seconds = 0
        deadline = 2500
        max_in_flight = 8
        max_blocking = 3
        max_queue = 4096
        max_package = 131072
        max_outgoing = 65536
        resume_seconds = 30
        resume_window = 1024
        resume_max_away = 7
        pitaya_serializer = "protobuf"
        pitaya_compression = false

        [servers.connector]
        cluster_count = 2
        port = "4050++"
        client_port = "3050++"

        [[servers.area]]
        id = "area-1"
        host = "10.0.0.1"
        port = 6050
        settings = { zone = 7, map = ["a", "b"] }

        [[servers.area]]
        id = "area-2"
        host = "10.0.0.2"
        port = 6050

        [[jobs.area]]
        id = "tidy"
        time = "0 0/30 * * * *"
        action = "areaCron.tidy"
        server_id = "area-1"
        "#,
    );
    let expected = [
        ("cluster-server-connector-0", Some(4050)),
        ("cluster-server-connector-1", Some(4051)),
        ("area-1", Some(6050)),
        ("area-2", Some(6050)),
    ];
    assert_eq!(ports(&loaded), expected);
    let connector = &loaded.servers[1];
    assert!(connector.instance.frontend);
    assert_eq!(connector.instance.client_port, Some(3051));
    assert_eq!(connector.instance.client_host.as_deref(), Some("0.0.0.0"));
    let tuning = &connector.tuning;
    assert_eq!(
        (tuning.max_connections, tuning.heartbeat_seconds),
        (Some(5000), Some(0))
    );
    assert_eq!(tuning.deadline, Some(Duration::from_millis(2500)));
    assert_eq!(tuning.single_session, Some(OneSession::KickOld));
    assert_eq!(
        (tuning.max_in_flight, tuning.max_blocking, tuning.max_queue),
        (Some(8), Some(3), Some(4096))
    );
    assert_eq!(
        (tuning.max_package, tuning.max_outgoing),
        (Some(131_072), Some(65_536))
    );
    assert_eq!(tuning.resume_seconds, Some(30));
    assert_eq!(
        (tuning.resume_window, tuning.resume_max_away),
        (Some(1024), Some(7))
    );
    assert_eq!(
        (tuning.pitaya_serializer, tuning.pitaya_compression),
        (Some(Serializer::Protobuf), Some(false))
    );
    let area = &loaded.servers[2].instance;
    assert_eq!(json!(area.settings), json!({"zone": 7, "map": ["a", "b"]}));
}

#[test]
fn an_environment_overrules_types_key_by_key_and_stands_in_place_of_servers() {
    let text = r#"
        [types.chat]
        deadline = 1000
        max_queue = 10
        frontend = true
        client_port = 3050

        [servers.chat]
        cluster_count = 2
        port = "6050++"
        client_port = "3050++"

        [servers.gate]
        id = "gate-1"

        [env.production.types.chat]
        deadline = 5000

        [[env.production.servers.chat]]
        id = "chat-1"
        host = "10.0.0.1"
        port = 6050

        [env.test]
        "#;
    let development = toml(text);
    let ids = |loaded: &Loaded| -> Vec<String> {
        let servers = loaded.servers.iter();
        servers.map(|server| server.instance.id.clone()).collect()
    };
    assert_eq!(
        ids(&development),
        ["cluster-server-chat-0", "cluster-server-chat-1", "gate-1"]
    );
    let production = toml_in("production", text);
    assert_eq!(ids(&production), ["chat-1", "gate-1"]);
    let tuning = &production.servers[0].tuning;
    assert_eq!(tuning.deadline, Some(Duration::from_millis(5000)));
    assert_eq!(tuning.max_queue, Some(10));
    assert_eq!(ids(&toml_in("test", text)).len(), 3);
}

#[test]
fn an_environment_that_the_file_does_not_know_is_a_slip() {
    let folder = Folder::with(&[(
        "tangelo.toml",
        "[servers.chat]\nid = \"a\"\n[env.production]\n[env.test]\n",
    )]);
    let told = mistakes(
        &folder,
        &Asked {
            places: &[folder.path("tangelo.toml")],
            env: [None, Some("prodution")],
            ..Asked::default()
        },
    );
    assert_eq!(
        told,
        ["tangelo.toml: there is no [env.prodution]; there are: production, test"]
    );
}

#[test]
fn everything_wrong_is_told_at_once_with_its_line_also_of_other_environments() {
    let told = wrong_toml(
        r#"[types.chat]
id = "x"
port = "6050"

[types.nobody]

[servers.chat]
cluster_count = 2
clientPort = 5
clint_port = 5
colour = "red"
max_in_flight = 65
max_package = 16777216
settings = 5

[[servers.area]]
id = "a"
cluster_count = 1

[[servers.area]]
frontend = true

[servers]
gate = 5
"a.b" = []

[env.production.servers.chat]
prot = 1

[env]
test = 5

[server]
port = 5600

[service_types]

[jobs]
chat = [5]
area = {}
"#,
    );
    let known: Vec<_> = Key::ALL.iter().map(Key::name).collect();
    let known = known.join(", ");
    assert_eq!(
        told,
        [
            "tangelo.toml:2: types.chat.id: belongs into [servers.chat] or [[servers.chat]]",
            "tangelo.toml:3: types.chat.port: expected a whole number from 0 to 65535, found \"6050\"",
            "tangelo.toml:5: types.nobody: there are no servers of this type",
            "tangelo.toml:9: servers.chat.clientPort: is written `client_port` here",
            "tangelo.toml:10: servers.chat.clint_port: unknown key; do you mean `client_port`? What is yours stands under `settings`",
            &format!(
                "tangelo.toml:11: servers.chat.colour: unknown key; there are: {known}, and `settings` for what is yours"
            ),
            "tangelo.toml:12: servers.chat.max_in_flight: expected 1 to 64, found 65",
            "tangelo.toml:13: servers.chat.max_package: expected 1 to 16777215, found 16777216",
            "tangelo.toml:14: servers.chat.settings: expected a table",
            "tangelo.toml:17: area.a.id: give this or cluster_count, not both",
            "tangelo.toml:20: servers.area[1].id: is missing",
            "tangelo.toml:24: servers.gate: expected [servers.gate] or [[servers.gate]]",
            "tangelo.toml:25: servers.a.b: is no server type: a route begins with it, up to a dot",
            "tangelo.toml:28: servers.chat.prot: unknown key; do you mean `port`? What is yours stands under `settings`",
            "tangelo.toml:31: env.test: expected a table",
            "tangelo.toml:33: server: is of krpc services, of which this application has none (App::rpc); servers for clients are [servers.<type>]",
            "tangelo.toml:36: service_types: unknown chapter; do you mean `service`?",
            "tangelo.toml:39: jobs.chat[0]: expected a job, found a number",
            "tangelo.toml:40: jobs.area: expected a list of jobs, found a table",
        ],
        "{told:#?}"
    );
}

#[test]
fn every_limit_is_taken_at_its_ends_and_not_beyond() {
    let with = |line: &str| {
        format!("[servers.chat]\nid = \"a\"\nfrontend = true\nclient_port = 9\n{line}\n")
    };
    for (key, ends, beyond) in [
        ("max_connections", ["0", "4294967295"], ["-1", "4294967296"]),
        ("max_in_flight", ["1", "64"], ["0", "65"]),
        ("max_blocking", ["1", "9223372036854775807"], ["0", "-1"]),
        ("max_queue", ["1", "9223372036854775807"], ["0", "-1"]),
        ("max_package", ["1", "16777215"], ["0", "16777216"]),
        ("max_outgoing", ["1", "9223372036854775807"], ["0", "-1"]),
        ("deadline", ["1", "9223372036854775807"], ["0", "-1"]),
        (
            "heartbeat_seconds",
            ["0", "4294967295"],
            ["-1", "4294967296"],
        ),
        ("port", ["0", "65535"], ["-1", "65536"]),
        ("resume_seconds", ["0", "4294967295"], ["-1", "4294967296"]),
        ("resume_window", ["1", "9223372036854775807"], ["0", "-1"]),
        ("resume_max_away", ["1", "9223372036854775807"], ["0", "-1"]),
    ] {
        for end in ends {
            toml(&with(&format!("{key} = {end}")));
        }
        for past in beyond {
            let told = wrong_toml(&with(&format!("{key} = {past}")));
            assert!(
                told[0].contains(&format!("chat.a.{key}: expected ")),
                "{told:?}"
            );
            assert!(told[0].ends_with(&format!("found {past}")), "{told:?}");
        }
    }
}

#[test]
fn no_two_keys_have_one_name_and_each_says_what_it_means() {
    let mut names: Vec<_> = Key::ALL.iter().map(Key::name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Key::ALL.len());
    assert!(Key::ALL.iter().all(|key| key.meaning().ends_with('.')));
}

#[test]
fn chapters_of_krpc_services_are_for_an_application_that_has_some() {
    let text = "[servers.chat]\nid = \"a\"\n[application]\nname = \"x\"\n[[server]]\nport = 1\n";
    let told = wrong_toml(text);
    assert_eq!(
        told,
        [
            "tangelo.toml:3: application: is of krpc services, of which this application has none (App::rpc)",
            "tangelo.toml:5: server: is of krpc services, of which this application has none (App::rpc); \
             servers for clients are [servers.<type>]",
        ]
    );
    let folder = Folder::with(&[("tangelo.toml", text)]);
    loaded(&Asked {
        places: &[folder.path("tangelo.toml")],
        krpc: true,
        ..Asked::default()
    });
}

#[test]
fn later_files_overrule_earlier_ones() {
    let folder = Folder::with(&[
        (
            "a.toml",
            "[types.chat]\ndeadline = 1\nmax_queue = 2\nfrontend = true\nclient_port = 9\n[servers.chat]\nid = \"a\"\n[servers.area]\nid = \"b\"\n",
        ),
        (
            "b.toml",
            "[types.chat]\ndeadline = 3\n[servers.chat]\nid = \"c\"\n",
        ),
    ]);
    let loaded = loaded(&Asked {
        places: &[folder.path("a.toml"), folder.path("b.toml")],
        ..Asked::default()
    });
    assert_eq!(ports(&loaded), [("c", None), ("b", None)]);
    let tuning = &loaded.servers[0].tuning;
    assert_eq!(tuning.deadline, Some(Duration::from_millis(3)));
    assert_eq!(tuning.max_queue, Some(2));
}

#[test]
fn nesting_has_an_end() {
    let deep = format!("a = {}{}\n", "[".repeat(5_000), "]".repeat(5_000));
    let told = wrong_toml(&deep);
    assert!(told[0].starts_with("tangelo.toml:1: "), "{told:?}");
}

#[test]
fn what_is_no_toml_is_told_with_its_lines_and_nothing_that_follows_from_it() {
    let told = wrong_toml("[servers.chat]\nport = \n\n[types\n");
    let places: Vec<_> = told
        .iter()
        .filter_map(|told| told.split(": ").next())
        .collect();
    assert_eq!(places, ["tangelo.toml:2", "tangelo.toml:4"], "{told:?}");
}

#[test]
fn a_job_has_our_keys_and_no_others() {
    let told = wrong_toml(
        "[servers.chat]\nid = \"a\"\n[[jobs.chat]]\nid = 1\nserverId = \"a\"\ncolour = 1\n",
    );
    assert_eq!(
        told,
        [
            "tangelo.toml:5: jobs.chat[0].serverId: unknown key; do you mean `server_id`?",
            "tangelo.toml:6: jobs.chat[0].colour: unknown key; there are: id, time, action, server_id, overlap",
        ]
    );
    let loaded = toml(
        "[servers.chat]\nid = \"a\"\n[[jobs.chat]]\nid = 1\ntime = { period = 5 }\nserver_id = \"a\"\n",
    );
    let job = json!({ "id": 1, "time": { "period": 5 }, "serverId": "a" });
    assert_eq!(loaded.jobs[0].value, job, "as crons.json would have it");
}

#[test]
fn an_environment_may_have_jobs_of_its_own() {
    let text =
        "[servers.chat]\nid = \"a\"\n[[jobs.chat]]\nid = 1\n[[env.test.jobs.chat]]\nid = 2\n";
    assert_eq!(toml(text).jobs[0].value["id"], 1);
    let test = toml_in("test", text);
    assert_eq!((test.jobs.len(), &test.jobs[0].value["id"]), (1, &json!(2)));
}

#[test]
fn a_user_may_have_one_session_alone() {
    let with = |value: &str| {
        format!(
            "[servers.chat]\nid = \"a\"\nsingle_session = {value}\nfrontend = true\nclient_port = 9\n"
        )
    };
    let loaded = toml(&with("\"refuse_new\""));
    assert_eq!(
        loaded.servers[0].tuning.single_session,
        Some(OneSession::RefuseNew)
    );
    let told = wrong_toml(&with("\"both\""));
    assert_eq!(
        told,
        ["tangelo.toml:3: chat.a.single_session: expected refuse_new or kick_old, found `both`"]
    );
    let told = wrong_toml(&with("true"));
    assert_eq!(
        told,
        ["tangelo.toml:3: chat.a.single_session: expected a text, found true"]
    );
}

#[test]
fn what_only_front_ends_have_is_refused_where_there_are_none() {
    let told = wrong_toml(
        "[types.chat]\nmax_queue = 2\n[servers.chat]\ncluster_count = 2\n[servers.gate]\nid = \"g\"\n\
         frontend = true\nclient_port = 9\nmax_queue = 2\n",
    );
    assert_eq!(
        told,
        ["tangelo.toml:2: chat.max_queue: means something on front ends only, and these are none"]
    );
}

#[test]
fn the_defaults_of_the_page_are_those_of_the_code() {
    let limits = tangelo_server::Limits::default();
    let of_connector = tangelo_connector::Limits::default();
    for (name, default) in [
        (
            "deadline",
            tangelo_server::Limits::DEADLINE.as_millis().to_string(),
        ),
        ("max_in_flight", limits.in_flight.to_string()),
        ("max_blocking", limits.blocking.to_string()),
        ("max_queue", limits.queue.to_string()),
        ("max_package", of_connector.package.to_string()),
        ("max_outgoing", of_connector.outgoing.to_string()),
    ] {
        let key = Key::ALL.iter().find(|key| key.name() == name).unwrap();
        assert_eq!(key.default(), default, "{name}");
    }
    let server = &toml("[servers.chat]\nid = \"a\"\n").servers[0].instance;
    assert_eq!((&*server.host, server.frontend), ("127.0.0.1", false));
}

#[cfg(feature = "tls")]
#[test]
fn how_clients_come_in_is_said_of_a_type() {
    let loaded = toml(
        r#"
        [types.connector]
        frontend = true
        client_port = 3050
        tls_cert = "cert.pem"
        tls_key = "key.pem"
        tls_only = true
        proxy_protocol_from = ["10.0.0.0/8", "::ffff:192.0.2.1"]
        forwarded_from = "10.1.0.0/16, 10.2.0.1"
        forward_header = "forwarded"
        origins = ["https://Game.example:443"]

        [servers.connector]
        id = "a"
        "#,
    );
    let entry = &loaded.servers[0].tuning.entry;
    assert_eq!(entry.tls_cert.as_deref(), Some("cert.pem"));
    assert_eq!(entry.tls_key.as_deref(), Some("key.pem"));
    assert_eq!(entry.tls_only, Some(true));
    let names = |networks: &Option<Networks>| networks.as_ref().map(Networks::names);
    let proxies = ["10.0.0.0/8", "192.0.2.1/32"].map(str::to_owned);
    assert_eq!(names(&entry.proxy_protocol_from), Some(proxies.to_vec()));
    let proxies = ["10.1.0.0/16", "10.2.0.1/32"].map(str::to_owned);
    assert_eq!(names(&entry.forwarded_from), Some(proxies.to_vec()));
    assert_eq!(entry.forward_header, Some(ForwardHeader::Forwarded));
    let origins = Origins::new(["https://game.example"]).unwrap();
    assert_eq!(entry.origins, Some(origins));
}

#[cfg(feature = "tls")]
#[test]
fn what_is_no_network_no_origin_no_header_and_half_a_certificate_are_mistakes() {
    for (line, problem) in [
        (
            "proxy_protocol_from = [\"10.0.0\"]",
            "`10.0.0` is no address and no network",
        ),
        (
            "forwarded_from = [\"10.0.0.0/33\"]",
            "`10.0.0.0/33` is no address",
        ),
        ("forward_header = \"X-Real-IP\"", "found `X-Real-IP`"),
        (
            "origins = [\"game.example\"]",
            "`game.example` is no origin",
        ),
        ("tls_cert = \"cert.pem\"", "`tls_key` is missing"),
        ("tls_key = \"key.pem\"", "`tls_cert` is missing"),
    ] {
        let text = format!(
            "[types.gate]\nfrontend = true\nclient_port = 3010\n{line}\n[servers.gate]\nid = \"a\"\n"
        );
        let told = wrong_toml(&text);
        assert!(told.len() == 1 && told[0].contains(problem), "{told:?}");
    }
}

#[test]
fn a_serializer_is_one_of_two() {
    let text =
        |serializer| format!("[servers.chat]\nid = \"a\"\npitaya_serializer = \"{serializer}\"\n");
    for known in ["json", "protobuf"] {
        toml(&text(known));
    }
    let told = wrong_toml(&text("xml"));
    let expected =
        "tangelo.toml:3: chat.a.pitaya_serializer: expected json or protobuf, found `xml`";
    assert_eq!(told, [expected]);
}
