//! How a server begins, and what is left of one that cannot.

use std::net::TcpListener;

use tangelo::{Bootstrap, rpc::config::ServerConfig};
use tokio::{io::AsyncReadExt, net::TcpStream};

use super::desk::{Clerk, DeskClient, at, listener, local, serve, start, stops};
use crate::{krpc::Peer, world::soon};

#[tokio::test]
async fn a_port_that_is_taken_is_told_with_server_and_address_and_nothing_runs() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken_at = taken.local_addr().unwrap();
    // Free now, and again when the start has failed.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let free_at = free.local_addr().unwrap();
    drop(free);
    let (elsewhere, elsewhere_at) = listener().await;
    let named = |id: &str, port: u16| ServerConfig::new(id).host("127.0.0.1").port(port);
    let failed = Bootstrap::new("desk")
        .server(named("first", free_at.port()))
        .server(named("second", taken_at.port()))
        .server(named("third", taken_at.port()))
        .service(Clerk::new().service().on("first"))
        .referer::<DeskClient>("desk", &elsewhere_at.to_string())
        .start()
        .await;
    let mistakes = failed.unwrap_err().to_string();
    for id in ["second", "third"] {
        let told = format!("server.{id}: cannot listen on {taken_at}: ");
        assert!(mistakes.contains(&told), "{mistakes}");
    }
    assert!(!mistakes.contains("first"), "{mistakes}");
    assert!(TcpStream::connect(free_at).await.is_err());
    TcpListener::bind(free_at).unwrap();
    // If its client had begun already, it has ended: we are the last who come.
    let last = TcpStream::connect(elsewhere_at).await.unwrap();
    loop {
        let (mut stream, peer) = soon("we come", elsewhere.accept()).await.unwrap();
        if peer == last.local_addr().unwrap() {
            break;
        }
        let mut byte = [0];
        let end = stream.read(&mut byte);
        assert!(!matches!(soon("it ends", end).await, Ok(1..)));
    }
}

#[tokio::test]
async fn an_address_that_is_none_of_this_machine_is_told() {
    let config = local().host("192.0.2.1");
    let bootstrap = Bootstrap::new("desk").server(config);
    let failed = bootstrap.service(Clerk::new().service()).start().await;
    let mistakes = failed.unwrap_err().to_string();
    let told = "server.default: cannot listen on 192.0.2.1:0: ";
    assert!(mistakes.contains(told), "{mistakes}");
}

#[tokio::test]
async fn all_addresses_are_those_of_both_families() {
    let app = Bootstrap::new("desk").server(local().host("*"));
    let app = start(app.service(Clerk::new().service())).await;
    let port = at(&app).port();
    for host in ["127.0.0.1", "[::1]"] {
        let address = format!("{host}:{port}");
        // Not every machine has both.
        if host != "127.0.0.1" && TcpStream::connect(&address).await.is_err() {
            continue;
        }
        let mut peer = Peer::at(address.parse().unwrap()).await;
        peer.echoes().await;
        let own = peer.stream.local_addr().unwrap();
        let server = app.server("default").unwrap();
        let known = |connection: &tangelo::rpc::Connection| connection.peer() == own;
        assert!(server.connections().iter().any(known), "{own}, as it is");
    }
}

#[tokio::test]
async fn a_server_starts_while_those_it_calls_are_not_there() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = gone.local_addr().unwrap().to_string();
    drop(gone);
    let app = Bootstrap::new("desk")
        .server(local())
        .service(Clerk::new().service())
        .referer::<DeskClient>("nowhere", &nowhere);
    let app = start(app).await;
    Peer::at(at(&app)).await.echoes().await;
    stops(&app).await;
}

#[tokio::test]
async fn an_application_that_is_dropped_ends() {
    let app = serve(Clerk::new().service()).await;
    let mut peer = Peer::at(at(&app)).await;
    peer.echoes().await;
    drop(app);
    soon("it ends", peer.is_closed()).await;
}
