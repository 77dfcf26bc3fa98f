//! Plugins look at requests and answers at five positions.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http::{HeaderValue, Response, StatusCode, header};
use parking_lot::Mutex;
use serde_json::json;
use tangelo_gateway::{
    Body, Exchange, Gateway, GatewayBuilder, Output,
    plugin::{Plugin, Refusal, Step},
    route::{Group, Routes, SessionMode, Url},
};

use crate::gateway_world::{Browser, Site, WEB, builder, pool, start};

/// Does at a position what a request's query says: `at=2&do=refuse`; and notes where it was.
#[derive(Default)]
struct Obeys {
    positions: Mutex<String>,
}

impl Obeys {
    fn step(&self, position: char, exchange: &Exchange) -> Step<'static> {
        self.positions.lock().push(position);
        let query = exchange.query().unwrap_or_default();
        if !query.contains(&format!("at={position}")) {
            return Step::Next;
        }
        if query.contains("do=refuse") {
            let refusal = Refusal::new(-7, "no").status(StatusCode::IM_A_TEAPOT);
            return Step::Refuse(refusal);
        }
        if query.contains("do=answer") {
            return Step::answer(Response::new(Body::from("own")));
        }
        if query.contains("do=wait") {
            return Step::wait(async {
                tokio::task::yield_now().await;
                Step::refuse(-8, "late")
            });
        }
        panic!("on purpose");
    }
}

impl Plugin for Obeys {
    fn before_parse<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        self.step('1', exchange)
    }

    fn after_parse<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        self.step('2', exchange)
    }

    fn after_session<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        self.step('3', exchange)
    }

    fn before_render<'a>(&'a self, exchange: &'a Exchange, _: &'a mut Output) -> Step<'a> {
        self.step('4', exchange)
    }

    fn after_render<'a>(&'a self, exchange: &'a Exchange, _: &'a mut Response<Body>) -> Step<'a> {
        self.step('5', exchange)
    }
}

fn one_url(plugins: &str) -> Routes {
    let url = Url::new("/echo").message(1).plugins(plugins);
    Routes::new().group(Group::new("").service(WEB).url(url))
}

async fn with<P: Plugin>(plugin: Arc<P>) -> Gateway {
    let gateway: GatewayBuilder = builder(&Site::default())
        .routes(one_url("own"))
        .plugin("own", move |_| Ok(Arc::clone(&plugin) as Arc<dyn Plugin>));
    start(gateway).await
}

#[tokio::test]
async fn a_plugin_is_asked_at_five_positions_in_their_order() {
    let plugin = Arc::new(Obeys::default());
    let gateway = with(Arc::clone(&plugin)).await;
    assert_eq!(Browser::of(&gateway).await.get("/echo").await.status, 200);
    assert_eq!(*plugin.positions.lock(), "12345");
}

#[tokio::test]
async fn what_is_refused_is_asked_no_further_and_still_rendered() {
    let plugin = Arc::new(Obeys::default());
    let gateway = with(Arc::clone(&plugin)).await;
    let mut browser = Browser::of(&gateway).await;
    for (position, asked) in [("1", "145"), ("2", "1245"), ("3", "12345")] {
        let said = browser.get(&format!("/echo?at={position}&do=refuse")).await;
        assert_eq!(said.is_refused(418, -7), "no");
        assert_eq!(std::mem::take(&mut *plugin.positions.lock()), asked);
    }
    for position in ["4", "5"] {
        let said = browser.get(&format!("/echo?at={position}&do=refuse")).await;
        assert_eq!(said.is_refused(418, -7), "no");
    }
}

#[tokio::test]
async fn a_plugin_may_wait_answer_itself_or_panic_at_every_position() {
    let gateway = with(Arc::new(Obeys::default())).await;
    let mut browser = Browser::of(&gateway).await;
    for position in 1..=5 {
        let said = browser.get(&format!("/echo?at={position}&do=wait")).await;
        assert_eq!(said.is_refused(403, -8), "late");
        let said = browser.get(&format!("/echo?at={position}&do=answer")).await;
        assert_eq!((said.status, &*said.body), (200, &b"own"[..]));
        let said = browser.get(&format!("/echo?at={position}&do=panic")).await;
        assert_eq!(said.is_refused(500, -605), "internal error");
    }
}

/// Changes everything it can.
struct Changes;

impl Plugin for Changes {
    fn check(&self, url: &Url) -> Result<(), String> {
        match url.attributes.get("prefix") {
            Some(_) => Ok(()),
            None => Err("changes: needs the attribute prefix".to_owned()),
        }
    }

    fn before_parse<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let body = String::from_utf8_lossy(exchange.content()).replace("secret", "open");
        exchange.set_content(body);
        Step::Next
    }

    fn after_parse<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let prefix = exchange.url().attributes["prefix"].clone();
        let text = exchange
            .parameters()
            .ok()
            .and_then(|said| said.get("text").cloned());
        let text = text
            .as_ref()
            .and_then(|text| text.as_str())
            .unwrap_or_default();
        let text = format!("{prefix}{text}");
        exchange.set_parameter("text", text);
        exchange.hide_parameter("number");
        Step::Next
    }

    fn before_render<'a>(&'a self, _: &'a Exchange, output: &'a mut Output) -> Step<'a> {
        if let Ok(fields) = output.fields() {
            fields.insert("added".to_owned(), json!([1, 2]));
            fields.remove("retMsg");
        }
        Step::Next
    }

    fn after_render<'a>(&'a self, _: &'a Exchange, response: &'a mut Response<Body>) -> Step<'a> {
        let value = HeaderValue::from_static("yes");
        response.headers_mut().insert("x-changed", value);
        Step::Next
    }
}

