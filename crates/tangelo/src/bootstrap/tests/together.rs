//! What each key of a file allows, and what together makes no sense: told with the line.

use super::*;

/// The application of all these files: a service, a referer, a reverse one.
fn app() -> Bootstrap {
    users()
        .referer_with(referer("us"))
        .referer_with(referer("push").reverse(true))
}

#[track_caller]
fn wrong(text: &str, told: &[&str]) {
    assert_eq!(file_mistakes(app(), text), told);
}

#[test]
fn unknown_names_are_told_where_they_are_said() {
    wrong(
        "[[service]]\nid = \"Users\"\ntransport = [\"default\", \"x\"]\n",
        &["tangelo.toml:3: service.Users.transport: there is no server `x`; there are: default"],
    );
    wrong(
        "[[referer]]\nid = \"us\"\ntransport = \"x\"\nregistry_name = \"y\"\n",
        &[
            "tangelo.toml:3: referer.us.transport: there is no client `x`; there are: default",
            "tangelo.toml:4: referer.us.registry_name: there is no registry `y`; there are: none",
        ],
    );
}

#[test]
fn a_second_server_makes_everybody_choose() {
    wrong(
        "[[server]]\nid = \"a\"\n\n[[server]]\nid = \"b\"\n\n[[service]]\nid = \"Users\"\nweight = 1\n",
        &[
            "tangelo.toml:7: service.Users.transport: name the server; there are: a, b",
            "referer.push.transport: name the server; there are: a, b",
        ],
    );
}

#[test]
fn a_method_is_told_by_its_pattern_and_line() {
    wrong(
        "[[service]]\nid = \"Users\"\n\n[[service.method]]\npattern = \"1-4\"\ntimeout = 5\n\n\
         [[service.method]]\npattern = \"log.*\"\nflow_control = \"1=5\"\nthreds = 1\n\n\
         [[service.method]]\nthreads = 1\n\n[[service.method]]\npattern = \"1-x\"\n",
        &[
            "tangelo.toml:4: service.Users.method.1-4: there is no message 4; there are: login = 1, \
             logout = 2, update = 3",
            "tangelo.toml:6: service.Users.method.1-4.timeout: is a referer's",
            "tangelo.toml:10: service.Users.method.log.*.flow_control: counts only if \
             application.flow_control is memory",
            "tangelo.toml:11: service.Users.method.log.*.threds: unknown key; there are: pattern, \
             timeout, retry_level, retry_count, threads, max_threads, queue_size, flow_control",
            "tangelo.toml:13: service.Users.method: pattern is missing",
            "tangelo.toml:17: service.Users.method.pattern: `1-x` is neither a number nor a range \
             such as 1-3",
        ],
    );
    wrong(
        "[[service]]\nid = \"Users\"\nmethod = 5\n",
        &["tangelo.toml:3: service.Users.method: expected [[service.method]]"],
    );
    wrong(
        "[[referer]]\nid = \"us\"\nmethod = [5]\n",
        &["tangelo.toml:3: referer.us.method: expected [[referer.method]]"],
    );
}

#[test]
fn what_could_not_be_read_is_told_once() {
    // A layout, a time, a list: none of them is checked as if it were the default.
    wrong(
        "[server]\nlayout = 1\nidle_seconds = \"x\"\n[[referer]]\nid = \"us\"\nregistry_name = 1\n",
        &[
            "tangelo.toml:2: server.default.layout: expected a text, found 1",
            "tangelo.toml:3: server.default.idle_seconds: expected a whole number from 0 to \
             4294967295, found \"x\"",
            "tangelo.toml:6: referer.us.registry_name: expected a text, found 1",
        ],
    );
}

#[test]
fn an_id_that_is_no_text_is_told() {
    wrong(
        "[[server]]\nid = 5\nport = 1\n",
        &["tangelo.toml:2: server.default.id: expected a text, found 5"],
    );
}

#[test]
fn no_chapter() {
    for (line, told) in [
        ("[[webserver]]", "webserver: is written [[web_server]] here"),
        ("[webServer]", "webServer: is written [[web_server]] here"),
        (
            "[[servers]]",
            "servers: is written [[server]] here; [servers.<type>] is an application's (App)",
        ),
        (
            "[applications]",
            "applications: is written [application] here",
        ),
        (
            "[[method]]",
            "method: belongs to a service or referer: [[service.method]], [[referer.method]]",
        ),
        (
            "[spring]",
            "spring: unknown chapter; there are: application, monitor, registry, client, server, \
             web_server, service, referer, descriptors",
        ),
        ("server = 5", "server: expected [server] or [[server]]"),
        ("server = [5]", "server: expected [[server]]"),
        (
            "monitor = true",
            "monitor: expected [monitor] or [[monitor]]",
        ),
        (
            "[[application]]",
            "application: there is one: [application]",
        ),
    ] {
        wrong(
            &format!("\n{line}\n"),
            &[&format!("tangelo.toml:2: {told}")],
        );
    }
}

#[cfg(not(feature = "gateway"))]
#[test]
fn without_the_feature_there_are_no_web_servers() {
    wrong(
        "[web_server]\nport = 8600\n",
        &[
            "tangelo.toml:2: web_server.default_web.port: web servers need the feature `gateway` of \
             the crate tangelo",
            "referer.push.transport: name the server; there are: none",
        ],
    );
}
