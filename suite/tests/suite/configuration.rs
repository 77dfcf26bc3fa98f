//! What an application's configuration says is what its servers do. The files of `suite/config` are in
//! Pomelo's form, one of each.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;

use serde_json::{Value, json};
use tangelo::{
    App, Bootstrap, Config, Running, StartError,
    config::ProtoRule,
    server::{Blueprint, FrontendSession, HandlerExt, Handlers, Json, Limits, State},
};

use crate::{
    client::{Client, DOORS, Door, Said},
    rpc::CalculatorClient,
    world::{DEADLINE, Hold, back_at_a_place_of_its_own, echo, soon},
};

/// The folder in Pomelo's form.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config");

/// A folder of one test.
fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("configuration-{name}"));
    fs::create_dir_all(&folder).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
    folder
}

fn door(running: &Running, id: &str) -> SocketAddr {
    running.server(id).unwrap().client_address().unwrap()
}

fn ids(running: &Running) -> Vec<&str> {
    let servers = running.servers().iter();
    servers.map(|server| server.context().server_id()).collect()
}

async fn stop(running: &Running) {
    let cut_off = soon("the end", running.shutdown(Duration::from_secs(5))).await;
    assert_eq!(cut_off, 0);
}

fn main(server: Blueprint) -> Blueprint {
    let server = server.heartbeat(None);
    server.handler("main", Handlers::new().add("echo", echo))
}

/// The application that the folder is of.
fn cards() -> App {
    App::new()
        .config(FOLDER)
        .server("gate", main)
        .server("connector", main)
        .server("table", |server| {
            main(server)
                .job("dealer.shuffle", async || {})
                .job("dealer.close", async || {})
        })
}

#[tokio::test]
async fn a_folder_in_pomelos_form_starts_as_it_is() {
    let running = cards().start().await.unwrap();
    let expected = [
        "table-server-1",
        "table-server-2",
        "gate-server-1",
        "cluster-server-connector-0",
        "cluster-server-connector-1",
    ];
    assert_eq!(ids(&running), expected, "back ends first");
    for id in ["gate-server-1", "cluster-server-connector-1"] {
        for way in DOORS {
            let mut client = Client::connect(way, door(&running, id)).await;
            let answer = client.ask("table.main.echo", &json!({ "a": 1 })).await;
            assert_eq!(answer, json!({ "a": 1 }));
        }
    }
    let table = running.server("table-server-2").unwrap();
    let settings = &table.context().instance().settings;
    assert_eq!(
        json!(settings),
        json!({ "floor": 2, "rules": { "decks": 2 } })
    );
    let jobs = |id: &str| running.server(id).unwrap().context().jobs().all().len();
    let jobs = ["table-server-1", "table-server-2", "gate-server-1"].map(jobs);
    assert_eq!(jobs, [2, 1, 0], "one is for one server");
    stop(&running).await;
}

#[tokio::test]
async fn files_that_nothing_comes_of_yet_can_be_read_and_are_told() {
    let running = cards().start().await.unwrap();
    let config = running.config();
    assert_eq!(config.env(), "development");
    assert_eq!(config.servers().len(), 5);
    assert_eq!(config.master().unwrap().port, 3005);
    assert_eq!(config.standby_masters()[0].id, "master-server-2");
    assert_eq!(config.admin_users()[1].password, "Ql7-tB2");
    assert_eq!(config.admin_servers().unwrap()[0].server_type, "connector");
    assert_eq!(config.dictionary(), ["onCard", "onTurn", "onWin"]);
    let on_card = &config.protos().server[0];
    assert_eq!(
        (&*on_card.name, on_card.fields[1].rule),
        ("onCard", ProtoRule::Repeated)
    );
    assert_eq!(config.protos().client[0].name, "table.tableHandler.play");
    assert_eq!(config.log4js().unwrap()["levels"]["pomelo"], "INFO");
    let [without_effect, passwords] = config.notices() else {
        panic!("{:?}", config.notices())
    };
    for what in [
        "`auto-restart` in servers.json",
        "`args` in servers.json",
        "master.json",
        "masterha.json",
        "adminUser.json",
        "adminServer.json",
        "dictionary.json",
        "serverProtos.json",
        "clientProtos.json",
        "log4js.json",
    ] {
        assert!(
            without_effect.contains(what),
            "{what} is not in {without_effect}"
        );
    }
    let told = "adminUser.json: everybody knows the passwords of admin: change them";
    assert_eq!(passwords, told);
    stop(&running).await;
}

