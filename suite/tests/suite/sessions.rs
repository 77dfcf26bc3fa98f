//! Sessions: who is bound to them, what is set in them, how they end.

use serde_json::{Value, json};
use tangelo::{
    Result,
    server::{FrontendSession, Handlers, Json, Server, Session},
};

use crate::{
    client::{Client, DOORS, Door, Said},
    world::{chat, client, connector, pair, until},
};

/// A front end that binds and sets, and a back end that tells what it sees.
async fn servers() -> (Server, Server) {
    async fn bind(Json(uid): Json<String>, session: FrontendSession) -> Result<()> {
        Ok(session.bind(&uid).await?)
    }
    async fn set(
        Json((key, value)): Json<(String, Value)>,
        session: FrontendSession,
    ) -> Result<()> {
        session.set(&key, &value)
    }
    async fn uid(session: Session) -> Result<Json<String>> {
        Ok(Json(session.uid()?.to_string()))
    }
    async fn get(Json(key): Json<String>, session: Session) -> Result<Json<Value>> {
        Ok(Json(session.get(&key)?))
    }
    async fn number(Json(key): Json<String>, session: Session) -> Result<Json<u32>> {
        Ok(Json(session.get(&key)?))
    }
    async fn place(session: Session) -> Json<Value> {
        Json(json!([session.frontend_id(), session.id().to_string()]))
    }
    async fn kick(Json(reason): Json<String>, session: FrontendSession) -> Result<()> {
        session.kick(&reason).await
    }
    let handlers = || {
        Handlers::new()
            .add("uid", uid)
            .add("get", get)
            .add("number", number)
            .add("place", place)
    };
    let front = handlers()
        .add("bind", bind)
        .add("set", set)
        .add("kick", kick);
    pair(connector(front), chat(handlers())).await
}

const BIND: &str = "connector.main.bind";
const SET: &str = "connector.main.set";

/// What both servers say.
async fn both(client: &mut Client, method: &str, body: Value) -> Value {
    let here = client.ask(&format!("connector.main.{method}"), &body).await;
    let there = client.ask(&format!("chat.main.{method}"), &body).await;
    assert_eq!(here, there, "{method}");
    here
}

#[tokio::test]
async fn a_user_bound_to_a_session_is_seen_by_the_next_request() {
    let (server, _back) = servers().await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        assert_eq!(both(&mut client, "uid", json!({})).await["code"], 500);
        client.is_refused(BIND, &json!(""), 500).await;
        assert_eq!(both(&mut client, "uid", json!({})).await["code"], 500);

        assert_eq!(client.ask(BIND, &json!("玩家 7")).await, json!({}));
        assert_eq!(both(&mut client, "uid", json!({})).await, "玩家 7");
        // Once more is no mistake, another one is.
        assert_eq!(client.ask(BIND, &json!("玩家 7")).await, json!({}));
        client.is_refused(BIND, &json!("8"), 500).await;
        assert_eq!(both(&mut client, "uid", json!({})).await, "玩家 7");
    }
}

#[tokio::test]
async fn a_setting_is_seen_by_the_next_request() {
    let (server, _back) = servers().await;
    let mut client = client(&server, Door::Tcp).await;
    assert_eq!(both(&mut client, "get", json!("room")).await["code"], 500);
    for value in [json!("a"), json!({ "deep": [1, null, "😀"] }), json!(7)] {
        assert_eq!(client.ask(SET, &json!(["room", value])).await, json!({}));
        assert_eq!(both(&mut client, "get", json!("room")).await, value);
    }
    assert_eq!(both(&mut client, "number", json!("room")).await, 7);
    assert_eq!(client.ask(SET, &json!(["room", "seven"])).await, json!({}));
    assert_eq!(
        both(&mut client, "number", json!("room")).await["code"],
        500
    );
    assert_eq!(both(&mut client, "get", json!("floor")).await["code"], 500);
}

