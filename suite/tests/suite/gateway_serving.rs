//! Services over HTTP: in this process and behind a referer; what is told when something is wrong; routes that are
//! loaded again.

use std::sync::{Arc, atomic::Ordering};

use http::StatusCode;
use parking_lot::Mutex;
use serde_json::json;
use tangelo::{
    Bootstrap,
    rpc::{
        Codecs, Home, Services,
        client::{Client, Referer, RefererSettings},
        config::{ClientConfig, RefererConfig, ServerConfig},
        server::{ExecutorConfig, Properties},
    },
};
use tangelo_gateway::{
    AccessLine, AccessLog, Backends, Gateway, Limits,
    route::{Group, Routes, Url},
};
use tangelo_runtime::Tasks;

use crate::{
    gateway_world::{Browser, SHORT, Site, WEB, WebServer, builder, gateway, pool, routes, start},
    world::until,
};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

#[tokio::test]
async fn a_service_of_this_process_is_asked_with_a_query_a_form_and_json() {
    let gateway = gateway().await;
    let mut browser = Browser::of(&gateway).await;
    for said in [
        browser.get("/echo?text=a&number=7").await,
        browser.post("/echo", FORM, "text=a&number=7").await,
        browser
            .post("/echo", JSON, r#"{"text":"a","number":7}"#)
            .await,
        browser.get("/echo/a?number=7").await,
    ] {
        assert_eq!(said.status, 200, "{said:?}");
        assert_eq!(
            said.header("content-type"),
            Some("application/json; charset=utf-8")
        );
        let json = said.json();
        assert_eq!(
            (&json["retCode"], &json["text"], &json["number"]),
            (&json!(0), &json!("a"), &json!(7))
        );
    }
}

/// A referer to the service at this address.
fn referer(address: &str) -> Arc<Referer> {
    let home = Home::here(Tasks::default()).unwrap();
    let client = Client::new(
        ClientConfig::default(),
        Services::new(),
        Codecs::new([]),
        vec![],
        home,
    );
    let settings = RefererSettings {
        key: None,
        mock: None,
        fallback: None,
        codecs: Codecs::new([]),
        log: None,
        tracer: None,
        sample_rate: 0,
        methods: pool().service(WEB).unwrap().methods.clone(),
        application: "web".to_owned(),
        own_host: None,
    };
    let config = RefererConfig::dynamic("web", WEB);
    let referer = Referer::new(config, client.unwrap(), settings).unwrap();
    referer.set_addresses(&[(address.to_owned(), 100)]);
    Arc::new(referer)
}

#[tokio::test]
async fn a_krpc_server_behind_a_referer_is_asked_as_one_in_this_process() {
    let server = Bootstrap::new("users")
        .server(ServerConfig::default().host("127.0.0.1").port(0_u16))
        .service(WebServer::new(Site::default()));
    let server = server.start().await.unwrap();
    let referer = referer(&server.servers()[0].address().to_string());
    let backends = Backends::new().referer(WEB, referer);
    let gateway = start(builder(&Site::default()).backends(backends)).await;
    let mut browser = Browser::of(&gateway).await;
    let said = browser.get("/echo?text=a&number=7").await;
    assert_eq!((said.status, &said.json()["number"]), (200, &json!(7)));
    // An application's code is an answer, a failure is not.
    let said = browser.get("/answer?code=-140001&words=no").await;
    assert_eq!(said.is_refused(200, -140_001), "no");
    browser.get("/answer?how=panic").await.is_refused(500, -620);
    server.stop(SHORT).await;
    browser.get("/echo").await.is_refused(503, -600);
}

#[tokio::test]
async fn what_is_not_there_is_told_by_status_and_code() {
    let gateway = gateway().await;
    let mut browser = Browser::of(&gateway).await;
    assert_eq!(
        browser.get("/nothing").await.is_refused(404, -661),
        "url not found"
    );
    browser
        .send("DELETE /echo HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    let said = browser.hear().await;
    assert_eq!(said.is_refused(405, -662), "method not allowed");
    assert_eq!(said.header("allow"), Some("GET, HEAD, POST, OPTIONS"));
    browser
        .send("OPTIONS /echo HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    let said = browser.hear().await;
    assert_eq!(
        (said.status, said.header("allow")),
        (204, Some("GET, HEAD, POST, OPTIONS"))
    );
    // The connection has stood all this.
    assert_eq!(browser.get("/echo").await.status, 200);
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let gateway = gateway().await;
    let mut browser = Browser::of(&gateway).await;
    let length = browser.get("/echo").await.body.len();
    browser.send("HEAD /echo HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let said = browser.hear_of("HEAD").await;
    assert_eq!(said.status, 200);
    // It has `get` in it, as krpc's.
    assert!(
        said.header("content-length")
            .unwrap()
            .parse::<usize>()
            .unwrap()
            >= length - 8
    );
    assert_eq!(browser.get("/echo").await.status, 200);
}

#[tokio::test]
async fn an_answer_with_a_negative_code_is_200_unless_it_is_mapped() {
    let gateway = builder(&Site::default()).status_for(-140_404, StatusCode::NOT_FOUND);
    let gateway = start(gateway).await;
    let mut browser = Browser::of(&gateway).await;
    browser
        .get("/answer?code=-140001&words=no")
        .await
        .is_refused(200, -140_001);
    browser
        .get("/answer?code=-140404&words=no")
        .await
        .is_refused(404, -140_404);
    browser
        .get("/answer?code=-140404&words=no&status=409")
        .await
        .is_refused(409, -140_404);
    // As the method's error, too.
    let said = browser.get("/answer?code=-140404&words=no&how=fail").await;
    assert_eq!(said.is_refused(404, -140_404), "no");

    let strict = builder(&Site::default()).status_for_negative(StatusCode::BAD_REQUEST);
    let strict = start(strict).await;
    let mut browser = Browser::of(&strict).await;
    browser
        .get("/answer?code=-140001")
        .await
        .is_refused(400, -140_001);
    assert_eq!(browser.get("/answer?code=1").await.status, 200);
}

#[tokio::test]
async fn a_code_without_words_has_those_of_the_file() {
    let texts = Properties::parse("-140001=not today\n-661=nothing here\n").unwrap();
    let gateway = start(builder(&Site::default()).error_texts(Arc::new(texts))).await;
    let mut browser = Browser::of(&gateway).await;
    let said = browser.get("/answer?code=-140001").await;
    assert_eq!(said.is_refused(200, -140_001), "not today");
    let said = browser.get("/answer?code=-140001&words=never").await;
    assert_eq!(said.is_refused(200, -140_001), "never");
    assert_eq!(
        browser.get("/nothing").await.is_refused(404, -661),
        "nothing here"
    );
}

#[tokio::test]
async fn a_panic_in_a_service_is_answered_with_500_and_the_connection_stays() {
    let gateway = gateway().await;
    let mut browser = Browser::of(&gateway).await;
    let said = browser.get("/answer?how=panic&words=secret").await;
    assert_eq!(said.is_refused(500, -620), "the service failed");
    assert!(
        !String::from_utf8_lossy(&said.body).contains("secret"),
        "{said:?}"
    );
    assert_eq!(browser.get("/echo").await.status, 200);
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_given_up_after_its_time() {
    let limits = Limits {
        request_time: SHORT,
        ..Limits::default()
    };
    let gateway = start(builder(&Site::default()).limits(limits)).await;
    let mut browser = Browser::of(&gateway).await;
    assert_eq!(
        browser.get("/hold").await.is_refused(504, -602),
        "rpc timeout"
    );
    assert_eq!(browser.get("/echo").await.status, 200);
}

#[tokio::test]
async fn so_many_requests_run_and_so_many_wait_and_the_next_is_refused() {
    let site = Site::default();
    let requests = ExecutorConfig {
        threads: 1,
        max_threads: 0,
        queue_size: 1,
    };
    let limits = Limits {
        requests,
        ..Limits::default()
    };
    let gateway = start(builder(&site).limits(limits)).await;
    let mut first = Browser::of(&gateway).await;
    first.send("GET /hold HTTP/1.1\r\nhost: a\r\n\r\n").await;
    until("the first runs", || site.held.load(Ordering::SeqCst) == 1).await;
    let (mut second, mut third) = (Browser::of(&gateway).await, Browser::of(&gateway).await);
    second.send("GET /hold HTTP/1.1\r\nhost: a\r\n\r\n").await;
    // One of two waits; the other is told so at once.
    third.send("GET /hold HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let refused = tokio::select! {
        said = second.hear() => said,
        said = third.hear() => said,
    };
    assert_eq!(refused.is_refused(503, -623), "queue is full");
    site.go_on.add_permits(2);
    assert_eq!(first.hear().await.status, 200);
    until("the second ran", || site.held.load(Ordering::SeqCst) == 2).await;
}

#[tokio::test]
async fn a_client_that_goes_has_its_call_dropped() {
    let site = Site::default();
    let gateway = start(builder(&site)).await;
    let mut browser = Browser::of(&gateway).await;
    browser.send("GET /hold HTTP/1.1\r\nhost: a\r\n\r\n").await;
    until("it runs", || site.held.load(Ordering::SeqCst) == 1).await;
    drop(browser);
    until("it is over", || gateway.connections() == 0).await;
}

#[tokio::test]
async fn routes_are_exchanged_as_a_whole_and_what_runs_ends_as_it_began() {
    let site = Site::default();
    let gateway = start(builder(&site)).await;
    let (mut old, mut browser) = (Browser::of(&gateway).await, Browser::of(&gateway).await);
    old.send("GET /hold HTTP/1.1\r\nhost: a\r\n\r\n").await;
    until("it runs", || site.held.load(Ordering::SeqCst) == 1).await;
    let other = Routes::new().url(Url::new("/other").service(WEB).message(1));
    gateway.reload(&other, &pool()).unwrap();
    browser.get("/echo").await.is_refused(404, -661);
    assert_eq!(browser.get("/other?text=b").await.json()["text"], "b");
    site.go_on.add_permits(1);
    assert_eq!(old.hear().await.status, 200);
}

#[tokio::test]
async fn routes_with_mistakes_change_nothing_and_all_mistakes_are_told() {
    let gateway = gateway().await;
    let bad = Routes::new()
        .url(Url::new("/a").service(WEB).message(99))
        .url(Url::new("/b").service(WEB).message(1).plugins("nobody"))
        .url(
            Url::new("/c")
                .service(WEB)
                .message(1)
                .with_attribute("httpCode", "7"),
        );
    let errors = gateway.reload(&bad, &pool()).unwrap_err().to_string();
    for words in [
        "no message 99",
        "no plugin `nobody`",
        "httpCode: expected a status",
    ] {
        assert!(errors.contains(words), "{errors}");
    }
    let mut browser = Browser::of(&gateway).await;
    assert_eq!(browser.get("/echo").await.status, 200);
}

#[tokio::test]
async fn a_route_to_a_service_that_nobody_answers_for_is_a_mistake() {
    let bound = builder(&Site::default())
        .backends(Backends::new())
        .bind()
        .await;
    let error = bound.unwrap_err().to_string();
    assert!(
        error.contains("neither a service 140 here nor a referer"),
        "{error}"
    );
}

#[tokio::test]
async fn an_url_says_which_status_its_answers_have() {
    let created = Url::new("/made")
        .message(3)
        .with_attribute("httpCode", "201");
    let group = Group::new("").service(WEB).url(created);
    let gateway = start(builder(&Site::default()).routes(Routes::new().group(group))).await;
    let mut browser = Browser::of(&gateway).await;
    assert_eq!(browser.get("/made").await.status, 201);
    assert_eq!(browser.get("/made?status=202").await.status, 202);
    assert_eq!(browser.get("/made?code=-140001").await.status, 200);
}

/// Keeps lines.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl AccessLog for Lines {
    fn write(&self, line: &AccessLine<'_>) {
        let took = format!("{}us", line.took.as_micros());
        let line = match line.trace {
            Some(trace) => line.to_string().replace(trace, "?"),
            None => line.to_string(),
        };
        self.0.lock().push(line.replace(&took, "?us"));
    }
}

#[tokio::test]
async fn every_request_has_its_line_and_secrets_are_masked_in_it() {
    let lines = Lines::default();
    let gateway = builder(&Site::default())
        .access_log(Some(Arc::new(lines.clone())))
        .mask_fields(["text"]);
    let gateway = start(gateway).await;
    let mut browser = Browser::of(&gateway).await;
    browser.get("/echo?text=hunter2&number=1").await;
    browser.get("/echo/hunter2").await;
    browser.post("/echo", FORM, "text=hunter2").await;
    browser
        .get_with(
            "/nothing",
            "cookie: JSESSIONID=hunter2\r\nauthorization: hunter2\r\n",
        )
        .await;
    let lines = lines.0.lock().clone();
    assert_eq!(
        lines,
        [
            "127.0.0.1,   GET,   /echo?text=***&number=1,   140.1,   200,   0,   0,   ?us,   ?",
            "127.0.0.1,   GET,   /echo/{text},   140.1,   200,   0,   0,   ?us,   ?",
            "127.0.0.1,   POST,   /echo,   140.1,   200,   0,   12,   ?us,   ?",
            "127.0.0.1,   GET,   /nothing,   -,   404,   -661,   0,   ?us,   -",
        ]
    );
}

#[tokio::test]
async fn what_is_masked_in_a_path_is_masked_whatever_is_wrong_with_the_request() {
    let lines = Lines::default();
    let gateway = builder(&Site::default())
        .access_log(Some(Arc::new(lines.clone())))
        .mask_fields(["text"]);
    let gateway = start(gateway).await;
    for head in [
        "DELETE /echo/hunter2 HTTP/1.1\r\nhost: a\r\n",
        "OPTIONS /echo/hunter2 HTTP/1.1\r\nhost: a\r\n",
        "GET /echo/hunter2%00 HTTP/1.1\r\nhost: a\r\n",
        "GET /echo/hunter2/more HTTP/1.1\r\nhost: a\r\n",
        "GET /echo/hunter2 HTTP/1.1\r\n",
        "GET /echo?inner.text=hunter2 HTTP/1.1\r\nhost: a\r\n",
    ] {
        let mut browser = Browser::of(&gateway).await;
        browser.send(format!("{head}\r\n")).await;
        browser.hear().await;
    }
    let lines = lines.0.lock().clone();
    assert_eq!(lines.len(), 6);
    assert!(
        !lines.iter().any(|line| line.contains("hunter2")),
        "{lines:?}"
    );
    assert!(lines[0].contains("/echo/***,"), "{lines:?}");
}

#[tokio::test]
async fn health_and_readiness_are_told_where_they_are_asked_for() {
    let gateway = start(builder(&Site::default()).health("/live", "/ready")).await;
    let mut browser = Browser::of(&gateway).await;
    assert_eq!(
        (
            browser.get("/live").await.status,
            browser.get("/ready").await.status
        ),
        (200, 200)
    );
    gateway.set_ready(false);
    assert_eq!(
        (
            browser.get("/live").await.status,
            browser.get("/ready").await.status
        ),
        (200, 503)
    );
    // It serves all the same.
    assert_eq!(browser.get("/echo").await.status, 200);
}

#[tokio::test]
async fn who_stops_answers_what_has_come_and_closes_what_is_idle() {
    let site = Site::default();
    let gateway: Gateway = start(builder(&site)).await;
    let (mut idle, mut busy) = (Browser::of(&gateway).await, Browser::of(&gateway).await);
    assert_eq!(idle.get("/echo").await.status, 200);
    busy.send("GET /hold HTTP/1.1\r\nhost: a\r\n\r\n").await;
    until("it runs", || site.held.load(Ordering::SeqCst) == 1).await;
    let closing = gateway.clone();
    let close = async {
        idle.is_closed().await;
        site.go_on.add_permits(1);
        let said = busy.hear().await;
        assert_eq!(
            (said.status, said.header("connection")),
            (200, Some("close"))
        );
        busy.is_closed().await;
        drop((idle, busy));
    };
    let (left, ()) = tokio::join!(closing.close(crate::world::DEADLINE), close);
    assert_eq!((left, gateway.connections()), (0, 0));
    let refused = tokio::net::TcpStream::connect(gateway.address()).await;
    assert!(refused.is_err());
}

/// Asks again and again, until it is told that the connection ends.
async fn asks_on(mut browser: Browser) -> usize {
    for count in 0.. {
        let said = browser.get("/echo").await;
        assert_eq!(said.status, 200);
        if said.header("connection") == Some("close") {
            browser.is_closed().await;
            return count;
        }
    }
    0
}

#[tokio::test]
async fn who_goes_on_asking_while_a_gateway_stops_is_answered_and_told_that_it_ends() {
    let site = Site::default();
    let gateway: Gateway = start(builder(&site)).await;
    let mut all = Vec::new();
    for _ in 0..20 {
        all.push(asks_on(Browser::of(&gateway).await));
    }
    let (mut busy, mut half) = (Browser::of(&gateway).await, Browser::of(&gateway).await);
    let silent = Browser::of(&gateway).await;
    busy.send("GET /hold HTTP/1.1\r\nhost: a\r\n\r\n").await;
    half.send("GET /echo HT").await;
    until("it runs", || site.held.load(Ordering::SeqCst) == 1).await;
    let asked = async {
        let mut silent = silent;
        gateway.stop();
        // It has been let in, and says so only now.
        silent.send("GET /echo HTTP/1.1\r\nhost: a\r\n\r\n").await;
        half.send("TP/1.1\r\nhost: a\r\n\r\n").await;
        site.go_on.add_permits(1);
        for browser in [&mut silent, &mut half, &mut busy] {
            let said = browser.hear().await;
            let is_closed = said.header("connection") == Some("close");
            assert_eq!((said.status, is_closed), (200, true));
            browser.is_closed().await;
        }
    };
    tokio::join!(futures_util::future::join_all(all), asked);
    until("all are gone", || gateway.connections() == 0).await;
}

#[tokio::test]
async fn routes_of_an_unknown_host_are_not_found() {
    let only = Url::new("/a")
        .hosts("www.example.com")
        .service(WEB)
        .message(1);
    let gateway = start(builder(&Site::default()).routes(routes().url(only))).await;
    let mut browser = Browser::of(&gateway).await;
    browser.get("/a").await.is_refused(404, -661);
    browser
        .send("GET /a HTTP/1.1\r\nhost: WWW.Example.com:80\r\n\r\n")
        .await;
    assert_eq!(browser.hear().await.status, 200);
}
