//! What lies between a TCP port and a connection: proxies that speak for others, TLS, and which pages may
//! open a WebSocket.

mod builder;
mod forwarded;
mod origins;
mod proxy;
mod socket;

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

#[cfg(feature = "tls")]
use bytes::BytesMut;
#[cfg(feature = "tls")]
use tangelo_tls::Certificate;
#[cfg(feature = "tls")]
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
#[cfg(feature = "tls")]
use tokio_rustls::server::TlsStream;

pub(crate) use self::{builder::entrance_methods, socket::Socket};
pub use self::{
    forwarded::ForwardHeader,
    origins::{BadOrigin, Origins},
};
use crate::{Error, Networks};

/// How a TLS connection begins: the record of a handshake. No package and no HTTP request does.
#[cfg(feature = "tls")]
const TLS_RECORD: u8 = 0x16;

/// Who may come in through a TCP port, how safely, and as whom.
#[derive(Clone, Debug, Default)]
pub struct Entrance {
    /// TLS with this certificate, on the same port: the first byte tells whether a client speaks it.
    /// Default: none.
    #[cfg(feature = "tls")]
    pub certificate: Option<Certificate>,
    /// Whether clients that do not speak TLS are closed. Default: no.
    #[cfg(feature = "tls")]
    pub only_tls: bool,
    /// Peers that begin with a header of PROXY protocol, version 1 or 2, and are closed if they do not. To
    /// all others it is no protocol spoken here. Default: none.
    pub proxy_protocol_from: Networks,
    /// Peers whose [`forward_header`](Self::forward_header) is believed when they open a WebSocket.
    /// Default: none.
    pub forwarded_from: Networks,
    /// The header they write. Default: `X-Forwarded-For`.
    pub forward_header: ForwardHeader,
    /// Pages that may open a WebSocket; others are answered 403. Default: any.
    pub origins: Origins,
}

/// A client that has come in.
pub(crate) enum Entered {
    Plain {
        stream: TcpStream,
        /// The first byte, which is left where it is.
        first: u8,
    },
    #[cfg(feature = "tls")]
    Safe {
        stream: Box<TlsStream<TcpStream>>,
        first: u8,
        /// What it said first.
        read_already: BytesMut,
    },
}

impl Entrance {
    /// Whether peers at this address may speak for others: then who the client is, is known when it has
    /// come in.
    pub fn is_proxy(&self, peer: IpAddr) -> bool {
        self.proxy_protocol_from.contain(peer) || self.forwarded_from.contain(peer)
    }

    /// Reads what has to be read before the first client comes.
    ///
    /// # Errors
    /// A certificate that cannot be used, or none where only TLS is spoken.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        #[cfg(feature = "tls")]
        match &self.certificate {
            Some(certificate) => {
                certificate.reload().map_err(io::Error::other)?;
            }
            None if self.only_tls => {
                let problem = "only TLS is to be spoken, but there is no certificate";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
            }
            None => {}
        }
        Ok(())
    }

    /// Hears whom a proxy speaks for, makes the stream safe if the client asks for it, and waits for the
    /// first byte. However slowly anything comes: it waits for the client, so give it a deadline.
    pub(crate) async fn pass(
        &self,
        mut stream: TcpStream,
        mut peer: SocketAddr,
    ) -> Result<(Entered, SocketAddr), Error> {
        if self.proxy_protocol_from.contain(peer.ip()) {
            peer = proxy::take(&mut stream).await?.unwrap_or(peer);
        }
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Err(Error::Closed);
        }
        let [first] = first;
        #[cfg(feature = "tls")]
        if let Some(certificate) = self.certificate.as_ref().filter(|_| first == TLS_RECORD) {
            return Ok((make_safe(certificate, stream).await?, peer));
        } else if self.only_tls {
            return Err(Error::NoTls);
        }
        Ok((Entered::Plain { stream, first }, peer))
    }
}

#[cfg(feature = "tls")]
async fn make_safe(certificate: &Certificate, stream: TcpStream) -> Result<Entered, Error> {
    let acceptor = certificate.acceptor().await;
    let acceptor = acceptor.ok_or_else(|| Error::Tls("there is no certificate yet".to_owned()))?;
    let accepted = acceptor.accept(stream).await;
    let mut stream = accepted.map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => Error::Tls(error.to_string()),
        io::ErrorKind::UnexpectedEof => Error::Closed,
        _ => error.into(),
    })?;
    let mut read_already = BytesMut::new();
    stream.read_buf(&mut read_already).await?;
    Ok(Entered::Safe {
        stream: Box::new(stream),
        first: *read_already.first().ok_or(Error::Closed)?,
        read_already,
    })
}
