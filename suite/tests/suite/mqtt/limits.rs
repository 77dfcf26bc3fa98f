//! Every limit, at it and past it; and what there is not.

use tangelo::connector::{Limits, Mqtt, MqttLimits};

use super::{
    VERSIONS,
    client::{Client, connect, text},
    serve,
};

const RAW: &str = "$request/1/connector/main/raw";

/// As many bytes of payload as make a packet as long as this behind its header.
fn filling(version: u8, length: usize) -> Vec<u8> {
    let properties = usize::from(version == 5);
    vec![b'x'; length - 2 - RAW.len() - properties]
}

#[tokio::test]
async fn a_packet_may_be_as_long_as_the_limit_and_no_longer() {
    let limits = Limits {
        package: 300,
        ..Limits::default()
    };
    let server = serve(Mqtt::new().limits(limits)).await;
    for version in VERSIONS {
        let mut client = Client::new(&server, version).await;
        client.publish(RAW, 0, &filling(version, 300)).await;
        client.published().await;
        client.publish(RAW, 0, &filling(version, 301)).await;
        client.is_cut_for(0x95).await;
    }
}

#[tokio::test]
async fn before_a_client_is_let_in_it_may_say_four_kibibytes() {
    let server = serve(Mqtt::new()).await;
    for (length, is_welcome) in [
        (Limits::BEFORE_HANDSHAKE, true),
        (Limits::BEFORE_HANDSHAKE + 1, false),
    ] {
        let mut client = Client::silent(&server, 4).await;
        let name = "x".repeat(length - 10 - 4 - 2);
        let mut connect = connect(4, 60, &[], &[text("me"), text(&name)].concat());
        // A user name comes.
        connect[3 + 7] = 0x82;
        client.send(&connect).await;
        match is_welcome {
            true => drop(client.welcomed().await),
            false => client.is_cut().await,
        }
    }
}

#[tokio::test]
async fn a_topic_may_be_as_long_as_the_limit_and_no_longer() {
    let server = serve(Mqtt::new().mqtt_limits(MqttLimits {
        topic: RAW.len(),
        ..MqttLimits::default()
    }))
    .await;
    for version in VERSIONS {
        let mut client = Client::new(&server, version).await;
        client.publish(RAW, 0, b"1").await;
        client.published().await;
        let longest = "x".repeat(RAW.len());
        let longer = format!("{longest}x");
        let refused = if version == 5 { 0x8f } else { 0x80 };
        let granted = client.subscribe(&[(&longest, 0), (&longer, 0)]).await;
        assert_eq!(granted, [0, refused]);
        client.publish(&longer, 0, b"1").await;
        client.is_cut_for(0x90).await;
    }
}

#[tokio::test]
async fn an_id_of_a_client_and_correlation_data_are_as_long_as_a_topic() {
    let server = serve(Mqtt::new()).await;
    let longest = "x".repeat(MqttLimits::default().topic);
    let longer = format!("{longest}x");
    for (version, refusal) in [(4, vec![0, 2]), (5, vec![0, 0x85, 0])] {
        let mut client = Client::silent(&server, version).await;
        client
            .send(&connect(version, 60, &[], &text(&longest)))
            .await;
        client.welcomed().await;
        let mut client = Client::silent(&server, version).await;
        client
            .send(&connect(version, 60, &[], &text(&longer)))
            .await;
        assert_eq!(client.hear().await, (0x20, refusal));
        client.is_cut().await;
    }
    for (data, is_good) in [(longest, true), (longer, false)] {
        let mut client = Client::new(&server, 5).await;
        let properties = [&[8][..], &text("a"), &[9], &text(&data)].concat();
        // Their length takes two bytes here.
        let length = [properties.len() as u8 | 0x80, (properties.len() >> 7) as u8];
        let body = [&text(super::ECHO)[..], &length, &properties, b"1"].concat();
        client.send(&super::client::packet(0x30, &body)).await;
        match is_good {
            true => assert_eq!(client.hear().await.0, 0x30),
            false => client.is_cut_for(0x97).await,
        }
    }
}

#[tokio::test]
async fn there_are_as_many_subscriptions_as_the_limit_and_no_more() {
    let server = serve(Mqtt::new().mqtt_limits(MqttLimits {
        subscriptions: 2,
        ..MqttLimits::default()
    }))
    .await;
    for (version, refused) in [(4, 0x80), (5, 0x97)] {
        let mut client = Client::new(&server, version).await;
        let granted = client.subscribe(&[("a", 0), ("b", 0), ("c", 0)]).await;
        assert_eq!(granted, [0, 0, refused]);
        // The same one again is none more.
        assert_eq!(client.subscribe(&[("a", 1)]).await, [1]);
        client.unsubscribe("a").await;
        assert_eq!(client.subscribe(&[("c", 0)]).await, [0]);
    }
}

#[tokio::test]
async fn qos_2_ends_the_connection_and_so_does_what_else_mqtt_5_was_told_not_to_do() {
    let server = serve(Mqtt::new()).await;
    for version in VERSIONS {
        let mut client = Client::new(&server, version).await;
        client.publish(super::ECHO, 2, b"1").await;
        client.is_cut_for(0x9b).await;
    }
    let mut client = Client::new(&server, 5).await;
    let mut retained = client.publishing(super::ECHO, 0, 0, &[], b"1");
    retained[0] |= 1;
    client.send(&retained).await;
    client.is_cut_for(0x9a).await;
    // MQTT 3.1.1 was told nothing: it is as if it had not been said.
    let mut client = Client::new(&server, 4).await;
    let mut retained = client.publishing(RAW, 0, 0, &[], b"1");
    retained[0] |= 1;
    client.send(&retained).await;
    client.published().await;

    let mut client = Client::new(&server, 5).await;
    client.publish_with(super::ECHO, 0, &[35, 0, 1], b"1").await;
    client.is_cut_for(0x94).await;
    let mut client = Client::new(&server, 5).await;
    let subscribe = [&[0, 1, 2, 11, 7][..], &text("a"), &[0]].concat();
    client.send(&super::client::packet(0x82, &subscribe)).await;
    client.is_cut_for(0xa1).await;
}
