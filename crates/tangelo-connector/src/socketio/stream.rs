//! A TCP connection that may become a session's WebSocket: read while there is room for what comes, counted when
//! written, and never waited for too long.

use std::{
    io,
    pin::Pin,
    sync::{Arc, OnceLock, atomic::Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

use super::session::{Session, Stage};
use crate::entrance::Socket;

/// How long a client may leave what is written to it where it is.
const STALLED: Duration = Duration::from_secs(60);
/// The same, when its session has ended.
const GOODBYE: Duration = Duration::from_secs(2);

/// The session whose WebSocket a connection is, once that is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Tie(Arc<OnceLock<Arc<Session>>>);

impl Tie {
    /// The first one counts.
    pub(super) fn to(&self, session: &Arc<Session>) {
        let _ = self.0.set(Arc::clone(session));
    }
}

pub(super) struct Stream<S> {
    socket: S,
    /// What was read before.
    read_already: BytesMut,
    tie: Tie,
    /// Since the other side takes nothing, and how the session stood then.
    stalled: Option<(Pin<Box<Sleep>>, Stage)>,
}

impl<S: Socket> Stream<S> {
    pub(super) fn new(socket: S, read_already: BytesMut, tie: Tie) -> Self {
        Self {
            socket,
            read_already,
            tie,
            stalled: None,
        }
    }

    fn session(&self) -> Option<&Arc<Session>> {
        self.tie.0.get()
    }

    fn is_cut(&self) -> bool {
        self.session()
            .is_some_and(|session| session.stage() == Stage::Cut)
    }

    /// What the socket says of writing, unless it has said nothing for too long.
    fn in_time<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stage = match self.session() {
            Some(session) => {
                session.writer.register(context.waker());
                session.stage()
            }
            None => Stage::Open,
        };
        if stage == Stage::Cut {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if self.stalled.as_ref().is_none_or(|(_, then)| *then != stage) {
            let patience = if stage == Stage::Open {
                STALLED
            } else {
                GOODBYE
            };
            self.stalled = Some((Box::pin(tokio::time::sleep(patience)), stage));
        }
        if let Some((sleep, _)) = &mut self.stalled {
            ready!(sleep.as_mut().poll(context));
        }
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: Socket> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.read_already.is_empty() {
            let count = this.read_already.len().min(buffer.remaining());
            buffer.put_slice(this.read_already.get(..count).unwrap_or_default());
            this.read_already.advance(count);
            if this.read_already.is_empty() {
                this.read_already = BytesMut::new();
            }
            return Poll::Ready(Ok(()));
        }
        if let Some(session) = this.tie.0.get() {
            ready!(session.poll_room(context));
        }
        let filled = buffer.filled().len();
        let read = ready!(Pin::new(&mut this.socket).poll_read(context, buffer));
        let is_over = read.is_err() || buffer.filled().len() == filled;
        if is_over && let Some(session) = this.tie.0.get() {
            session.is_cut_off.store(true, Ordering::Release);
        }
        Poll::Ready(read)
    }
}

impl<S: Socket> AsyncWrite for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.is_cut() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let written = Pin::new(&mut this.socket).poll_write(context, bytes);
        if let (Poll::Ready(Ok(count)), Some(session)) = (&written, this.session()) {
            session.wrote(*count);
        }
        this.in_time(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let flushed = Pin::new(&mut this.socket).poll_flush(context);
        this.in_time(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let shut = Pin::new(&mut this.socket).poll_shutdown(context);
        this.in_time(context, shut)
    }
}