#[tokio::test]
async fn an_environment_chooses_the_section_of_every_file() {
    let running = cards()
        .env("production")
        .set("table", "port", 0)
        .start()
        .await
        .unwrap();
    let floors: Vec<_> = running
        .servers()
        .iter()
        .map(|server| {
            (
                server.context().server_id().to_owned(),
                server.context().instance().settings["floor"].clone(),
            )
        })
        .collect();
    let expected =
        [1, 2, 3].map(|floor| (format!("cluster-server-table-{}", floor - 1), json!(floor)));
    assert_eq!(floors, expected);
    let prizes: Option<Value> = running.config().read("prizes.json").unwrap();
    assert_eq!(prizes, Some(json!({ "first": 5000 })));
    stop(&running).await;
}

#[tokio::test]
async fn handlers_have_the_configuration() {
    async fn prize(State(config): State<Config>) -> tangelo::Result<Json<Value>> {
        Ok(Json(config.read("prizes.json")?.unwrap_or_default()))
    }
    let running = cards()
        .server("gate", |server| {
            let server = server.heartbeat(None);
            server.handler("main", Handlers::new().add("prize", prize))
        })
        .start()
        .await
        .unwrap();
    let mut client = Client::connect(Door::Tcp, door(&running, "gate-server-1")).await;
    let answer = client.ask("gate.main.prize", &json!({})).await;
    assert_eq!(answer, json!({ "first": 100 }));
    stop(&running).await;
}

#[tokio::test]
async fn a_file_holds_servers_that_work_as_it_says_whatever_the_code_says() {
    let hold = Hold::new();
    let config = folder(
        "tuned",
        &[(
            "tangelo.toml",
            r#"
            [types.connector]
            frontend = true
            heartbeat_seconds = 7
            max_in_flight = 1
            max_package = 20_000

            [servers.connector]
            id = "connector-1"
            client_port = 0
            max_connections = 2
            "#,
        )],
    );
    let holding = hold.clone();
    let running = App::new()
        .config(config.join("tangelo.toml"))
        .server("connector", move |server| {
            let handlers = Handlers::new().add("hold", holding.handler());
            let limits = Limits {
                in_flight: 5,
                ..Limits::default()
            };
            main(server)
                .handler("held", handlers)
                .heartbeat(Duration::from_secs(1))
                .limits(limits)
                .max_connections(1)
        })
        .start()
        .await
        .unwrap();
    let at = door(&running, "connector-1");
    let mut client = Client::silent(Door::Tcp, at).await;
    let other = Client::connect(Door::WebSocket, at).await;
    Client::silent(Door::Tcp, at).await.is_closed().await;
    drop(other);
    let hello = client.shake_hands().await;
    assert_eq!(hello["sys"]["heartbeat"], 7);
    assert_eq!(client.hear().await, Said::Heartbeat);
    let held = client.request("connector.held.hold", &json!({})).await;
    soon("a handler begins", hold.entered(1)).await;
    client
        .is_refused("connector.main.echo", &json!({}), 429)
        .await;
    hold.release(1);
    client.reply(held).await;
    let long = json!("x".repeat(19_900));
    assert_eq!(client.ask("connector.main.echo", &long).await, long);
    client
        .request("connector.main.echo", &json!("x".repeat(20_000)))
        .await;
    client.is_closed().await;
    stop(&running).await;
}

