//! An application as its users build it: servers of a configuration, and krpc services beside them.

use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use serde_json::json;
use tangelo::{
    App, Bootstrap, Result, RpcApp, Running,
    rpc::{
        Code, Status,
        codegen::prost::Message as _,
        config::{RefererConfig, ServerConfig},
    },
    server::{
        Candidates, Context, Handlers, Json, Limits, RouteRule, RouteTo, SingleSession, State,
        crc32,
    },
};
use tokio::net::TcpListener;

use crate::{
    client::{Client, DOORS, Door},
    krpc::{Peer, answer_to},
    log::Log,
    rpc::{AddReq, AddRes, Calculator, CalculatorClient, CalculatorServer, HangReq, HangRes},
    rpc::{PanicReq, PanicRes, RefuseReq, RefuseRes},
    world::{echo, soon},
};

struct Sums;

impl Calculator for Sums {
    async fn add(&self, request: AddReq) -> std::result::Result<AddRes, Status> {
        Ok(AddRes {
            sum: request.a + request.b,
            ..AddRes::default()
        })
    }

    async fn hang(&self, _: HangReq) -> std::result::Result<HangRes, Status> {
        std::future::pending().await
    }

    async fn panic(&self, _: PanicReq) -> std::result::Result<PanicRes, Status> {
        Err(Code::BUSINESS_ERROR.into())
    }

    async fn refuse(&self, request: RefuseReq) -> std::result::Result<RefuseRes, Status> {
        Ok(RefuseRes {
            ret_code: request.code,
        })
    }
}

/// A folder with a configuration of one front end.
fn config(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    let servers = r#"{"connector": [{"id": "connector-1", "clientPort": 0, "frontend": true}]}"#;
    fs::write(folder.join("servers.json"), servers).unwrap();
    folder
}

fn door(running: &Running) -> SocketAddr {
    let server = running.server("connector-1").unwrap();
    server.client_address().unwrap()
}

async fn stop(running: &Running) {
    let cut_off = soon("the end", running.shutdown(Duration::from_secs(5))).await;
    assert_eq!(cut_off, 0);
}

/// Asks the service of users for a sum.
async fn sum(Json((a, b)): Json<(i32, i32)>, State(app): State<RpcApp>) -> Result<Json<i32>> {
    let calculator: CalculatorClient = app.referer("calculator").map_err(Status::from)?;
    Ok(Json(calculator.add(AddReq { a, b }).await?.sum))
}

#[tokio::test]
async fn a_handler_calls_krpc_services_of_the_application() {
    let service = Bootstrap::new("sums")
        .server(ServerConfig::default().host("127.0.0.1").port(0_u16))
        .service(CalculatorServer::new(Sums))
        .start()
        .await
        .unwrap();
    let at = service.server("default").unwrap().address().to_string();
    let rpc = Bootstrap::new("front").referer::<CalculatorClient>("calculator", &at);
    let running = App::new()
        .config(config("app-calls"))
        .rpc(rpc)
        .server("connector", |server| {
            let server = server.heartbeat(None);
            server.handler("main", Handlers::new().add("sum", sum))
        })
        .start()
        .await
        .unwrap();
    for way in DOORS {
        let mut client = Client::connect(way, door(&running)).await;
        let answer = client.ask("connector.main.sum", &json!([2, 3])).await;
        assert_eq!(answer, json!(5));
    }
    stop(&running).await;
    assert_eq!(service.stop(Duration::from_secs(5)).await, 0);
}

#[tokio::test]
async fn what_is_said_of_a_type_several_times_comes_together() {
    let running = App::new()
        .config(config("app-twice"))
        .server("connector", |server| {
            server
                .heartbeat(None)
                .handler("one", tangelo::handlers! { echo })
        })
        .server("connector", |server| {
            server.handler("two", tangelo::handlers! { echo })
        })
        .start()
        .await
        .unwrap();
    let mut client = Client::connect(DOORS[0], door(&running)).await;
    for handler in ["one", "two"] {
        let route = format!("connector.{handler}.echo");
        assert_eq!(client.ask(&route, &json!([2, 3])).await, json!([2, 3]));
    }
    stop(&running).await;
}

