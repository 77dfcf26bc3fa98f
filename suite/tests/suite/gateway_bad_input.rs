//! What clients send that they should not: a clear answer, a bounded cost, and the next client notices nothing.

use std::time::Duration;

use tangelo_gateway::{Gateway, GatewayBuilder, Limits};
use tokio::io::AsyncWriteExt;

use crate::{
    gateway_world::{Browser, SHORT, Site, builder, gateway, start},
    world::until,
};

const JSON: &str = "application/json";

async fn limited(change: impl FnOnce(&mut Limits)) -> Gateway {
    let mut limits = Limits::default();
    change(&mut limits);
    let gateway: GatewayBuilder = builder(&Site::default()).limits(limits);
    start(gateway).await
}

/// Another client is served.
async fn stands(gateway: &Gateway) {
    assert_eq!(Browser::of(gateway).await.get("/echo").await.status, 200);
}

#[tokio::test]
async fn json_that_says_it_is_a_form_is_told_what_to_say() {
    let gateway = gateway().await;
    let mut browser = Browser::of(&gateway).await;
    let form = "application/x-www-form-urlencoded";
    let said = browser.post("/echo", form, r#"{"text":"a"}"#).await;
    let words = said.is_refused(400, -625);
    assert!(words.contains("Content-Type: application/json"), "{words}");
    let said = browser.post("/echo", "text/json", r#"{"text":"a"}"#).await;
    assert_eq!(said.json()["text"], "a");
}

#[tokio::test]
async fn what_is_no_http_is_answered_with_400_and_closed() {
    let gateway = gateway().await;
    for bytes in [
        "hello\r\n\r\n",
        "GET\r\n\r\n",
        "GET /a b HTTP/1.1\r\n\r\n",
        "GET /echo HTTP/1.1\r\nhost: a\r\nbroken\r\n\r\n",
        "GET /echo HTTP/1.1\r\nhost: a\r\nx y: z\r\n\r\n",
        "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n",
        "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        "POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n",
    ] {
        let mut browser = Browser::of(&gateway).await;
        browser.send(bytes).await;
        assert_eq!(browser.hear().await.status, 400, "{bytes:?}");
        browser.is_closed().await;
    }
    stands(&gateway).await;
}

#[tokio::test]
async fn a_transfer_coding_that_nobody_undoes_is_answered_with_501() {
    let gateway = gateway().await;
    let mut browser = Browser::of(&gateway).await;
    let lines = "host: a\r\ntransfer-encoding: gzip, chunked\r\n";
    let head = format!("POST /echo HTTP/1.1\r\n{lines}\r\n");
    browser.send(head + "2\r\n{}\r\n0\r\n\r\n").await;
    assert_eq!(browser.hear().await.status, 501);
    browser.is_closed().await;
}

#[tokio::test]
async fn a_method_that_begins_as_http_2_does_is_one_of_http_1() {
    let gateway = gateway().await;
    let mut browser = Browser::of(&gateway).await;
    browser.send("PRIX /echo HTTP/1.1\r\nhost: a\r\n\r\n").await;
    browser.hear().await.is_refused(405, -662);
}

#[tokio::test]
async fn a_host_that_can_be_read_in_two_ways_is_refused() {
    let gateway = gateway().await;
    for lines in [
        "",
        "host: a\r\nhost: b\r\n",
        "host: a@b\r\n",
        "host: a b\r\n",
        "host: a/b\r\n",
    ] {
        let mut browser = Browser::of(&gateway).await;
        browser
            .send(format!("GET /echo HTTP/1.1\r\n{lines}\r\n"))
            .await;
        browser.hear().await.is_refused(400, -625);
    }
}

#[tokio::test]
async fn headers_may_be_as_many_and_as_long_as_their_limits_and_no_more() {
    let gateway = limited(|limits| {
        limits.headers = 5;
        limits.header_bytes = 1000;
    })
    .await;
    let asks = async |lines: String| {
        let mut browser = Browser::of(&gateway).await;
        browser.get_with("/echo", &lines).await.status
    };
    assert_eq!(asks("a: b\r\n".repeat(4)).await, 200);
    assert_eq!(asks("a: b\r\n".repeat(5)).await, 431);
    let head = "GET /echo HTTP/1.1\r\nhost: localhost\r\na: \r\n\r\n".len();
    assert_eq!(
        asks(format!("a: {}\r\n", "x".repeat(1000 - head))).await,
        200
    );
    assert_eq!(
        asks(format!("a: {}\r\n", "x".repeat(1001 - head))).await,
        431
    );
    stands(&gateway).await;
}

#[tokio::test]
async fn endless_headers_are_cut_off_at_their_limit() {
    let gateway = gateway().await;
    let mut browser = Browser::of(&gateway).await;
    let (mut reading, mut writing) = browser.stream.into_split();
    let flood = async {
        let head = b"GET /echo HTTP/1.1\r\nhost: a\r\n";
        let mut sent = writing.write_all(head).await;
        while sent.is_ok() {
            sent = writing.write_all(&b"a: b\r\n".repeat(1000)).await;
        }
    };
    let hear = async {
        let mut said = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut reading, &mut said).await;
        String::from_utf8_lossy(&said).into_owned()
    };
    let (said, ()) = crate::world::soon("the end", async { tokio::join!(hear, flood) }).await;
    assert!(said.starts_with("HTTP/1.1 431 "), "{said}");
    browser = Browser::of(&gateway).await;
    assert_eq!(browser.get("/echo").await.status, 200);
}

#[tokio::test]
async fn headers_that_do_not_end_are_answered_with_408() {
    let gateway = limited(|limits| limits.header_time = SHORT).await;
    let mut browser = Browser::of(&gateway).await;
    // It has its time anew with each request, and does not need it while it has nothing to ask.
    assert_eq!(browser.get("/echo").await.status, 200);
    browser.send("GET /echo HTTP/1.1\r\nhost: a\r\n").await;
    let said = browser.hear().await;
    assert_eq!(
        said.is_refused(408, -625),
        "the headers have not come in time"
    );
    browser.is_closed().await;
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed_after_its_time() {
    let gateway = limited(|limits| limits.idle = SHORT).await;
    Browser::of(&gateway).await.is_closed().await;
    let mut browser = Browser::of(&gateway).await;
    assert_eq!(browser.get("/echo").await.status, 200);
    browser.is_closed().await;
    until("all are gone", || gateway.connections() == 0).await;
}

#[tokio::test]
async fn a_body_that_does_not_end_is_answered_with_408() {
    let gateway = limited(|limits| limits.content_time = SHORT).await;
    let mut browser = Browser::of(&gateway).await;
    browser
        .send("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{")
        .await;
    let said = browser.hear().await;
    assert!(said.is_refused(408, -625).contains("has not come within"));
    assert_eq!(said.header("connection"), Some("close"));
    browser.is_closed().await;
}

#[tokio::test]
async fn a_body_is_as_long_as_its_limit_and_no_longer() {
    let gateway = limited(|limits| limits.content_bytes = 20).await;
    let mut browser = Browser::of(&gateway).await;
    let body = |length: usize| format!("{:<length$}", r#"{"number":7}"#);
    assert_eq!(browser.post("/echo", JSON, body(20)).await.status, 200);
    let said = browser.post("/echo", JSON, body(21)).await;
    assert_eq!(
        said.is_refused(413, -663),
        "the body has more than 20 bytes"
    );
    browser.is_closed().await;
}

#[tokio::test]
async fn a_body_of_unknown_length_is_cut_off_at_its_limit() {
    let gateway = limited(|limits| limits.content_bytes = 20).await;
    let mut browser = Browser::of(&gateway).await;
    let head = "POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    browser
        .send(format!("{head}{}", "a\r\n0123456789\r\n".repeat(3)))
        .await;
    browser.hear().await.is_refused(413, -663);
    browser.is_closed().await;
    stands(&gateway).await;
}

#[tokio::test]
async fn an_oversized_body_is_not_read_and_its_client_hears_why() {
    let gateway = limited(|limits| limits.content_bytes = 20).await;
    let mut browser = Browser::of(&gateway).await;
    let head = "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 500000\r\n\r\n";
    browser.send(format!("{head}{}", "x".repeat(500_000))).await;
    browser.hear().await.is_refused(413, -663);
}

#[tokio::test]
async fn all_bodies_together_take_no_more_memory_than_they_may() {
    let gateway = limited(|limits| limits.contents_bytes = 100).await;
    let mut browser = Browser::of(&gateway).await;
    let head = "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 90\r\n\r\n";
    browser.send(format!("{head}{}", "x".repeat(80))).await;
    // The first one's is here when there is no room for another.
    let refused = async {
        loop {
            let mut other = Browser::of(&gateway).await;
            let said = other.post("/echo", "text/plain", "x".repeat(30)).await;
            if said.status != 200 {
                return said;
            }
        }
    };
    crate::world::soon("it is refused", refused)
        .await
        .is_refused(503, -623);
    browser.send("x".repeat(10)).await;
    assert_eq!(browser.hear().await.status, 200);
    stands(&gateway).await;
}

#[tokio::test]
async fn json_that_is_none_or_does_not_fit_is_answered_with_400_and_the_place() {
    let gateway = gateway().await;
    let mut browser = Browser::of(&gateway).await;
    for body in [
        "{",
        "[]",
        "7",
        "nul",
        r#"{"number":"seven"}"#,
        r#"{"number":1e99}"#,
        "\u{feff}{}",
    ] {
        let words = browser
            .post("/echo", JSON, body)
            .await
            .is_refused(400, -625);
        assert_eq!(
            words.contains("\"seven\""),
            body.contains("seven"),
            "{words}"
        );
        assert!(!words.is_empty(), "{body}");
    }
    assert_eq!(browser.post("/echo", JSON, "{}").await.status, 200);
}

#[tokio::test]
async fn deep_json_and_ten_thousand_keys_are_answered_with_400() {
    let gateway = gateway().await;
    let mut browser = Browser::of(&gateway).await;
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    browser
        .post("/echo", JSON, deep)
        .await
        .is_refused(400, -625);
    let keys: Vec<_> = (0..10_000).map(|key| format!(r#""k{key}":1"#)).collect();
    let many = format!("{{{}}}", keys.join(","));
    browser
        .post("/echo", JSON, many)
        .await
        .is_refused(400, -625);
    let form: Vec<_> = (0..10_000).map(|key| format!("k{key}=1")).collect();
    let form = form.join("&");
    let kind = "application/x-www-form-urlencoded";
    browser
        .post("/echo", kind, form)
        .await
        .is_refused(400, -625);
}

#[tokio::test]
async fn what_is_no_utf_8_is_answered_with_400() {
    let gateway = gateway().await;
    let mut browser = Browser::of(&gateway).await;
    browser
        .post("/echo", JSON, b"{\"text\":\"\xff\"}")
        .await
        .is_refused(400, -625);
    browser.get("/echo?text=%ff").await.is_refused(400, -625);
    browser.get("/echo/%ff").await.is_refused(400, -625);
}

#[tokio::test]
async fn paths_that_lead_upwards_are_refused_in_every_encoding() {
    let gateway = gateway().await;
    let mut browser = Browser::of(&gateway).await;
    for path in [
        "/echo/..",
        "/echo/../echo",
        "/echo/%2e%2e",
        "/echo/.%2E/x",
        "/echo/..%2fx",
        "/echo/..%5cx",
        "/echo/%00",
        "/echo/%0d%0ax",
        "/echo/%",
        "/echo/%zz",
    ] {
        browser.get(path).await.is_refused(400, -625);
    }
}

#[tokio::test]
async fn line_breaks_in_what_a_service_answers_are_no_headers_of_the_response() {
    let gateway = gateway().await;
    let mut browser = Browser::of(&gateway).await;
    let said = browser.get("/answer?note=a%0d%0aevil:+1").await;
    assert_eq!(said.status, 200);
    assert_eq!((said.header("evil"), said.header("x-note")), (None, None));
    let said = browser.get("/answer?note=fine").await;
    assert_eq!(said.header("x-note"), Some("fine"));
    assert_eq!(
        said.header("set-cookie")
            .map(|line| line.starts_with("Theme=fine")),
        Some(true)
    );
}

#[tokio::test]
async fn a_body_in_a_form_that_nobody_understands_is_answered_with_415() {
    let gateway = gateway().await;
    let mut browser = Browser::of(&gateway).await;
    browser
        .send(
            "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-encoding: br\r\ncontent-length: 1\r\n\r\nx",
        )
        .await;
    browser.hear().await.is_refused(415, -625);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_after_its_time() {
    let gateway = limited(|limits| limits.idle = Duration::from_millis(200)).await;
    let mut browser = Browser::of(&gateway).await;
    // More than sockets keep.
    let get = "GET /answer?length=900000 HTTP/1.1\r\nhost: a\r\n\r\n";
    browser.send(get.repeat(20)).await;
    until("it is gone", || gateway.connections() == 0).await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_and_those_within_are_served() {
    let gateway = limited(|limits| limits.connections = 2).await;
    let (mut one, mut two) = (Browser::of(&gateway).await, Browser::of(&gateway).await);
    assert_eq!(
        (one.get("/echo").await.status, two.get("/echo").await.status),
        (200, 200)
    );
    Browser::of(&gateway).await.is_closed().await;
    assert_eq!(one.get("/echo").await.status, 200);
    drop(two);
    until("there is a place", || gateway.connections() == 1).await;
    stands(&gateway).await;
}
