//! Packages over WebSocket.
//!
//! A client's message may carry several packages. What the server says leaves one package a message,
//! several messages a write: some published clients read only the first package of a message.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Sink, Stream};
use tangelo_wire::pomelo::package::{self, Package};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, Message, protocol::Role, protocol::WebSocketConfig},
};

use super::{
    counted::Counted,
    package::{Source, poll_receive, pushed, write},
    upgrade::Upgraded,
};
use crate::{
    Agreement, Connection, Error, Event, Limits, Outgoing, entrance::Socket,
    translation::Translation,
};

/// Bytes kept for reading, also by an idle connection.
const READ_BUFFER: usize = 2 << 10;

pub(crate) struct WebSocket<S> {
    stream: WebSocketStream<Counted<S>>,
    peer: SocketAddr,
    limits: Limits,
    /// The longest body accepted now.
    longest: usize,
    /// What is left of a message whose first packages have been handed on.
    message: Bytes,
    /// Where a package is put together; the library copies it out.
    scratch: BytesMut,
    /// Bytes queued since none waited to be written.
    queued: usize,
    translation: Option<Box<Translation>>,
    /// Until it is asked for.
    token: Option<String>,
}

impl<S: Socket> WebSocket<S> {
    pub(crate) async fn new(upgraded: Upgraded<S>, limits: Limits) -> Self {
        let longest_message = (limits.package + package::HEADER) * Limits::PACKAGES_PER_MESSAGE;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            // Everything queued waits for the flush.
            .write_buffer_size(limits.outgoing)
            // One message may be as long as the format allows, whatever waits before it.
            .max_write_buffer_size(limits.outgoing.saturating_add(2 * package::MAX_BODY))
            .max_message_size(Some(longest_message))
            .max_frame_size(Some(longest_message));
        let stream = WebSocketStream::from_partially_read(
            Counted::new(upgraded.stream),
            upgraded.rest.into(),
            Role::Server,
            Some(config),
        )
        .await;
        Self {
            stream,
            peer: upgraded.peer,
            limits,
            longest: limits.package.min(Limits::BEFORE_HANDSHAKE),
            message: Bytes::new(),
            scratch: BytesMut::new(),
            queued: 0,
            translation: None,
            token: upgraded.token,
        }
    }
}

impl<S: Socket> WebSocket<S> {
    /// The next message, whatever it is.
    pub(crate) fn poll_message(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Message, Error>> {
        let message = match ready!(Pin::new(&mut self.stream).poll_next(context)) {
            Some(message) => message?,
            None => return Poll::Ready(Err(Error::Closed)),
        };
        // Pings are answered by the library with the next flush.
        if let Message::Ping(payload) = &message {
            self.enqueue(payload.len())?;
        }
        Poll::Ready(Ok(message))
    }

    /// Adds a message to what will be written.
    pub(crate) fn queue_message(&mut self, message: Message) -> Result<(), Error> {
        self.enqueue(message.len())?;
        Ok(Pin::new(&mut self.stream).start_send(message)?)
    }

    /// Counts a frame that will be written, unless too much waits.
    fn enqueue(&mut self, payload: usize) -> Result<(), Error> {
        let waits = self.queued.saturating_sub(self.stream.get_ref().written);
        if waits > self.limits.outgoing {
            return Err(Error::TooSlow(waits));
        }
        let header = match payload {
            0..126 => 2,
            126..=0xffff => 4,
            _ => 10,
        };
        self.queued += header + payload;
        Ok(())
    }
}

impl<S: Socket> Source for WebSocket<S> {
    fn next_package(&mut self) -> Result<Option<Package>, Error> {
        if self.message.is_empty() {
            return Ok(None);
        }
        let (kind, length) =
            package::header(&self.message, self.longest)?.ok_or(Error::PackageCutOff)?;
        if self.message.len() < package::HEADER + length {
            return Err(Error::PackageCutOff);
        }
        self.message.advance(package::HEADER);
        Ok(Some(Package {
            kind,
            body: self.message.split_to(length),
        }))
    }

