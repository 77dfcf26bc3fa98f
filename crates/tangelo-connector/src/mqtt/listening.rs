//! A port that MQTT is spoken on.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use bytes::BytesMut;
use tokio::net::{TcpListener, TcpStream};

use super::{Settings, connection::Mqtt, pipe::Plain};
use crate::{
    Connection, Entrance, Error, Limits, Listener, Opening,
    entrance::{Entered, Socket},
    hybrid::{upgrade, websocket::WebSocket},
    listener::Boxed,
};

/// How MQTT begins: the header of CONNECT.
const CONNECT: u8 = 0x10;

pub(super) struct Listening {
    listener: TcpListener,
    address: SocketAddr,
    limits: Limits,
    entrance: Arc<Entrance>,
    settings: Arc<Settings>,
}

impl Listening {
    pub(super) fn new(
        listener: TcpListener,
        limits: Limits,
        entrance: Arc<Entrance>,
        settings: Arc<Settings>,
    ) -> io::Result<Self> {
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            limits,
            entrance,
            settings,
        })
    }
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
            let (entrance, settings) = (Arc::clone(&self.entrance), Arc::clone(&self.settings));
            Ok(Opening {
                peer,
                connection: Box::pin(open(stream, peer, entrance, self.limits, settings)),
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
    settings: Arc<Settings>,
) -> Result<Box<dyn Connection>, Error> {
    stream.set_nodelay(true)?;
    let (entered, peer) = entrance.pass(stream, peer).await?;
    let made = (peer, limits, settings);
    match entered {
        Entered::Plain { stream, first } => {
            speak(stream, first, BytesMut::new(), &entrance, made).await
        }
        #[cfg(feature = "tls")]
        Entered::Safe {
            stream,
            first,
            read_already,
        } => speak(*stream, first, read_already, &entrance, made).await,
    }
}

/// MQTT, or HTTP that a WebSocket begins with.
async fn speak(
    stream: impl Socket,
    first: u8,
    read_already: BytesMut,
    entrance: &Entrance,
    (peer, limits, settings): (SocketAddr, Limits, Arc<Settings>),
) -> Result<Box<dyn Connection>, Error> {
    if first.is_ascii_alphabetic() {
        let upgraded = upgrade::answer(stream, read_already, peer, entrance).await?;
        let peer = upgraded.peer;
        let pipe = WebSocket::new(upgraded, limits).await;
        Ok(Box::new(Mqtt::new(
            pipe,
            BytesMut::new(),
            peer,
            limits,
            settings,
        )))
    } else if first == CONNECT {
        let pipe = Plain(stream);
        Ok(Box::new(Mqtt::new(
            pipe,
            read_already,
            peer,
            limits,
            settings,
        )))
    } else {
        Err(Error::Mqtt("it does not begin with CONNECT".to_owned()))
    }
}