#[tokio::test]
async fn two_handlers_for_one_route_are_a_mistake() {
    let app = App::new()
        .config(config("app-same"))
        .server("connector", |server| {
            server.handler("main", tangelo::handlers! { echo, echo })
        })
        .server("connector", |server| {
            server.handler("main", tangelo::handlers! { echo })
        });
    let told = app.start().await.unwrap_err().to_string();
    let twice = "connector: two handlers answer `connector.main.echo`";
    assert_eq!(told, format!("2 mistakes:\n  {twice}\n  {twice}"));
}

#[tokio::test]
async fn types_that_share_single_sessions_have_to_agree_on_that() {
    let folder = config("app-single");
    let servers = r#"{"connector": [{"id": "a", "clientPort": 0, "frontend": true, "port": 0}],
        "mobile": [{"id": "b", "clientPort": 0, "frontend": true, "port": 0}]}"#;
    fs::write(folder.join("servers.json"), servers).unwrap();
    let app = App::new().config(folder);
    let app = app.server("connector", |server| {
        server.single_session(SingleSession::kick_old().across(["mobile"]))
    });
    let told = app.server("mobile", |server| server);
    let told = told.start().await.unwrap_err().to_string();
    let across = "connector: single_session holds across connector, mobile";
    assert_eq!(told, format!("{across}; of mobile it is not said"));
}

#[tokio::test]
async fn what_a_handler_calls_has_no_more_time_than_the_handler() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let rpc = Bootstrap::new("front").referer_with(
        RefererConfig::new::<CalculatorClient>("calculator")
            .to(&at)
            .timeout(Duration::from_secs(60)),
    );
    let limits = Limits {
        deadline: Some(Duration::from_secs(20)),
        ..Limits::default()
    };
    /// Calls before it first waits, and after.
    async fn twice(input: Json<(i32, i32)>, State(app): State<RpcApp>) -> Result<Json<i32>> {
        let Json((a, b)) = input;
        let calculator: CalculatorClient = app.referer("calculator").map_err(Status::from)?;
        let first = calculator.add(AddReq { a, b }).await?.sum;
        tokio::task::yield_now().await;
        Ok(Json(
            calculator.add(AddReq { a: first, b }).start().await?.sum,
        ))
    }
    let running = App::new()
        .config(config("app-deadlines"))
        .rpc(rpc)
        .server("connector", move |server| {
            let server = server.heartbeat(None).limits(limits);
            server.handler("main", Handlers::new().add("twice", twice))
        })
        .start()
        .await
        .unwrap();
    let mut client = Client::connect(DOORS[0], door(&running)).await;
    let mut server = Peer::over(soon("a call", listener.accept()).await.unwrap().0);
    client.request("connector.main.twice", &json!([2, 3])).await;
    for _ in 0..2 {
        let asked = server.hear().await.meta;
        assert!((1..=20_000).contains(&asked.timeout_ms), "{asked:?}");
        let sum = AddRes {
            sum: 5,
            ..AddRes::default()
        };
        server
            .send(&answer_to(&asked, 0), &sum.encode_to_vec())
            .await;
    }
    stop(&running).await;
}

