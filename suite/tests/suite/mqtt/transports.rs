//! What MQTT goes through: TCP in pieces, WebSocket, TLS.

use futures_util::{SinkExt, StreamExt};
use tangelo::connector::Mqtt;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use super::{
    ECHO, VERSIONS,
    client::{Client, connect, text},
    serve,
};
use crate::world::{door, soon};

#[tokio::test]
async fn packets_come_in_any_pieces() {
    let server = serve(Mqtt::new()).await;
    for version in VERSIONS {
        let mut client = Client::new(&server, version).await;
        let publish = client.publishing(&format!("$request/1/{ECHO}"), 0, 0, &[], b"[1]");
        for byte in &publish {
            client.send(&[*byte]).await;
        }
        assert_eq!(client.published().await.payload, "[1]");
        client.send(&publish.repeat(100)).await;
        for _ in 0..100 {
            assert_eq!(client.published().await.payload, "[1]");
        }
    }
}

#[tokio::test]
async fn a_websocket_carries_packets_whatever_its_messages_are() {
    let server = serve(Mqtt::new()).await;
    for version in VERSIONS {
        let mut request = format!("ws://{}/mqtt", door(&server))
            .into_client_request()
            .unwrap();
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", "mqtt".parse().unwrap());
        let stream = tokio::net::TcpStream::connect(door(&server)).await.unwrap();
        let (mut socket, answer) = tokio_tungstenite::client_async(request, stream)
            .await
            .unwrap();
        assert_eq!(answer.headers()["Sec-WebSocket-Protocol"], "mqtt");
        let helper = Client::over(tokio::io::empty(), version);
        let publish = helper.publishing(ECHO, 1, 7, &[], b"[1]");
        let said = [connect(version, 60, &[], &text("me")), publish].concat();
        for part in said.chunks(9) {
            socket
                .send(Message::Binary(part.to_vec().into()))
                .await
                .unwrap();
        }
        let mut heard = Vec::new();
        while !heard.windows(2).any(|bytes| bytes == [0, 7]) {
            let message = soon("an answer", socket.next()).await.unwrap().unwrap();
            heard.extend_from_slice(&message.into_data());
        }
        assert_eq!(heard[0], 0x20);
        socket.send(Message::Text("text".into())).await.unwrap();
        while let Some(Ok(_)) = soon("the end", socket.next()).await {}
    }
}
