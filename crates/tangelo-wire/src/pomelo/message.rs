//! The message layer: what a DATA package carries.
//!
//! A flag byte (type, and whether the route is a dictionary code), an id where an answer is wanted
//! or given, a route where one is needed, then the body.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::package;
use crate::varint;

/// The largest request id; Pomelo's own clients and servers count in signed 32 bits.
pub const MAX_ID: u32 = i32::MAX as u32;
/// The longest route in bytes; its length is one byte on the wire.
pub const MAX_ROUTE: usize = u8::MAX as usize;

/// In the flag byte: the body is compressed. Pomelo knows the bit and never looks at it.
pub(super) const COMPRESSED: u8 = 0x10;
const ROUTE_IS_CODE: u8 = 0x01;
const TYPE_SHIFT: u32 = 1;
const TYPE_MASK: u8 = 0x07;
const LONGEST_ID: usize = 5;
/// Bytes before the body of a response that is a package of its own, at the most.
const LONGEST_FRONT: usize = package::HEADER + 1 + LONGEST_ID;

/// The four types of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Wants an answer under its id.
    Request = 0,
    /// Wants none.
    Notify = 1,
    /// Answers a request; carries its id and no route.
    Response = 2,
    /// What the server says unasked.
    Push = 3,
}

/// Where a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// As text; nothing says that the bytes are UTF-8.
    Name(&'a [u8]),
    /// As a code of the route dictionary.
    Code(u16),
}

/// A decoded message. It keeps the one buffer it came in and copies nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    kind: Kind,
    compressed: bool,
    id: u32,
    route: Range,
    /// The route's text if it has any, then the body.
    rest: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Range {
    Name(u8),
    Code(u16),
}

/// Why bytes are no message, or cannot become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Types 4 to 7 do not exist.
    #[error("unknown message type {0}")]
    UnknownType(u8),
    /// The message ends before its id or its route does.
    #[error("message ends within its {0}")]
    Truncated(&'static str),
    /// An id beyond [`MAX_ID`].
    #[error("message id beyond {MAX_ID}")]
    IdTooLarge,
    /// A route longer than [`MAX_ROUTE`].
    #[error("route of {0} bytes, the limit is {MAX_ROUTE}")]
    RouteTooLong(usize),
}

/// Reads what a DATA package carries.
///
/// # Errors
/// Any [`Error`]; the bytes are then no Pomelo message.
// What stands before the rest is read where it lies, and skipped at once at the end: bytes that are cut again and
// again, and moved right after, cost more than to be read.
#[inline(always)]
pub fn decode(bytes: Bytes) -> Result<Message, Error> {
    let front = Front::read(&bytes)?;
    let mut rest = bytes;
    rest.advance(front.length);
    Ok(Message {
        kind: front.kind,
        compressed: front.compressed,
        id: front.id,
        route: front.route,
        rest,
    })
}

/// What stands before a route's text and the body.
struct Front {
    kind: Kind,
    compressed: bool,
    id: u32,
    route: Range,
    /// Bytes it takes.
    length: usize,
}

impl Front {
    #[inline(always)]
    fn read(message: &[u8]) -> Result<Self, Error> {
        let (&flag, mut rest) = message.split_first().ok_or(Error::Truncated("flag"))?;
        let kind = Kind::try_from(flag >> TYPE_SHIFT & TYPE_MASK)?;

        let mut id = 0;
        if kind.has_id() {
            let (value, length) =
                varint::read(rest, LONGEST_ID).ok_or(if rest.len() < LONGEST_ID {
                    Error::Truncated("id")
                } else {
                    Error::IdTooLarge
                })?;
            id = u32::try_from(value)
                .ok()
                .filter(|id| *id <= MAX_ID)
                .ok_or(Error::IdTooLarge)?;
            rest = rest.get(length..).unwrap_or_default();
        }

        let mut route = Range::Name(0);
        if kind.has_route() {
            if flag & ROUTE_IS_CODE != 0 {
                let &[high, low, ref after @ ..] = rest else {
                    return Err(Error::Truncated("route"));
                };
                (route, rest) = (Range::Code(u16::from_be_bytes([high, low])), after);
            } else {
                let (&length, after) = rest.split_first().ok_or(Error::Truncated("route"))?;
                if after.len() < usize::from(length) {
                    return Err(Error::Truncated("route"));
                }
                (route, rest) = (Range::Name(length), after);
            }
        }
        Ok(Self {
            kind,
            compressed: flag & COMPRESSED != 0,
            id,
            route,
            length: message.len() - rest.len(),
        })
    }
}

/// Appends a request. Id 0 is what Pomelo treats as a notify.
///
/// # Errors
/// An id or a route beyond what the format can tell.
pub fn encode_request(id: u32, route: &str, body: &[u8], out: &mut BytesMut) -> Result<(), Error> {
    if id > MAX_ID {
        return Err(Error::IdTooLarge);
    }
    check(route)?;
    out.put_u8((Kind::Request as u8) << TYPE_SHIFT);
    varint::write(id.into(), out);
    encode_route(route, out);
    out.put_slice(body);
    Ok(())
}

/// Appends a notify.
///
/// # Errors
/// A route beyond what the format can tell.
pub fn encode_notify(route: &str, body: &[u8], out: &mut BytesMut) -> Result<(), Error> {
    check(route)?;
    out.put_u8((Kind::Notify as u8) << TYPE_SHIFT);
    encode_route(route, out);
    out.put_slice(body);
    Ok(())
}

/// Appends a response to the request of this id.
pub fn encode_response(id: u32, body: &[u8], out: &mut BytesMut) {
    out.put_u8((Kind::Response as u8) << TYPE_SHIFT);
    varint::write(id.into(), out);
    out.put_slice(body);
}

