//! TCP and WebSocket on one port.
//!
//! The first byte tells them apart: a Pomelo package begins with its kind, 1 to 5, an HTTP request
//! with a letter. So the first bytes may come as slowly as they like.

mod buffers;
mod counted;
mod pace;
mod package;
mod tcp;
mod upgrade;
mod websocket;

use std::{io, net::SocketAddr, pin::Pin};

use tokio::net::{TcpListener, TcpStream};

use self::{tcp::Tcp, websocket::WebSocket};
use crate::{Connection, Connector, Error, Limits, Listener, Opening};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// TCP and WebSocket on one port, speaking Pomelo's packages.
#[derive(Clone, Debug, Default)]
pub struct Hybrid {
    limits: Limits,
}

impl Hybrid {
    /// With the default [`Limits`].
    pub fn new() -> Self {
        Self::default()
    }

    /// With other limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

impl Connector for Hybrid {
    fn listen<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> Pin<Box<dyn Future<Output = io::Result<Box<dyn Listener>>> + Send + 'a>> {
        Box::pin(async move {
            let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
            for address in tokio::net::lookup_host((host, port)).await? {
                match bind(address) {
                    Ok(listener) => {
                        let address = listener.local_addr()?;
                        let listening = Listening {
                            listener,
                            address,
                            limits: self.limits,
                        };
                        return Ok(Box::new(listening) as Box<dyn Listener>);
                    }
                    Err(error) => last = error,
                }
            }
            Err(last)
        })
    }

    fn limits_mut(&mut self) -> Option<&mut Limits> {
        Some(&mut self.limits)
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM,
        None,
    )?;
    // A server that is started again must not wait for its earlier life's connections to be forgotten.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[derive(Debug)]
struct Listening {
    listener: TcpListener,
    address: SocketAddr,
    limits: Limits,
}

impl Listener for Listening {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn accept(&mut self) -> Pin<Box<dyn Future<Output = io::Result<Opening>> + Send + '_>> {
        Box::pin(async move {
            let (stream, peer) = self.listener.accept().await?;
            Ok(Opening {
                peer,
                connection: Box::pin(open(stream, peer, self.limits)),
            })
        })
    }
}

/// Waits for the first byte, which is left where it is, and becomes what it says.
async fn open(
    stream: TcpStream,
    peer: SocketAddr,
    limits: Limits,
) -> Result<Box<dyn Connection>, Error> {
    // Replies are joined into few writes already; waiting for more would only delay them.
    stream.set_nodelay(true)?;
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Err(Error::Closed);
    }
    if first.iter().all(u8::is_ascii_alphabetic) {
        let (stream, read_already) = upgrade::answer(stream).await?;
        Ok(Box::new(
            WebSocket::new(stream, read_already, peer, limits).await,
        ))
    } else {
        Ok(Box::new(Tcp::new(stream, peer, limits)))
    }
}
