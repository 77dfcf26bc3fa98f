//! TCP and WebSocket on one port, in the open and over TLS.
//!
//! The first byte tells them apart: a Pomelo package begins with its kind, 1 to 5, an HTTP request
//! with a letter, TLS with 22. So the first bytes may come as slowly as they like.

pub(crate) mod buffers;
mod counted;
#[cfg(feature = "echo")]
pub(crate) mod echo;
mod pace;
pub(crate) mod package;
mod tcp;
pub(crate) mod upgrade;
pub(crate) mod websocket;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use bytes::BytesMut;
use tokio::net::{TcpListener, TcpStream};

use self::{tcp::Tcp, websocket::WebSocket};
use crate::{
    Connection, Connector, Entrance, Error, Limits, Listener, Opening, Place,
    entrance::{Entered, Socket, entrance_methods},
    listener::Boxed,
};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// TCP and WebSocket on one port, speaking Pomelo's packages; with a certificate also both over TLS, on the
/// same port.
#[derive(Clone, Debug, Default)]
pub struct Hybrid {
    limits: Limits,
    entrance: Entrance,
}

impl Hybrid {
    /// With the default [`Limits`], without TLS, for any page, and with nobody who may speak for others.
    pub fn new() -> Self {
        Self::default()
    }

    /// With other limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    entrance_methods!();
}

impl Connector for Hybrid {
    fn listen<'a>(&'a self, place: Place<'a>) -> Boxed<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            self.entrance.prepare()?;
            let listener = bind_first(place).await?;
            let listening = Listening {
                address: listener.local_addr()?,
                listener,
                limits: self.limits,
                entrance: Arc::new(self.entrance.clone()),
            };
            Ok(Box::new(listening) as Box<dyn Listener>)
        })
    }

    fn limits_mut(&mut self) -> Option<&mut Limits> {
        Some(&mut self.limits)
    }

    fn entrance_mut(&mut self) -> Option<&mut Entrance> {
        Some(&mut self.entrance)
    }
}

/// Listens on the first address of a place that can be.
pub(crate) async fn bind_first(place: Place<'_>) -> io::Result<TcpListener> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in tokio::net::lookup_host((place.host, place.port)).await? {
        match bind(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
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
    entrance: Arc<Entrance>,
}

impl Listener for Listening {
    fn address(&self) -> Option<SocketAddr> {
        Some(self.address)
    }

    fn is_proxy(&self, peer: IpAddr) -> bool {
        self.entrance.is_proxy(peer)
    }

    fn accept(&mut self) -> Boxed<'_, io::Result<Opening>> {
        Box::pin(async move {
            let (stream, peer) = self.listener.accept().await?;
            let entrance = Arc::clone(&self.entrance);
            Ok(Opening {
                peer,
                connection: Box::pin(open(stream, peer, entrance, self.limits)),
            })
        })
    }
}

/// Waits for the first byte, and becomes what it says.
async fn open(
    stream: TcpStream,
    peer: SocketAddr,
    entrance: Arc<Entrance>,
    limits: Limits,
) -> Result<Box<dyn Connection>, Error> {
    // Replies are joined into few writes already; waiting for more would only delay them.
    stream.set_nodelay(true)?;
    let (entered, peer) = entrance.pass(stream, peer).await?;
    match entered {
        Entered::Plain { stream, first } => {
            speak(stream, first, BytesMut::new(), peer, &entrance, limits).await
        }
        #[cfg(feature = "tls")]
        Entered::Safe {
            stream,
            first,
            read_already,
        } => speak(*stream, first, read_already, peer, &entrance, limits).await,
    }
}

/// Packages, or HTTP that a WebSocket begins with.
async fn speak(
    stream: impl Socket,
    first: u8,
    read_already: BytesMut,
    peer: SocketAddr,
    entrance: &Entrance,
    limits: Limits,
) -> Result<Box<dyn Connection>, Error> {
    if first.is_ascii_alphabetic() {
        let upgraded = upgrade::answer(stream, read_already, peer, entrance).await?;
        Ok(Box::new(WebSocket::new(upgraded, limits).await))
    } else {
        Ok(Box::new(Tcp::new(stream, read_already, peer, limits)))
    }
}
