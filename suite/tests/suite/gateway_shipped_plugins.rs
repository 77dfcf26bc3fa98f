//! The plugins that are always there.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::{Digest, Sha256};
use tangelo_gateway::{
    Gateway,
    route::{Dir, Group, Routes, SessionMode, Url},
};

use crate::gateway_world::{Browser, Folder, Said, Site, WEB, builder, start};

/// `/echo` and `/page` with these plugins, of which one is told this.
fn routes(plugins: &str, params: &str) -> Routes {
    let group = Group::new("")
        .service(WEB)
        .url(Url::new("/echo").message(1).plugins(plugins))
        .url(Url::new("/page").message(5).plugins(plugins))
        .url(Url::new("/answer").message(3).plugins(plugins));
    let name = plugins.split(',').next().unwrap();
    let routes = Routes::new().group(group);
    match params {
        "" => routes,
        params => routes.plugin(name, params),
    }
}

async fn with(plugins: &str, params: &str) -> (Gateway, Browser) {
    let gateway = builder(&Site::default()).routes(routes(plugins, params));
    let gateway = start(gateway).await;
    let browser = Browser::of(&gateway).await;
    (gateway, browser)
}

async fn from(browser: &mut Browser, path: &str, origin: &str) -> Said {
    browser
        .get_with(path, &format!("origin: {origin}\r\n"))
        .await
}

async fn preflight(browser: &mut Browser, path: &str, origin: &str) -> Said {
    browser
        .send(format!(
            "OPTIONS {path} HTTP/1.1\r\nhost: localhost\r\norigin: {origin}\r\n\
             access-control-request-method: POST\r\n\
             access-control-request-headers: x-token\r\n\r\n"
        ))
        .await;
    browser.hear().await
}

#[tokio::test]
async fn cors_lets_in_pages_that_are_named_and_tells_their_browsers() {
    let params = "origins=a.com;credentials=true;expose=x-note;maxAge=60";
    let (_gateway, mut browser) = with("cors", params).await;
    let said = from(&mut browser, "/echo?text=x", "https://a.com").await;
    for (name, value) in [
        ("access-control-allow-origin", "https://a.com"),
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "x-note"),
        ("vary", "origin"),
    ] {
        assert_eq!(said.header(name), Some(value), "{name}");
    }
    let said = preflight(&mut browser, "/echo", "https://a.com").await;
    assert_eq!((said.status, said.body.len()), (204, 0));
    for (name, value) in [
        ("access-control-allow-origin", "https://a.com"),
        ("access-control-allow-methods", "GET, POST"),
        ("access-control-allow-headers", "x-token"),
        ("access-control-max-age", "60"),
    ] {
        assert_eq!(said.header(name), Some(value), "{name}");
    }
    let said = from(&mut browser, "/echo", "https://b.com").await;
    said.is_refused(403, -660);
    assert_eq!(said.header("access-control-allow-origin"), None);
    let said = preflight(&mut browser, "/echo", "https://b.com").await;
    assert_eq!(
        (said.status, said.header("access-control-allow-origin")),
        (403, None)
    );
    // What is refused for another reason can be read.
    let said = from(&mut browser, "/echo?number=x", "https://a.com").await;
    said.is_refused(400, -625);
    assert_eq!(
        said.header("access-control-allow-origin"),
        Some("https://a.com")
    );
    // Who is no page is let in, and our own pages are.
    assert_eq!(browser.get("/echo").await.status, 200);
    assert_eq!(
        from(&mut browser, "/echo", "http://localhost").await.status,
        200
    );
}

