//! Who comes in, and what he speaks.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
};

use bytes::{Bytes, BytesMut};
use tangelo_runtime::accept;
use tangelo_tls::Certificate;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tracing::{debug, debug_span, warn};

use super::{
    connection::{self, Peer},
    shared::Shared,
};

/// How HTTP/2 begins; no request of HTTP/1 does.
const HTTP_2: &[u8] = b"PRI";

/// What somebody who comes in has to do with.
pub(super) struct Door {
    pub(super) shared: Arc<Shared>,
    pub(super) certificate: Option<Certificate>,
}

/// Lets connections in until the gateway stops.
pub(super) async fn run(listener: TcpListener, door: Door) {
    let door = Arc::new(door);
    let stop = door.shared.tasks.stop().clone();
    accept(&listener, &stop, |stream, peer| open(&door, stream, peer)).await;
}

fn open(door: &Arc<Door>, stream: TcpStream, peer: SocketAddr) {
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let shared = &door.shared;
    let place = Place(Arc::clone(shared));
    let max = shared.limits.connections;
    if shared.open.fetch_add(1, Ordering::Relaxed) >= max {
        if let Some(left_out) = shared.line() {
            warn!(%peer, max, left_out, "too many connections: closed");
        }
        return;
    }
    let span = debug_span!(parent: None, "http", %peer);
    let door = Arc::clone(door);
    shared.tasks.spawn(span, async move {
        let _place = place;
        if let Err(error) = door.welcome(stream, peer).await {
            debug!(%error, "closed");
        }
    });
}

/// A connection's place among those that may be open.
struct Place(Arc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Door {
    /// One connection, from its first byte to its end.
    async fn welcome(&self, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        let Some(certificate) = &self.certificate else {
            return self.sniff(stream, peer).await;
        };
        let stop = self.shared.tasks.stop().draining();
        let handshake = async {
            let acceptor = certificate.acceptor().await;
            let acceptor = acceptor.ok_or_else(|| io::Error::other("there is no certificate"))?;
            acceptor.accept(stream).await
        };
        let stream = tokio::select! {
            () = stop => return Ok(()),
            stream = timeout(self.shared.limits.header_time, handshake) => stream??,
        };
        let is_http_2 = stream.get_ref().1.alpn_protocol() == Some(b"h2".as_slice());
        let peer = self.peer(peer, true);
        connection::serve(peer, stream, Bytes::new(), is_http_2).await
    }

    /// Hears whether a client begins with HTTP/2.
    async fn sniff(&self, mut stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        let mut first = BytesMut::new();
        let limits = &self.shared.limits;
        let stop = self.shared.tasks.stop().draining();
        let hear = async {
            timeout(limits.idle, stream.read_buf(&mut first)).await??;
            let rest = async {
                while HTTP_2.starts_with(&first) && first.len() < HTTP_2.len() && !first.is_empty()
                {
                    if stream.read_buf(&mut first).await? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                io::Result::Ok(())
            };
            timeout(limits.header_time, rest).await?
        };
        tokio::select! {
            () = stop => return Ok(()),
            heard = hear => heard?,
        }
        if first.is_empty() {
            return Ok(());
        }
        let is_http_2 = first.starts_with(HTTP_2);
        let peer = self.peer(peer, false);
        connection::serve(peer, stream, first.freeze(), is_http_2).await
    }

    fn peer(&self, address: SocketAddr, safe: bool) -> Arc<Peer> {
        Arc::new(Peer {
            shared: Arc::clone(&self.shared),
            address,
            safe,
        })
    }
}

/// What a connection is made of.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}
