//! What is wrong with what code says, each alone and together.

use std::{sync::Arc, time::Duration};

use tangelo_registry::Memory;
use tangelo_rpc::{
    Connection, ConnectionListener,
    client::{RouteConfig, balance},
    config::{MethodConfig, RegistryConfig},
    server::{Execute, Work},
};

use super::*;

#[track_caller]
fn wrong(bootstrap: Bootstrap, told: &str) {
    assert_eq!(mistakes(bootstrap), [told]);
}

fn app() -> Bootstrap {
    Bootstrap::new("test")
}

#[test]
fn the_application() {
    for (kind, told) in [
        (
            "redis",
            "redis is not there yet; use memory, or bring one: Bootstrap::flow_control",
        ),
        ("x", "expected memory or nothing, found `x`"),
    ] {
        let told = format!("application.flow_control: {told}");
        wrong(app().application(|it| it.flow_control(kind)), &told);
    }
    wrong(
        app().application(|it| it.sample_rate(101_u32)),
        "application.sample_rate: expected 0 to 100, found 101",
    );
    planned(app().application(|it| it.sample_rate(100_u32)));
}

#[test]
fn files_that_the_application_names_and_that_are_not_there() {
    for key in ["mock_file", "fallback_file", "error_msg_converter"] {
        let told = mistakes(app().set(format!("application.{key}"), "/nowhere/x.toml"));
        let begin = format!("set: application.{key}: /nowhere/x.toml: ");
        assert!(told.len() == 1 && told[0].starts_with(&begin), "{told:?}");
    }
}

#[test]
fn files_that_the_application_names_and_that_are_wrong_tell_their_own_lines() {
    let folder = Folder::with(&[
        (
            "mock.toml",
            "[[fallback]]\nfor = \"x\"\nresults = {}\n\n[[fallback]]\nfor = \"a.b\"\n",
        ),
        ("error.properties", "-100=ok\nx=y\n\nz=one\n"),
    ]);
    let bootstrap = app().application(|it| {
        it.mock_file(folder.path("mock.toml").display().to_string())
            .error_msg_converter(folder.path("error.properties").display().to_string())
    });
    let Err(told) = plan(bootstrap, &folder) else {
        panic!("nothing is wrong")
    };
    let places: Vec<_> = told
        .iter()
        .filter_map(|told| told.split(": ").next())
        .collect();
    assert_eq!(
        places,
        [
            "error.properties:2",
            "error.properties:4",
            "mock.toml:1",
            "mock.toml:5"
        ],
        "{told:?}"
    );
}

#[test]
fn the_access_log() {
    wrong(
        app().monitor(|it| it.log_formatter("x")),
        "monitor.log_formatter: expected simple or json, found `x`",
    );
    for form in ["simple", "json", "jackson"] {
        planned(app().monitor(|it| it.log_formatter(form)));
    }
    for (threads, fits) in [(0_usize, false), (1, true), (64, true), (65, false)] {
        let bootstrap = app().monitor(|it| it.log_threads(threads));
        if fits {
            planned(bootstrap);
        } else {
            wrong(
                bootstrap,
                &format!("monitor.log_threads: expected 1 to 64, found {threads}"),
            );
        }
    }
}

#[test]
fn servers_and_their_limits() {
    let server = || ServerConfig::new("s");
    for (wrongly, told) in [
        (
            server().threads(-2),
            "threads: expected -1 (no limit), 0 (1,024) or more, found -2",
        ),
        (
            server().max_package_size(1023_usize),
            "max_package_size: expected 1024 to 2147483647, found 1023",
        ),
        (
            server().max_package_size(1_usize << 31),
            "max_package_size: expected 1024 to 2147483647, found 2147483648",
        ),
        (
            server().idle_seconds(0_u32),
            "idle_seconds: expected 1 or more, found 0",
        ),
        (
            server().backlog(0_u32),
            "backlog: expected 1 or more, found 0",
        ),
        (
            server().max_conns(0_usize),
            "max_conns: expected 1 or more, found 0",
        ),
        (
            server().layout("v3"),
            "layout: expected v1 or v2, found `v3`",
        ),
        (
            server().layout("V1"),
            "layout: expected v1 or v2, found `V1`",
        ),
    ] {
        wrong(app().server(wrongly), &format!("server.s.{told}"));
    }
    for right in [
        server().threads(-1),
        server().max_package_size(1024_usize),
        server().max_package_size(i32::MAX as usize),
        server().layout("v1"),
        server().queue_size(0_u32),
    ] {
        planned(app().server(right));
    }
}