    fn translation(&mut self) -> Option<&mut Translation> {
        self.translation.as_deref_mut()
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match ready!(self.poll_message(context)?) {
            Message::Binary(bytes) => self.message = bytes,
            Message::Text(text) => self.message = text.into(),
            _ => {}
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Socket> Connection for WebSocket<S> {
    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        events: &mut Vec<Event>,
        most: usize,
    ) -> Poll<Result<(), Error>> {
        poll_receive(self, context, events, most)
    }

    fn queue(&mut self, outgoing: Outgoing<'_>) -> Result<(), Error> {
        let bytes = if let Outgoing::Push(push) = outgoing {
            pushed(push, self.translation.as_deref())?.clone()
        } else {
            write(outgoing, self.translation.as_deref_mut(), &mut self.scratch)?;
            self.scratch.split().freeze()
        };
        self.queue_message(Message::Binary(bytes))
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.queued > 0 {
            ready!(Pin::new(&mut self.stream).poll_flush(context))?;
            self.queued = 0;
            self.stream.get_mut().written = 0;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // Either way it is over.
        let _ = ready!(Pin::new(&mut self.stream).poll_close(context));
        Poll::Ready(())
    }

    /// A package is a message of its own here, so nobody has to be paced.
    fn agree(&mut self, agreement: &Agreement) {
        self.translation = Translation::agreed(agreement, self.limits.package);
    }

    fn take_token(&mut self) -> Option<String> {
        self.token.take()
    }

    fn handshake_done(&mut self) {
        self.token = None;
        self.longest = self.limits.package;
    }

    fn peer(&self) -> SocketAddr {
        self.peer
    }
}

impl From<tungstenite::Error> for Error {
    fn from(error: tungstenite::Error) -> Self {
        match error {
            tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed => {
                Self::Closed
            }
            tungstenite::Error::Protocol(
                tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            ) => Self::Closed,
            tungstenite::Error::Io(error) => error.into(),
            tungstenite::Error::WriteBufferFull(_) => {
                io::Error::from(io::ErrorKind::StorageFull).into()
            }
            other => Self::WebSocket(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::{
        io::AsyncReadExt,
        net::{TcpListener, TcpStream},
    };

    use super::*;

    async fn connection() -> (WebSocket<TcpStream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        let (stream, peer) = accepted.unwrap();
        let limits = Limits {
            outgoing: 64 << 10,
            ..Limits::default()
        };
        let upgraded = Upgraded {
            stream,
            rest: BytesMut::new(),
            peer,
            token: None,
        };
        let connection = WebSocket::new(upgraded, limits).await;
        (connection, client.unwrap())
    }

    /// Flushes what can be.
    async fn flush(connection: &mut WebSocket<TcpStream>) {
        let _ = poll_fn(|context| Poll::Ready(connection.poll_flush(context))).await;
    }

    #[tokio::test]
    async fn what_a_client_does_not_read_waits_up_to_the_limit_however_small_its_parts() {
        let (mut connection, _client) = connection().await;
        let limit = connection.limits.outgoing;
        let waits = loop {
            match connection.queue(Outgoing::Heartbeat) {
                Err(Error::TooSlow(waits)) => break waits,
                queued => queued.unwrap(),
            }
            flush(&mut connection).await;
        };
        assert!((limit + 1..limit + 10).contains(&waits), "{waits}");
    }

    #[tokio::test]
    async fn a_client_that_is_always_a_little_behind_may_stay() {
        let (mut connection, mut client) = connection().await;
        let body = [b'x'; 1000];
        let mut read = vec![0; 1000];
        // More than sockets hold, so that some always waits.
        let mut waits = 0;
        while waits < connection.limits.outgoing / 2 {
            connection.queue(Outgoing::Hello(&body)).unwrap();
            flush(&mut connection).await;
            waits = connection
                .queued
                .saturating_sub(connection.stream.get_ref().written);
        }
        for _ in 0..1000 {
            connection.queue(Outgoing::Hello(&body)).unwrap();
            client.read_exact(&mut read).await.unwrap();
            flush(&mut connection).await;
        }
    }
}
