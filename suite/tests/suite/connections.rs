//! The connection service: who is connected to a front end, and who may.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use tangelo::{
    Result,
    registry::{Instance, Memory},
    server::{Blueprint, Connections, FrontendSession, Handlers, HostFilter, Json, Routes, Server},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::{
    client::{Client, DOORS, Door, Said},
    world::{
        DEADLINE, Heard, World, alone, chat, client, connector, door, front, pair, soon, until,
    },
};

const ECHO: &str = "connector.main.echo";
const BIND: &str = "connector.main.bind";
const UNBIND: &str = "connector.main.unbind";

fn binding() -> Blueprint {
    async fn bind(Json(uid): Json<String>, session: FrontendSession) -> Result<()> {
        session.bind(&uid)
    }
    async fn unbind(session: FrontendSession) {
        session.unbind();
    }
    async fn kick(session: FrontendSession) {
        session.kick("enough");
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

/// A connection from this address of the machine.
async fn from(address: Ipv4Addr, server: &Server) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((address, 0).into()).unwrap();
    socket.connect(door(server)).await.unwrap()
}

/// Other addresses of this machine; Linux has all of 127/8.
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const THIRD: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 3);

/// A client from there that shakes hands.
async fn welcomed(address: Ipv4Addr, server: &Server) -> Client {
    let mut client = Client::over(Door::Tcp, from(address, server).await).await;
    client.shake_hands().await;
    client
}

/// From there a connection is closed without a word.
async fn refused(address: Ipv4Addr, server: &Server) {
    let mut stream = from(address, server).await;
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
        refused(Ipv4Addr::LOCALHOST, &server).await;
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
    refused(Ipv4Addr::LOCALHOST, &server).await;
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
    refused(Ipv4Addr::LOCALHOST, &server).await;
    for client in &mut clients {
        client.was_ignored(ECHO).await;
    }
    clients.pop();
    there_are(&server, 1, 0).await;
    refused(Ipv4Addr::LOCALHOST, &server).await;
    connections.set_max_connections(0);
    clients.pop();
    there_are(&server, 0, 0).await;
    refused(Ipv4Addr::LOCALHOST, &server).await;
    connections.set_max_connections(None);
    client(&server, Door::Tcp).await.was_ignored(ECHO).await;
}

async fn configured(setting: Value) -> Result<Server, String> {
    let mut instance: Instance = front("connector-1");
    instance
        .settings
        .insert("max-connections".to_owned(), setting);
    let registry = Arc::new(Memory::new());
    let blueprint = binding().max_connections(5);
    let server = Server::start(blueprint, instance, registry, Routes::new()).await;
    server.map_err(|error| error.to_string())
}

#[tokio::test]
async fn servers_json_says_how_many_may_connect_before_code_does() {
    for (setting, most) in [(json!(1), Some(1)), (json!("2"), Some(2)), (json!(0), None)] {
        let server = configured(setting).await.unwrap();
        assert_eq!(connections(&server).max_connections(), most);
    }
    for setting in [
        json!("many"),
        json!(-1),
        json!(1.5),
        json!(null),
        json!(true),
        json!(""),
    ] {
        let error = configured(setting.clone()).await.unwrap_err();
        let expected = format!("`max-connections`: expected a number, found {setting}");
        assert_eq!(error, format!("connector-1: {expected}"));
    }
}

#[tokio::test]
async fn who_is_denied_is_closed_before_anything_is_read() {
    let hosts = HostFilter::new();
    hosts.deny("127.0.0.2/32").unwrap();
    let server = alone(binding().host_filter(hosts)).await;
    welcomed(THIRD, &server).await.was_ignored(ECHO).await;
    refused(OTHER, &server).await;
    // Also with all it has to say at hand.
    let mut stream = from(OTHER, &server).await;
    let _ = stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await;
    let mut answer = Vec::new();
    let _ = soon("it is closed", stream.read_to_end(&mut answer)).await;
    assert!(answer.is_empty(), "{answer:?}");
    assert_eq!(connections(&server).refused(), 2);
    assert_eq!(connections(&server).total(), 1);
}

#[tokio::test]
async fn lists_are_changed_while_it_runs_for_those_who_come_later() {
    let server = alone(binding()).await;
    let hosts = connections(&server).host_filter().clone();
    let mut early = welcomed(OTHER, &server).await;
    hosts.deny("127.0.0.0/24").unwrap();
    refused(OTHER, &server).await;
    refused(Ipv4Addr::LOCALHOST, &server).await;
    let mut third = welcomed(THIRD, &server).await;
    early.was_ignored(ECHO).await;
    assert_eq!(hosts.undeny("127.0.0.0/24"), Ok(true));
    welcomed(OTHER, &server).await;
    hosts.allow(&OTHER).unwrap();
    refused(THIRD, &server).await;
    welcomed(OTHER, &server).await;
    third.was_ignored(ECHO).await;
    assert_eq!(hosts.disallow(&OTHER), Ok(true));
    welcomed(THIRD, &server).await;
}

