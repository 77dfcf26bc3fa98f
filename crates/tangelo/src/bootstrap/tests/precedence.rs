//! Who overrules whom.

use clap::Parser;

use super::*;
use crate::{bootstrap::arguments::Arguments, outside::Variables};

fn port(plan: &Plan) -> u16 {
    plan.servers[0].port
}

fn arguments(words: &[&str]) -> Arguments {
    Arguments::parse_from([&["tangelo"], words].concat())
}

fn variables(all: &[(&str, &str)]) -> Variables {
    let all = all.iter();
    Variables::among(all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

fn with_variables(mut bootstrap: Bootstrap, all: &[(&str, &str)]) -> Bootstrap {
    bootstrap.variables = variables(all);
    bootstrap
}

const FILE: &str = "[[server]]\nport = 3\n";

#[test]
fn a_default_gives_way_to_code_to_a_file_to_the_environment_to_set_to_the_command_line() {
    let folder = Folder::with(&[("tangelo.toml", FILE)]);
    let file = || folder.path("tangelo.toml");
    let variable = [("TANGELO__SERVER__DEFAULT__PORT", "4")];
    assert_eq!(port(&planned(users())), 5600);
    assert_eq!(port(&planned(users().server(2))), 2);
    assert_eq!(port(&planned(users().server(2).file(file()))), 3);
    let all = || with_variables(users().server(2).file(file()), &variable);
    assert_eq!(port(&planned(all())), 4);
    assert_eq!(port(&planned(all().set("server.default.port", 5))), 5);
    let said = arguments(&["--set", "server.default.port=6"]);
    let all = all().set("server.default.port", 5).arguments(said);
    assert_eq!(port(&planned(all)), 6);
}

#[test]
fn a_later_file_overrules_an_earlier_one_and_the_command_lines_comes_last() {
    let folder = Folder::with(&[
        ("a.toml", "[server]\nport = 1\nbacklog = 1"),
        ("b.toml", "[server]\nport = 2\nmax_conns = 2"),
        ("c.toml", "[server]\nport = 3"),
    ]);
    let two = || {
        users()
            .file(folder.path("a.toml"))
            .file(folder.path("b.toml"))
    };
    let plan = planned(two());
    let server = &plan.servers[0];
    assert_eq!((server.port, server.backlog, server.max_conns), (2, 1, 2));
    let third = folder.path("c.toml").display().to_string();
    let said = arguments(&["--config", &third]);
    assert_eq!(port(&planned(two().arguments(said))), 3);
}

#[test]
fn tangelo_toml_is_read_where_the_command_line_counts_and_nobody_names_a_file() {
    let folder = Folder::with(&[("tangelo.toml", FILE)]);
    let default = || folder.path("tangelo.toml");
    let files = |mut bootstrap: Bootstrap| bootstrap.take_files(default());
    assert_eq!(files(users().arguments(arguments(&[]))), [default()]);
    assert!(files(users()).is_empty(), "no command line");
    let named = users().file("a.toml").arguments(arguments(&[]));
    assert_eq!(files(named), [PathBuf::from("a.toml")]);
    let said = users().arguments(arguments(&["--config", "b.toml"]));
    assert_eq!(files(said), [PathBuf::from("b.toml")]);
    let mut elsewhere = users().arguments(arguments(&[]));
    assert!(elsewhere.take_files(folder.path("nowhere.toml")).is_empty());
}

#[test]
fn the_command_line_is_checked_by_its_form() {
    for words in [
        &["--set", "server.default.port"][..],
        &["--set"],
        &["--port", "5"],
    ] {
        let parsed = Arguments::try_parse_from([&["tangelo"], words].concat());
        assert!(parsed.is_err(), "{words:?}");
    }
}

#[test]
fn what_is_not_said_again_stays() {
    let plan = file_planned(
        users().server(ServerConfig::from(2).max_conns(7_usize)),
        "[[server]]\nid = \"default\"\nidle_seconds = 9\n",
    );
    let server = &plan.servers[0];
    assert_eq!(
        (server.port, server.max_conns, server.idle_seconds),
        (2, 7, 9)
    );
}

#[test]
fn the_command_line_takes_changes_of_every_chapter() {
    let said = arguments(&[
        "--set",
        "application.name=users",
        "--set",
        "monitor.access_log=false",
        "--set",
        "server.default.host=127.0.0.1",
        "--set",
        "client.default.connections=2",
        "--set",
        "service.Users.flow_control=1=5;3=20",
        "--set",
        "referer.us.direct=10.0.0.1:5600,10.0.0.2:5600",
        "--set",
        "application.flow_control=memory",
    ]);
    let plan = planned(users().referer_with(referer("us")).arguments(said));
    assert_eq!(plan.application.name, "users");
    assert!(!plan.monitor.access_log);
    assert_eq!(plan.servers[0].host, "127.0.0.1");
    assert_eq!(plan.clients[0].connections, 2);
    assert!(plan.services[0].flow_control.is_some());
    assert_eq!(plan.referers[0].direct, ["10.0.0.1:5600", "10.0.0.2:5600"]);
}

#[test]
fn a_text_that_looks_like_a_number_is_a_text_where_one_is_wanted() {
    let plan = planned(with_variables(
        users(),
        &[("TANGELO__APPLICATION__NAME", "42")],
    ));
    assert_eq!(plan.application.name, "42");
    let said = arguments(&[
        "--set",
        "application.name=true",
        "--set",
        "monitor.mask_fields=[\"a\"]",
    ]);
    let plan = planned(users().arguments(said));
    assert_eq!(plan.application.name, "true");
    assert_eq!(plan.monitor.mask_fields, ["a"]);
}

#[test]
fn a_variable_names_an_id_by_what_its_name_may_hold() {
    let bootstrap = users().server(ServerConfig::new("users-1").port(1_u16));
    let all = [("TANGELO__SERVER__USERS_1__MAX_CONNS", "9")];
    assert_eq!(
        planned(with_variables(bootstrap, &all)).servers[0].max_conns,
        9
    );
}

#[test]
fn variables_that_fit_nothing_are_mistakes() {
    let two = || {
        users()
            .service(ServiceConfig::new(Users::<101>).id("a-b"))
            .service(ServiceConfig::new(Users::<102>).id("a.b"))
    };
    let form = "expected TANGELO__CHAPTER__ID__KEY, such as TANGELO__SERVER__DEFAULT__PORT, or \
                TANGELO__APPLICATION__NAME";
    for (name, told) in [
        ("TANGELO__PORT", form),
        ("TANGELO__SERVERS__A__PORT", form),
        ("TANGELO__SERVER__PORT", form),
        (
            "TANGELO__SERVER__MIAN__PORT",
            "there is no server `MIAN`; there are: default",
        ),
        (
            "TANGELO__REFERER__US__TIMEOUT",
            "there is no referer `US`; there are: none",
        ),
        ("TANGELO__SERVICE__A_B__WEIGHT", "may mean each of a-b, a.b"),
        (
            "TANGELO__SERVER__DEFAULT__ID",
            "server.default.id: is given where it is declared",
        ),
        (
            "TANGELO__SERVER__DEFAULT__PORT",
            "server.default.port: expected a whole number from 0 to 65535, found \"x\"",
        ),
        (
            "TANGELO__SERVER__DEFAULT__IO_THREADS",
            "server.default.io_threads: has no meaning here: all connections share the threads of \
             the runtime (TOKIO_WORKER_THREADS, or a runtime of your own); leave it out",
        ),
    ] {
        let told = format!("{name}: {told}");
        assert_eq!(mistakes(with_variables(two(), &[(name, "x")])), [told]);
    }
}

#[test]
fn changes_that_fit_nothing_are_mistakes() {
    let form = "expected chapter.id.key, such as server.default.port, or application.name";
    for (key, told) in [
        ("port", form),
        ("server.port", form),
        ("servers.default.port", form),
        (
            "server.mian.port",
            "there is no server `mian`; there are: default",
        ),
        (
            "client.default.lazy",
            "there is no client `default`; there are: none",
        ),
        (
            "web_server.default_web.port",
            "there is no web_server `default_web`; there are: none",
        ),
    ] {
        let told = format!("set: {key}: {told}");
        assert_eq!(mistakes(users().set(key, 1)), [told]);
    }
    for (key, told) in [
        ("application.id", "is given where it is declared"),
        ("application.nmae", "unknown key; there are: name, "),
        ("application.sample_rate", "expected 0 to 100, found 101"),
        (
            "service.Users.method",
            "stands in a file: it cannot be set alone",
        ),
        ("server.default.maxConns", "is written max_conns here"),
    ] {
        let found = mistakes(users().set(key, 101));
        let told = format!("set: {key}: {told}");
        assert!(found.len() == 1 && found[0].starts_with(&told), "{found:?}");
    }
}

#[test]
fn a_cross_check_names_who_said_it() {
    let said = arguments(&["--set", "service.Users.transport=x"]);
    assert_eq!(
        mistakes(users().arguments(said)),
        ["--set: service.Users.transport: there is no server `x`; there are: default"]
    );
    let all = [("TANGELO__SERVER__DEFAULT__LAYOUT", "v3")];
    assert_eq!(
        mistakes(with_variables(users(), &all)),
        ["TANGELO__SERVER__DEFAULT__LAYOUT: server.default.layout: expected v1 or v2, found `v3`"]
    );
}
