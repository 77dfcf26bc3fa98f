//! The connection service: who is connected to a front end, and who may.

use std::{
    fs,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use tangelo::{
    App, Result,
    server::{Blueprint, Connections, FrontendSession, Handlers, Json, Server},
};
use tokio::{io::AsyncReadExt, net::TcpStream};

use crate::{
    client::{Client, DOORS, Door, Said},
    world::{DEADLINE, alone, chat, client, connector, door, pair, soon, until},
};

const ECHO: &str = "connector.main.echo";
const BIND: &str = "connector.main.bind";
const UNBIND: &str = "connector.main.unbind";

fn binding() -> Blueprint {
    async fn bind(Json(uid): Json<String>, session: FrontendSession) -> Result<()> {
        Ok(session.bind(&uid).await?)
    }
    async fn unbind(session: FrontendSession) -> Result<()> {
        session.unbind().await
    }
    async fn kick(session: FrontendSession) -> Result<()> {
        session.kick("enough").await
    }
    async fn statistics(connections: Connections) -> Json<Value> {
        Json(serde_json::to_value(connections.statistics()).unwrap())
    }
    let handlers = Handlers::new().add("bind", bind).add("unbind", unbind);
    connector(handlers.add("kick", kick).add("statistics", statistics))
}

fn connections(server: &Server) -> &Connections {
    server.context().connections()
}

/// How many are connected, and how many users are logged in.
async fn there_are(server: &Server, connected: usize, users: usize) {
    let connections = connections(server);
    let what = format!("{connected} are connected and {users} logged in");
    until(&what, || {
        (connections.count(), connections.users()) == (connected, users)
    })
    .await;
}

/// A connection is closed without a word.
async fn refused(server: &Server) {
    let mut stream = TcpStream::connect(door(server)).await.unwrap();
    let closed = soon("it is closed", stream.read(&mut [0])).await;
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
}

#[tokio::test]
async fn connections_are_counted_from_the_first_to_the_last_however_they_end() {
    let server = alone(binding()).await;
    for over in DOORS {
        let mut clients = Vec::new();
        for number in 1..=4 {
            clients.push(client(&server, over).await);
            there_are(&server, number, 0).await;
        }
        // One that says nothing, one that leaves, one that is kicked, one that speaks nonsense.
        let silent = TcpStream::connect(door(&server)).await.unwrap();
        there_are(&server, 5, 0).await;
        drop(silent);
        drop(clients.pop());
        there_are(&server, 3, 0).await;
        let mut kicked = clients.pop().unwrap();
        kicked.request("connector.main.kick", &json!({})).await;
        while kicked.hear().await != Said::End {}
        there_are(&server, 2, 0).await;
        clients.pop().unwrap().send_bytes(&[9, 9, 9, 9, 9]).await;
        there_are(&server, 1, 0).await;
        clients.pop().unwrap().half_close().await;
        there_are(&server, 0, 0).await;
    }
    assert_eq!(connections(&server).total(), 10);
    assert_eq!(connections(&server).refused(), 0);
}

#[tokio::test]
async fn a_client_that_has_gone_is_not_counted_while_its_handler_runs_on() {
    let hold = crate::world::Hold::new();
    let server = alone(connector(Handlers::new().add("hold", hold.handler()))).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        client.request("connector.main.hold", &json!({})).await;
        hold.entered(1).await;
        there_are(&server, 1, 0).await;
        drop(client);
        there_are(&server, 0, 0).await;
        hold.release(1);
    }
}

#[tokio::test]
async fn a_user_is_logged_in_as_long_as_a_session_is_bound() {
    let server = alone(binding()).await;
    for over in DOORS {
        let (mut one, mut two) = (client(&server, over).await, client(&server, over).await);
        there_are(&server, 2, 0).await;
        assert_eq!(one.ask(BIND, &json!("u")).await, json!({}));
        // Bound again is bound once; a second session is the same user.
        assert_eq!(one.ask(BIND, &json!("u")).await, json!({}));
        assert_eq!(two.ask(BIND, &json!("u")).await, json!({}));
        there_are(&server, 2, 1).await;
        one.is_refused(BIND, &json!("v"), 500).await;
        there_are(&server, 2, 1).await;
        // Unbound twice is unbound once.
        for _ in 0..2 {
            assert_eq!(one.ask(UNBIND, &json!({})).await, json!({}));
            there_are(&server, 2, 1).await;
        }
        // And a close after it takes away nobody else.
        drop(one);
        there_are(&server, 1, 1).await;
        drop(two);
        there_are(&server, 0, 0).await;
    }
}