#[tokio::test]
async fn a_user_has_one_session_alone_where_the_file_says_so() {
    async fn enter(Json(uid): Json<String>, session: FrontendSession) -> tangelo::Result<()> {
        Ok(session.bind(&uid).await?)
    }
    let servers = r#"{"connector":
        [{"id": "connector-1", "port": 0, "clientPort": 0, "frontend": true}]}"#;
    let types = "[types.connector]\nsingle_session = \"refuse_new\"\n";
    let config = folder(
        "single",
        &[("servers.json", servers), ("tangelo.toml", types)],
    );
    let running = App::new()
        .config(&config)
        .config(config.join("tangelo.toml"))
        .server("connector", |server| {
            main(server).handler("entry", Handlers::new().add("enter", enter))
        })
        .start()
        .await
        .unwrap();
    let at = door(&running, "connector-1");
    let mut first = Client::connect(Door::Tcp, at).await;
    first.ask("connector.entry.enter", &json!("anna")).await;
    let mut second = Client::connect(Door::Tcp, at).await;
    second
        .is_refused("connector.entry.enter", &json!("anna"), 409)
        .await;
    stop(&running).await;
}

#[tokio::test]
async fn a_type_of_servers_starts_alone_and_finds_the_others() {
    let table = back_at_a_place_of_its_own("table-1");
    let other = back_at_a_place_of_its_own("table-2");
    let servers = json!({
        "connector": [{ "id": "connector-1", "clientPort": 0, "frontend": true }],
        "table": [
            { "id": "table-1", "host": table.host, "port": table.port },
            { "id": "table-2", "host": other.host, "port": other.port },
        ],
    });
    let config = folder("types", &[("servers.json", &servers.to_string())]);
    let app = || {
        App::new()
            .config(&config)
            .server("table", main)
            .server("connector", main)
    };
    let tables = app().only_type("table").start().await.unwrap();
    assert_eq!(ids(&tables), ["table-1", "table-2"]);
    let front = app().only("connector-1").start().await.unwrap();
    assert_eq!(ids(&front), ["connector-1"]);
    let connector = front.server("connector-1").unwrap();
    soon("the servers meet", connector.connected()).await;
    let mut client = Client::connect(Door::Tcp, door(&front, "connector-1")).await;
    assert_eq!(client.ask("table.main.echo", &json!(5)).await, json!(5));
    stop(&front).await;
    stop(&tables).await;
}

#[tokio::test]
async fn ids_and_types_that_there_are_not_are_answered_with_those_there_are() {
    let told = |app: App| async move {
        let Err(StartError::Config(mistakes)) = app.start().await else {
            panic!("it started")
        };
        mistakes.to_string()
    };
    let told_id = told(cards().only("gate-server-7")).await;
    let known = "there are: gate-server-1, cluster-server-connector-0";
    assert!(
        told_id.starts_with(&format!("there is no server `gate-server-7`; {known}")),
        "{told_id}"
    );
    let told_type = told(cards().only_type("chat")).await;
    let expected = "there is no server type `chat`; there are: gate, connector, table";
    assert_eq!(told_type, expected);
    let neither = told(cards().only("gate-server-1").only_type("table")).await;
    assert_eq!(
        neither,
        "no server is of one of these ids and one of these types"
    );
}

#[tokio::test]
async fn clients_connect_where_the_configuration_says() {
    let servers = r#"{"connector": [{"id": "connector-1", "host": "127.0.0.1", "port": 0,
        "clientHost": "::1", "clientPort": 0, "frontend": true}]}"#;
    let config = folder("client-host", &[("servers.json", servers)]);
    let app = App::new().config(config).server("connector", main);
    let running = app.start().await.unwrap();
    assert!(door(&running, "connector-1").is_ipv6());
    let server = running.server("connector-1").unwrap();
    assert_eq!(server.rpc_address().unwrap().ip(), Ipv4Addr::LOCALHOST);
    stop(&running).await;
}

const BOTH: &str = r#"
    [application]
    name = "cards"

    [[server]]
    host = "127.0.0.1"
    port = 0

    [[referer]]
    id = "calculator"
    timeout = 700

    [servers.connector]
    id = "connector-1"
    client_port = 0
    frontend = true

    [[env.production.server]]
    id = "inner"
    host = "127.0.0.1"
    port = 0
    "#;

