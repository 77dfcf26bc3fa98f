//! Web servers as an application has them: started, bound to services, following their files, stopped.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tangelo::{
    Bootstrap, RpcApp,
    gateway::{
        AccessLine, AccessLog, Exchange,
        plugin::{Plugin, Step},
        route::{Routes, Url},
        session::{MemoryLimits, MemorySessions},
    },
    rpc::{
        Answer, Definition, Method, Reply, Request, Service,
        codegen::prost,
        config::{RefererConfig, ServerConfig, ServiceConfig, WebServerConfig},
    },
};
use tangelo_reflect::compile::compile;

use crate::{
    gateway_protocols::{certificate, connect_safely},
    gateway_world::{Browser, EchoReq, EchoRes, Said, Site, WEB, WebClient, WebServer, routes},
    world::{Heard, soon, until},
};

/// An empty folder for a test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("gateway_app")
        .join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("proto")).unwrap();
    folder
}

/// Writes the descriptor set of a .proto file of the suite into a folder, as `tangelo descriptor` does.
fn describe(name: &str, folder: &Path) {
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let mut compiled = compile(&[proto.join(name)], &[] as &[&Path]).unwrap();
    let path = folder.join(format!("proto/{name}.pb"));
    fs::write(path, compiled.descriptor_set(false)).unwrap();
}

/// A web server on a port of its own that has its files in this folder.
fn web(folder: &Path) -> WebServerConfig {
    WebServerConfig::new("web")
        .host("127.0.0.1")
        .port(0_u16)
        .routes_file(folder.join("routes.xml").display().to_string())
        .proto_dir(folder.join("proto").display().to_string())
}

/// A web server of this name that has routes from code alone.
fn bare(id: &str) -> WebServerConfig {
    WebServerConfig::new(id)
        .host("127.0.0.1")
        .port(0_u16)
        .routes_file("")
        .proto_dir("")
}

fn server() -> ServerConfig {
    ServerConfig::default().host("127.0.0.1").port(0_u16)
}

async fn start(bootstrap: Bootstrap) -> RpcApp {
    match bootstrap.start().await {
        Ok(app) => app,
        Err(mistakes) => panic!("{mistakes}"),
    }
}

async fn browser(app: &RpcApp) -> Browser {
    Browser::of(&app.web_servers()[0]).await
}

async fn get(app: &RpcApp, path: &str) -> Said {
    browser(app).await.get(path).await
}

/// A server of `Web`, and where it is.
async fn behind(service: impl Into<ServiceConfig>) -> (RpcApp, String) {
    let app = start(Bootstrap::new("behind").server(server()).service(service)).await;
    let address = app.servers()[0].address().to_string();
    (app, address)
}

fn echo_at(paths: &[&str]) -> String {
    let urls = paths
        .iter()
        .map(|path| format!("<url path=\"{path}\" serviceId=\"{WEB}\" msgId=\"1\"/>\n"));
    format!("<routes>\n{}</routes>", urls.collect::<String>())
}

#[tokio::test]
async fn a_service_is_asked_at_its_server_and_over_http() {
    let app = Bootstrap::new("both")
        .server(server())
        .web_server(bare("web"))
        .routes("web", routes())
        .service(WebServer::new(Site::default()));
    let app = start(app).await;
    assert_eq!(get(&app, "/echo/here").await.json()["text"], "here");
    let address = app.servers()[0].address().to_string();
    let caller = start(Bootstrap::new("caller").referer::<WebClient>("us", &address)).await;
    let client: WebClient = caller.referer("us").unwrap();
    let asked = EchoReq {
        text: "there".to_owned(),
        ..EchoReq::default()
    };
    assert_eq!(
        soon("an answer", client.echo(asked)).await.unwrap().text,
        "there"
    );
}

#[tokio::test]
async fn files_and_an_address_are_a_gateway() {
    let (_behind, address) = behind(WebServer::new(Site::default())).await;
    let folder = folder("files");
    describe("gateway.proto", &folder);
    fs::write(folder.join("routes.xml"), echo_at(&["/user/test1"])).unwrap();
    let app = Bootstrap::new("gateway")
        .web_server(web(&folder))
        .dynamic_referer("us", WEB, &address);
    let app = start(app).await;
    let mut browser = browser(&app).await;
    let form = "application/x-www-form-urlencoded";
    for said in [
        browser.get("/user/test1?text=a&number=5").await,
        browser.post("/user/test1", form, "text=a&number=5").await,
        browser
            .post(
                "/user/test1",
                "application/json",
                r#"{"text":"a","number":5}"#,
            )
            .await,
    ] {
        assert_eq!(said.status, 200);
        let json = said.json();
        assert_eq!((&json["text"], &json["number"]), (&json!("a"), &json!(5)));
        assert_eq!(json["retCode"], 0);
    }
}

