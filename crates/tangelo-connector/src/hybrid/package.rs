//! Packages to events and back, alike on TCP and WebSocket.

use std::{
    iter::once_with,
    task::{Context, Poll, ready},
};

use bytes::{BufMut, Bytes, BytesMut};
use tangelo_wire::pomelo::{
    message,
    package::{self, Kind, Package},
};

use crate::{Error, Event, Outgoing, Push, translation::Translation};

/// Where packages come from.
pub(crate) trait Source {
    /// The next package of what has been read; none when more must be read.
    fn next_package(&mut self) -> Result<Option<Package>, Error>;

    /// What both sides agreed on, if anything.
    fn translation(&mut self) -> Option<&mut Translation>;

    /// Reads what is there.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>>;
}

/// [`Connection::poll_receive`](crate::Connection::poll_receive) for a source of packages.
pub(crate) fn poll_receive(
    source: &mut impl Source,
    context: &mut Context<'_>,
    events: &mut Vec<Event>,
    most: usize,
) -> Poll<Result<(), Error>> {
    loop {
        while let Some(package) = source.next_package()? {
            // What the front does about these may change how long the next package may be.
            let is_handshake = matches!(package.kind, Kind::Handshake | Kind::HandshakeAck);
            hear(package, source.translation(), events)?;
            if is_handshake || events.len() >= most {
                return Poll::Ready(Ok(()));
            }
        }
        // What was said is handled before more is read: the next thing read may be the end.
        if !events.is_empty() {
            return Poll::Ready(Ok(()));
        }
        ready!(source.poll_read(context)?);
    }
}

/// Adds what a client's package means.
// Inlined, and each event made where it stays, room for which is made before: copied from one result to the next,
// it costs more than to be read.
#[inline(always)]
fn hear(
    package: Package,
    translation: Option<&mut Translation>,
    events: &mut Vec<Event>,
) -> Result<(), Error> {
    match package.kind {
        Kind::Data => {
            let message = message::decode(package.body)?;
            match translation {
                Some(translation) => events.push(translation.hear(message)?),
                None => events.extend(once_with(|| Event::Message(message))),
            }
        }
        Kind::Heartbeat if package.body.is_empty() => events.push(Event::Heartbeat),
        Kind::Heartbeat => events.push(Event::Receipt(package.body)),
        Kind::Handshake => events.push(Event::Hello(package.body)),
        Kind::HandshakeAck => events.push(Event::Ack),
        Kind::Kick => return Err(Error::Direction(Kind::Kick)),
    }
    Ok(())
}

/// Appends what a client is told as one package.
pub(crate) fn write(
    outgoing: Outgoing<'_>,
    translation: Option<&mut Translation>,
    out: &mut BytesMut,
) -> Result<(), Error> {
    match (outgoing, translation) {
        (Outgoing::Hello(body), _) => package::encode(Kind::Handshake, body, out)?,
        (Outgoing::Heartbeat, _) => package::encode(Kind::Heartbeat, &[], out)?,
        (Outgoing::Receipt(received), _) => {
            package::encode(Kind::Heartbeat, received.to_string().as_bytes(), out)?;
        }
        (Outgoing::Response { id, body, failed }, Some(translation)) => {
            translation.respond((id, failed), body, out)?
        }
        (Outgoing::Response { id, body, .. }, None) => {
            message::encode_response_package(id, body, out)?
        }
        (Outgoing::Push(push), translation) => {
            out.put_slice(pushed(push, translation.as_deref())?);
        }
        (Outgoing::Kick(body), translation) => {
            let body = translation.map_or(body, |translation| translation.kick(body));
            package::encode(Kind::Kick, body, out)?;
        }
    }
    Ok(())
}

/// A push as the client reads it.
pub(super) fn pushed<'a>(
    push: &'a Push,
    translation: Option<&Translation>,
) -> Result<&'a Bytes, Error> {
    Ok(match translation {
        Some(translation) => push.package_in(translation.encoding())?,
        None => push.package(),
    })
}
