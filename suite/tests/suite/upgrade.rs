//! The HTTP request that opens a WebSocket.

use serde_json::json;
use tangelo::server::Handlers;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    client::{Client, connect},
    world::{alone, connector, door, soon},
};

const OPENING: &str = "GET /any HTTP/1.1\r\nHost: suite\r\nUpgrade: websocket\r\n\
    Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Everything the server says until it closes.
async fn answer_to(request: &str) -> String {
    let server = alone(connector(Handlers::new())).await;
    let mut stream = connect(door(&server)).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // What was not read of a long request makes the end of the connection a reset.
    let _ = soon("the connection ends", stream.read_to_end(&mut answer)).await;
    String::from_utf8(answer).unwrap()
}

/// The head of the answer to an opening that succeeds.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let byte = soon("the opening is answered", stream.read_u8()).await;
        head.push(byte.unwrap().into());
    }
    head
}

#[tokio::test]
async fn a_page_asked_for_is_answered_426_and_the_end() {
    let answer = answer_to("GET / HTTP/1.1\r\nHost: suite\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
}

#[tokio::test]
async fn another_version_of_websocket_is_answered_426() {
    let request = OPENING.replace("Version: 13", "Version: 8") + "\r\n";
    let answer = answer_to(&request).await;
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    assert!(answer.contains("Sec-WebSocket-Version: 13\r\n"), "{answer}");
}

#[tokio::test]
async fn another_method_is_answered_405_and_the_end() {
    let answer = answer_to("POST / HTTP/1.1\r\nHost: suite\r\nContent-Length: 0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
}

#[tokio::test]
async fn an_opening_without_a_key_is_answered_400() {
    let request = OPENING.replace("Sec-WebSocket-Key", "X-Key") + "\r\n";
    assert!(answer_to(&request).await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn what_begins_like_http_and_is_none_is_answered_400() {
    let answer = answer_to("HELO suite\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[tokio::test]
async fn a_request_without_an_end_is_answered_431_and_the_end() {
    let request = format!("{OPENING}X-Long: {}", "x".repeat(16 << 10));
    let answer = answer_to(&request).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn the_first_sub_protocol_asked_for_is_chosen() {
    let server = alone(connector(Handlers::new())).await;
    let mut stream = connect(door(&server)).await;
    let request = format!("{OPENING}Sec-WebSocket-Protocol: pomelo, other\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(
        head.contains("\r\nSec-WebSocket-Protocol: pomelo\r\n"),
        "{head}"
    );
    // RFC 6455's own example.
    assert!(
        head.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
        "{head}"
    );
}

#[tokio::test]
async fn the_opening_may_come_a_byte_at_a_time() {
    let server = alone(connector(Handlers::new())).await;
    let mut stream = connect(door(&server)).await;
    for byte in format!("{OPENING}\r\n").bytes() {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let head = head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(!head.contains("Sec-WebSocket-Protocol"), "{head}");
    let mut client = Client::upgraded(stream).await;
    client.shake_hands().await;
    assert_eq!(client.ask("connector.main.echo", &json!(1)).await, 1);
}
