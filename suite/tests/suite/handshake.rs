//! How a conversation begins.

use std::time::Duration;

use serde_json::json;
use tangelo::server::{Handlers, Limits};
use tangelo_wire::pomelo::package::Kind;
use tokio::{io::AsyncWriteExt, time::Instant};

use crate::{
    client::{Client, DOORS, Door, Said, connect, hello, package, request},
    world::{alone, client, connector, door, until},
};

const ECHO: &str = "connector.main.echo";

#[tokio::test]
async fn the_answer_has_code_200_and_the_heartbeat_in_seconds() {
    let server = alone(connector(Handlers::new()).heartbeat(Duration::from_secs(3))).await;
    for over in DOORS {
        let mut client = Client::silent(over, door(&server)).await;
        let answer = client.shake_hands().await;
        assert_eq!(answer, json!({ "code": 200, "sys": { "heartbeat": 3 } }));
    }
}

#[tokio::test]
async fn without_a_heartbeat_the_answer_names_none() {
    let server = alone(connector(Handlers::new())).await;
    for over in DOORS {
        let mut client = Client::silent(over, door(&server)).await;
        assert_eq!(
            client.shake_hands().await,
            json!({ "code": 200, "sys": {} })
        );
        client.was_ignored(ECHO).await;
    }
}

#[tokio::test]
async fn a_handshake_that_does_not_say_who_is_calling_is_answered_500_and_the_end() {
    let server = alone(connector(Handlers::new())).await;
    for over in DOORS {
        for body in ["", "no json", "{}", "[]", r#"{"user":{}}"#, r#"{"sys":1}"#] {
            let mut client = Client::silent(over, door(&server)).await;
            client.send(Kind::Handshake, body.as_bytes()).await;
            assert_eq!(
                client.hear().await,
                Said::Hello(json!({ "code": 500 })),
                "{body}"
            );
            client.is_closed().await;
        }
    }
}

#[tokio::test]
async fn what_is_said_before_the_acknowledgement_is_ignored() {
    let server = alone(connector(Handlers::new())).await;
    for over in DOORS {
        let mut client = Client::silent(over, door(&server)).await;
        client.send_bytes(&request(1, ECHO, b"{}")).await;
        client.send(Kind::HandshakeAck, b"").await;
        client.send(Kind::Heartbeat, b"").await;
        client.send(Kind::Handshake, hello().as_bytes()).await;
        client.send_bytes(&request(2, ECHO, b"{}")).await;
        client.send(Kind::Heartbeat, b"").await;
        assert!(matches!(client.hear().await, Said::Hello(_)));
        client.send_bytes(&request(3, ECHO, b"{}")).await;
        client.send(Kind::HandshakeAck, b"").await;
        client.was_ignored(ECHO).await;
    }
}

#[tokio::test]
async fn a_second_handshake_is_ignored() {
    let server = alone(connector(Handlers::new())).await;
    for over in DOORS {
        let mut client = Client::silent(over, door(&server)).await;
        client.send(Kind::Handshake, hello().as_bytes()).await;
        client.send(Kind::Handshake, b"{}").await;
        client.send(Kind::HandshakeAck, b"").await;
        client.send(Kind::Handshake, hello().as_bytes()).await;
        client.send(Kind::HandshakeAck, b"").await;
        assert!(matches!(client.hear().await, Said::Hello(_)));
        client.was_ignored(ECHO).await;
    }
}

#[tokio::test]
async fn over_tcp_everything_may_come_a_byte_at_a_time() {
    let server = alone(connector(Handlers::new())).await;
    let mut client = Client::silent(Door::Tcp, door(&server)).await;
    for byte in package(Kind::Handshake, hello().as_bytes()) {
        client.send_bytes(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert!(matches!(client.hear().await, Said::Hello(_)));
    client.send(Kind::HandshakeAck, b"").await;
    for byte in request(1, ECHO, b"[7]") {
        client.send_bytes(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.reply(1).await, json!([7]));
}

#[tokio::test]
async fn the_whole_handshake_may_come_with_the_first_request() {
    let server = alone(connector(Handlers::new())).await;
    for over in DOORS {
        let mut client = Client::silent(over, door(&server)).await;
        let mut all = package(Kind::Handshake, hello().as_bytes()).to_vec();
        all.extend_from_slice(&package(Kind::HandshakeAck, b""));
        all.extend_from_slice(&request(1, ECHO, b"[1]"));
        all.extend_from_slice(&request(2, ECHO, b"[2]"));
        client.send_bytes(&all).await;
        assert!(matches!(client.hear().await, Said::Hello(_)));
        assert_eq!(client.reply(1).await, json!([1]));
        assert_eq!(client.reply(2).await, json!([2]));
    }
}

#[tokio::test]
async fn packages_in_a_text_message_are_packages() {
    let server = alone(connector(Handlers::new())).await;
    let mut client = client(&server, Door::WebSocket).await;
    client.send_text(&request(1, ECHO, b"[1]")).await;
    assert_eq!(client.reply(1).await, json!([1]));
}

#[tokio::test]
async fn a_websocket_message_that_ends_within_a_package_ends_the_connection() {
    let server = alone(connector(Handlers::new())).await;
    let whole = request(1, ECHO, b"[1]");
    for length in [1, 3, 4, whole.len() - 1] {
        let mut client = client(&server, Door::WebSocket).await;
        client.send_bytes(whole.get(..length).unwrap()).await;
        client.is_closed().await;
    }
    // An empty one has none to end within.
    let mut client = client(&server, Door::WebSocket).await;
    client.send_bytes(b"").await;
    client.was_ignored(ECHO).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_finish_the_handshake_in_time_is_cut_off() {
    let server = alone(connector(Handlers::new())).await;
    let opened = Instant::now();
    let mut says_nothing = Client::silent(Door::Tcp, door(&server)).await;
    let mut half_an_upgrade = connect(door(&server)).await;
    half_an_upgrade
        .write_all(b"GET / HTTP/1.1\r\n")
        .await
        .unwrap();
    let mut half_an_upgrade = Client::over(Door::Tcp, half_an_upgrade).await;
    let mut only_upgraded = Client::silent(Door::WebSocket, door(&server)).await;
    let mut not_acknowledged = Client::silent(Door::Tcp, door(&server)).await;
    not_acknowledged
        .send(Kind::Handshake, hello().as_bytes())
        .await;
    assert!(matches!(not_acknowledged.hear().await, Said::Hello(_)));

    let clients = [
        &mut says_nothing,
        &mut half_an_upgrade,
        &mut only_upgraded,
        &mut not_acknowledged,
    ];
    for client in clients {
        client.patience = Duration::from_secs(60);
        client.is_closed().await;
    }
    let waited = opened.elapsed();
    assert!(
        (Limits::HANDSHAKE..Limits::HANDSHAKE * 2).contains(&waited),
        "{waited:?}"
    );
    until("no session is left", || {
        server.context().sessions().count() == 0
    })
    .await;
}
