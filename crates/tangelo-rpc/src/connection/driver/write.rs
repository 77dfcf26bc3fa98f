//! What a connection writes, and whether the other side reads it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Driver, Phase, role::Side};
use crate::connection::Shared;

/// How long a peer may take nothing of what is written to it.
pub(super) const PATIENCE_FOR_READERS: Duration = Duration::from_secs(30);
/// The same when this server leaves.
pub(super) const PATIENCE_WHILE_LEAVING: Duration = Duration::from_secs(1);
/// Buffers larger than this are given back when they are empty.
pub(super) const KEPT_BUFFER: usize = 256 << 10;
/// What is unwritten is told to the quota when it is more than this.
const WORTH_TELLING: usize = 64 << 10;

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Driver<S> {
    /// Writes what has gathered, unless it is put off; true when nothing is left.
    pub(super) fn write(&mut self, context: &mut Context<'_>) -> io::Result<bool> {
        self.write_some(context, true)
    }

    /// Writes what was put off before this turn.
    pub(super) fn write_put_off(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.gathering.has_put_off() {
            self.write_some(context, false)?;
        }
        Ok(())
    }

    fn write_some(&mut self, context: &mut Context<'_>, may_put_off: bool) -> io::Result<bool> {
        loop {
            let Some(stream) = &mut self.stream else {
                return Err(io::ErrorKind::NotConnected.into());
            };
            let mut stream = Pin::new(stream);
            if self.writing.is_empty() {
                // TLS keeps what the socket had no room for.
                if self.unflushed && stream.as_mut().poll_flush(context)?.is_pending() {
                    return Ok(false);
                }
                self.unflushed = false;
                self.writing.clear();
                if self.taken > KEPT_BUFFER {
                    self.writing = BytesMut::new();
                }
                let mut state = self.connection.shared.state.lock();
                if !may_put_off {
                    self.gathering.goes_now(state.said);
                } else if self.gathering.lets_others_speak_first(state.said) {
                    state.unsent = 0;
                    self.backlog = state.out.len();
                    drop(state);
                    context.waker().wake_by_ref();
                    return Ok(false);
                }
                state.said = 0;
                std::mem::swap(&mut self.writing, &mut state.out);
                state.unsent = self.writing.len();
                (self.taken, self.backlog) = (state.unsent, state.unsent);
                if self.writing.is_empty() {
                    state.awake = false;
                    return Ok(true);
                }
            }
            match stream.poll_write(context, &self.writing)? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(written) => {
                    self.writing.advance(written);
                    self.unwritten_ticks = 0;
                    self.stuck = None;
                    self.unflushed = true;
                }
                Poll::Pending => {
                    // The socket wakes this task when there is room, so nobody else need.
                    let mut state = self.connection.shared.state.lock();
                    state.unsent = self.writing.len();
                    self.backlog = state.unsent + state.out.len();
                    return Ok(false);
                }
            }
        }
    }

    /// A peer that takes nothing of what is written to it is cut in the end; sooner, if many such peers
    /// together keep too much waiting, or if this server leaves.
    pub(super) fn watch_reader(&mut self, flushed: bool) -> io::Result<()> {
        self.tell_unread();
        let shared = &self.connection.shared;
        if self.told_unread > shared.limits.unread / 2 && shared.quota.is_flooded() {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                "peers together keep too much waiting, and this one much of it",
            ));
        }
        if flushed {
            self.stuck = None;
            return Ok(());
        }
        let patience = match (self.phase, self.role.side) {
            (Phase::Leaving, _) => PATIENCE_WHILE_LEAVING,
            (_, Side::Accepting) => PATIENCE_FOR_READERS,
            // Its heartbeats tell whether it lives.
            (_, Side::Dialing) => return Ok(()),
        };
        let is_stuck = self.now >= *self.stuck.get_or_insert(self.now) + patience;
        if is_stuck {
            return Err(does_not_read());
        }
        Ok(())
    }

    pub(super) fn tell_unread(&mut self) {
        // Frames that have come in part are as well bytes that somebody makes this server keep.
        let unread = match self.backlog + self.reading.len() {
            little if little <= WORTH_TELLING => 0,
            unread => unread,
        };
        if unread != self.told_unread {
            let quota = &self.connection.shared.quota;
            quota.unread(self.told_unread, unread);
            self.told_unread = unread;
        }
    }
}

/// A peer that asks and does not read the answers is cut.
pub(super) fn check_reads(waits: usize, shared: &Shared) -> io::Result<()> {
    if waits > shared.limits.outgoing {
        return Err(does_not_read());
    }
    Ok(())
}

fn does_not_read() -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, "the peer does not read")
}
