//! CONNECT, and what is answered.

use tangelo::{
    Result,
    auth::bearer,
    connector::Mqtt,
    rpc::Status,
    server::{Body, Handlers, Session, Uid},
};

use super::{
    VERSIONS, blueprint,
    client::{Client, connect, connect_with, packet, text},
    serve,
};
use crate::world::alone;

#[tokio::test]
async fn a_client_is_let_in_and_one_of_mqtt_5_is_told_what_there_is() {
    let server = serve(Mqtt::new()).await;
    let mut client = Client::silent(&server, 4).await;
    assert!(client.enter(60, &[]).await.is_empty());
    client.hears_nothing().await;
    let mut client = Client::silent(&server, 5).await;
    let told = client.enter(60, &[]).await;
    // 32 messages under way, packets of 64 KiB; no sessions that last, QoS 1 at most, nothing retained, no
    // subscription identifiers, no shared subscriptions.
    let expected = [
        &[21][..],
        &[33, 0, 32],
        &[39, 0, 1, 0, 0],
        &[17, 0, 0, 0, 0],
        &[36, 1, 37, 0, 41, 0, 42, 0],
    ];
    assert_eq!(told, expected.concat());
    client.hears_nothing().await;
}

#[tokio::test]
async fn a_client_without_an_id_is_given_one_if_it_wants_nothing_kept() {
    let server = serve(Mqtt::new()).await;
    let mut client = Client::silent(&server, 5).await;
    client.send(&connect(5, 60, &[], &text(""))).await;
    let told = client.welcomed().await;
    let at = told
        .windows(11)
        .position(|bytes| bytes == b"\x12\0\x18tangelo-");
    assert_eq!(at, Some(told.len() - 27));

    let mut client = Client::silent(&server, 4).await;
    client.send(&connect(4, 60, &[], &text(""))).await;
    client.welcomed().await;

    let mut client = Client::silent(&server, 4).await;
    client.send(&connect_with(4, 0, 60, &[], &text(""))).await;
    assert_eq!(client.hear().await, (0x20, vec![0, 2]));
    client.is_cut().await;
}

#[tokio::test]
async fn other_versions_are_told_that_theirs_is_not_spoken() {
    let server = serve(Mqtt::new()).await;
    let old = [text("MQIsdp"), vec![3, 2, 0, 60], text("me")].concat();
    for first in [
        packet(0x10, &old),
        connect(3, 60, &[], &text("me")),
        connect(6, 60, &[], &text("me")),
    ] {
        let mut client = Client::silent(&server, 4).await;
        client.send(&first).await;
        assert_eq!(client.hear().await, (0x20, vec![0, 1]));
        client.is_cut().await;
    }
}

#[tokio::test]
async fn what_mqtt_5_may_ask_for_and_is_not_there_is_refused() {
    let server = serve(Mqtt::new()).await;
    let will = [text("me"), vec![0], text("topic"), text("payload")].concat();
    for (flags, properties, rest, reason) in [
        // Authentication in several steps.
        (2, [&[21][..], &text("SCRAM")].concat(), text("me"), 0x8c),
        // Wills of QoS 2, and retained ones.
        (0b0001_0110, Vec::new(), will.clone(), 0x9b),
        (0b0010_0110, Vec::new(), will.clone(), 0x9a),
    ] {
        let mut client = Client::silent(&server, 5).await;
        client
            .send(&connect_with(5, flags, 60, &properties, &rest))
            .await;
        assert_eq!(client.hear().await, (0x20, vec![0, reason, 0]));
        client.is_cut().await;
    }
    let mut client = Client::silent(&server, 5).await;
    client
        .send(&connect_with(5, 0b0000_0110, 60, &[], &will))
        .await;
    client.welcomed().await;
}

#[tokio::test]
async fn whatever_comes_first_and_is_no_connect_ends_the_connection() {
    let server = serve(Mqtt::new()).await;
    for first in [
        &[0xc0, 0][..],
        &[0x10, 2, 0, 9],
        &[4, 0, 0, 0],
        &[0x10, 0xff, 0xff, 0xff, 0xff],
    ] {
        let mut client = Client::silent(&server, 4).await;
        client.send(first).await;
        client.is_cut().await;
    }
}

#[tokio::test]
async fn a_second_connect_ends_the_connection() {
    let server = serve(Mqtt::new()).await;
    for version in VERSIONS {
        let mut client = Client::new(&server, version).await;
        client.send(&connect(version, 60, &[], &text("me"))).await;
        client.is_cut_for(0x82).await;
    }
}

#[tokio::test]
async fn what_is_sent_right_behind_connect_is_handled_behind_it() {
    let server = serve(Mqtt::new()).await;
    for version in VERSIONS {
        let mut client = Client::silent(&server, version).await;
        let publish = client.publishing(super::ECHO, 1, 7, &[], b"1");
        let both = [connect(version, 60, &[], &text("me")), publish].concat();
        for byte in both {
            client.send(&[byte]).await;
        }
        client.welcomed().await;
        assert_eq!(client.acknowledged(7).await, 0);
    }
}

#[tokio::test]
async fn a_password_is_a_token_and_one_that_does_not_count_is_refused() {
    async fn of_our_own(token: String) -> Result<Uid> {
        let uid = token.strip_prefix("device-");
        Ok(Uid::from(uid.ok_or_else(|| Status::new(401, "no device"))?))
    }
    async fn who(session: Session) -> Result<Body> {
        Ok(Body(session.uid()?.to_string().into()))
    }
    let who = Handlers::new().add("who", who);
    let blueprint = blueprint(Mqtt::new()).handler("device", who);
    let server = alone(blueprint.authenticate(bearer(of_our_own))).await;
    let showing = |version, password: Option<&str>| {
        let has_password = if password.is_some() { 0b1100_0000 } else { 0 };
        let mut rest = [text("me"), vec![]].concat();
        if let Some(password) = password {
            rest.extend([text("name"), text(password)].concat());
        }
        connect_with(version, 2 | has_password, 60, &[], &rest)
    };
    for (version, bad) in [(4, 4), (5, 0x86)] {
        let mut client = Client::silent(&server, version).await;
        client.send(&showing(version, Some("device-7"))).await;
        client.welcomed().await;
        let topic = "$request/1/connector/device/who";
        client.publish(topic, 0, b"").await;
        let answer = client.published().await;
        assert_eq!((&*answer.topic, &*answer.payload), ("$response/1", "7"));
        for password in [Some("nonsense"), None] {
            let mut client = Client::silent(&server, version).await;
            client.send(&showing(version, password)).await;
            let (kind, body) = client.hear().await;
            assert_eq!((kind, body[1]), (0x20, bad), "{password:?}");
            client.is_cut().await;
        }
    }
}
