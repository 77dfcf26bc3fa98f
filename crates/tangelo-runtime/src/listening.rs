//! Listening for connections over TCP, and letting them in.

use std::{io, net::SocketAddr, time::Duration};

use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tracing::warn;

use crate::Stop;

/// How long to wait when accepting fails, for example because descriptors are used up.
const PAUSE: Duration = Duration::from_millis(100);

/// Listens at a host's first address that can be had; `*` is every address of the machine, those of IPv6 too where it
/// has them. Port 0 is any that is free. So many connections may wait to be let in, at least one.
///
/// # Errors
/// None of the addresses can be listened on: why the last one cannot.
pub async fn listen(host: &str, port: u16, backlog: u32) -> io::Result<TcpListener> {
    if host == "*" {
        return listen_at(([0_u16; 8], port).into(), backlog)
            .or_else(|_| listen_at(([0_u8; 4], port).into(), backlog));
    }
    let mut last = None;
    for address in lookup_host((host, port)).await? {
        match listen_at(address, backlog) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()))
}

fn listen_at(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // A restart must not wait for the connections of the life before.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog.max(1))
}

/// Hands every connection to `open`, until `stop` drains.
pub async fn accept(
    listener: &TcpListener,
    stop: &Stop,
    mut open: impl FnMut(TcpStream, SocketAddr),
) {
    let accept = async {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    // Without it what is short would wait for what is before it; if it cannot be set it does.
                    let _ = stream.set_nodelay(true);
                    open(stream, peer);
                }
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = accept => {}
        () = stop.draining() => {}
    }
}