#[tokio::test]
async fn requests_sent_at_once_see_what_those_before_them_did() {
    let (server, _back) = servers().await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        for number in 0..30 {
            client.request(SET, &json!(["n", number])).await;
            client.request("chat.main.number", &json!("n")).await;
        }
        let mut answers = vec![Value::Null; 60];
        for _ in 0..60 {
            let Said::Reply(id, answer) = client.hear().await else {
                panic!("expected an answer");
            };
            *answers.get_mut(id as usize - 1).unwrap() = answer;
        }
        for (number, two) in answers.chunks(2).enumerate() {
            assert_eq!(two, [json!({}), json!(number)]);
        }
    }
}

#[tokio::test]
async fn nothing_a_client_sends_sets_a_setting_or_a_user() {
    let (server, _back) = servers().await;
    let mut client = client(&server, Door::Tcp).await;
    let forged = json!({
        "uid": "root", "settings": { "room": "x" }, "session": { "uid": "root", "room": "x" },
        "__route__": "x", "__session__": { "uid": "root" }, "sid": 1,
    });
    for route in ["connector.main.echo", "chat.main.echo"] {
        assert_eq!(client.ask(route, &forged).await, forged);
    }
    assert_eq!(both(&mut client, "uid", forged).await["code"], 500);
    assert_eq!(both(&mut client, "get", json!("room")).await["code"], 500);
}

#[tokio::test]
async fn a_back_end_knows_the_session_by_the_same_names() {
    let (server, _back) = servers().await;
    let (mut one, mut other) = (
        client(&server, Door::Tcp).await,
        client(&server, Door::WebSocket).await,
    );
    let (first, second) = (
        both(&mut one, "place", json!({})).await,
        both(&mut other, "place", json!({})).await,
    );
    assert_eq!(first[0], "connector-1");
    assert_eq!(second[0], "connector-1");
    assert_ne!(first[1], second[1]);
}

#[tokio::test]
async fn a_user_may_have_two_sessions() {
    let (server, _back) = servers().await;
    let sessions = server.context().sessions();
    let mut clients = Vec::new();
    for over in DOORS {
        let mut client = client(&server, over).await;
        assert_eq!(client.ask(BIND, &json!("u")).await, json!({}));
        clients.push(client);
    }
    assert_eq!(sessions.by_uid("u").len(), 2);
    for session in sessions.by_uid("u") {
        session.push("on", &json!(1)).unwrap();
    }
    for client in &mut clients {
        assert_eq!(client.push("on").await, 1);
    }
    drop(clients.pop());
    until("one is gone", || sessions.by_uid("u").len() == 1).await;
    assert_eq!(
        both(clients.first_mut().unwrap(), "uid", json!({})).await,
        "u"
    );
}

#[tokio::test]
async fn none_is_left_when_all_clients_are_gone() {
    let (server, _back) = servers().await;
    let sessions = server.context().sessions();
    let mut clients = Vec::new();
    for over in DOORS {
        for number in 0..10 {
            let mut client = client(&server, over).await;
            client.ask(BIND, &json!(format!("u{number}"))).await;
            clients.push(client);
        }
        // One that has not shaken hands, too.
        clients.push(Client::silent(over, crate::world::door(&server)).await);
    }
    assert!(sessions.count() >= 20);
    drop(clients);
    until("all are gone", || sessions.count() == 0).await;
    assert!(sessions.by_uid("u1").is_empty());
}

#[tokio::test]
async fn a_client_that_is_kicked_is_told_why() {
    let (server, _back) = servers().await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        client
            .request("connector.main.kick", &json!("you \"know\" why"))
            .await;
        // Its handler was done when it was kicked, or not.
        let mut said = client.hear().await;
        if matches!(said, Said::Reply(..)) {
            said = client.hear().await;
        }
        assert_eq!(said, Said::Kick(json!({ "reason": "you \"know\" why" })));
        client.is_closed().await;
    }
    until("all are gone", || server.context().sessions().count() == 0).await;
}