#[tokio::test]
async fn if_it_is_wanted_those_who_are_connected_have_to_go_as_well() {
    let server = alone(binding()).await;
    let connections = connections(&server);
    for over in DOORS {
        let hosts = connections.host_filter();
        let mut stays = welcomed(THIRD, &server).await;
        let mut goes = Client::over(over, from(OTHER, &server).await).await;
        goes.shake_hands().await;
        assert_eq!(connections.enforce_host_filter().await, 0);
        hosts.deny(&OTHER).unwrap();
        goes.was_ignored(ECHO).await;
        assert_eq!(connections.enforce_host_filter().await, 1);
        assert_eq!(
            goes.hear().await,
            Said::Kick(json!({ "reason": "refused" }))
        );
        goes.is_closed().await;
        stays.was_ignored(ECHO).await;
        hosts.set_denied::<&str>([]).unwrap();
        drop(stays);
        there_are(&server, 0, 0).await;
    }
}

#[tokio::test]
async fn who_has_connected_and_said_nothing_yet_does_not_slip_through() {
    let server = alone(binding()).await;
    let connections = connections(&server);
    let mut stream = from(OTHER, &server).await;
    there_are(&server, 1, 0).await;
    connections.host_filter().deny(&OTHER).unwrap();
    assert_eq!(
        connections.enforce_host_filter().await,
        0,
        "it has no session"
    );
    // Now it speaks.
    stream.write_all(&[1]).await.unwrap();
    let mut client = Client::over(Door::Tcp, stream).await;
    assert_eq!(
        client.hear().await,
        Said::Kick(json!({ "reason": "refused" }))
    );
    client.is_closed().await;
    there_are(&server, 0, 0).await;
}

#[tokio::test]
async fn functions_of_yours_are_asked_too() {
    let hosts = HostFilter::new();
    hosts.deny_if(|address| address == IpAddr::V4(OTHER));
    let mut asked = Heard::new();
    let tell = asked.teller();
    hosts.deny_if_async(move |address| {
        tell(address);
        async move {
            tokio::task::yield_now().await;
            address == IpAddr::V4(THIRD)
        }
    });
    let server = alone(binding().host_filter(hosts.clone())).await;
    refused(OTHER, &server).await;
    asked.is_silent();
    refused(THIRD, &server).await;
    assert_eq!(asked.next("the third").await, IpAddr::V4(THIRD));
    let mut first = welcomed(Ipv4Addr::LOCALHOST, &server).await;
    assert_eq!(
        asked.next("the first").await,
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    );
    assert_eq!(connections(&server).refused(), 2);
    there_are(&server, 1, 0).await;

    // Changed while it runs; also for those who are connected.
    hosts.deny_if_async(|_| async { true });
    assert_eq!(connections(&server).enforce_host_filter().await, 1);
    assert!(matches!(first.hear().await, Said::Kick(_)));
    hosts.deny_if_async(|_| async { panic!("on purpose") });
    refused(Ipv4Addr::LOCALHOST, &server).await;
    hosts.deny_if_async(|_| async { false });
    hosts.deny_if(|_| panic!("on purpose"));
    refused(Ipv4Addr::LOCALHOST, &server).await;
    hosts.deny_if(|_| false);
    welcomed(OTHER, &server).await.was_ignored(ECHO).await;
}

#[tokio::test]
async fn a_function_that_takes_its_time_holds_up_nobody_else_and_no_server_that_leaves() {
    let (mut asked, hosts) = (Heard::new(), HostFilter::new());
    let tell = asked.teller();
    hosts.deny_if_async(move |address| {
        let slow = address == IpAddr::V4(OTHER);
        if slow {
            tell(());
        }
        async move {
            if slow {
                std::future::pending::<()>().await;
            }
            false
        }
    });
    let server = alone(binding().host_filter(hosts)).await;
    let mut waits = Client::over(Door::Tcp, from(OTHER, &server).await).await;
    asked.next("it is asked").await;
    welcomed(THIRD, &server).await.was_ignored(ECHO).await;
    there_are(&server, 1, 0).await;
    assert_eq!(
        soon(
            "the doors close",
            server.close_doors(Duration::from_secs(1))
        )
        .await,
        0
    );
    waits.is_closed().await;
}

#[tokio::test]
async fn an_ipv4_client_of_an_ipv6_door_is_an_ipv4_client() {
    let hosts = HostFilter::new();
    hosts.deny("127.0.0.2").unwrap();
    let place = Instance {
        host: Ipv6Addr::UNSPECIFIED.to_string(),
        ..front("connector-1")
    };
    let server = World::new()
        .start(binding().host_filter(hosts), place)
        .await;
    let port = door(&server).port();
    let from = async |address: Ipv4Addr| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((address, 0).into()).unwrap();
        socket
            .connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
            .await
    };
    let mut denied = from(OTHER).await.unwrap();
    let closed = soon("it is closed", denied.read(&mut [0])).await;
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    let stream = from(THIRD).await.unwrap();
    let address = stream.local_addr().unwrap();
    let mut client = Client::over(Door::Tcp, stream).await;
    client.shake_hands().await;
    client.ask(BIND, &json!("u")).await;
    assert_eq!(connections(&server).logins(1).remove(0).address, address);
}