#[test]
fn clients_and_their_limits() {
    let client = || ClientConfig::new("c");
    for (wrongly, told) in [
        (
            client().connections(0_u32),
            "connections: expected 1 to 24, found 0",
        ),
        (
            client().connections(25_u32),
            "connections: expected 1 to 24, found 25",
        ),
        (
            client().ping_seconds(0_u32),
            "ping_seconds: expected 1 or more, found 0",
        ),
        (
            client().reconnect_seconds(0_u32),
            "reconnect_seconds: expected 1 or more, found 0",
        ),
        (
            client().connect_timeout(Duration::ZERO),
            "connect_timeout: expected a time in milliseconds, at least 1, found 0",
        ),
        (
            client().threads(-2),
            "threads: expected -1 (no limit), 0 (1,024) or more, found -2",
        ),
        (client().layout(""), "layout: expected v1 or v2, found ``"),
    ] {
        wrong(app().client(wrongly), &format!("client.c.{told}"));
    }
    for right in [1_u32, 24] {
        planned(app().client(client().connections(right)));
    }
}

#[cfg(feature = "tls")]
#[test]
fn tls_that_cannot_be_used_is_told_before_anything_starts() {
    for (server, begin) in [
        (
            ServerConfig::new("s").tls_cert("x"),
            "server.s.tls_key: is missing",
        ),
        (
            ServerConfig::new("s").tls_key("x"),
            "server.s.tls_cert: is missing",
        ),
        (
            ServerConfig::new("s").tls_client_ca("x"),
            "server.s.tls_cert: is missing, and tls_key",
        ),
        (
            ServerConfig::new("s")
                .tls_cert("/nowhere/c")
                .tls_key("/nowhere/k"),
            "server.s.tls_cert: /nowhere/c: ",
        ),
    ] {
        let told = mistakes(app().server(server));
        assert!(told.len() == 1 && told[0].starts_with(begin), "{told:?}");
    }
    for (client, begin) in [
        (
            ClientConfig::new("c").tls_ca("/nowhere/ca"),
            "client.c.tls_ca: /nowhere/ca: ",
        ),
        (
            ClientConfig::new("c").tls_cert("x"),
            "client.c.tls_ca: is missing",
        ),
    ] {
        let told = mistakes(app().client(client));
        assert!(told.len() == 1 && told[0].starts_with(begin), "{told:?}");
    }
}

#[test]
fn registries() {
    let registry = |kind: &str| RegistryConfig::default().id("r").kind(kind);
    for kind in ["zookeeper", "etcd", "consul", "redis", "jedis", "nacos"] {
        let told = format!(
            "registry.r.type: {kind} is not there yet; use memory, give referers addresses (direct), \
             or bring one: Bootstrap::own_registry"
        );
        wrong(app().registry(registry(kind)), &told);
    }
    wrong(
        app().registry(registry("x")),
        "registry.r.type: expected memory, found `x`",
    );
    wrong(
        app().registry(registry("own")),
        "registry.r.type: expected memory, found `own`",
    );
    wrong(
        app().registry(RegistryConfig::default()),
        "registry.id: is missing",
    );
    wrong(
        app().registry(registry("memory").address(vec!["10.0.0.1:1".to_owned()])),
        "registry.r.address: memory is within this process and has no address; leave it out",
    );
    let own = || app().own_registry("mine", Arc::new(Memory::new()));
    planned(own());
    wrong(
        own().set("registry.mine.type", "memory"),
        "set: registry.mine.type: is brought in code: Bootstrap::own_registry; leave it out",
    );
}

#[test]
fn ids_are_there_once() {
    let twice = "there are two of this id: give each its own";
    wrong(
        app().server(1).server(2),
        &format!("server.default.id: {twice}"),
    );
    wrong(
        app()
            .client(ClientConfig::new("a"))
            .client(ClientConfig::new("a")),
        &format!("client.a.id: {twice}"),
    );
    let registry = || RegistryConfig::default().id("a");
    wrong(
        app().registry(registry()).registry(registry()),
        &format!("registry.a.id: {twice}"),
    );
    wrong(
        app().referer_with(referer("a")).referer_with(referer("a")),
        &format!("referer.a.id: {twice}"),
    );
    wrong(
        users().service(Users::<101>),
        &format!("service.Users.id: {twice}"),
    );
    wrong(app().referer_with(referer("")), "referer.id: is missing");
    // A server and a web server are both doors of services.
    let told = mistakes(
        app()
            .server(1)
            .set("server.default.port", 2)
            .web_server(tangelo_rpc::config::WebServerConfig::new("default")),
    );
    assert_eq!(told[0], format!("web_server.default.id: {twice}"));
    // A server and a client are not.
    planned(users().client(ClientConfig::default()));
}