/// Appends the same as a package of its own, which is what most packages are: room for what stands before the
/// body is made at once, and it is written where it stays.
///
/// # Errors
/// More than a package holds; `out` is then as it was.
#[inline]
pub fn encode_response_package(
    id: u32,
    body: &[u8],
    out: &mut BytesMut,
) -> Result<(), package::Error> {
    let id_length = varint::length(id.into());
    let header = package::header_of(package::Kind::Data, 1 + id_length + body.len())?;
    let start = out.len();
    out.reserve(LONGEST_FRONT + body.len());
    out.put_slice(&[0; LONGEST_FRONT]);
    let mut front = out.get_mut(start..).unwrap_or_default();
    front.put_slice(&header);
    front.put_u8((Kind::Response as u8) << TYPE_SHIFT);
    varint::write(id.into(), &mut front);
    out.truncate(start + header.len() + 1 + id_length);
    out.put_slice(body);
    Ok(())
}

/// Appends a push.
///
/// # Errors
/// A route beyond what the format can tell.
pub fn encode_push(route: &str, body: &[u8], out: &mut BytesMut) -> Result<(), Error> {
    check(route)?;
    out.put_u8((Kind::Push as u8) << TYPE_SHIFT);
    encode_route(route, out);
    out.put_slice(body);
    Ok(())
}

/// Appends a push whose route is a code of the dictionary.
pub fn encode_push_code(code: u16, body: &[u8], out: &mut BytesMut) {
    out.put_u8((Kind::Push as u8) << TYPE_SHIFT | ROUTE_IS_CODE);
    out.put_u16(code);
    out.put_slice(body);
}

fn check(route: &str) -> Result<(), Error> {
    if route.len() > MAX_ROUTE {
        Err(Error::RouteTooLong(route.len()))
    } else {
        Ok(())
    }
}

fn encode_route(route: &str, out: &mut BytesMut) {
    out.put_u8(route.len() as u8);
    out.put_slice(route.as_bytes());
}

impl Message {
    /// A request or, without an id, a notify, for those who have read it from another format. Id 0 is a notify,
    /// as in Pomelo.
    ///
    /// # Errors
    /// An id or a route beyond what the format can tell.
    pub fn new(id: Option<u32>, route: &str, body: &[u8]) -> Result<Self, Error> {
        let id = id.unwrap_or_default();
        if id > MAX_ID {
            return Err(Error::IdTooLarge);
        }
        let length = u8::try_from(route.len()).map_err(|_| Error::RouteTooLong(route.len()))?;
        let mut rest = BytesMut::with_capacity(route.len() + body.len());
        rest.put_slice(route.as_bytes());
        rest.put_slice(body);
        Ok(Self {
            kind: if id == 0 { Kind::Notify } else { Kind::Request },
            compressed: false,
            id,
            route: Range::Name(length),
            rest: rest.freeze(),
        })
    }

    /// Its type.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The request's id; 0 where there is none.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Whether it says that its body is compressed, which only clients of [Pitaya](super::pitaya) mean.
    pub fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// Where it is for; an empty name in a response.
    pub fn route(&self) -> Route<'_> {
        match self.route {
            Range::Name(length) => {
                Route::Name(self.rest.get(..usize::from(length)).unwrap_or_default())
            }
            Range::Code(code) => Route::Code(code),
        }
    }

    /// What it says.
    pub fn body(&self) -> &[u8] {
        self.rest.get(self.body_at()..).unwrap_or_default()
    }

    /// What it says, as the part of the buffer it came in.
    pub fn into_body(mut self) -> Bytes {
        self.rest.advance(self.body_at());
        self.rest
    }

    /// Route and body, one after the other, as the part of the buffer they came in, which the message has no
    /// longer. A route that is a code has no text.
    pub fn take_route_and_body(&mut self) -> Bytes {
        std::mem::take(&mut self.rest)
    }

    /// The same with another route and body, which are copied.
    ///
    /// # Errors
    /// A route beyond what the format can tell.
    pub fn with(&self, route: &[u8], body: &[u8]) -> Result<Self, Error> {
        let length = u8::try_from(route.len()).map_err(|_| Error::RouteTooLong(route.len()))?;
        let mut rest = BytesMut::with_capacity(route.len() + body.len());
        rest.put_slice(route);
        rest.put_slice(body);
        Ok(Self {
            kind: self.kind,
            compressed: false,
            id: self.id,
            route: Range::Name(length),
            rest: rest.freeze(),
        })
    }

    /// The same with another body, which is copied and not compressed.
    #[must_use]
    pub fn with_body(&self, body: &[u8]) -> Self {
        let route = self.rest.get(..self.body_at()).unwrap_or_default();
        let mut rest = BytesMut::with_capacity(route.len() + body.len());
        rest.put_slice(route);
        rest.put_slice(body);
        Self {
            compressed: false,
            rest: rest.freeze(),
            ..self.clone()
        }
    }

    fn body_at(&self) -> usize {
        match self.route {
            Range::Name(length) => usize::from(length),
            Range::Code(_) => 0,
        }
    }
}

impl Kind {
    fn has_id(self) -> bool {
        matches!(self, Self::Request | Self::Response)
    }

    fn has_route(self) -> bool {
        self != Self::Response
    }
}

impl TryFrom<u8> for Kind {
    type Error = Error;

    fn try_from(value: u8) -> Result<Self, Error> {
        Ok(match value {
            0 => Self::Request,
            1 => Self::Notify,
            2 => Self::Response,
            3 => Self::Push,
            other => return Err(Error::UnknownType(other)),
        })
    }
}
