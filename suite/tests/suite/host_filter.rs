//! Which addresses may connect. Clients come from several of this machine; Linux has all of 127/8.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use serde_json::json;
use tangelo::{
    Result,
    registry::Instance,
    server::{Blueprint, Connections, FrontendSession, Handlers, HostFilter, Server},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::{
    client::{Client, DOORS, Door, Said},
    world::{Heard, World, alone, connector, door, front, soon, until},
};

const ECHO: &str = "connector.main.echo";

fn connections(server: &Server) -> &Connections {
    server.context().connections()
}

/// So many are connected.
async fn there_are(server: &Server, count: usize) {
    until("they come or go", || connections(server).count() == count).await;
}

fn filtered(hosts: &HostFilter) -> Blueprint {
    connector(Handlers::new()).host_filter(hosts.clone())
}

/// A connection from this address of the machine.
async fn from(address: Ipv4Addr, server: &Server) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((address, 0).into()).unwrap();
    socket.connect(door(server)).await.unwrap()
}

/// Other addresses of this machine.
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
async fn who_is_denied_is_closed_before_anything_is_read() {
    let hosts = HostFilter::new();
    hosts.deny("127.0.0.2/32").unwrap();
    let server = alone(filtered(&hosts)).await;
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
    let server = alone(connector(Handlers::new())).await;
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
    let server = alone(connector(Handlers::new())).await;
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
        there_are(&server, 0).await;
    }
}

#[tokio::test]
async fn who_has_connected_and_said_nothing_yet_does_not_slip_through() {
    let server = alone(connector(Handlers::new())).await;
    let connections = connections(&server);
    let mut stream = from(OTHER, &server).await;
    there_are(&server, 1).await;
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
    there_are(&server, 0).await;
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
    let server = alone(filtered(&hosts)).await;
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
    there_are(&server, 1).await;

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
    let server = alone(filtered(&hosts)).await;
    let mut waits = Client::over(Door::Tcp, from(OTHER, &server).await).await;
    asked.next("it is asked").await;
    welcomed(THIRD, &server).await.was_ignored(ECHO).await;
    there_are(&server, 1).await;
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
    async fn bind(session: FrontendSession) -> Result<()> {
        Ok(session.bind("u").await?)
    }
    let hosts = HostFilter::new();
    hosts.deny("127.0.0.2").unwrap();
    let blueprint = connector(Handlers::new().add("bind", bind)).host_filter(hosts);
    let place = Instance {
        host: Ipv6Addr::UNSPECIFIED.to_string(),
        ..front("connector-1")
    };
    let server = World::new().start(blueprint, place).await;
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
    client.ask("connector.main.bind", &json!({})).await;
    assert_eq!(connections(&server).logins(1).remove(0).address, address);
}