#[tokio::test]
async fn mistakes_of_the_krpc_part_keep_the_application_from_starting() {
    let rpc = Bootstrap::new("front").referer::<CalculatorClient>("calculator", "nowhere");
    let app = App::new().config(config("app-mistakes")).rpc(rpc);
    let app = app.server("connector", |server| server);
    let error = app.start().await.unwrap_err().to_string();
    assert!(
        error.contains("expected host:port, found `nowhere`"),
        "{error}"
    );
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_before_anything_runs() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = config("app-taken");
    let servers = json!({
        "connector": [{
            "id": "connector-1", "frontend": true,
            "clientPort": taken.local_addr().unwrap().port(),
        }],
        "chat": [{ "id": "chat-1", "port": 0 }],
    });
    fs::write(folder.join("servers.json"), servers.to_string()).unwrap();
    let log = Log::keep();
    let app = App::new()
        .config(folder)
        .server("connector", |server| server)
        .server("chat", |server| {
            server.before_start(async |_: Arc<Context>| panic!("it runs"))
        });
    let error = app.start().await.unwrap_err().to_string();
    assert!(
        error.starts_with("connector-1: cannot listen on 127.0.0.1:"),
        "{error}"
    );
    assert_eq!(log.lines(&[""]), Vec::<String>::new());
}

#[tokio::test]
async fn an_application_says_where_sessions_belong() {
    async fn here(context: Arc<Context>) -> Json<String> {
        Json(context.server_id().to_owned())
    }
    let folder = config("app-routes");
    let servers = json!({
        "connector": [{ "id": "connector-1", "clientPort": 0, "frontend": true }],
        "chat": [{ "id": "chat-1", "port": 0 }, { "id": "chat-2", "port": 0 }],
        "area": [{ "id": "area-1", "port": 0 }, { "id": "area-2", "port": 0 }],
        "table": [{ "id": "table-1", "port": 0 }, { "id": "table-2", "port": 0 }],
        "world": [{ "id": "world-1", "port": 0 }, { "id": "world-2", "port": 0 }],
    });
    fs::write(folder.join("servers.json"), servers.to_string()).unwrap();
    let types = ["chat", "area", "table", "world"];
    let app = App::new()
        .config(folder)
        .server("connector", |server| server.heartbeat(None));
    let app = types.into_iter().fold(app, |app, server_type| {
        app.server(server_type, |server| {
            server.handler("main", Handlers::new().add("here", here))
        })
    });
    let last = |servers: &Candidates| servers.all().last().unwrap().id.clone();
    let running = app
        .route("chat", |_| Ok("u2".to_owned()))
        .route_rule("chat", RouteRule::Crc32)
        .route_to("area", move |_, servers| Ok(last(servers)))
        .route_async("table", move |_, servers| async move {
            Ok(RouteTo::Server(last(&servers)))
        })
        .route_to("default", |_, servers| {
            Ok(servers.all().next().unwrap().id.clone())
        })
        .start()
        .await
        .unwrap();
    let by_rule = format!("chat-{}", 1 + crc32("u2") % 2);
    let mut client = Client::connect(Door::Tcp, door(&running)).await;
    for (server_type, place) in types
        .iter()
        .zip([&*by_rule, "area-2", "table-2", "world-1"])
    {
        let route = format!("{server_type}.main.here");
        assert_eq!(client.ask(&route, &json!({})).await, place);
    }
    stop(&running).await;
}

#[tokio::test]
async fn handlers_share_what_the_application_brings() {
    #[derive(Clone)]
    struct Greeting(&'static str);
    async fn greet(State(greeting): State<Greeting>) -> Json<&'static str> {
        Json(greeting.0)
    }
    async fn forgotten(State(_): State<u8>) -> Json<()> {
        Json(())
    }
    let running = App::new()
        .config(config("app-state"))
        .state(Greeting("hello"))
        .server("connector", |server| {
            let server = server.heartbeat(None);
            let handlers = Handlers::new().add("greet", greet);
            server.handler("main", handlers.add("forgotten", forgotten))
        })
        .start()
        .await
        .unwrap();
    let mut client = Client::connect(Door::Tcp, door(&running)).await;
    let answer = client.ask("connector.main.greet", &json!({})).await;
    assert_eq!(answer, json!("hello"));
    let answer = client.ask("connector.main.forgotten", &json!({})).await;
    assert_eq!(
        answer["code"], 500,
        "what nobody brought is a mistake of the server's"
    );
    stop(&running).await;
}
