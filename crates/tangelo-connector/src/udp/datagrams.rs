//! Packages, one or more in a datagram.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use tangelo_wire::pomelo::package::{self, Kind, Package};

use crate::{
    Agreement, Connection, Error, Event, Limits, Outgoing,
    datagram::Peer,
    hybrid::package::{Source, poll_receive, write},
    translation::Translation,
};

/// Packages, one or more in a datagram that comes, and one in each that goes.
#[derive(Debug)]
pub(super) struct Datagrams {
    peer: Peer,
    limits: Limits,
    /// The longest body accepted now.
    longest: usize,
    /// Bytes of the largest datagram that is sent.
    largest: usize,
    /// What is left of a datagram.
    reading: BytesMut,
    writing: VecDeque<Bytes>,
    /// Bytes of it.
    waiting: usize,
    /// The answer to the handshake, until that is done: it may be lost.
    answer: Option<Bytes>,
    translation: Option<Box<Translation>>,
}

impl Datagrams {
    pub(super) fn new(peer: Peer, limits: Limits, largest: usize) -> Self {
        Self {
            peer,
            limits,
            longest: limits.package.min(Limits::BEFORE_HANDSHAKE),
            largest,
            reading: BytesMut::new(),
            writing: VecDeque::new(),
            waiting: 0,
            answer: None,
            translation: None,
        }
    }

    fn add(&mut self, datagram: Bytes) {
        self.waiting += datagram.len();
        self.writing.push_back(datagram);
    }

    /// Bytes that may still be queued for an address whose handshake is not done.
    fn may_send(&self) -> Option<usize> {
        Some(self.peer.credit()?.saturating_sub(self.waiting))
    }
}

impl Source for Datagrams {
    fn next_package(&mut self) -> Result<Option<Package>, Error> {
        loop {
            let package = package::decode(&mut self.reading, self.longest)?;
            let Some(package) = package else {
                return match self.reading.is_empty() {
                    true => Ok(None),
                    false => Err(Error::DatagramCutOff),
                };
            };
            let Some(answer) = self.answer.clone() else {
                return Ok(Some(package));
            };
            if package.kind != Kind::Handshake {
                return Ok(Some(package));
            }
            // The answer was lost, or is on its way.
            if self.may_send().is_some_and(|most| answer.len() <= most) {
                self.add(answer);
            }
        }
    }

    fn translation(&mut self) -> Option<&mut Translation> {
        self.translation.as_deref_mut()
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let datagram = ready!(self.peer.poll_receive(context)).ok_or(Error::Closed)?;
        self.reading = datagram.into();
        Poll::Ready(Ok(()))
    }
}

impl Connection for Datagrams {
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
        let mut datagram = BytesMut::new();
        write(outgoing, self.translation.as_deref_mut(), &mut datagram)?;
        let (length, limit) = (datagram.len(), self.largest);
        if length > limit {
            return Err(package::Error::TooLong { length, limit }.into());
        }
        if let Some(most) = self.may_send()
            && length > most
        {
            return Err(Error::Amplifies { length, most });
        }
        let datagram = datagram.freeze();
        if matches!(outgoing, Outgoing::Hello(_)) {
            self.answer = Some(datagram.clone());
        }
        self.add(datagram);
        Ok(())
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while let Some(datagram) = self.writing.front() {
            ready!(self.peer.poll_send(context, datagram));
            self.waiting -= datagram.len();
            self.writing.pop_front();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.poll_flush(context).map(drop)
    }

    fn agree(&mut self, agreement: &Agreement) {
        self.translation = Translation::agreed(agreement, self.limits.package);
    }

    fn handshake_done(&mut self) {
        self.peer.opened();
        self.answer = None;
        self.longest = self.limits.package;
    }

    fn peer(&self) -> SocketAddr {
        self.peer.address()
    }
}