#[tokio::test]
async fn a_login_has_a_uid_a_time_and_an_address_and_the_newest_comes_first() {
    let server = alone(binding()).await;
    let began = SystemTime::now();
    let mut clients = Vec::new();
    for (number, over) in DOORS.into_iter().cycle().take(4).enumerate() {
        let stream = TcpStream::connect(door(&server)).await.unwrap();
        let address = stream.local_addr().unwrap();
        let mut client = Client::over(over, stream).await;
        client.shake_hands().await;
        client.ask(BIND, &json!(format!("u{number}"))).await;
        clients.push((client, address));
    }
    let logins = connections(&server).logins(100);
    let seen: Vec<_> = logins
        .iter()
        .map(|login| (&*login.uid, login.address))
        .collect();
    let expected: Vec<_> = ["u3", "u2", "u1", "u0"]
        .into_iter()
        .zip(clients.iter().rev().map(|(_, address)| *address))
        .collect();
    assert_eq!(seen, expected);
    for login in &logins {
        assert!(began <= login.at && login.at <= SystemTime::now());
        let uid = server.context().sessions().by_uid(&login.uid);
        assert_eq!(uid.first().unwrap().id(), login.session);
    }
    let newest: Vec<_> = connections(&server).logins(2);
    assert_eq!(newest, logins[..2]);

    // Who logs in again has a later time.
    let (oldest, _) = clients.first_mut().unwrap();
    oldest.ask(UNBIND, &json!({})).await;
    assert_eq!(connections(&server).logins(100).len(), 3);
    oldest.ask(BIND, &json!("u0")).await;
    let again = connections(&server).logins(100);
    assert_eq!(&*again.first().unwrap().uid, "u0");
    assert!(again.first().unwrap().at >= logins.first().unwrap().at);
}

#[tokio::test]
async fn the_statistics_have_pomelos_names() {
    let server = alone(binding()).await;
    let stream = TcpStream::connect(door(&server)).await.unwrap();
    let address = stream.local_addr().unwrap();
    let mut client = Client::over(Door::Tcp, stream).await;
    client.shake_hands().await;
    client.ask(BIND, &json!("玩家")).await;
    let statistics = client.ask("connector.main.statistics", &json!({})).await;
    let time = statistics["loginedList"][0]["loginTime"].as_u64().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert!(now.as_millis() as u64 - time < DEADLINE.as_millis() as u64);
    let login = connections(&server).logins(1).remove(0);
    let expected = json!({
        "serverId": "connector-1",
        "totalConnCount": 1,
        "loginedCount": 1,
        "loginedList": [{
            "uid": "玩家", "loginTime": time, "address": address.to_string(),
            "sid": login.session.to_string(),
        }],
        "total": 1,
        "refused": 0,
    });
    assert_eq!(statistics, expected);
}

#[tokio::test]
async fn on_a_back_end_a_handler_cannot_have_it() {
    async fn count(connections: Connections) -> Json<usize> {
        Json(connections.count())
    }
    let handlers = || Handlers::new().add("count", count);
    let (server, _back) = pair(connector(handlers()), chat(handlers())).await;
    let mut client = client(&server, Door::Tcp).await;
    assert_eq!(client.ask("connector.main.count", &json!({})).await, 1);
    client.is_refused("chat.main.count", &json!({}), 500).await;
}

#[tokio::test]
async fn as_many_may_connect_as_was_said_and_one_more_is_closed_without_a_word() {
    let server = alone(binding().max_connections(3)).await;
    assert_eq!(connections(&server).max_connections(), Some(3));
    let mut clients = Vec::new();
    for over in DOORS.into_iter().cycle().take(2) {
        clients.push(client(&server, over).await);
    }
    // One that says nothing counts as well.
    let silent = TcpStream::connect(door(&server)).await.unwrap();
    there_are(&server, 3, 0).await;
    for refusals in 1..=5 {
        refused(&server).await;
        assert_eq!(connections(&server).refused(), refusals);
    }
    // A refusal takes nobody's place.
    there_are(&server, 3, 0).await;
    for client in &mut clients {
        client.was_ignored(ECHO).await;
    }
    drop(silent);
    there_are(&server, 2, 0).await;
    clients.push(client(&server, Door::WebSocket).await);
    refused(&server).await;
    assert_eq!(connections(&server).total(), 4);
}

#[tokio::test]
async fn how_many_may_connect_can_be_changed_and_those_who_are_there_stay() {
    let server = alone(binding()).await;
    let connections = connections(&server);
    assert_eq!(connections.max_connections(), None);
    let mut clients = vec![
        client(&server, Door::Tcp).await,
        client(&server, Door::WebSocket).await,
    ];
    connections.set_max_connections(1);
    refused(&server).await;
    for client in &mut clients {
        client.was_ignored(ECHO).await;
    }
    clients.pop();
    there_are(&server, 1, 0).await;
    refused(&server).await;
    connections.set_max_connections(0);
    clients.pop();
    there_are(&server, 0, 0).await;
    refused(&server).await;
    connections.set_max_connections(None);
    client(&server, Door::Tcp).await.was_ignored(ECHO).await;
}

#[tokio::test]
async fn servers_json_says_how_many_may_connect_before_code_does() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("connections-max");
    fs::create_dir_all(&folder).unwrap();
    let entry = r#""port": 0, "clientPort": 0, "frontend": true"#;
    let servers = format!(
        r#"{{"connector": [{{"id": "one", {entry}, "max-connections": 1}}, {{"id": "other", {entry}}}]}}"#
    );
    fs::write(folder.join("servers.json"), servers).unwrap();
    let app = App::new().config(&folder);
    let running = app.server("connector", |server| server.max_connections(5));
    let running = running.start().await.unwrap();
    for (id, most) in [("one", 1), ("other", 5)] {
        let server = running.server(id).unwrap();
        assert_eq!(connections(server).max_connections(), Some(most));
    }
    let one = running.server("one").unwrap();
    let _client = client(one, Door::Tcp).await;
    refused(one).await;
    soon("the end", running.shutdown(DEADLINE)).await;
}
