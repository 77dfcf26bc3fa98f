//! Packages over TCP.

use std::{
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use tangelo_wire::pomelo::package::{self, Package};

use super::{
    buffers,
    pace::Pace,
    package::{Source, poll_receive, write},
};
use crate::{
    Agreement, Connection, Error, Event, Limits, Outgoing, entrance::Socket,
    translation::Translation,
};

/// Room made for a read.
const READ_BUFFER: usize = 8 << 10;

/// Room made for the first reply of a turn, so that the others find some.
const WRITE_BUFFER: usize = 2 << 10;

/// Packages over TCP. An idle one holds no buffer.
#[derive(Debug)]
pub(super) struct Tcp<S> {
    stream: S,
    peer: SocketAddr,
    limits: Limits,
    /// The longest body accepted now.
    longest: usize,
    reading: BytesMut,
    writing: BytesMut,
    /// For a client that takes only the first package of what it reads.
    pace: Option<Box<Pace>>,
    translation: Option<Box<Translation>>,
}

impl<S> Tcp<S> {
    /// The client has said what is `read_already`.
    pub(super) fn new(stream: S, read_already: BytesMut, peer: SocketAddr, limits: Limits) -> Self {
        Self {
            stream,
            peer,
            limits,
            longest: limits.package.min(Limits::BEFORE_HANDSHAKE),
            reading: read_already,
            writing: BytesMut::new(),
            pace: None,
            translation: None,
        }
    }
}

impl<S: Socket> Source for Tcp<S> {
    #[inline(always)]
    fn next_package(&mut self) -> Result<Option<Package>, Error> {
        Ok(package::decode(&mut self.reading, self.longest)?)
    }

    fn translation(&mut self) -> Option<&mut Translation> {
        self.translation.as_deref_mut()
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let read = match self.stream.poll_readable(context)? {
            Poll::Ready(()) => {
                // Never more than this at once, whatever length a package claims: what is stored is
                // what came.
                buffers::reserve(&mut self.reading, READ_BUFFER);
                let stream = Pin::new(&mut self.stream);
                tokio_util::io::poll_read_buf(stream, context, &mut self.reading)?
            }
            Poll::Pending => Poll::Pending,
        };
        if read.is_pending() && self.reading.is_empty() {
            buffers::leave(&mut self.reading);
        }
        match ready!(read) {
            0 => Poll::Ready(Err(Error::Closed)),
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl<S: Socket> Connection for Tcp<S> {
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
            buffers::reserve(&mut self.writing, WRITE_BUFFER);
        }
        let before = self.writing.len();
        if before > self.limits.outgoing {
            return Err(Error::TooSlow(before));
        }
        write(outgoing, self.translation.as_deref_mut(), &mut self.writing)?;
        if let Some(pace) = &mut self.pace {
            pace.queued(self.writing.len() - before);
        }
        Ok(())
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while !self.writing.is_empty() {
            let most = match &mut self.pace {
                Some(pace) => ready!(pace.poll_most(context)),
                None => self.writing.len(),
            };
            let part = self.writing.get(..most).unwrap_or(&self.writing);
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, part)?);
            if written == 0 {
                return Poll::Ready(Err(Error::Closed));
            }
            self.writing.advance(written);
            if let Some(pace) = &mut self.pace {
                pace.written(written);
            }
        }
        buffers::leave(&mut self.writing);
        // What is made safe may still wait there.
        ready!(Pin::new(&mut self.stream).poll_flush(context)?);
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if ready!(self.poll_flush(context)).is_ok() {
            // Either way it is over.
            let _ = ready!(Pin::new(&mut self.stream).poll_shutdown(context));
        }
        Poll::Ready(())
    }

    fn agree(&mut self, agreement: &Agreement) {
        self.translation = Translation::agreed(agreement, self.limits.package);
        if agreement.paced {
            self.pace = Some(Box::new(Pace::new(self.writing.len())));
        }
    }

    fn handshake_done(&mut self) {
        self.longest = self.limits.package;
    }

    fn peer(&self) -> SocketAddr {
        self.peer
    }
}