#[tokio::test]
async fn one_file_holds_servers_for_clients_and_krpc_services() {
    let config = folder("both", &[("tangelo.toml", BOTH)]).join("tangelo.toml");
    for (env, inner) in [("development", false), ("production", true)] {
        let rpc = Bootstrap::new("code").referer::<CalculatorClient>("calculator", "127.0.0.1:1");
        let running = App::new()
            .config(&config)
            .env(env)
            .rpc(rpc)
            .set("server.default", "max_conns", 1)
            .server("connector", main)
            .start()
            .await
            .unwrap();
        let rpc = running.rpc().unwrap();
        assert_eq!(rpc.server("inner").is_some(), inner);
        assert!(rpc.referer::<CalculatorClient>("calculator").is_ok());
        let mut client = Client::connect(Door::Tcp, door(&running, "connector-1")).await;
        assert_eq!(client.ask("connector.main.echo", &json!(5)).await, json!(5));
        stop(&running).await;
    }
}

#[tokio::test]
async fn mistakes_of_servers_and_of_services_are_told_at_once_in_their_order() {
    let wrong = BOTH
        .replace("name = \"cards\"", "name = 5")
        .replace("frontend = true", "frontend = 1")
        .replace("timeout = 700", "timeout = 0");
    let config = folder("wrong", &[("tangelo.toml", &wrong)]).join("tangelo.toml");
    let app = |env: &str| {
        let rpc = Bootstrap::new("code").referer::<CalculatorClient>("calculator", "127.0.0.1:1");
        let app = App::new().config(&config).env(env).rpc(rpc);
        app.server("gate", main).set("server.default", "port", "x")
    };
    let error = app("production").start().await.unwrap_err().to_string();
    let inside = format!("{}:", config.display());
    let told: Vec<_> = error
        .lines()
        .map(|line| line.trim().replace(&inside, ""))
        .collect();
    assert_eq!(
        told,
        [
            "5 mistakes:",
            "3: application.name: expected a text, found 5",
            "11: referer.calculator.timeout: expected a time in milliseconds, at least 1, found 0",
            "13: connector-1: this application has no servers of type `connector`",
            "16: connector.connector-1.frontend: expected true or false, found 1",
            "set: server.default.port: expected a whole number from 0 to 65535, found \"x\"",
        ],
        "{error}"
    );
}

#[tokio::test]
async fn deadlines_and_what_may_wait_or_block_are_as_the_file_says() {
    let (hold, (unblock, blocked)) = (Hold::new(), std::sync::mpsc::channel::<()>());
    let config = folder(
        "limits",
        &[(
            "tangelo.toml",
            r#"
            [types.connector]
            frontend = true
            deadline = 200
            max_blocking = 1
            max_queue = 2_000
            max_outgoing = 20_000

            [servers.connector]
            id = "connector-1"
            client_port = 0
            "#,
        )],
    );
    let (held, blocked) = (hold.clone(), Arc::new(Mutex::new(blocked)));
    let running = App::new()
        .config(config.join("tangelo.toml"))
        .server("connector", move |server| {
            let blocked = Arc::clone(&blocked);
            let block = move || {
                let _ = blocked.lock().recv_timeout(DEADLINE);
                std::future::ready(())
            };
            let handlers = Handlers::new()
                .add("hold", held.handler())
                .add("block", block.blocking());
            main(server).handler("held", handlers)
        })
        .start()
        .await
        .unwrap();
    let server = running.server("connector-1").unwrap();
    let mut client = Client::connect(Door::Tcp, door(&running, "connector-1")).await;
    client
        .is_refused("connector.held.hold", &json!({}), 504)
        .await;

    let blocks = client.request("connector.held.block", &json!({})).await;
    client
        .is_refused("connector.held.block", &json!({}), 503)
        .await;
    unblock.send(()).unwrap();
    client.reply(blocks).await;

    // More than may wait to be written, to one who reads; then more than may wait for its turn.
    let sessions = server.context().sessions();
    let long = json!("x".repeat(1_500));
    sessions.all()[0].push("on", &long).unwrap();
    assert_eq!(client.push("on").await, long);
    for _ in 0..2 {
        sessions.all()[0].push("on", &long).unwrap();
    }
    client.is_closed().await;
    stop(&running).await;
}