#[tokio::test]
async fn one_service_is_known_by_code_and_another_by_a_file() {
    let (_behind, address) = behind(WebServer::new(Site::default())).await;
    let folder = folder("mixed");
    // One of them is known by both.
    describe("gateway.proto", &folder);
    describe("catalogue.proto", &folder);
    fs::write(folder.join("routes.xml"), echo_at(&["/here"])).unwrap();
    let app = Bootstrap::new("mixed")
        .web_server(web(&folder))
        .service(WebServer::new(Site::default()))
        .routes(
            "web",
            Routes::new().url(Url::new("/there").service(130).message(1)),
        )
        // Nobody answers for the one, and for the other the service that is here.
        .dynamic_referer("books", 130, "127.0.0.1:1")
        .dynamic_referer("us", WEB, &address);
    let app = start(app).await;
    assert_eq!(get(&app, "/here?text=a").await.json()["text"], "a");
    get(&app, "/there").await.is_refused(503, -600);
    let static_way = Bootstrap::new("static")
        .web_server(bare("web"))
        .routes("web", routes())
        .referer::<WebClient>("us", &address);
    let app = start(static_way).await;
    assert_eq!(get(&app, "/echo?text=b").await.json()["text"], "b");
}

#[tokio::test]
async fn several_web_servers_have_routes_and_services_of_their_own() {
    let only = |path: &str| Routes::new().url(Url::new(path).service(WEB).message(1));
    let app = |service: ServiceConfig| {
        Bootstrap::new("several")
            .web_server(bare("a"))
            .web_server(bare("b"))
            .routes("a", only("/a"))
            .routes("b", only("/b"))
            .service(service)
    };
    let service = || ServiceConfig::new(WebServer::new(Site::default()));
    let both = start(app(service())).await;
    for (id, own, other) in [("a", "/a", "/b"), ("b", "/b", "/a")] {
        let mut browser = Browser::of(both.web_server(id).unwrap()).await;
        assert_eq!(browser.get(own).await.status, 200);
        browser.get(other).await.is_refused(404, -661);
    }
    let told = app(service().on("a"))
        .start()
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(
        told,
        "url /b: serviceId: there is neither a service 140 here nor a referer to it"
    );
}

