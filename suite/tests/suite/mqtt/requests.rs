//! What clients publish reaches handlers.

use serde_json::Value;
use tangelo::{
    connector::Mqtt,
    server::{Handlers, Json},
};

use super::{
    ECHO, VERSIONS, blueprint,
    client::{Client, Published, text},
    serve,
};
use crate::world::{Heard, Hold, alone, connector};

/// A response topic, and correlation data.
fn wanted(topic: &str, correlation: &str) -> Vec<u8> {
    [&[8][..], &text(topic), &[9], &text(correlation)].concat()
}

#[tokio::test]
async fn what_is_published_with_qos_0_is_a_notify_to_the_route_of_its_topic() {
    let mut heard = Heard::new();
    let tell = heard.teller();
    let handlers = Handlers::new().add("hear", move |Json(body): Json<Value>| {
        tell(body);
        async {}
    });
    let server = alone(connector(handlers).connector(Mqtt::new())).await;
    for version in VERSIONS {
        let mut client = Client::new(&server, version).await;
        for topic in ["connector/main/hear", "connector.main.hear"] {
            client.publish(topic, 0, br#"{"of":1}"#).await;
            assert_eq!(
                heard.next("it is heard").await,
                serde_json::json!({"of": 1})
            );
        }
        client.hears_nothing().await;
    }
}

#[tokio::test]
async fn what_is_published_with_qos_1_is_acknowledged_when_it_was_handled() {
    let hold = Hold::new();
    let handlers = Handlers::new().add("wait", hold.handler());
    let server = alone(connector(handlers).connector(Mqtt::new())).await;
    for version in VERSIONS {
        let mut client = Client::new(&server, version).await;
        let id = client.publish("connector/main/wait", 1, b"{}").await;
        hold.entered(1).await;
        client.hears_nothing().await;
        hold.release(1);
        assert_eq!(client.acknowledged(id).await, 0);
    }
}

#[tokio::test]
async fn an_acknowledgement_of_mqtt_5_tells_a_failure() {
    let server = serve(Mqtt::new()).await;
    for (topic, payload, reason) in [
        (ECHO, &b"1"[..], 0),
        ("connector/main/nobody", b"1", 0x90),
        ("connector/main/fail", b"1", 0x80),
        (ECHO, b"{", 0x99),
    ] {
        let mut client = Client::new(&server, 5).await;
        let id = client.publish(topic, 1, payload).await;
        assert_eq!(client.acknowledged(id).await, reason, "{topic}");
        let mut client = Client::new(&server, 4).await;
        let id = client.publish(topic, 1, payload).await;
        client.acknowledged(id).await;
    }
}

#[tokio::test]
async fn what_has_surely_not_run_is_not_acknowledged_as_if_it_had() {
    let hold = Hold::new();
    let handlers = Handlers::new().add("wait", hold.handler());
    let blueprint = connector(handlers).connector(Mqtt::new());
    let server = alone(blueprint.change_limits(|limits| limits.in_flight = 1)).await;
    let mut client = Client::new(&server, 5).await;
    client.publish("connector/main/wait", 0, b"{}").await;
    hold.entered(1).await;
    let id = client.publish(ECHO, 1, b"1").await;
    assert_eq!(client.acknowledged(id).await, 0x97);
    let mut client = Client::new(&server, 4).await;
    client.publish("connector/main/wait", 0, b"{}").await;
    hold.entered(1).await;
    // Whose answer tells it is acknowledged.
    let id = client.publish(&format!("$request/1/{ECHO}"), 1, b"1").await;
    client.published().await;
    assert_eq!(client.acknowledged(id).await, 0);
    client.publish(ECHO, 1, b"1").await;
    client.is_cut().await;
    hold.release(2);
}

#[tokio::test]
async fn a_request_of_mqtt_5_is_answered_under_its_response_topic() {
    let server = serve(Mqtt::new()).await;
    let mut client = Client::new(&server, 5).await;
    let expected = Published {
        topic: "my/answers".to_owned(),
        payload: "[1]".to_owned(),
        id: 0,
        properties: [&[9][..], &text("seven")].concat(),
    };
    client
        .publish_with(ECHO, 0, &wanted("my/answers", "seven"), b"[1]")
        .await;
    assert_eq!(client.published().await, expected);
    // With QoS 1 so is the answer, and the request is acknowledged behind it.
    let id = client
        .publish_with(ECHO, 1, &wanted("my/answers", "seven"), b"[1]")
        .await;
    assert_eq!(client.published().await, Published { id: 1, ..expected });
    assert_eq!(client.acknowledged(id).await, 0);
    // A failure is an answer.
    client
        .publish_with("nowhere/at/all", 0, &wanted("a", "x"), b"")
        .await;
    let answer: Value = serde_json::from_str(&client.published().await.payload).unwrap();
    assert_eq!(answer["code"], 404);
}

#[tokio::test]
async fn a_request_in_the_topic_is_answered_under_its_id_in_both_versions() {
    let server = serve(Mqtt::new()).await;
    for version in VERSIONS {
        let mut client = Client::new(&server, version).await;
        for id in ["7", "seven"] {
            client
                .publish(&format!("$request/{id}/{ECHO}"), 0, b"[1]")
                .await;
            let expected = Published {
                topic: format!("$response/{id}"),
                payload: "[1]".to_owned(),
                ..Published::default()
            };
            assert_eq!(client.published().await, expected);
        }
        client.publish("$request/7", 0, b"[1]").await;
        client.is_cut_for(0x90).await;
    }
}

#[tokio::test]
async fn payloads_need_not_be_json() {
    let server = serve(Mqtt::new()).await;
    for version in VERSIONS {
        let mut client = Client::new(&server, version).await;
        client
            .publish("$request/1/connector/main/raw", 0, b"plain")
            .await;
        assert_eq!(client.published().await.payload, "plain");
    }
}

#[tokio::test]
async fn requests_are_answered_each_where_it_asks_for_whatever_their_order() {
    let hold = Hold::new();
    let wait = hold.handler();
    let server = alone(blueprint(Mqtt::new()).handler("late", Handlers::new().add("wait", wait)));
    let mut client = Client::new(&server.await, 4).await;
    client
        .publish("$request/slow/connector/late/wait", 0, b"{}")
        .await;
    hold.entered(1).await;
    client
        .publish(&format!("$request/fast/{ECHO}"), 0, b"1")
        .await;
    assert_eq!(client.published().await.topic, "$response/fast");
    hold.release(1);
    assert_eq!(client.published().await.topic, "$response/slow");
}
