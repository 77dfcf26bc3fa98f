//! The chat of the page for those who come from Pomelo, as it stands there.

use std::{fs, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tangelo::{prelude::*, server::crc32};

use crate::{
    client::{Client, DOORS},
    world::soon,
};

#[derive(Serialize)]
struct Sent {
    code: u16,
}

// gate/handler/gateHandler.js
#[derive(Deserialize)]
struct Query {
    uid: String,
}

async fn query_entry(Json(query): Json<Query>, servers: Servers) -> Result<Json<Value>> {
    let connectors = servers.registered("connector");
    let index = (crc32(&query.uid) as usize).checked_rem(connectors.len());
    let one = index
        .and_then(|index| connectors.get(index))
        .ok_or(Error::new("no connector"))?;
    Ok(Json(
        json!({ "code": 200, "host": one.host, "port": one.client_port }),
    ))
}

// connector/handler/entryHandler.js
#[derive(Deserialize)]
struct Enter {
    username: String,
    rid: String,
}

async fn enter(
    Json(enter): Json<Enter>,
    session: FrontendSession,
    rpc: Rpc,
) -> Result<Json<Value>> {
    let uid = format!("{}*{}", enter.username, enter.rid);
    session.bind(&uid).await?;
    session.set("rid", &enter.rid)?;
    let added = (&uid, session.frontend_id(), &enter.rid);
    let users: Vec<String> = rpc.invoke("chat.chatRemote.add", &*session, &added).await?;
    Ok(Json(json!({ "users": users })))
}

// chat/remote/chatRemote.js
async fn add(
    Json((uid, sid, name)): Json<(String, String, String)>,
    channels: Channels,
) -> Result<Json<Vec<String>>> {
    let channel = channels.get_or_create(&name);
    channel.push("onAdd", &json!({ "user": user(&uid) }))?;
    channel.add_by_uid(&uid, &sid).await?;
    Ok(Json(
        channel
            .uids()
            .iter()
            .map(|uid| user(uid).to_owned())
            .collect(),
    ))
}

// kick: nobody has to call it
fn tell_leave(channel: &Channel, member: &Member) {
    let _ = channel.push("onLeave", &json!({ "user": user(&member.uid) }));
}

// chat/handler/chatHandler.js
#[derive(Deserialize)]
struct Say {
    content: String,
}

async fn send(Json(say): Json<Say>, session: Session, channels: Channels) -> Result<Json<Sent>> {
    let channel = channels.get(&session.get::<String>("rid")?)?;
    channel.push(
        "onChat",
        &json!({ "msg": say.content, "from": user(&session.uid()?) }),
    )?;
    Ok(Json(Sent { code: 200 }))
}

fn user(uid: &str) -> &str {
    uid.split_once('*').map_or(uid, |(user, _)| user)
}

const SERVERS: &str = r#"{ "development": {
    "gate": [{ "id": "gate-server-1", "clientPort": 0, "frontend": true }],
    "connector": [
        { "id": "connector-server-1", "port": 0, "clientPort": 0, "frontend": true },
        { "id": "connector-server-2", "port": 0, "clientPort": 0, "frontend": true }
    ],
    "chat": [{ "clusterCount": 2, "port": 0 }]
} }"#;

#[tokio::test]
async fn the_chat_of_the_page_lets_people_talk() {
    let config = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("from-pomelo");
    fs::create_dir_all(&config).unwrap();
    fs::write(config.join("servers.json"), SERVERS).unwrap();
    let running = App::new()
        .config(config)
        .server("gate", |server| {
            let server = server.heartbeat(None);
            server.handler("gateHandler", handlers! { queryEntry: query_entry })
        })
        .server("connector", |server| {
            let server = server.heartbeat(None);
            server.handler("entryHandler", handlers! { enter })
        })
        .server("chat", |server| {
            server
                .filter(Timeout::default())
                .handler("chatHandler", handlers! { send })
                .remote("chatRemote", remotes! { add })
                .on_leave(tell_leave)
        })
        .route("chat", |session| session.get("rid"))
        .start()
        .await
        .unwrap();
    let gate = running.server("gate-server-1").unwrap();
    let gate = gate.client_address().unwrap();
    for way in DOORS {
        let mut people = Vec::new();
        for name in ["anna", "ming"] {
            let mut client = Client::connect(way, gate).await;
            let query = json!({ "uid": name });
            let at = client.ask("gate.gateHandler.queryEntry", &query).await;
            let port = u16::try_from(at["port"].as_u64().unwrap()).unwrap();
            let mut client = Client::connect(way, (gate.ip(), port).into()).await;
            let enter = json!({ "username": name, "rid": "sea" });
            let entered = client.request("connector.entryHandler.enter", &enter).await;
            let users = client.reply(entered).await["users"].clone();
            assert_eq!(users.as_array().unwrap().len(), people.len() + 1);
            people.push(client);
        }
        let [anna, ming] = &mut people[..] else {
            panic!("two people")
        };
        assert_eq!(anna.push("onAdd").await, json!({ "user": "ming" }));
        let said = ming
            .request("chat.chatHandler.send", &json!({ "content": "hi" }))
            .await;
        let line = json!({ "msg": "hi", "from": "ming" });
        assert_eq!(ming.push("onChat").await, line);
        assert_eq!(ming.reply(said).await, json!({ "code": 200 }));
        assert_eq!(anna.push("onChat").await, line);
        drop(people.pop());
        assert_eq!(people[0].push("onLeave").await, json!({ "user": "ming" }));
        people[0].half_close().await;
        people[0].is_closed().await;
        for server in running.servers() {
            let channels = server.context().channels().clone();
            crate::world::until("the room is empty", || channels.names().is_empty()).await;
        }
    }
    let cut_off = soon("the end", running.shutdown(Duration::from_secs(5))).await;
    assert_eq!(cut_off, 0);
}

#[test]
fn it_is_the_chat_of_the_page() {
    let page = include_str!("../../../docs/pomelo.md");
    let here = include_str!("from_pomelo.rs");
    let (_, page) = page.split_once("```rust,no_run\n").unwrap();
    let (page, _) = page.split_once("// app.js").unwrap();
    let (_, page) = page.split_once("#[derive(Serialize)]").unwrap();
    // Neither line ends nor the commas that come with them are what it is about.
    let plain = |text: &str| -> String {
        let text: String = text.split_whitespace().collect();
        text.replace(",}", "}").replace(",)", ")")
    };
    assert!(plain(here).contains(&plain(page)));
}