#[tokio::test]
async fn settings_count() {
    let web = bare("web")
        .max_content_length(10_usize)
        .session_id_cookie_name("sid")
        .session_id_cookie_path("/x")
        .session_id_cookie_same_site("strict")
        .negative_status(409_u16)
        .json("standard")
        .live_path("/live")
        .trusted_proxies(["127.0.0.0/8".to_owned()])
        .max_headers(5_usize);
    let app = Bootstrap::new("settings")
        .web_server(web)
        .routes("web", routes())
        .service(WebServer::new(Site::default()));
    let app = start(app).await;
    let mut browser = browser(&app).await;
    assert_eq!(browser.get("/live").await.status, 200);
    let login = browser.get("/login?name=anna&flag=1").await;
    let cookie = login.header("set-cookie").unwrap();
    assert!(cookie.starts_with("sid="), "{cookie}");
    for flag in ["HttpOnly", "SameSite=Strict", "Path=/x"] {
        assert!(cookie.contains(flag), "{cookie}");
    }
    assert_eq!(browser.get("/answer?code=-140001").await.status, 409);
    // The standard leaves defaults out.
    assert_eq!(browser.get("/answer").await.body, b"{}");
    let behind = browser
        .get_with("/echo", "x-forwarded-proto: https\r\n")
        .await;
    assert_eq!(behind.json()["httpSchema"], "https");
    let long = browser
        .post("/echo", "application/json", r#"{"text":"abc"}"#)
        .await;
    assert_eq!(long.status, 413);
    let many = "a: b\r\n".repeat(5);
    let mut browser = self::browser(&app).await;
    assert_eq!(browser.get_with("/echo", &many).await.status, 431);
}

#[tokio::test]
async fn without_a_file_of_routes_methods_have_addresses_of_their_own_and_are_told() {
    let web = bare("web")
        .auto_route(true)
        .auto_route_prefix("/rpc")
        .auto_route_session_mode("id")
        .openapi_title("Sites")
        .openapi_version("3")
        .openapi_path("/openapi.json")
        .openapi_page("/api");
    let app = Bootstrap::new("auto")
        .web_server(web)
        .service(WebServer::new(Site::default()));
    let app = start(app).await;
    let mut browser = browser(&app).await;
    let said = browser.get("/rpc/web/echo?text=a").await;
    assert_eq!(said.json()["text"], "a");
    assert!(said.cookie().is_some());
    let document = browser.get("/openapi.json").await.json();
    assert!(document["paths"]["/rpc/web/echo"].is_object(), "{document}");
    assert_eq!(
        document["info"],
        json!({ "title": "Sites", "version": "3" })
    );
    assert_eq!(browser.get("/api").await.status, 200);
}

#[tokio::test]
async fn with_a_certificate_it_speaks_tls() {
    let (certificate, key, trusted) = certificate("app");
    let web = bare("web")
        .tls_cert(certificate.display().to_string())
        .tls_key(key.display().to_string());
    let app = Bootstrap::new("safe")
        .web_server(web.clone())
        .routes("web", routes())
        .service(WebServer::new(Site::default()));
    let app = start(app).await;
    let address = app.web_servers()[0].address();
    let stream = connect_safely(address, trusted, "http/1.1").await;
    let said = Browser::over(stream).get("/echo").await;
    assert_eq!(said.json()["httpSchema"], "https");
    let none = Bootstrap::new("safe")
        .web_server(web.tls_cert("nowhere.pem"))
        .routes("web", Routes::new());
    let told = none.start().await.unwrap_err().to_string();
    assert!(
        told.starts_with("web_server.web.tls_cert: ") && told.contains("nowhere.pem"),
        "{told}"
    );
}

#[tokio::test]
async fn files_that_change_are_loaded_again_and_broken_ones_are_not() {
    let (_behind, address) = behind(WebServer::new(Site::default())).await;
    let folder = folder("watched");
    describe("gateway.proto", &folder);
    let routes = folder.join("routes.xml");
    fs::write(&routes, echo_at(&["/a"])).unwrap();
    let mut looks = Heard::new();
    let tell = looks.teller();
    let app = Bootstrap::new("watched")
        .web_server(web(&folder).reload_interval(5_u32))
        .web_plugin("broken", move |_| {
            tell(());
            Err("it is broken".to_owned())
        })
        .dynamic_referer("us", WEB, &address);
    let app = start(app).await;
    assert_eq!(get(&app, "/a").await.status, 200);

    fs::write(&routes, echo_at(&["/a", "/bb"])).unwrap();
    becomes(&app, "/bb", 200).await;
    // What is broken changes nothing, and what is right afterwards counts.
    let broken = echo_at(&["/broken"]).replace(" msgId", " plugins=\"broken\" msgId");
    fs::write(&routes, broken).unwrap();
    looks.next("somebody looks at it").await;
    assert_eq!(get(&app, "/bb").await.status, 200);
    fs::write(&routes, "<routes><import file=\"more.xml\"/></routes>").unwrap();
    fs::write(folder.join("more.xml"), echo_at(&["/imported"])).unwrap();
    becomes(&app, "/imported", 200).await;
    assert_eq!(get(&app, "/bb").await.status, 404);
    // So do files that others import.
    fs::write(folder.join("more.xml"), echo_at(&["/imported", "/too"])).unwrap();
    becomes(&app, "/too", 200).await;
}

#[tokio::test]
async fn descriptors_that_change_are_loaded_again() {
    let (_behind, address) = behind(WebServer::new(Site::default())).await;
    let folder = folder("described");
    let (whole, set) = (
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("proto/gateway.proto")),
        folder.join("proto/gateway.proto.pb"),
    );
    let write = |text: &str| {
        let proto = folder.join("gateway.proto");
        fs::write(&proto, text).unwrap();
        let mut compiled = compile(&[&proto], &[] as &[&Path]).unwrap();
        fs::write(&set, compiled.descriptor_set(false)).unwrap();
    };
    let whole = whole.unwrap();
    write(&whole.replace("  string text = 3;\n", ""));
    fs::write(folder.join("routes.xml"), echo_at(&["/echo"])).unwrap();
    let app = Bootstrap::new("described")
        .web_server(web(&folder).reload_interval(5_u32))
        .dynamic_referer("us", WEB, &address);
    let app = start(app).await;
    let text = |said: Said| said.json().get("text").cloned();
    assert_eq!(text(get(&app, "/echo?text=a").await), None);
    write(&whole);
    let mut browser = browser(&app).await;
    soon("the field is known", async {
        while text(browser.get("/echo?text=a").await) != Some(Value::from("a")) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Waits until this is the status at a path.
async fn becomes(app: &RpcApp, path: &str, status: u16) {
    let mut browser = browser(app).await;
    soon(path, async {
        while browser.get(path).await.status != status {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_asked_is_answered_before_it_stops() {
    let site = Site::default();
    let app = Bootstrap::new("draining")
        .web_server(bare("web"))
        .routes("web", routes())
        .service(WebServer::new(site.clone()));
    let app = start(app).await;
    let mut browser = browser(&app).await;
    browser
        .send("GET /hold HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    until("it is held", || {
        site.held.load(std::sync::atomic::Ordering::SeqCst) == 1
    })
    .await;
    let address = app.web_servers()[0].address();
    let asked = async {
        until("nobody is let in", || {
            std::net::TcpStream::connect(address).is_err()
        })
        .await;
        site.go_on.add_permits(1);
        browser.hear().await.status
    };
    let (left, status) = soon("the end", async {
        tokio::join!(app.stop(Duration::from_secs(5)), asked)
    })
    .await;
    assert_eq!((left, status), (0, 200));
}

/// Says whom a request comes from, and as part of which trace.
struct Asks;

impl Definition for Asks {
    const SERVICE_ID: i32 = WEB;
    const NAME: &'static str = <WebServer<Site> as Definition>::NAME;
    const METHODS: &'static [Method] = <WebServer<Site> as Definition>::METHODS;
    const DESCRIPTORS: &'static [u8] = <WebServer<Site> as Definition>::DESCRIPTORS;
}

impl Service for Asks {
    fn call(&self, request: Request) -> Answer {
        let context = request.context.unwrap();
        let trace = context.trace();
        let told = EchoRes {
            text: format!("{} {}", context.client_ip().unwrap(), trace.trace_id),
            number: trace.sample_flag,
            user_id: trace.traceparent(),
            ..EchoRes::default()
        };
        let body = prost::Message::encode_to_vec(&told);
        Box::pin(async move { Ok(Reply::protobuf(0, body)) })
    }
}

#[tokio::test]
async fn services_know_who_asks_and_the_trace_it_belongs_to() {
    let (_behind, address) = behind(Asks).await;
    let front = || {
        Bootstrap::new("front")
            .application(|it| it.sample_rate(0_u32))
            .web_server(bare("web").trusted_proxies(["127.0.0.1".to_owned()]))
            .routes("web", routes())
    };
    let here = start(front().service(Asks)).await;
    let there = start(front().referer::<WebClient>("us", &address)).await;
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traceparent = format!("00-{id}-00f067aa0ba902b7-01");
    for app in [here, there] {
        let mut browser = browser(&app).await;
        let lines = format!("x-forwarded-for: 10.1.2.3\r\ntraceparent: {traceparent}\r\n");
        let said = browser.get_with("/echo", &lines).await.json();
        assert_eq!(said["text"], format!("10.1.2.3 {id}"));
        assert_eq!(
            (&said["number"], &said["userId"]),
            (&json!(0), &json!(traceparent))
        );
        // One of its own, which is not to be sampled.
        let said = browser.get("/echo").await.json();
        let text = said["text"].as_str().unwrap();
        assert!(text.starts_with("127.0.0.1 ") && text.len() == 42, "{text}");
        assert_eq!(said["number"], 2);
    }
}

/// Refuses everybody.
struct Refuses(String);

impl Plugin for Refuses {
    fn before_parse<'a>(&'a self, _: &'a mut Exchange) -> Step<'a> {
        Step::refuse(-7, self.0.clone())
    }
}

/// Keeps paths.
#[derive(Default)]
struct Paths(Mutex<Vec<String>>);

impl AccessLog for Paths {
    fn write(&self, line: &AccessLine<'_>) {
        let mut paths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        paths.push(line.path.to_string());
    }
}

#[tokio::test]
async fn an_application_brings_plugins_session_stores_and_a_log() {
    let (sessions, paths) = (
        Arc::new(MemorySessions::new(MemoryLimits::default())),
        Arc::new(Paths::default()),
    );
    let refused = Url::new("/refused")
        .service(WEB)
        .message(1)
        .plugins("refuses");
    let routes = routes().url(refused).plugin("refuses", "closed today");
    let app = Bootstrap::new("brings")
        .web_server(bare("web").session_service("own"))
        .routes("web", routes)
        .service(WebServer::new(Site::default()))
        .web_plugin("refuses", |words| Ok(Arc::new(Refuses(words.to_owned()))))
        .session_store("own", sessions.clone())
        .web_access_log(paths.clone());
    let app = start(app).await;
    let words = get(&app, "/refused").await.is_refused(403, -7);
    assert_eq!(words, "closed today");
    assert_eq!(get(&app, "/login?name=anna&flag=1").await.status, 200);
    assert_eq!(sessions.len(), 1);
    let seen = paths.0.lock().unwrap().clone();
    assert_eq!(seen, ["/refused", "/login"]);
}

#[tokio::test]
async fn an_address_that_is_taken_is_told_and_nothing_runs() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let other = free.local_addr().unwrap();
    drop(free);
    let app = Bootstrap::new("taken")
        .web_server(bare("a").port(other.port()))
        .web_server(bare("b").port(port))
        .referer_with(RefererConfig::new::<WebClient>("us").to("127.0.0.1:1"));
    let told = app.start().await.unwrap_err().to_string();
    assert!(
        told.starts_with(&format!(
            "web_server.b.port: cannot listen on 127.0.0.1:{port}: "
        )),
        "{told}"
    );
    assert!(std::net::TcpStream::connect(other).is_err());
}
