//! The forms a file may have.

use tangelo_rpc::config::RegistryConfig;

use super::*;

#[test]
fn a_chapter_of_one_element_may_be_written_as_one_table() {
    for text in [
        "[server]\nport = 1",
        "[[server]]\nport = 1",
        "server.port = 1",
        "server = { port = 1 }",
    ] {
        assert_eq!(file_planned(users(), text).servers[0].port, 1, "{text}");
    }
    let plan = file_planned(
        users(),
        "[application]\nname = \"a\"\n[monitor]\naccess_log = false",
    );
    assert_eq!(
        (&*plan.application.name, plan.monitor.access_log),
        ("a", false)
    );
}

#[test]
fn several_elements_have_ids() {
    let plan = file_planned(
        users().set("service.Users.transport", "a"),
        "[[server]]\nid = \"a\"\nport = 1\n[[client]]\nid = \"c\"\n[[server]]\nid = \"b\"\nport = 2\n",
    );
    let servers: Vec<_> = plan
        .servers
        .iter()
        .map(|server| (&*server.id, server.port))
        .collect();
    assert_eq!(servers, [("a", 1), ("b", 2)]);
    assert_eq!(plan.clients[0].id, "c");
}

#[test]
fn two_elements_of_one_id_are_a_mistake_not_one_element() {
    let again = "stands here a second time: give each its own id";
    for (text, label) in [
        (
            "[[server]]\nport = 1\n[[server]]\nport = 2\n",
            "server.default",
        ),
        (
            "[[client]]\nid = \"c\"\n[[client]]\nid = \"c\"\n",
            "client.c",
        ),
        (
            "[[service]]\nid = \"Users\"\n[[service]]\ninterface = \"Users\"\n",
            "service.Users",
        ),
        (
            "[[referer]]\nid = \"us\"\n[[referer]]\nid = \"us\"\n",
            "referer.us",
        ),
    ] {
        let told = file_mistakes(users().referer_with(referer("us")), text);
        assert_eq!(told, [format!("tangelo.toml:3: {label}: {again}")]);
    }
}

#[test]
fn an_element_of_the_code_is_the_one_of_the_same_id() {
    let bootstrap = users()
        .server(ServerConfig::new("a").port(1_u16))
        .registry(RegistryConfig::default().id("r"));
    let plan = file_planned(
        bootstrap,
        "[[server]]\nid = \"a\"\nport = 2\n[[registry]]\nid = \"r\"\nenable_regist = false\n\
         [[registry]]\nid = \"s\"\ntype = \"memory\"\n",
    );
    assert_eq!((plan.servers.len(), plan.servers[0].port), (1, 2));
    let registries: Vec<_> = plan
        .registries
        .iter()
        .map(|it| (&*it.id, it.enable_regist))
        .collect();
    assert_eq!(registries, [("r", false), ("s", true)]);
}

#[test]
fn numbers_are_written_as_toml_has_them() {
    let plan = file_planned(
        users(),
        "[server]\nmax_package_size = 2_000_000\nmax_conns = 0xFF\nbacklog = 0b101\nthreads = -1\n",
    );
    let server = &plan.servers[0];
    assert_eq!(
        (server.max_package_size, server.max_conns),
        (2_000_000, 255)
    );
    assert_eq!((server.backlog, server.threads), (5, -1));
    assert_eq!(
        file_mistakes(users(), "[server]\nport = 99999999999999999999\n"),
        [
            "tangelo.toml:2: server.default.port: expected a whole number from 0 to 65535, found \
             \"99999999999999999999\""
        ]
    );
}

#[test]
fn paths_begin_where_the_file_lies() {
    let folder = Folder::with(&[
        (
            "tangelo.toml",
            "[application]\nmock_file = \"mock.toml\"\nerror_msg_converter = \"e\"\n",
        ),
        (
            "mock.toml",
            "[[fallback]]\nfor = \"a.b\"\nresults = { retCode = 0 }\n",
        ),
        ("e", "-100001 = wrong\n"),
    ]);
    let plan = planned(Bootstrap::new("test").file(folder.path("tangelo.toml")));
    assert!(plan.mock.is_some() && plan.fallback.is_none());
    assert_eq!(plan.texts.unwrap().text(-100_001).unwrap(), "wrong");
}

#[test]
fn an_empty_path_stays_empty() {
    let plan = file_planned(
        users(),
        "[application]\nmock_file = \"\"\n[server]\ntls_cert = \"\"\n",
    );
    assert_eq!(
        (&*plan.application.mock_file, &*plan.servers[0].tls_cert),
        ("", "")
    );
}

#[test]
fn all_engines_and_pools_that_are_not_there_are_told_by_name_in_krpcs_spelling() {
    let told = file_mistakes(
        Bootstrap::new("test"),
        "[application]\nflowControl = \"redis\"\ntraceAdapter = \"zipkin\"\n\
         [[registry]]\nid = \"z\"\ntype = \"zookeeper\"\naddress = \"10.0.0.1:2181\"\n\
         [client]\npingSeconds = 5\nnotifyThreads = 4\n\
         [server]\nioThreads = 4\n\
         [monitor]\nserverAddr = \"10.0.0.1:1\"\n",
    );
    let told: Vec<_> = told
        .iter()
        .map(|told| &told[..told.len().min(75)])
        .collect();
    assert_eq!(
        told,
        [
            "tangelo.toml:2: application.flowControl: is written flow_control here",
            "tangelo.toml:3: application.traceAdapter: is brought in code: Bootstrap::tr",
            "tangelo.toml:6: registry.z.type: zookeeper is not there yet; use memory, gi",
            "tangelo.toml:9: client.default.pingSeconds: is written ping_seconds here",
            "tangelo.toml:10: client.default.notifyThreads: has no meaning here: an answ",
            "tangelo.toml:12: server.default.ioThreads: has no meaning here: all connect",
            "tangelo.toml:14: monitor.serverAddr: needs the monitor client, which is not",
        ]
    );
}
