//! What the server pushes reaches who has subscribed to it.

use serde_json::{Value, json};
use tangelo::{
    connector::Mqtt,
    server::{Channels, Handlers, Json, Session},
};

use super::{
    VERSIONS,
    client::{Client, Published},
    handlers, serve,
};
use crate::world::{Heard, alone, connector};

fn pushed(topic: &str, payload: &str, id: u16) -> Published {
    Published {
        topic: topic.to_owned(),
        payload: payload.to_owned(),
        id,
        properties: Vec::new(),
    }
}

#[tokio::test]
async fn a_push_reaches_a_client_while_it_has_subscribed_to_its_topic() {
    let server = serve(Mqtt::new()).await;
    for version in VERSIONS {
        let mut client = Client::new(&server, version).await;
        client.have_pushed("onChat", json!(1)).await;
        client.hears_nothing().await;
        assert_eq!(client.subscribe(&[("onChat", 0)]).await, [0]);
        client.have_pushed("onChat", json!(2)).await;
        assert_eq!(client.published().await, pushed("onChat", "2", 0));
        client.have_pushed("onOther", json!(3)).await;
        client.hears_nothing().await;
        let told = client.unsubscribe("onChat").await;
        assert_eq!(told, if version == 5 { vec![0] } else { vec![] });
        let told = client.unsubscribe("onChat").await;
        assert_eq!(told, if version == 5 { vec![0x11] } else { vec![] });
        client.have_pushed("onChat", json!(4)).await;
        client.hears_nothing().await;
    }
}

#[tokio::test]
async fn wildcards_subscribe_to_many_topics_and_routes_have_slashes_there() {
    let server = serve(Mqtt::new()).await;
    for version in VERSIONS {
        let mut client = Client::new(&server, version).await;
        assert_eq!(
            client
                .subscribe(&[("game/+/moved", 0), ("news/#", 0)])
                .await,
            [0, 0]
        );
        client.have_pushed("game.7.moved", json!(1)).await;
        assert_eq!(client.published().await, pushed("game/7/moved", "1", 0));
        client.have_pushed("news", json!(2)).await;
        assert_eq!(client.published().await, pushed("news", "2", 0));
        client.have_pushed("game.7.8.moved", json!(3)).await;
        client.hears_nothing().await;
    }
}

#[tokio::test]
async fn a_push_has_the_qos_of_its_subscription_which_is_1_at_most() {
    let server = serve(Mqtt::new()).await;
    for version in VERSIONS {
        let mut client = Client::new(&server, version).await;
        assert_eq!(
            client.subscribe(&[("a", 1), ("b", 2), ("#", 0)]).await,
            [1, 1, 0]
        );
        for (route, id) in [("a", 1), ("b", 2), ("c", 0)] {
            client.have_pushed(route, json!(0)).await;
            assert_eq!(client.published().await, pushed(route, "0", id));
        }
    }
}

#[tokio::test]
async fn bad_filters_and_shared_ones_are_refused_alone() {
    let server = serve(Mqtt::new()).await;
    let filters = [("a/#/b", 0), ("$share/all/a", 0), ("a", 0), ("", 0)];
    let mut client = Client::new(&server, 4).await;
    assert_eq!(client.subscribe(&filters).await, [0x80, 0x80, 0, 0x80]);
    let mut client = Client::new(&server, 5).await;
    assert_eq!(client.subscribe(&filters).await, [0x8f, 0x9e, 0, 0x8f]);
}

#[tokio::test]
async fn a_push_that_nobody_could_subscribe_to_is_left_out() {
    let server = serve(Mqtt::new()).await;
    let mut client = Client::new(&server, 4).await;
    assert_eq!(client.subscribe(&[("#", 0)]).await, [0]);
    client.have_pushed("a+b", json!(1)).await;
    client.hears_nothing().await;
}

#[tokio::test]
async fn a_handler_grants_what_is_subscribed_to_and_joins_channels() {
    let mut heard = Heard::new();
    let (tell, left) = (heard.teller(), heard.teller());
    let join = move |Json(wanted): Json<Value>, session: Session, channels: Channels| {
        let tell = tell.clone();
        async move {
            session.bind(format!("{}", session.id())).await.unwrap();
            let granted = wanted["subscriptions"]
                .as_array()
                .unwrap()
                .iter()
                .map(|wanted| {
                    let topic = wanted["topic"].as_str().unwrap();
                    match topic {
                        "secret" => 128,
                        _ => {
                            channels.get_or_create(topic).add(&session).unwrap();
                            1
                        }
                    }
                });
            let granted: Vec<u8> = granted.collect();
            tell(wanted);
            Json(granted)
        }
    };
    let leave = move |Json(unwanted): Json<Value>, session: Session, channels: Channels| {
        let left = left.clone();
        async move {
            let topic = unwanted["unsubscriptions"][0].as_str().unwrap();
            channels.get_or_create(topic).leave(&session);
            left(unwanted);
        }
    };
    let handlers = handlers().add("join", join).add("leave", leave);
    let mqtt = Mqtt::new()
        .subscribe_route("connector.main.join")
        .unsubscribe_route("connector.main.leave");
    let server = alone(connector(handlers).connector(mqtt)).await;
    for (version, refused) in [(4, [0x80, 0x80]), (5, [0x87, 0x8f])] {
        let mut client = Client::new(&server, version).await;
        let filters = [("room", 0), ("secret", 1), ("a+", 0)];
        let granted = client.subscribe(&filters).await;
        assert_eq!(granted, [0, refused[0], refused[1]]);
        let asked =
            json!({"subscriptions": [{"topic": "room", "qos": 0}, {"topic": "secret", "qos": 1}]});
        assert_eq!(heard.next("it is asked").await, asked);
        let room = server.context().channels().get_or_create("room");
        room.push("room", &1).unwrap();
        assert_eq!(client.published().await, pushed("room", "1", 0));
        client.have_pushed("secret", json!(2)).await;
        client.hears_nothing().await;
        client.unsubscribe("room").await;
        assert_eq!(
            heard.next("it is told").await,
            json!({"unsubscriptions": ["room"]})
        );
        assert_eq!(room.members().len(), 0);
    }
}

#[tokio::test]
async fn a_handler_that_answers_with_no_list_refuses_all() {
    let join = async || Json(json!({"code": 500}));
    let handlers = Handlers::new()
        .add("join", join)
        .add("few", async || Json(vec![0]));
    for (route, granted) in [
        ("connector.main.join", [0x80, 0x80]),
        ("connector.main.few", [0, 0x80]),
        ("connector.main.nobody", [0x80, 0x80]),
    ] {
        let blueprint = connector(handlers.clone()).connector(Mqtt::new().subscribe_route(route));
        let server = alone(blueprint).await;
        let mut client = Client::new(&server, 4).await;
        assert_eq!(client.subscribe(&[("a", 0), ("b", 0)]).await, granted);
    }
}

#[tokio::test]
async fn a_push_longer_than_a_client_takes_is_left_out_for_it() {
    let server = serve(Mqtt::new()).await;
    let mut client = Client::silent(&server, 5).await;
    // A header of two bytes, three of the topic, one of no properties, and 14 of the payload.
    client.enter(0, &[39, 0, 0, 0, 20]).await;
    assert_eq!(client.subscribe(&[("a", 0)]).await, [0]);
    client.have_pushed("a", json!("x".repeat(13))).await;
    client.have_pushed("a", json!("x".repeat(12))).await;
    assert_eq!(client.published().await.payload.len(), 14);
    client.hears_nothing().await;
}
