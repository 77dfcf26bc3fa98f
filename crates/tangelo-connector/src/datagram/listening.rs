//! The socket, and the task that reads it for all sessions.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tangelo_runtime::{Stop, Tasks};
use tokio::{
    net::UdpSocket,
    sync::mpsc::{self, Receiver, Sender},
};
use tracing::Span;

use super::{Peer, Protocol, SessionLimits, sessions::Sessions};
use crate::{Limits, Listener, Opening, Place, listener::Boxed};

/// Sessions that may wait to be accepted.
const BACKLOG: usize = 64;
/// What is asked of the system for datagrams that come while the task is busy.
const RECEIVE_BUFFER: usize = 1 << 20;
/// How long to wait when reading fails.
const PAUSE: Duration = Duration::from_millis(10);

/// The socket and its sessions. It is read until this is dropped: by the listener and all sessions.
#[derive(Debug)]
pub(super) struct Running {
    shared: Arc<Shared>,
    tasks: Tasks,
}

#[derive(Debug)]
struct Shared {
    socket: UdpSocket,
    sessions: Mutex<Sessions>,
}

pub(crate) struct Listening<P> {
    /// As long as there may be new sessions, the socket is read.
    _running: Arc<Running>,
    begun: Receiver<(Peer, Vec<u8>)>,
    address: SocketAddr,
    protocol: P,
    limits: Limits,
}

/// Listens, and begins to read.
pub(crate) async fn listen<P: Protocol>(
    place: Place<'_>,
    protocol: P,
    limits: Limits,
    sessions: SessionLimits,
) -> io::Result<Box<dyn Listener>> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in tokio::net::lookup_host((place.host, place.port)).await? {
        match bind(address) {
            Ok(socket) => {
                let address = socket.local_addr()?;
                let sessions = Mutex::new(Sessions::new(sessions));
                let running = Arc::new(Running {
                    shared: Arc::new(Shared { socket, sessions }),
                    tasks: Tasks::new(Stop::new()),
                });
                let (begin, begun) = mpsc::channel(BACKLOG);
                running.read::<P>(begin);
                return Ok(Box::new(Listening {
                    _running: running,
                    begun,
                    address,
                    protocol,
                    limits,
                }));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    // As much as the system gives.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

impl Running {
    pub(super) fn socket(&self) -> &UdpSocket {
        &self.shared.socket
    }

    pub(super) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.shared.sessions()
    }

    /// Reads until the last who holds this drops it.
    fn read<P: Protocol>(self: &Arc<Self>, begin: Sender<(Peer, Vec<u8>)>) {
        let (shared, stop) = (Arc::clone(&self.shared), self.tasks.stop().clone());
        let running = Arc::downgrade(self);
        self.tasks.spawn(Span::current(), async move {
            let read = async {
                let mut datagram = vec![0; super::LARGEST + 1];
                loop {
                    match shared.socket.recv_from(&mut datagram).await {
                        Ok((length, _)) if length > P::LONGEST => {}
                        Ok((length, from)) => {
                            let datagram = datagram.get(..length).unwrap_or_default();
                            if shared.deliver(from, datagram) || !P::begins(datagram) {
                                continue;
                            }
                            // Only where it can be accepted: the listener may have stopped.
                            let (Ok(permit), Some(running)) =
                                (begin.try_reserve(), running.upgrade())
                            else {
                                continue;
                            };
                            let session = shared.sessions().begin(from, datagram);
                            if let Some(session) = session {
                                let peer = Peer::new(running, from, session, P::AMPLIFICATION);
                                permit.send((peer, datagram.to_vec()));
                            }
                        }
                        // Mostly the word that an earlier datagram did not arrive.
                        Err(_) => tokio::time::sleep(PAUSE).await,
                    }
                }
            };
            tokio::select! {
                () = read => {}
                () = stop.draining() => {}
            }
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.stop().drain();
    }
}

impl Shared {
    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deliver(&self, from: SocketAddr, datagram: &[u8]) -> bool {
        self.sessions().deliver(from, datagram)
    }
}

impl<P: Protocol> Listener for Listening<P> {
    fn address(&self) -> Option<SocketAddr> {
        Some(self.address)
    }

    fn accept(&mut self) -> Boxed<'_, io::Result<Opening>> {
        Box::pin(async move {
            let begun = self.begun.recv().await;
            let (peer, first) = begun.ok_or(io::ErrorKind::NotConnected)?;
            let address = peer.address();
            let connection = self.protocol.connection(peer, &first, self.limits);
            Ok(Opening {
                peer: address,
                connection: Box::pin(std::future::ready(Ok(connection))),
            })
        })
    }

    fn stop(&mut self) -> Boxed<'_, ()> {
        // Those who are connected go on to be read for.
        self.begun.close();
        while self.begun.try_recv().is_ok() {}
        Box::pin(std::future::ready(()))
    }
}
