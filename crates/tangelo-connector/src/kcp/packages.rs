//! Packages in a conversation.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use tangelo_wire::pomelo::package::{self, Package};

use super::stream::Stream;
use crate::{
    Agreement, Connection, Error, Event, Limits, Outgoing,
    hybrid::package::{Source, poll_receive, write},
    translation::Translation,
};

/// Bytes read at once.
const READ: usize = 8 << 10;

/// Packages in a conversation.
#[derive(Debug)]
pub(super) struct Packages {
    stream: Stream,
    limits: Limits,
    /// The longest body accepted now.
    longest: usize,
    reading: BytesMut,
    /// Packages that do not fit the window yet.
    writing: VecDeque<Bytes>,
    /// Bytes of them.
    waiting: usize,
    translation: Option<Box<Translation>>,
}

impl Packages {
    pub(super) fn new(stream: Stream, limits: Limits) -> Self {
        Self {
            stream,
            limits,
            longest: limits.package.min(Limits::BEFORE_HANDSHAKE),
            reading: BytesMut::new(),
            writing: VecDeque::new(),
            waiting: 0,
            translation: None,
        }
    }
}

impl Source for Packages {
    fn next_package(&mut self) -> Result<Option<Package>, Error> {
        Ok(package::decode(&mut self.reading, self.longest)?)
    }

    fn translation(&mut self) -> Option<&mut Translation> {
        self.translation.as_deref_mut()
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let read = self.stream.poll_read(context, &mut self.reading, READ);
        if read.is_pending() && self.reading.is_empty() {
            // An idle one holds no buffer.
            self.reading = BytesMut::new();
        }
        read
    }
}

impl Connection for Packages {
    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        events: &mut Vec<Event>,
        most: usize,
    ) -> Poll<Result<(), Error>> {
        poll_receive(self, context, events, most)
    }

    fn queue(&mut self, outgoing: Outgoing<'_>) -> Result<(), Error> {
        if self.waiting > self.limits.outgoing {
            return Err(Error::TooSlow(self.waiting));
        }
        let mut package = BytesMut::new();
        write(outgoing, self.translation.as_deref_mut(), &mut package)?;
        self.waiting += package.len();
        self.writing.push_back(package.freeze());
        Ok(())
    }

    /// All is written when it is in the window: KCP sends it, and sends it again.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            let longest = self.stream.longest();
            while self.stream.has_room()
                && let Some(package) = self.writing.front_mut()
            {
                let message = package.get(..longest).unwrap_or(package);
                self.stream.send(message)?;
                let sent = message.len();
                package.advance(sent);
                self.waiting -= sent;
                if package.is_empty() {
                    self.writing.pop_front();
                }
            }
            self.stream.drive(context)?;
            if self.writing.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if !self.stream.has_room() {
                return Poll::Pending;
            }
        }
    }

    /// All is acknowledged, or the time for it is over.
    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if ready!(self.poll_flush(context)).is_err() || self.stream.is_acknowledged() {
                return Poll::Ready(());
            }
            // Acknowledgements come as what it says; the rest is not listened to any more.
            self.reading.clear();
            let heard = self.stream.poll_read(context, &mut self.reading, READ);
            if self.stream.is_acknowledged() || ready!(heard).is_err() {
                return Poll::Ready(());
            }
        }
    }

    fn agree(&mut self, agreement: &Agreement) {
        self.translation = Translation::agreed(agreement, self.limits.package);
    }

    fn handshake_done(&mut self) {
        self.stream.opened();
        self.longest = self.limits.package;
    }

    fn peer(&self) -> SocketAddr {
        self.stream.address()
    }
}