#[tokio::test]
async fn krpcs_origins_ask_for_cors() {
    let url = |path: &str| Url::new(path).message(1);
    let group = Group::new("")
        .service(WEB)
        .url(url("/all").with_attribute("origins", "*"))
        .url(url("/one").with_attribute("origins", "a.com"));
    let routes = Routes::new().group(group);
    let gateway = start(builder(&Site::default()).routes(routes.clone())).await;
    let mut browser = Browser::of(&gateway).await;
    let said = from(&mut browser, "/all", "https://b.com").await;
    assert_eq!(
        (
            said.header("access-control-allow-origin"),
            said.header("vary")
        ),
        (Some("*"), None)
    );
    from(&mut browser, "/one", "https://b.com")
        .await
        .is_refused(403, -660);
    assert_eq!(
        from(&mut browser, "/one", "https://a.com").await.status,
        200
    );
    let routes = routes.plugin("cors", "credentials=true");
    let error = builder(&Site::default())
        .routes(routes)
        .bind()
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("url /all: origins: with credentials=true"),
        "{error}"
    );
}

#[tokio::test]
async fn jsonp_calls_a_function_with_the_answer_and_with_errors() {
    let (_gateway, mut browser) = with("jsonp", "").await;
    let said = browser.get("/echo?jsonp=my.cb_1&text=%E2%80%A8").await;
    let body = String::from_utf8(said.body.clone()).unwrap();
    assert!(
        body.starts_with("/**/my.cb_1({") && body.ends_with("});"),
        "{body}"
    );
    assert!(body.contains("\\u2028"), "{body}");
    assert_eq!(
        said.header("content-type"),
        Some("application/javascript; charset=utf-8")
    );
    assert_eq!(said.header("x-content-type-options"), Some("nosniff"));
    let said = browser.get("/echo?jsonp=cb&number=x").await;
    assert_eq!(said.status, 200);
    assert!(
        said.body.starts_with(b"/**/cb({\"retCode\":-625"),
        "{said:?}"
    );
    assert_eq!(browser.get("/echo?text=x").await.json()["text"], json!("x"));
    for callback in ["alert(1)", "a%28", "%3Cscript%3E", "a%0a", "a..b", "1"] {
        let said = browser.get(&format!("/echo?jsonp={callback}")).await;
        assert_eq!(
            said.is_refused(400, -625),
            "jsonp: expected the name of a function"
        );
    }
}

#[tokio::test]
async fn a_text_is_sent_in_place_of_json_unless_it_is_empty() {
    for (plugin, kind) in [
        ("plaintext", "text/plain; charset=utf-8"),
        ("html", "text/html; charset=utf-8"),
        ("xml", "text/xml; charset=utf-8"),
    ] {
        let (_gateway, mut browser) = with(plugin, "").await;
        let said = browser.get("/page?text=%3Ca%3E").await;
        assert_eq!(
            (said.header("content-type"), &*said.body),
            (Some(kind), &b"<a>"[..])
        );
        assert_eq!(said.header("x-note"), Some("noted"));
        assert_eq!(browser.get("/page").await.json()["retCode"], json!(0));
        browser.get("/page?code=x").await.is_refused(400, -625);
    }
    let (_gateway, mut browser) = with("html", "htmlField=text").await;
    assert_eq!(browser.get("/page?text=x").await.body, b"x");
}

#[tokio::test]
async fn a_redirect_leads_where_it_may() {
    let (_gateway, mut browser) = with("serverredirect", "hosts=a.com").await;
    for to in ["/next?a=1", "https://a.com/x"] {
        let encoded = to.replace('&', "%26");
        let said = browser.get(&format!("/page?to={encoded}")).await;
        assert_eq!((said.status, said.header("location")), (302, Some(to)));
    }
    for to in [
        "https://b.com",
        "//b.com",
        "javascript:alert(1)",
        "/%5cb.com",
        "/a%0d%0ax:%20y",
    ] {
        let said = browser.get(&format!("/page?to={to}")).await;
        said.is_refused(500, -605);
        assert_eq!(said.header("location"), None);
    }
    assert_eq!(browser.get("/page").await.json()["retCode"], json!(0));
    let (_gateway, mut browser) = with("jsredirect", "").await;
    let said = browser.get("/page?to=/a%22%3C/script%3E").await;
    let page = String::from_utf8(said.body.clone()).unwrap();
    assert!(
        page.contains("location.replace(\"/a%22%3C/script%3E\")"),
        "{page}"
    );
    assert_eq!(
        (said.status, said.header("content-type")),
        (200, Some("text/html; charset=utf-8"))
    );
}

