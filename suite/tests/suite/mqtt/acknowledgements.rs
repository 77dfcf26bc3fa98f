//! Messages of QoS 1 under way, in both directions.

use std::time::Duration;

use serde_json::json;
use tangelo::connector::{Limits, Mqtt, MqttLimits};

use super::{
    ECHO, VERSIONS, blueprint,
    client::{Client, Published},
    serve,
};
use crate::world::{Hold, alone, connector};
use tangelo::server::{CloseReason, Handlers};

fn few(in_flight: u16) -> Mqtt {
    Mqtt::new().mqtt_limits(MqttLimits {
        in_flight,
        ..MqttLimits::default()
    })
}

/// What is pushed as `a`, with this id.
async fn is_pushed(client: &mut Client, payload: &str, id: u16) {
    let expected = Published {
        topic: "a".to_owned(),
        payload: payload.to_owned(),
        id,
        properties: Vec::new(),
    };
    assert_eq!(client.published().await, expected);
}

#[tokio::test]
async fn what_is_pushed_past_the_limit_waits_until_others_were_acknowledged() {
    let server = serve(few(2)).await;
    for version in VERSIONS {
        let mut client = Client::new(&server, version).await;
        client.subscribe(&[("a", 1)]).await;
        for number in 1..=3 {
            client.have_pushed("a", json!(number)).await;
        }
        is_pushed(&mut client, "1", 1).await;
        is_pushed(&mut client, "2", 2).await;
        client.hears_nothing().await;
        client.acknowledge(1).await;
        is_pushed(&mut client, "3", 3).await;
        client.acknowledge(2).await;
        client.hears_nothing().await;
    }
}

#[tokio::test]
async fn a_client_of_mqtt_5_may_want_fewer_at_once() {
    let server = serve(few(2)).await;
    let mut client = Client::silent(&server, 5).await;
    client.enter(0, &[33, 0, 1]).await;
    client.subscribe(&[("a", 1)]).await;
    client.have_pushed("a", json!(1)).await;
    client.have_pushed("a", json!(2)).await;
    is_pushed(&mut client, "1", 1).await;
    client.hears_nothing().await;
    client.acknowledge(1).await;
    is_pushed(&mut client, "2", 2).await;
}

#[tokio::test]
async fn a_client_that_acknowledges_nothing_is_cut_when_too_much_waits_for_it() {
    let (mut reasons, limits) = (crate::world::Heard::new(), Limits::default());
    let tell = reasons.teller();
    let mqtt = few(1).limits(Limits {
        outgoing: 1000,
        ..limits
    });
    let watched = blueprint(mqtt).on_close(move |_, reason| tell(reason.clone()));
    let server = alone(watched).await;
    let mut client = Client::new(&server, 4).await;
    client.subscribe(&[("a", 1)]).await;
    client.have_pushed("a", json!("first")).await;
    is_pushed(&mut client, "\"first\"", 1).await;
    // Past the limit only with what comes behind this one.
    client.have_pushed("a", json!("x".repeat(1000))).await;
    client.hears_nothing().await;
    client.have_pushed("a", json!("too much")).await;
    client.is_cut().await;
    let reason = reasons.next("the session ends").await;
    let CloseReason::Failed(reason) = reason else {
        panic!("{reason:?}");
    };
    assert!(
        reason.contains("more waits for the client than may"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_client_of_mqtt_3_that_publishes_past_the_limit_is_read_when_there_is_room() {
    let hold = Hold::new();
    let handlers = Handlers::new().add("wait", hold.handler());
    let server = alone(connector(handlers).connector(few(2))).await;
    let mut client = Client::new(&server, 4).await;
    for _ in 0..3 {
        client.publish("connector/main/wait", 1, b"{}").await;
    }
    hold.entered(2).await;
    hold.release(1);
    let (kind, _) = client.hear().await;
    assert_eq!(kind, 0x40);
    hold.entered(1).await;
    hold.release(2);
    for _ in 0..2 {
        assert_eq!(client.hear().await.0, 0x40);
    }
}

#[tokio::test]
async fn a_client_of_mqtt_5_that_publishes_past_the_limit_is_cut() {
    let hold = Hold::new();
    let handlers = Handlers::new().add("wait", hold.handler());
    let server = alone(connector(handlers).connector(few(2))).await;
    let mut client = Client::new(&server, 5).await;
    for _ in 0..2 {
        client.publish("connector/main/wait", 1, b"{}").await;
    }
    hold.entered(2).await;
    client.hears_nothing().await;
    client.publish("connector/main/wait", 1, b"{}").await;
    client.is_cut_for(0x93).await;
    hold.release(2);
}

#[tokio::test]
async fn what_is_published_again_before_it_was_acknowledged_is_handled_once() {
    let hold = Hold::new();
    let handlers = Handlers::new().add("wait", hold.handler());
    let server = alone(connector(handlers).connector(Mqtt::new())).await;
    for version in VERSIONS {
        let mut client = Client::new(&server, version).await;
        let mut again = client.publishing("connector/main/wait", 1, 7, &[], b"{}");
        client.send(&again).await;
        hold.entered(1).await;
        again[0] |= 8;
        client.send(&again).await;
        client.hears_nothing().await;
        hold.release(1);
        assert_eq!(client.acknowledged(7).await, 0);
        // The id is free again.
        let next = client.publishing(ECHO, 1, 7, &[], b"1");
        client.send(&next).await;
        assert_eq!(client.acknowledged(7).await, 0);
    }
    let none = tokio::time::timeout(Duration::ZERO, hold.entered(1)).await;
    assert!(none.is_err(), "it was handled twice");
}
