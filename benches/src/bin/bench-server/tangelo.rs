//! Tangelo's side of real time: handlers on a front end, and behind one.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tangelo::{
    connector::Certificate,
    handlers,
    registry::{Fixed, Instance, Registry},
    server::{Blueprint, Body, Channels, Json, Routes, Server, Session},
};

use crate::work::work;

/// Clients that are silent as long as a measurement are not taken for gone.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// The channel of those who have joined.
const CHANNEL: &str = "all";

async fn echo(body: Body) -> Body {
    body
}

/// The same after some work.
async fn busy(body: Body) -> Body {
    work().await;
    body
}

/// Adds a client to the channel.
async fn join(session: Session, channels: Channels) -> tangelo::Result<Json<serde_json::Value>> {
    let uid = session.id().to_string();
    let channel = channels.get_or_create(CHANNEL);
    channel.add_by_id(&uid, session.id(), session.frontend_id())?;
    Ok(done())
}

/// Tells everybody there.
async fn publish(
    Json(text): Json<String>,
    channels: Channels,
) -> tangelo::Result<Json<serde_json::Value>> {
    channels.get(CHANNEL)?.push("onPush", &text)?;
    Ok(done())
}

fn done() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "code": 200 }))
}

/// A front end that echoes by itself, and has a channel.
pub(crate) async fn front(tls: Option<&Path>) -> io::Result<()> {
    let own = frontend();
    let mut blueprint = blueprint(&own)
        .handler("pushHandler", handlers! { join, publish })
        .heartbeat(HEARTBEAT);
    if let Some(folder) = tls {
        let certificate = certificate(folder)?;
        blueprint = blueprint.change_entrance(|entrance| entrance.certificate = Some(certificate));
    }
    let registry = Arc::new(Fixed::new([own.clone()]));
    let server = Server::start(blueprint, own, registry, Routes::new())
        .await
        .map_err(io::Error::other)?;
    announce(server.client_address())?;
    std::future::pending().await
}

/// A new certificate for `localhost`, in `certificate.pem` and `key.pem` of this folder.
fn certificate(folder: &Path) -> io::Result<Certificate> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).map_err(io::Error::other)?;
    fs::create_dir_all(folder)?;
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    fs::write(&certificate, cert.pem())?;
    fs::write(&key, signing_key.serialize_pem())?;
    Ok(Certificate::files(certificate, key))
}

/// Back ends that echo.
pub(crate) async fn back(count: usize) -> io::Result<()> {
    let mut servers = Vec::new();
    let mut addresses = Vec::new();
    for number in 0..count {
        let own = echo_server(number, 0);
        let server = start(own.clone(), Fixed::new([own]), Routes::new()).await?;
        addresses.push(server.rpc_address().ok_or_else(silent)?);
        servers.push(server);
    }
    crate::announce_all(&addresses)?;
    std::future::pending().await
}

/// A front end that forwards to them, chosen by session; or to the same one for all.
pub(crate) async fn forward(back: &[SocketAddr], to_one: bool) -> io::Result<()> {
    let own = frontend_of("connector");
    let mut all = vec![own.clone()];
    let back = back.iter().enumerate();
    all.extend(back.map(|(number, address)| echo_server(number, address.port())));
    let routes = if to_one {
        Routes::new().with("echo", |_| Ok("all".to_owned()))
    } else {
        Routes::new()
    };
    let server = start(own, Fixed::new(all), routes).await?;
    server.connected().await;
    announce(server.client_address())?;
    std::future::pending().await
}

async fn start(own: Instance, registry: Fixed, routes: Routes) -> io::Result<Server> {
    let registry: Arc<dyn Registry> = Arc::new(registry);
    Server::start(blueprint(&own), own, registry, routes)
        .await
        .map_err(io::Error::other)
}

/// What every server here has.
fn blueprint(own: &Instance) -> Blueprint {
    Blueprint::new(&own.server_type).handler("echoHandler", handlers! { echo, busy })
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

/// One of the back ends; port 0 is any that is free.
fn echo_server(number: usize, port: u16) -> Instance {
    Instance {
        port: Some(port),
        ..instance(&format!("echo-server-{number}"), "echo")
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
    crate::announce(address.ok_or_else(silent)?)
}

fn silent() -> io::Error {
    io::Error::other("it does not listen")
}