fn with_templates(folder: &Folder) -> Routes {
    let url = Url::new("/page").message(5).plugins("template");
    let url = url
        .with_attribute("template", "page.html")
        .session_mode(SessionMode::Optional);
    let group = Group::new("").service(WEB).url(url);
    Routes::new()
        .group(group)
        .dir(Dir::new("/").template_dir(folder.path()))
}

#[tokio::test]
async fn a_url_with_a_template_asks_for_the_plugin_and_the_template_must_be_there() {
    let folder = Folder::new().with("page.html", "<p>{{ res.text }}");
    let url = |template: &str| {
        let url = Url::new("/page").message(5).service(WEB);
        url.with_attribute("template", template)
    };
    let dir = || Dir::new("/").template_dir(folder.path());
    let routes = |template: &str| Routes::new().url(url(template)).dir(dir());
    let gateway = start(builder(&Site::default()).routes(routes("page.html"))).await;
    let mut browser = Browser::of(&gateway).await;
    assert_eq!(browser.get("/page?text=a").await.body, b"<p>a");
    for (routes, told) in [
        (
            routes("none.html"),
            "url /page: template: there is no file none.html in",
        ),
        (
            Routes::new().url(url("page.html")),
            "url /page: template: there is no dir with a templateDir",
        ),
    ] {
        let error = builder(&Site::default()).routes(routes).bind().await;
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with(told), "{error}");
    }
}

#[tokio::test]
async fn what_a_plugin_is_told_wrongly_is_a_mistake_though_no_url_names_it() {
    let routes = Routes::new().plugin("flowlimit", "often");
    let error = builder(&Site::default()).routes(routes).bind().await;
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("plugin flowlimit: "), "{error}");
}

#[tokio::test]
async fn a_request_without_a_signature_is_told_all_that_it_lacks() {
    let (_gateway, mut browser) = with("signature", "keys=app1:0123456789abcdef").await;
    assert_eq!(
        browser.get("/echo").await.is_refused(401, -660),
        "a signed request needs X-App-Id, X-Timestamp, X-Nonce of 8 to 64 letters, digits, - and _, X-Signature"
    );
}

