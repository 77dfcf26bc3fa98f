//! One address, as the connection of its session has it.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::sync::mpsc::Receiver;

use super::{
    listening::Running,
    sessions::{Begun, Credit},
};
use crate::listener::Boxed;

/// One address, as the connection of its session has it. The session ends when this is dropped.
pub(crate) struct Peer {
    running: Arc<Running>,
    address: SocketAddr,
    number: u64,
    inbox: Receiver<Bytes>,
    waiting: Arc<AtomicUsize>,
    /// None when the handshake is done.
    credit: Option<Arc<Credit>>,
    amplification: usize,
    /// The socket has no room.
    blocked: Option<Boxed<'static, io::Result<()>>>,
}

impl Peer {
    pub(super) fn new(
        running: Arc<Running>,
        address: SocketAddr,
        begun: Begun,
        amplification: usize,
    ) -> Self {
        Self {
            running,
            address,
            number: begun.number,
            inbox: begun.inbox,
            waiting: begun.waiting,
            credit: Some(begun.credit),
            amplification,
            blocked: None,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next datagram; none when the socket is gone, or the session had to make room.
    pub(crate) fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let datagram = ready!(self.inbox.poll_recv(context));
        if let Some(datagram) = &datagram {
            self.waiting.fetch_sub(datagram.len(), Ordering::Relaxed);
        }
        Poll::Ready(datagram)
    }

    /// Bytes that may be sent before the handshake is done; none when it is.
    pub(crate) fn credit(&self) -> Option<usize> {
        let credit = self.credit.as_ref()?;
        Some(credit.left(self.amplification))
    }

    /// Sends a datagram, or loses it. `Pending` while the socket has no room.
    pub(crate) fn poll_send(&mut self, context: &mut Context<'_>, datagram: &[u8]) -> Poll<()> {
        loop {
            if let Some(blocked) = &mut self.blocked {
                // A socket that has failed fails again when it is written to.
                let _ = ready!(blocked.as_mut().poll(context));
                self.blocked = None;
            }
            if let Some(credit) = &self.credit
                && credit.left(self.amplification) < datagram.len()
            {
                return Poll::Ready(());
            }
            match self.running.socket().try_send_to(datagram, self.address) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let running = Arc::clone(&self.running);
                    self.blocked = Some(Box::pin(async move { running.socket().writable().await }));
                }
                // What the system refuses is lost, as datagrams may be; a client that hears nothing for long goes.
                Ok(_) | Err(_) => {
                    if let Some(credit) = &self.credit {
                        credit.take(datagram.len(), self.amplification);
                    }
                    return Poll::Ready(());
                }
            }
        }
    }

    /// The handshake is done: the address is the client's own.
    pub(crate) fn opened(&mut self) {
        if self.credit.take().is_some() {
            self.running.sessions().opened(self.address, self.number);
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.running.sessions().end(self.address, self.number);
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Peer")
            .field("address", &self.address)
            .field("credit", &self.credit())
            .finish_non_exhaustive()
    }
}
