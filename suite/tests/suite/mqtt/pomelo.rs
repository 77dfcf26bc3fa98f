//! Everything to one route, as Pomelo's connector has it.

use serde_json::{Value, json};
use tangelo::{
    connector::Mqtt,
    server::{Json, Server, Session},
};

use super::{
    VERSIONS,
    client::{Client, Published, text},
    handlers,
};
use crate::world::{alone, connector};

/// Its handler answers with what it was told, as a publication to `told`; to `none` it answers with nothing of the
/// kind, and what is published to `push` it pushes.
async fn serve() -> Server {
    let publish = async |Json(told): Json<Value>,
                         session: Session|
           -> tangelo::Result<Json<Value>> {
        match told["topic"].as_str().unwrap() {
            "none" => Ok(Json(json!({"code": 500}))),
            "push" => {
                let said: Value = serde_json::from_str(told["payload"].as_str().unwrap()).unwrap();
                session.push("ignored", &said)?;
                Ok(Json(json!({})))
            }
            _ => Ok(Json(json!({"topic": "told", "payload": told, "qos": 0}))),
        }
    };
    let mqtt = Mqtt::new().publish_route("connector.main.publish");
    alone(connector(handlers().add("publish", publish)).connector(mqtt)).await
}

#[tokio::test]
async fn a_handler_is_told_the_whole_packet_and_its_answer_is_published() {
    let server = serve().await;
    for version in VERSIONS {
        let mut client = Client::new(&server, version).await;
        let id = client.publish("any/topic", 1, b"hi").await;
        let published = client.published().await;
        assert_eq!(published.topic, "told");
        let told: Value = serde_json::from_str(&published.payload).unwrap();
        let expected = json!({
            "topic": "any/topic", "payload": "hi", "qos": 1, "retain": false, "dup": false, "messageId": id,
        });
        assert_eq!(told, expected);
        assert_eq!(client.acknowledged(id).await, 0);
        let id = client.publish("none", 1, b"hi").await;
        let reason = client.acknowledged(id).await;
        assert_eq!(reason, if version == 5 { 0x80 } else { 0 });
        client.publish("any/topic", 0, b"hi").await;
        client.hears_nothing().await;
    }
}

#[tokio::test]
async fn what_wants_its_answer_elsewhere_gets_it_there() {
    let server = serve().await;
    let mut client = Client::new(&server, 5).await;
    let wanted = [&[8][..], &text("mine")].concat();
    client.publish_with("none", 0, &wanted, b"hi").await;
    let published = client.published().await;
    assert_eq!(
        (&*published.topic, &*published.payload),
        ("mine", r#"{"code":500}"#)
    );
}

#[tokio::test]
async fn a_push_that_says_its_topic_is_published_there_to_who_has_subscribed() {
    let server = serve().await;
    let mut client = Client::new(&server, 4).await;
    let said = json!({"topic": "a/b", "payload": "hi", "qos": 1}).to_string();
    client.publish("push", 0, said.as_bytes()).await;
    client.hears_nothing().await;
    assert_eq!(
        client.subscribe(&[("a/+", 1), ("ignored", 0)]).await,
        [1, 0]
    );
    client.publish("push", 0, said.as_bytes()).await;
    let expected = Published {
        topic: "a/b".to_owned(),
        payload: "hi".to_owned(),
        id: 1,
        properties: Vec::new(),
    };
    assert_eq!(client.published().await, expected);
    client.publish("push", 0, br#"{"other":1}"#).await;
    assert_eq!(client.published().await.topic, "ignored");
}