#[tokio::test]
async fn an_answer_becomes_a_page_that_follows_its_template() {
    let folder = Folder::new()
        .with("base.html", "[{% block body %}{% endblock %}]")
        .with(
            "page.html",
            "{% extends \"base.html\" %}{% block body %}{{ res.text }} {{ req.text }} {{ session.userId }}{% endblock %}",
        )
        .with("a.txt", "{{ res.text }}")
        .with("a.json.j2", "{\"t\":{{ res.text }}}")
        .with("broken.html", "{% if %}")
        .with(".hidden.html", "secret");
    let gateway = start(builder(&Site::default()).routes(with_templates(&folder))).await;
    let mut browser = Browser::of(&gateway).await;
    let said = browser.get("/page?text=%3Cb%3E").await;
    assert_eq!(
        (said.status, &*said.body),
        (200, &b"[&lt;b&gt; &lt;b&gt; ]"[..])
    );
    assert_eq!(
        said.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let said = browser.get("/page?text=%3Cb%3E&template=a.txt").await;
    assert_eq!(said.body, b"<b>");
    let said = browser.get("/page?text=%22&template=a.json.j2").await;
    assert_eq!(said.header("content-type"), Some("application/json"));
    assert_eq!(said.json(), json!({"t": "\""}));
    // It and what it is made of can change.
    folder.write("base.html", "({% block body %}{% endblock %}) changed");
    let said = browser.get("/page?text=x").await;
    assert_eq!(said.body, b"(x x ) changed");
    for name in [
        "none.html",
        "../page.html",
        ".hidden.html",
        "/etc/passwd",
        "broken.html",
        "a%5cb",
    ] {
        let said = browser.get(&format!("/page?template={name}")).await;
        assert_eq!(said.is_refused(500, -605), "internal error", "{name}");
    }
    assert_eq!(
        browser.get("/page?code=3&text=x").await.json()["text"],
        json!("x")
    );
    assert_eq!(
        browser.get("/page?status=404&text=x").await.json()["text"],
        json!("x")
    );
    browser.get("/page?code=x").await.is_refused(400, -625);
}

const SECRET: &str = "0123456789abcdef";

fn signed(method: &str, target: &str, nonce: &str, seconds_off: i64, body: &str) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let time = now as i64 + seconds_off;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    let digest = hex(&Sha256::digest(body));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{method}\n{path}\n{query}\napp\n{time}\n{nonce}\n{digest}").as_bytes());
    let tag = hex(&mac.finalize().into_bytes());
    let length = body.len();
    format!(
        "{method} {target} HTTP/1.1\r\nhost: a\r\nx-app-id: app\r\nx-timestamp: {time}\r\n\
         x-nonce: {nonce}\r\nx-signature: {tag}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn a_signed_request_is_let_in_once_and_no_other() {
    let params = format!("keys=app:{SECRET};window=60;idField=userId");
    let (_gateway, mut browser) = with("signature", &params).await;
    let mut ask = async |request: String| {
        browser.send(request).await;
        browser.hear().await
    };
    let good = signed("POST", "/echo?number=1", "nonce-01", 0, r#"{"text":"x"}"#);
    let said = ask(good.clone()).await.json();
    assert_eq!(
        (&said["text"], &said["userId"]),
        (&json!("x"), &json!("app"))
    );
    for (request, words) in [
        (good.clone(), "this request was here before"),
        (
            good.replace("nonce-01", "nonce-02"),
            "the signature is wrong",
        ),
        (
            good.replace("number=1", "number=2"),
            "the signature is wrong",
        ),
        (good.replace("\"x\"", "\"y\""), "the signature is wrong"),
        (
            signed("GET", "/echo", "nonce-03", -62, ""),
            "the timestamp is not of now",
        ),
        (
            signed("GET", "/echo", "nonce-04", 62, ""),
            "the timestamp is not of now",
        ),
        (
            signed("GET", "/echo", "short", 0, ""),
            "a signed request needs X-Nonce of 8 to 64 letters, digits, - and _",
        ),
        (
            good.replace("x-signature", "x-other"),
            "a signed request needs X-Signature",
        ),
        (
            "GET /echo HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
            "a signed request needs X-App-Id, X-Timestamp, X-Nonce of 8 to 64 letters, digits, - and _, X-Signature",
        ),
    ] {
        assert_eq!(ask(request).await.is_refused(401, -660), words);
    }
    assert_eq!(
        ask(signed("GET", "/echo", "nonce-05", -58, ""))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_client_that_sends_too_much_is_told_when_to_come_again() {
    let (_gateway, mut browser) = with("flowlimit", "3600=2").await;
    assert_eq!(browser.get("/echo").await.status, 200);
    assert_eq!(browser.get("/page").await.status, 200);
    let said = browser.get("/echo").await;
    said.is_refused(429, -628);
    let seconds: u64 = said.header("retry-after").unwrap().parse().unwrap();
    assert!((3590..=3600).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn what_a_plugin_is_told_wrongly_is_a_mistake() {
    for (plugin, params, words) in [
        ("cors", "origin=a.com", "params: there is no `origin`"),
        (
            "jsonp",
            "x",
            "params: expected name=value, but there is `x`",
        ),
        (
            "signature",
            "window=1",
            "params: keys or keyFile is missing",
        ),
        ("template", "cache=true", "params: there is no `cache`"),
    ] {
        let error = builder(&Site::default())
            .routes(routes(plugin, params))
            .bind()
            .await;
        let error = error.unwrap_err().to_string();
        assert_eq!(error, format!("plugin {plugin}: {words}"));
    }
    let error = builder(&Site::default())
        .routes(routes("flowlimit", ""))
        .bind()
        .await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.starts_with("plugin flowlimit: ``: expected seconds=calls"),
        "{error}"
    );
}
