//! What packets go through: TCP, TLS, or the messages of a WebSocket, whose borders mean nothing.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    Connection, Error,
    entrance::Socket,
    hybrid::{buffers, websocket::WebSocket},
};

/// Room made for a read.
const READ_BUFFER: usize = 8 << 10;

/// What packets go through.
pub(super) trait Pipe: Send {
    /// Appends what is there. `Ready(Ok(()))` when something may have come.
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        into: &mut BytesMut,
    ) -> Poll<Result<(), Error>>;

    /// Writes all of it.
    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        from: &mut BytesMut,
    ) -> Poll<Result<(), Error>>;

    /// Closes; what was to be written has been.
    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<()>;
}

/// TCP or TLS.
pub(super) struct Plain<S>(pub(super) S);

impl<S: Socket> Pipe for Plain<S> {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        into: &mut BytesMut,
    ) -> Poll<Result<(), Error>> {
        let read = match self.0.poll_readable(context)? {
            Poll::Ready(()) => {
                // Never more than this at once, whatever length a packet claims: what is stored is what came.
                buffers::reserve(into, READ_BUFFER);
                tokio_util::io::poll_read_buf(Pin::new(&mut self.0), context, into)?
            }
            Poll::Pending => Poll::Pending,
        };
        if read.is_pending() && into.is_empty() {
            buffers::leave(into);
        }
        match ready!(read) {
            0 => Poll::Ready(Err(Error::Closed)),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        from: &mut BytesMut,
    ) -> Poll<Result<(), Error>> {
        while !from.is_empty() {
            let written = ready!(Pin::new(&mut self.0).poll_write(context, from)?);
            if written == 0 {
                return Poll::Ready(Err(Error::Closed));
            }
            from.advance(written);
        }
        buffers::leave(from);
        // What is made safe may still wait there.
        ready!(Pin::new(&mut self.0).poll_flush(context)?);
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // Either way it is over.
        let _ = ready!(Pin::new(&mut self.0).poll_shutdown(context));
        Poll::Ready(())
    }
}

impl<S: Socket> Pipe for WebSocket<S> {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        into: &mut BytesMut,
    ) -> Poll<Result<(), Error>> {
        let message = self.poll_message(context)?;
        if message.is_pending() && into.is_empty() {
            buffers::leave(into);
        }
        match ready!(message) {
            Message::Binary(bytes) => into.extend_from_slice(&bytes),
            Message::Text(_) => {
                let problem = "MQTT is told in binary messages".to_owned();
                return Poll::Ready(Err(Error::WebSocket(problem)));
            }
            _ => {}
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        from: &mut BytesMut,
    ) -> Poll<Result<(), Error>> {
        if !from.is_empty() {
            self.queue_message(Message::Binary(std::mem::take(from).freeze()))?;
        }
        Connection::poll_flush(self, context)
    }

    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<()> {
        Connection::poll_close(self, context)
    }
}
