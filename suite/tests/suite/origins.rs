//! Which pages may open a WebSocket; and what else an opening may say.

use serde_json::json;
use tangelo::{
    connector::{Hybrid, Limits},
    server::{Handlers, Server},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    client::{Client, Door, connect},
    world::{alone, connector, door, soon},
};

const OPENING: &str = "GET /any HTTP/1.1\r\nHost: suite\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

async fn serving(hybrid: Hybrid) -> Server {
    alone(connector(Handlers::new()).connector(hybrid)).await
}

/// Opens with these headers as well; the head of the answer.
async fn open(server: &Server, headers: &str) -> (TcpStream, String) {
    let mut stream = connect(door(server)).await;
    let request = format!("{OPENING}{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let byte = soon("the opening is answered", stream.read_u8()).await;
        head.push(byte.unwrap().into());
    }
    (stream, head)
}

async fn status(server: &Server, headers: &str) -> u16 {
    let (_, head) = open(server, headers).await;
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn without_a_list_any_page_may_connect() {
    let server = serving(Hybrid::new()).await;
    assert_eq!(
        status(&server, "Origin: https://any.example\r\n").await,
        101
    );
    assert_eq!(status(&server, "Origin: null\r\n").await, 101);
}

#[tokio::test]
async fn pages_that_are_not_in_the_list_are_answered_403() {
    let hybrid = Hybrid::new().origins(["https://game.example", "http://localhost:8080"]);
    let server = serving(hybrid.unwrap()).await;
    for (origin, expected) in [
        ("Origin: https://game.example", 101),
        ("origin: HTTPS://Game.Example:443", 101),
        ("Origin: http://localhost:8080", 101),
        ("Origin: http://localhost", 403),
        ("Origin: https://evil.example", 403),
        ("Origin: https://game.example.evil.example", 403),
        ("Origin: null", 403),
        ("Origin:", 403),
        // One that is, and one that is not.
        (
            "Origin: https://game.example\r\nOrigin: https://evil.example",
            403,
        ),
    ] {
        let said = status(&server, &format!("{origin}\r\n")).await;
        assert_eq!(said, expected, "{origin}");
    }
}

#[tokio::test]
async fn who_names_no_page_is_no_browser_and_let_in() {
    let hybrid = Hybrid::new().origins(["https://game.example"]).unwrap();
    let server = serving(hybrid).await;
    assert_eq!(status(&server, "").await, 101);
    let mut tcp = Client::connect(Door::Tcp, door(&server)).await;
    assert_eq!(tcp.ask("connector.main.echo", &json!(1)).await, 1);
}

#[tokio::test]
async fn an_offer_to_compress_is_declined_and_what_is_compressed_ends_the_connection() {
    let server = serving(Hybrid::new()).await;
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    let (stream, head) = open(&server, offer).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(!head.to_lowercase().contains("extensions"), "{head}");
    let mut client = Client::upgraded(stream).await;
    client.shake_hands().await;
    assert_eq!(client.ask("connector.main.echo", &json!(1)).await, 1);

    let (mut stream, _) = open(&server, offer).await;
    // A whole binary message, masked, with the bit of compressed ones.
    stream
        .write_all(&[0xc2, 0x81, 0, 0, 0, 0, 1])
        .await
        .unwrap();
    let mut heard = Vec::new();
    let _ = soon("it is closed", stream.read_to_end(&mut heard)).await;
}

#[tokio::test]
async fn an_opening_has_so_many_bytes_and_so_many_headers() {
    let server = serving(Hybrid::new()).await;
    // The name of the header and two line ends beside what fills it.
    let around = OPENING.len() + "X: \r\n\r\n".len();
    let filled = |bytes: usize| format!("X: {}\r\n", "x".repeat(bytes - around));
    assert_eq!(status(&server, &filled(Limits::UPGRADE_REQUEST)).await, 101);
    assert_eq!(
        status(&server, &filled(Limits::UPGRADE_REQUEST + 1)).await,
        431
    );
    let own = OPENING.lines().count() - 1;
    let headers = |count: usize| "X: y\r\n".repeat(count - own);
    assert_eq!(
        status(&server, &headers(Limits::UPGRADE_HEADERS)).await,
        101
    );
    assert_eq!(
        status(&server, &headers(Limits::UPGRADE_HEADERS + 1)).await,
        431
    );
}
