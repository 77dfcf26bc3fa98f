//! Files that cannot be read, and one with everything wrong in it.

use super::*;

#[test]
fn a_missing_file_says_where_it_was_looked_for() {
    let told = mistakes(users().file("nowhere.toml"));
    let at = std::path::absolute("nowhere.toml").unwrap();
    let begin = "nowhere.toml: cannot be read: ";
    let end = format!("(looked for {})", at.display());
    assert!(
        told.len() == 1 && told[0].starts_with(begin) && told[0].ends_with(&end),
        "{told:?}"
    );
}

#[test]
fn a_folder_is_no_file() {
    let folder = Folder::with(&[]);
    let told = mistakes(users().file(&folder.0));
    assert!(
        told.len() == 1 && told[0].contains(": cannot be read: "),
        "{told:?}"
    );
}

#[test]
fn bytes_that_are_no_text_are_no_file() {
    let folder = Folder::with(&[]);
    fs::write(folder.path("tangelo.toml"), b"[server]\nid = \"\xff\"").unwrap();
    let told = mistakes(users().file(folder.path("tangelo.toml")));
    assert!(
        told.len() == 1 && told[0].contains(": cannot be read: "),
        "{told:?}"
    );
}

#[test]
fn what_is_no_toml_is_told_with_its_lines_and_nothing_is_guessed() {
    let told = file_mistakes(
        // Without the file there would be more to say of this one.
        users()
            .server(ServerConfig::new("a"))
            .server(ServerConfig::new("b")),
        "[server]\nport = \n\n[client\nid = \"c\"\n",
    );
    let places: Vec<_> = told
        .iter()
        .filter_map(|told| told.split(": ").next())
        .collect();
    assert_eq!(places, ["tangelo.toml:2", "tangelo.toml:4"], "{told:?}");
}

#[test]
fn a_key_said_twice_is_no_toml() {
    let told = file_mistakes(users(), "[server]\nport = 1\nport = 2\n");
    assert_eq!(told, ["tangelo.toml:3: duplicate key"]);
}

#[test]
fn all_files_are_read_before_anything_is_told() {
    let folder = Folder::with(&[("a.toml", "[server"), ("b.toml", "[server]\nprot = 1\n")]);
    let bootstrap = users()
        .file(folder.path("a.toml"))
        .file(folder.path("b.toml"));
    let Err(told) = plan(bootstrap, &folder) else {
        panic!("nothing is wrong")
    };
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].starts_with("a.toml:1: ") && told[1].starts_with("b.toml:2: server.default.prot: ")
    );
}

#[cfg(feature = "gateway")]
const EVERYTHING_WRONG: &str = r#"
descriptors = "nowhere"

[application]
name = 5
flow_control = "redis"
sample_rate = 200
delayStart = 5

[monitor]
log_formatter = "xml"
logThreads = 1

[[registry]]
id = "zk"
type = "zookeeper"

[[server]]
port = 70000
layout = "v9"
ioThreads = 8

[[server]]
port = 1

[[server]]
id = "admin"
threads = -7

[[client]]
connections = 100
reconnectSeconds = 3

[[service]]
id = "Users"
transport = "nowhere"
flow_control = "1=x"

[[service.method]]
pattern = "5-6"
timeout = 100

[[service]]
interface = "Orders"

[[referer]]
id = "us"
direct = "10.0.0.1"
registry_name = "zk"
retry_level = "always"
load_balance = "best"
breaker_close_by = 3

[[referer]]
id = "os"
service_id = 7

[web_server]
routes_file = "nowhere.xml"
proto_dir = "nowhere"
max_streams = 0
session_service = "redis"
session_id_cookie_name = "a b"
json = "xml"
tls_key = "key.pem"
trusted_proxies = "10.0.0.0/8, here"
live_path = "live"
negative_status = 100
jsonConverter = "jackson"
pluginParams = "x"

[plugins]
"#;

#[cfg(feature = "gateway")]
#[test]
fn everything_wrong_is_told_at_once() {
    let told = file_mistakes(users().referer_with(referer("us")), EVERYTHING_WRONG).join("\n");
    let expected = include_str!("everything_wrong.txt");
    assert_eq!(told.trim(), expected.trim(), "\n{told}");
}
