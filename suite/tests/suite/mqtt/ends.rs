//! How connections end, and who is told what.

use std::time::Duration;

use tangelo::{
    connector::Mqtt,
    server::{CloseReason, Handlers, Session},
};

use super::{
    VERSIONS, blueprint,
    client::{Client, packet, text},
};
use crate::world::{DEADLINE, Heard, alone, connector, soon};

#[tokio::test]
async fn a_client_that_disconnects_has_left() {
    let mut reasons = Heard::new();
    let tell = reasons.teller();
    let watched = blueprint(Mqtt::new()).on_close(move |_, reason| tell(reason.clone()));
    let server = alone(watched).await;
    for (version, goodbye) in [
        (4, packet(0xe0, &[])),
        (5, packet(0xe0, &[])),
        (5, packet(0xe0, &[0])),
        (5, packet(0xe0, &[4, 0])),
    ] {
        let mut client = Client::new(&server, version).await;
        client.send(&goodbye).await;
        client.is_cut().await;
        assert_eq!(reasons.next("it has left").await, CloseReason::Left);
    }
}

#[tokio::test]
async fn a_client_of_mqtt_5_is_told_why_it_is_kicked() {
    let kick = async |session: Session| -> tangelo::Result<()> {
        session.kick("cheating").await?;
        Ok(())
    };
    let handlers = Handlers::new().add("kick", kick);
    let server = alone(connector(handlers).connector(Mqtt::new())).await;
    let mut client = Client::new(&server, 5).await;
    client.publish("connector/main/kick", 0, b"{}").await;
    let reason = [&[0x98, 11, 31][..], &text("cheating")].concat();
    assert_eq!(client.hear().await, (0xe0, reason));
    client.is_cut().await;
    let mut client = Client::new(&server, 4).await;
    client.publish("connector/main/kick", 0, b"{}").await;
    client.is_cut().await;
}

#[tokio::test]
async fn a_server_that_leaves_says_so() {
    let server = alone(blueprint(Mqtt::new())).await;
    let mut clients = Vec::new();
    for version in VERSIONS {
        clients.push(Client::new(&server, version).await);
    }
    soon("it ends", server.shutdown(DEADLINE)).await;
    for mut client in clients {
        client.is_cut_for(0x8b).await;
    }
}

#[tokio::test]
async fn a_client_that_is_silent_for_half_as_long_again_as_its_keep_alive_is_cut() {
    let server = alone(blueprint(Mqtt::new())).await;
    for version in VERSIONS {
        let mut client = Client::silent(&server, version).await;
        client.enter(1, &[]).await;
        client.is_cut_for(0x8d).await;
    }
}

#[tokio::test]
async fn a_client_of_mqtt_5_is_told_a_keep_alive_that_is_not_its_own() {
    let keep_alive = Duration::from_secs(70);
    let server = alone(blueprint(Mqtt::new().keep_alive(keep_alive))).await;
    for (said, told) in [(0, true), (71, true), (70, false), (60, false)] {
        let mut client = Client::silent(&server, 5).await;
        let properties = client.enter(said, &[]).await;
        let is_told = properties.windows(3).any(|bytes| bytes == [19, 0, 70]);
        assert_eq!(is_told, told, "{said}");
    }
}

#[tokio::test]
async fn packets_that_have_no_place_here_end_the_connection() {
    let server = alone(blueprint(Mqtt::new())).await;
    for version in VERSIONS {
        for (bad, reason) in [
            // Those of servers, and of QoS 2.
            (packet(0x20, &[0, 0]), 0x81),
            (packet(0x62, &[0, 1]), 0x82),
            // Flags that must be as they are.
            (packet(0x80, &[0, 1, 0, 1, b'a', 0]), 0x81),
            (packet(0xc1, &[]), 0x81),
            // An id that is none.
            (packet(0x32, &[0, 1, b'a', 0, 0, 0]), 0x81),
            // A topic that can only be subscribed to.
            (packet(0x30, &[0, 1, b'#', 0]), 0x90),
            (packet(0xc0, &[1]), 0x81),
        ] {
            let mut client = Client::new(&server, version).await;
            client.send(&bad).await;
            if version == 5 {
                let (kind, body) = client.hear().await;
                assert_eq!(kind, 0xe0);
                assert!(body[0] == reason || body[0] == 0x82, "{bad:?} {body:?}");
            }
            client.is_cut().await;
        }
    }
}
