//! Connections that are there and do nothing.

use std::error::Error;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::client::{Client, Plan};
use crate::measured::Measured;
use crate::{AT_ONCE, Arguments, Window};

/// Connections from one address of the loopback: it has ports for more, but for not so many more.
const FROM_ONE: usize = 10_000;

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Opens all connections and waits; says `open` when the server has come to rest, goes on waiting, and
/// then asks each whether it still works.
pub(crate) async fn run(
    arguments: &Arguments,
    plan: Plan,
    tls: Option<TlsConnector>,
) -> Result<Measured, Box<dyn Error>> {
    let mut clients = open(arguments, &Arc::new(plan), tls, arguments.connections).await?;
    tokio::time::sleep(Duration::from_millis(arguments.warm_up_ms)).await;
    // A server may have sent a heartbeat.
    for client in &mut clients {
        client.hear()?;
    }
    let window = Window::from_now(arguments);
    {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "open")?;
        stdout.flush()?;
    }
    tokio::time::sleep_until(window.measurement.end.into()).await;

    let mut measured = Measured::new(window.to_us)?;
    let mut asked = stream::iter(clients)
        .map(|mut client| async move { client.ask_once().await.map(|()| client) })
        .buffer_unordered(AT_ONCE);
    // Those that have answered stay open until all have.
    let mut alive = Vec::new();
    while let Some(asked) = asked.next().await {
        match asked {
            Ok(client) => alive.push(client),
            Err(error) => measured.error(1, || error.to_string()),
        }
    }
    Ok(measured)
}

/// So many clients, greeted.
pub(crate) async fn open(
    arguments: &Arguments,
    plan: &Arc<Plan>,
    tls: Option<TlsConnector>,
    count: usize,
) -> io::Result<Vec<Client<Box<dyn Stream>>>> {
    let connecting = stream::iter(0..count).map(|number| {
        let (plan, tls) = (Arc::clone(plan), tls.clone());
        async move {
            let stream = connect(arguments.addr, number).await?;
            let stream: Box<dyn Stream> = match tls {
                None => Box::new(stream),
                Some(tls) => {
                    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
                    Box::new(tls.connect(name, stream).await?)
                }
            };
            Client::over(stream, plan).await
        }
    });
    connecting.buffer_unordered(AT_ONCE).try_collect().await
}

async fn connect(address: SocketAddr, number: usize) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    // Another network of the loopback for each process: the ports of the one before are not free for a minute yet.
    let [.., above, below] = std::process::id().to_be_bytes();
    let from = Ipv4Addr::new(127, above | 1, below, 1 + (number / FROM_ONE) as u8);
    socket.bind((from, 0).into())?;
    socket.connect(address).await
}