#[test]
fn numbers_below_an_applications() {
    let told = "99 is not an application's: those begin at 100";
    wrong(
        app().service(Users::<99>),
        &format!("service.Users.service_id: {told}"),
    );
    wrong(
        app().referer_with(RefererConfig::new::<Users<99>>("us")),
        &format!("referer.us.service_id: {told}"),
    );
    wrong(
        app().referer_with(RefererConfig::new::<Users<-1>>("us")),
        "referer.us.service_id: -1 is not an application's: those begin at 100",
    );
    planned(users());
}

#[test]
fn messages_below_1() {
    struct Zero;
    impl Definition for Zero {
        const SERVICE_ID: i32 = 100;
        const NAME: &'static str = "Zero";
        const METHODS: &'static [Method] = &[method(0, "nothing"), method(1, "one")];
    }
    impl Service for Zero {
        fn call(&self, _request: Request) -> Answer {
            Box::pin(async { Err(Code::NOT_FOUND.into()) })
        }
    }
    wrong(
        app().service(Zero),
        "service.Zero.msg_id: nothing has number 0: messages begin at 1",
    );
}

#[test]
fn transports_that_are_not_there() {
    wrong(
        users().set("service.Users.transport", "x"),
        "set: service.Users.transport: there is no server `x`; there are: default",
    );
    wrong(
        app().service(ServiceConfig::new(Users::<100>).on("default").on("x")),
        "service.Users.transport: there is no server `x`; there are: default",
    );
    wrong(
        app().reverse_service(ServiceConfig::new(Users::<100>).on("x")),
        "service.Users.transport: there is no client `x`; there are: default",
    );
    wrong(
        app().referer_with(referer("us").transport("x")),
        "referer.us.transport: there is no client `x`; there are: default",
    );
    wrong(
        app().referer_with(referer("push").reverse(true)),
        "referer.push.transport: name the server; there are: none",
    );
}

#[test]
fn a_server_offers_a_service_once() {
    wrong(
        users().service(ServiceConfig::new(Users::<100>).id("again")),
        "service.again.transport: `Users` offers service 100 on `default` already",
    );
    // On two servers, or the other way as well, it is another matter.
    planned(
        app()
            .server(ServerConfig::new("a"))
            .server(ServerConfig::new("b"))
            .service(ServiceConfig::new(Users::<100>).on("a"))
            .service(ServiceConfig::new(Users::<100>).id("again").on("b"))
            .reverse_service(ServiceConfig::new(Users::<100>).id("reverse")),
    );
}

#[test]
fn registries_that_are_not_there_or_not_wanted() {
    let registry = || RegistryConfig::default().id("r");
    wrong(
        app().service(ServiceConfig::new(Users::<100>).registry_names(vec!["x".to_owned()])),
        "service.Users.registry_names: there is no registry `x`; there are: none",
    );
    wrong(
        app()
            .registry(registry())
            .referer_with(referer("us").registry_name("x")),
        "referer.us.registry_name: there is no registry `x`; there are: r",
    );
    let reverse = ServiceConfig::new(Users::<100>).registry_names(vec!["r".to_owned()]);
    wrong(
        app().registry(registry()).reverse_service(reverse),
        "service.Users.registry_names: a reverse service is not announced; leave it out",
    );
    wrong(
        app()
            .registry(registry().enable_discover(false))
            .referer_with(referer("us").registry_name("r")),
        "referer.us.registry_name: registry `r` is not looked in: its enable_discover is false",
    );
}

#[test]
fn addresses_or_a_registry() {
    let registry = RegistryConfig::default().id("r");
    wrong(
        app()
            .registry(registry)
            .referer_with(referer("us").to("10.0.0.1:1").registry_name("r")),
        "referer.us.direct: give addresses (direct) or a registry (registry_name), not both",
    );
    assert_eq!(
        mistakes(app().referer_with(referer("us").to("10.0.0.1, x:1,http://a:1"))),
        [
            "referer.us.direct: expected host:port, found `10.0.0.1`",
            "referer.us.direct: expected host:port, found `http://a:1`",
        ]
    );
}

