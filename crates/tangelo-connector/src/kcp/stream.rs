//! KCP's machine, driven by datagrams, by the clock, and by what is to be sent.

use std::{
    collections::VecDeque,
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use kcp::Kcp as Machine;
use tangelo_runtime::guard;
use tokio::time::{Instant, Sleep};

use super::Tuning;
use crate::{Error, Kcp, datagram::Peer};

/// Datagrams that may wait for room in the socket; further ones are lost, and sent again when it is their time.
const WAITING: usize = 2 * Kcp::WINDOW as usize;
/// Acknowledgements that pass a segment over until it is sent again.
const RESEND: i32 = 2;
/// Fragments of a message, so that any receiver's window holds it.
const FRAGMENTS: usize = 64;

/// A conversation.
pub(super) struct Stream {
    machine: Machine<Output>,
    peer: Peer,
    output: Output,
    began: Instant,
    /// Wakes up when something is to be sent again. Asleep for ever while all is acknowledged.
    timer: Pin<Box<Sleep>>,
    /// Segments were received or queued since the last flush.
    stirred: bool,
}

/// Datagrams that the machine wants to be sent.
#[derive(Clone, Debug, Default)]
struct Output(Arc<Mutex<VecDeque<Bytes>>>);

impl Stream {
    pub(super) fn new(peer: Peer, conversation: u32, tuning: Tuning) -> Self {
        let output = Output::default();
        let mut machine = Machine::new(conversation, output.clone());
        let fast = !tuning.congestion_window;
        machine.set_nodelay(true, tuning.interval.into(), RESEND, fast);
        machine.set_wndsize(Kcp::WINDOW, Kcp::WINDOW);
        // The size was checked; the default is near.
        let _ = machine.set_mtu(tuning.datagram);
        let began = Instant::now();
        Self {
            machine,
            peer,
            output,
            began,
            timer: Box::pin(tokio::time::sleep_until(began)),
            stirred: false,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.peer.address()
    }

    pub(super) fn opened(&mut self) {
        self.peer.opened();
    }

    /// Takes what has come, and appends up to `most` bytes of it to `read`, or the rest of a message.
    /// `Pending` when there is nothing.
    pub(super) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        read: &mut BytesMut,
        most: usize,
    ) -> Poll<Result<(), Error>> {
        let before = read.len();
        while read.len() < before + most {
            if let Some(length) = self.next_message()? {
                let end = read.len();
                read.resize(end + length, 0);
                let buffer = read.get_mut(end..).unwrap_or_default();
                guarded(|| self.machine.recv(buffer))?;
                self.stirred = true;
                continue;
            }
            match self.peer.poll_receive(context) {
                Poll::Ready(Some(datagram)) => self.hear(&datagram)?,
                Poll::Ready(None) => return Poll::Ready(Err(Error::Closed)),
                Poll::Pending => break,
            }
        }
        // Acknowledges.
        self.drive(context)?;
        if read.len() > before {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }

    /// Bytes of the next whole message.
    fn next_message(&mut self) -> Result<Option<usize>, Error> {
        match guard::catch(|| self.machine.peeksize()) {
            Ok(length) => Ok(length.ok()),
            Err(panicked) => Err(Error::Kcp(panicked.to_string())),
        }
    }

    fn hear(&mut self, datagram: &[u8]) -> Result<(), Error> {
        self.stirred = true;
        self.tick()?;
        // What is no segment of this conversation is lost, as datagrams may be.
        match guard::catch(|| self.machine.input(datagram)) {
            Ok(_) => Ok(()),
            Err(panicked) => Err(Error::Kcp(panicked.to_string())),
        }
    }

    /// Bytes to send now: there is room for another message.
    pub(super) fn has_room(&self) -> bool {
        self.machine.wait_snd() < usize::from(Kcp::WINDOW)
    }

    /// The longest message.
    pub(super) fn longest(&self) -> usize {
        self.machine.mss() * FRAGMENTS
    }

    /// Queues a message.
    pub(super) fn send(&mut self, message: &[u8]) -> Result<(), Error> {
        self.stirred = true;
        guarded(|| self.machine.send(message))
    }

    /// Whether all has been acknowledged.
    pub(super) fn is_acknowledged(&self) -> bool {
        self.machine.wait_snd() == 0
    }

    /// Sends what is to be sent now, and wakes up when there is more.
    pub(super) fn drive(&mut self, context: &mut Context<'_>) -> Result<(), Error> {
        loop {
            self.tick()?;
            if std::mem::take(&mut self.stirred) {
                guarded(|| self.machine.flush())?;
            }
            if self.machine.is_dead_link() {
                return Err(Error::Unacknowledged);
            }
            self.put_out(context);
            if self.is_acknowledged() {
                return Ok(());
            }
            let now = self.now();
            let wait = guard::catch(|| self.machine.check(now));
            let wait = wait.map_err(|panicked| Error::Kcp(panicked.to_string()))?;
            let wait = Duration::from_millis(wait.max(1).into());
            self.timer.as_mut().reset(Instant::now() + wait);
            if self.timer.as_mut().poll(context).is_pending() {
                return Ok(());
            }
        }
    }

    /// Datagrams to the socket, as long as it has room.
    fn put_out(&mut self, context: &mut Context<'_>) {
        while let Some(datagram) = self.output.first() {
            if self.peer.poll_send(context, &datagram).is_pending() {
                return;
            }
            self.output.sent();
        }
    }

    /// Tells the machine the time.
    fn tick(&mut self) -> Result<(), Error> {
        let now = self.now();
        guarded(|| self.machine.update(now))
    }

    /// Milliseconds of the conversation, which begin again after 49 days.
    fn now(&self) -> u32 {
        self.began.elapsed().as_millis() as u32
    }
}

/// Calls the machine, which computes with numbers that the client says; it may panic.
fn guarded<T>(call: impl FnOnce() -> kcp::KcpResult<T>) -> Result<(), Error> {
    match guard::catch(call) {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(Error::Kcp(error.to_string())),
        Err(panicked) => Err(Error::Kcp(panicked.to_string())),
    }
}

impl Output {
    /// What is to be sent next. The lock is not held while it is.
    fn first(&self) -> Option<Bytes> {
        self.queue().front().cloned()
    }

    fn sent(&self) {
        self.queue().pop_front();
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl io::Write for Output {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        let mut queue = self.queue();
        if queue.len() < WAITING {
            queue.push_back(Bytes::copy_from_slice(datagram));
        }
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Stream")
            .field("peer", &self.peer)
            .field("machine", &self.machine)
            .finish_non_exhaustive()
    }
}
