//! Packages over TCP.

use std::{
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use tangelo_wire::pomelo::package::{self, Package};
use tokio::{io::AsyncWrite, net::TcpStream};

use super::package::{Source, poll_receive, write};
use crate::{Connection, Error, Event, Limits, Outgoing};

/// Room made for a read.
const READ_BUFFER: usize = 8 << 10;

/// Room made for the first reply of a turn, so that the others find some.
const WRITE_BUFFER: usize = 2 << 10;

/// Packages over TCP. An idle one holds no buffer.
#[derive(Debug)]
pub(super) struct Tcp {
    stream: TcpStream,
    peer: SocketAddr,
    limits: Limits,
    /// The longest body accepted now.
    longest: usize,
    reading: BytesMut,
    writing: BytesMut,
}

impl Tcp {
    pub(super) fn new(stream: TcpStream, peer: SocketAddr, limits: Limits) -> Self {
        Self {
            stream,
            peer,
            limits,
            longest: limits.package.min(Limits::BEFORE_HANDSHAKE),
            reading: BytesMut::new(),
            writing: BytesMut::new(),
        }
    }
}

impl Source for Tcp {
    fn next_package(&mut self) -> Result<Option<Package>, Error> {
        Ok(package::decode(&mut self.reading, self.longest)?)
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.stream.poll_read_ready(context)?.is_pending() {
            if self.reading.is_empty() {
                self.reading = BytesMut::new();
            }
            return Poll::Pending;
        }
        // Never more than this at once, whatever length a package claims: what is stored is what came.
        self.reading.reserve(READ_BUFFER);
        let stream = Pin::new(&mut self.stream);
        match ready!(tokio_util::io::poll_read_buf(
            stream,
            context,
            &mut self.reading
        )?) {
            0 => Poll::Ready(Err(Error::Closed)),
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl Connection for Tcp {
    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        events: &mut Vec<Event>,
        most: usize,
    ) -> Poll<Result<(), Error>> {
        poll_receive(self, context, events, most)
    }

    fn queue(&mut self, outgoing: Outgoing<'_>) -> Result<(), Error> {
        if self.writing.capacity() == 0 {
            self.writing.reserve(WRITE_BUFFER);
        }
        write(outgoing, &mut self.writing)?;
        if self.writing.len() > self.limits.outgoing {
            return Err(Error::TooSlow(self.writing.len()));
        }
        Ok(())
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while !self.writing.is_empty() {
            let stream = Pin::new(&mut self.stream);
            match ready!(stream.poll_write(context, &self.writing)?) {
                0 => return Poll::Ready(Err(Error::Closed)),
                written => self.writing.advance(written),
            }
        }
        self.writing = BytesMut::new();
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if ready!(self.poll_flush(context)).is_ok() {
            // Either way it is over.
            let _ = ready!(Pin::new(&mut self.stream).poll_shutdown(context));
        }
        Poll::Ready(())
    }

    fn handshake_done(&mut self) {
        self.longest = self.limits.package;
    }

    fn peer(&self) -> SocketAddr {
        self.peer
    }
}