fn changing(attributes: &[(&str, &str)]) -> GatewayBuilder {
    let mut url = Url::new("/echo").message(1).plugins("changes");
    for (name, value) in attributes {
        url = url.with_attribute(*name, *value);
    }
    let routes = Routes::new().group(Group::new("").service(WEB).url(url));
    let gateway = builder(&Site::default()).routes(routes);
    gateway.plugin("changes", |_| Ok(Arc::new(Changes) as Arc<dyn Plugin>))
}

#[tokio::test]
async fn a_plugin_changes_body_parameters_answer_and_response() {
    let gateway = start(changing(&[("prefix", "> ")])).await;
    let mut browser = Browser::of(&gateway).await;
    let body = r#"{"text":"secret","number":7}"#;
    let said = browser.post("/echo", "application/json", body).await;
    let json = said.json();
    assert_eq!(
        (&json["text"], &json["number"], &json["added"]),
        (&json!("> open"), &json!(0), &json!([1, 2]))
    );
    assert_eq!(said.header("x-changed"), Some("yes"));
}

#[tokio::test]
async fn what_a_plugin_has_against_a_url_is_a_mistake() {
    let error = changing(&[]).bind().await.unwrap_err().to_string();
    assert_eq!(error, "url /echo: changes: needs the attribute prefix");
}

/// Counts what it has seen.
struct Counts(AtomicUsize);

impl Plugin for Counts {
    fn after_render<'a>(&'a self, _: &'a Exchange, response: &'a mut Response<Body>) -> Step<'a> {
        let seen = self.0.fetch_add(1, Ordering::SeqCst);
        let value = HeaderValue::from(seen);
        response.headers_mut().insert("x-seen", value);
        Step::Next
    }
}

#[tokio::test]
async fn a_plugin_stays_when_routes_are_loaded_again_unless_its_parameters_change() {
    let gateway = builder(&Site::default())
        .routes(one_url("counts").plugin("counts", "10"))
        .plugin("counts", |params| {
            let from = params
                .parse()
                .map_err(|_| format!("`{params}` is no number"))?;
            Ok(Arc::new(Counts(AtomicUsize::new(from))))
        });
    let gateway = start(gateway).await;
    let mut browser = Browser::of(&gateway).await;
    let mut seen = async || {
        browser
            .get("/echo")
            .await
            .header("x-seen")
            .unwrap()
            .to_owned()
    };
    assert_eq!(seen().await, "10");
    gateway
        .reload(&one_url("counts").plugin("counts", "10"), &pool())
        .unwrap();
    assert_eq!(seen().await, "11");
    gateway
        .reload(&one_url("counts").plugin("counts", "50"), &pool())
        .unwrap();
    assert_eq!(seen().await, "50");
    let bad = one_url("counts").plugin("counts", "x");
    let errors = gateway.reload(&bad, &pool()).unwrap_err();
    assert_eq!(errors.to_string(), "plugin counts: `x` is no number");
    assert_eq!(seen().await, "51");
}

/// Lets pages of one origin in.
struct Cors;

impl Plugin for Cors {
    fn preflight(&self, exchange: &Exchange) -> Option<Response<Body>> {
        let origin = exchange.headers().get(header::ORIGIN)?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        Some(response)
    }

    fn after_session<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        match exchange.session() {
            Some(_) => Step::Next,
            None => Step::refuse(-9, "no session"),
        }
    }
}

#[tokio::test]
async fn a_preflight_is_answered_by_the_plugins_of_the_url_it_is_about() {
    let url = Url::new("/echo").message(1).plugins("cors");
    let url = url.session_mode(SessionMode::Required);
    let routes = Routes::new().group(Group::new("").service(WEB).url(url));
    let gateway = builder(&Site::default())
        .routes(routes)
        .plugin("cors", |_| Ok(Arc::new(Cors) as Arc<dyn Plugin>));
    let gateway = start(gateway).await;
    let mut browser = Browser::of(&gateway).await;
    let ask = |method: &str| {
        format!(
            "OPTIONS /echo HTTP/1.1\r\nhost: a\r\norigin: http://b\r\n\
             access-control-request-method: {method}\r\n\r\n"
        )
    };
    browser.send(ask("POST")).await;
    let said = browser.hear().await;
    assert_eq!(
        (said.status, said.header("access-control-allow-origin")),
        (204, Some("http://b"))
    );
    browser.send(ask("PUT")).await;
    let said = browser.hear().await;
    assert_eq!(said.header("access-control-allow-origin"), None);
    browser
        .send("OPTIONS /nothing HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    browser.hear().await.is_refused(404, -661);
}
