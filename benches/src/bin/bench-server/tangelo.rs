//! Tangelo's side: an echo handler on a front end, and one behind it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use tangelo::{
    handlers,
    registry::{Fixed, Instance, Registry},
    server::{Blueprint, Body, Routes, Server},
};

async fn echo(body: Body) -> Body {
    body
}

/// A front end that echoes by itself.
pub(crate) async fn front() -> io::Result<()> {
    let own = frontend();
    let server = start(own.clone(), Fixed::new([own])).await?;
    announce(server.client_address())?;
    std::future::pending().await
}

/// A back end that echoes.
pub(crate) async fn back() -> io::Result<()> {
    let own = Instance {
        port: Some(0),
        ..instance("echo-server-1", "echo")
    };
    let server = start(own.clone(), Fixed::new([own])).await?;
    announce(server.rpc_address())?;
    std::future::pending().await
}

/// A front end that forwards to it.
pub(crate) async fn forward(back: SocketAddr) -> io::Result<()> {
    let own = frontend_of("connector");
    let back = Instance {
        port: Some(back.port()),
        ..instance("echo-server-1", "echo")
    };
    let server = start(own.clone(), Fixed::new([own, back])).await?;
    server.connected().await;
    announce(server.client_address())?;
    std::future::pending().await
}

async fn start(own: Instance, registry: Fixed) -> io::Result<Server> {
    let blueprint = Blueprint::new(&own.server_type).handler("echoHandler", handlers! { echo });
    let registry: Arc<dyn Registry> = Arc::new(registry);
    Server::start(blueprint, own, registry, Routes::new())
        .await
        .map_err(io::Error::other)
}

fn frontend() -> Instance {
    frontend_of("echo")
}

fn frontend_of(server_type: &str) -> Instance {
    Instance {
        client_port: Some(0),
        frontend: true,
        ..instance("connector-server-1", server_type)
    }
}

fn instance(id: &str, server_type: &str) -> Instance {
    Instance {
        id: id.to_owned(),
        server_type: server_type.to_owned(),
        host: Ipv4Addr::LOCALHOST.to_string(),
        port: None,
        client_port: None,
        frontend: false,
        ..Instance::default()
    }
}

fn announce(address: Option<SocketAddr>) -> io::Result<()> {
    crate::announce(address.ok_or_else(|| io::Error::other("it does not listen"))?)
}