#[test]
fn a_reverse_referer_has_neither() {
    let push = || referer("push").reverse(true);
    let told = "referer.push.reverse: calls clients over their connections: leave direct and \
                registry_name out";
    wrong(app().server(1).referer_with(push().to("10.0.0.1:1")), told);
    wrong(
        app().server(1).referer_with(push().registry_name("r")),
        told,
    );
    planned(app().server(1).referer_with(push()));
}

#[test]
fn limits_that_would_not_count() {
    let told = "counts only if application.flow_control is memory";
    let limits = || ServiceConfig::new(Users::<100>).flow_control("1=5".parse().ok());
    wrong(
        app().service(limits()),
        &format!("service.Users.flow_control: {told}"),
    );
    let method = MethodConfig::new("log.*")
        .unwrap()
        .flow_control("1=5".parse().ok());
    wrong(
        app().service(ServiceConfig::new(Users::<100>).method(method)),
        &format!("service.Users.method.log.*.flow_control: {told}"),
    );
    planned(
        app()
            .service(limits())
            .application(|it| it.flow_control("memory")),
    );
}

#[test]
fn compression_that_is_not_there() {
    wrong(
        app().referer_with(referer("us").zip("gzip")),
        "referer.us.zip: expected none, zlib or snappy; found `gzip`",
    );
    for zip in ["none", "ZLIB", "snappy", "0", "1", "2", ""] {
        planned(app().referer_with(referer("us").zip(zip)));
    }
}

#[test]
fn the_breaker() {
    for (key, value, told) in [
        (
            "breaker_close_by",
            0,
            "expected 1 (any code but 0) or 2 (timeouts), found 0",
        ),
        (
            "breaker_close_by",
            3,
            "expected 1 (any code but 0) or 2 (timeouts), found 3",
        ),
        ("breaker_window_seconds", 0, "expected 1 to 600, found 0"),
        (
            "breaker_window_seconds",
            601,
            "expected 1 to 600, found 601",
        ),
        ("breaker_close_rate", 0, "expected 1 to 100, found 0"),
        ("breaker_close_rate", 101, "expected 1 to 100, found 101"),
        ("breaker_sleep_seconds", 0, "expected 1 or more, found 0"),
        ("breaker_succ_mills", 0, "expected 1 or more, found 0"),
    ] {
        let told = format!("set: referer.us.{key}: {told}");
        wrong(caller().set(format!("referer.us.{key}"), value), &told);
    }
    for (key, value) in [
        ("breaker_close_by", 2),
        ("breaker_window_seconds", 600),
        ("breaker_close_rate", 100),
        ("breaker_window_min_reqs", 0),
    ] {
        planned(caller().set(format!("referer.us.{key}"), value));
    }
}

#[test]
fn routes() {
    let routes: RouteConfig = serde_json::from_str(
        r#"{"serviceId":100,"rules":[{"from":"(","to":"host == 1"},{"from":"","to":"x == 1"}]}"#,
    )
    .unwrap();
    let told = mistakes(app().referer_with(referer("us").routes(routes)));
    let places: Vec<_> = told
        .iter()
        .map(|told| told.split(": ").take(2).collect::<Vec<_>>())
        .collect();
    assert_eq!(
        places,
        [
            ["referer.us.routes", "rules[0].from"],
            ["referer.us.routes", "rules[1].to"]
        ],
        "{told:?}"
    );
}

#[test]
fn times_of_nothing() {
    let told = "expected a time in milliseconds, at least 1, found 0";
    wrong(
        app().referer_with(referer("us").timeout(Duration::ZERO)),
        &format!("referer.us.timeout: {told}"),
    );
    let method = MethodConfig::new("1").unwrap().timeout(Duration::ZERO);
    wrong(
        app().referer_with(referer("us").method(method)),
        &format!("referer.us.method.1.timeout: {told}"),
    );
}

#[test]
fn patterns_that_name_nothing_or_not_all() {
    let there = "there are: login = 1, logout = 2, update = 3";
    for (pattern, told) in [
        ("4", "there is no message 4"),
        ("1-4", "there is no message 4"),
        ("1,9,12", "there is no message 9"),
        ("1-2147483647", "there is no message 4"),
        ("log", "fits no method"),
        ("LOGIN", "fits no method"),
    ] {
        let method = || MethodConfig::new(pattern).unwrap();
        let told = format!("{pattern}: {told}; {there}");
        wrong(
            app().service(ServiceConfig::new(Users::<100>).method(method())),
            &format!("service.Users.method.{told}"),
        );
        wrong(
            app().referer_with(referer("us").method(method())),
            &format!("referer.us.method.{told}"),
        );
    }
    for pattern in ["1", "1-3", "1,3", "log.*", "login|update"] {
        let method = MethodConfig::new(pattern).unwrap();
        planned(app().service(ServiceConfig::new(Users::<100>).method(method)));
    }
    wrong(
        app().service(ServiceConfig::new(Users::<100>).method(MethodConfig::default())),
        "service.Users.method: pattern is missing",
    );
}

#[test]
fn settings_of_the_other_side() {
    let method = || MethodConfig::new("1").unwrap();
    let told = mistakes(
        app()
            .service(
                ServiceConfig::new(Users::<100>)
                    .method(method().timeout(Duration::from_secs(1)).retry_count(1_u32)),
            )
            .referer_with(
                referer("us").method(method().threads(1).max_threads(1_u32).queue_size(1_u32)),
            ),
    );
    assert_eq!(
        told,
        [
            "service.Users.method.1.timeout: is a referer's",
            "service.Users.method.1.retry_count: is a referer's",
            "referer.us.method.1.threads: is a service's",
            "referer.us.method.1.max_threads: is a service's",
            "referer.us.method.1.queue_size: is a service's",
        ]
    );
}

#[test]
fn threads_of_services_and_methods() {
    wrong(
        app().service(ServiceConfig::new(Users::<100>).threads(-2)),
        "service.Users.threads: expected -1 (no limit beside the server's), 0 (1,024) or more, \
         found -2",
    );
    let method = MethodConfig::new("1").unwrap().threads(-2);
    wrong(
        app().service(ServiceConfig::new(Users::<100>).method(method)),
        "service.Users.method.1.threads: expected -1 (no limit of its own), 0 (1,024) or more, \
         found -2",
    );
}

#[test]
fn what_is_brought_for_what_is_not_there() {
    struct Deaf;
    impl ConnectionListener for Deaf {
        fn connected(&self, _: &Connection) {}
        fn disconnected(&self, _: &Connection) {}
    }
    #[derive(Debug)]
    struct Inline;
    impl Execute for Inline {
        fn execute(&self, _: &Request, work: Work) -> Answer {
            work()
        }
    }
    let told = mistakes(
        users()
            .on_connection("x", Arc::new(Deaf))
            .executor("y", Arc::new(Inline)),
    );
    assert_eq!(
        told,
        [
            "on_connection `x`: there is no server or client of this id",
            "executor `y`: there is no service of this id",
        ]
    );
    planned(
        users()
            .on_connection("default", Arc::new(Deaf))
            .executor("Users", Arc::new(Inline)),
    );
}

#[test]
fn a_balance_of_the_applications_own_is_taken() {
    let own = balance::by_name("random").unwrap();
    let plan = planned(app().referer_with(referer("us").load_balance(own)));
    assert!(format!("{:?}", plan.referers[0].load_balance).contains("Random"));
}

#[test]
fn a_balance_can_be_given_by_its_name() {
    for (name, kind) in [("rr", "RoundRobin"), ("leastActive", "LeastActive")] {
        let plan = planned(app().referer_with(referer("us").load_balance(name)));
        assert!(format!("{:?}", plan.referers[0].load_balance).contains(kind));
    }
    let told = mistakes(app().referer_with(referer("us").load_balance("best".to_owned())));
    let [told] = &told[..] else {
        panic!("{told:?}")
    };
    let words = "referer.us.load_balance: no balance is called `best`; there are: roundrobin, rr";
    assert!(told.starts_with(words), "{told}");
}

#[test]
fn one_mistake_is_a_line_and_several_are_a_list() {
    let one = users().server(ServerConfig::default().threads(-2));
    let Err(told) = one.plan() else {
        panic!("nothing is wrong")
    };
    assert!(
        told.to_string()
            .starts_with("server.default.threads: expected")
    );
    let two = users().server(ServerConfig::default().threads(-2).layout("x"));
    let Err(told) = two.plan() else {
        panic!("nothing is wrong")
    };
    assert!(
        told.to_string()
            .starts_with("2 mistakes:\n  server.default.threads: expected")
    );
    assert_eq!(told.to_string(), format!("{told:?}"));
}
