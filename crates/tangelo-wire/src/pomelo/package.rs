//! The package layer: one byte of kind, three of length, then the body.

use bytes::{BufMut, Bytes, BytesMut};

/// Bytes before the body.
pub const HEADER: usize = 4;
/// The longest body the 24-bit length can tell.
pub const MAX_BODY: usize = (1 << 24) - 1;

/// What a package is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// JSON from either side, before anything else.
    Handshake = 1,
    /// The client has seen the handshake's answer; without a body.
    HandshakeAck = 2,
    /// Sign of life from either side.
    Heartbeat = 3,
    /// One [message](super::message).
    Data = 4,
    /// The server asks the client to go; JSON with a reason.
    Kick = 5,
}

/// A whole package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// What it is for.
    pub kind: Kind,
    /// What it carries; may be empty.
    pub body: Bytes,
}

/// Why bytes are no package, or cannot become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The first byte is none of the five kinds.
    #[error("unknown package kind {0}")]
    UnknownKind(u8),
    /// The body is longer than this side accepts, or than the format can tell.
    #[error("package body of {length} bytes, the limit is {limit}")]
    TooLong {
        /// Bytes the header announced.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
}

/// Reads a header: the kind, and the length of the body that follows it.
///
/// `Ok(None)` asks for more bytes. The kind is judged by the first byte alone and the length as soon
/// as it is there, so that a stranger is recognised before anything is stored for it.
///
/// # Errors
/// An unknown kind, or a body longer than `limit`.
#[inline(always)]
pub fn header(bytes: &[u8], limit: usize) -> Result<Option<(Kind, usize)>, Error> {
    let Some(&first) = bytes.first() else {
        return Ok(None);
    };
    let kind = Kind::try_from(first)?;
    let &[_, high, middle, low, ..] = bytes else {
        return Ok(None);
    };
    let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
    if length > limit {
        return Err(Error::TooLong { length, limit });
    }
    Ok(Some((kind, length)))
}

/// Takes the next whole package off the front of a stream's buffer; `Ok(None)` asks for more bytes.
///
/// # Errors
/// As [`header`].
#[inline(always)]
pub fn decode(buffer: &mut BytesMut, limit: usize) -> Result<Option<Package>, Error> {
    let Some((kind, length)) = header(buffer, limit)? else {
        return Ok(None);
    };
    if buffer.len() < HEADER + length {
        return Ok(None);
    }
    let mut body = buffer.split_to(HEADER + length).freeze();
    bytes::Buf::advance(&mut body, HEADER);
    Ok(Some(Package { kind, body }))
}

/// Appends a package whose body `write` appends.
///
/// # Errors
/// A body longer than [`MAX_BODY`]; `out` is then as it was.
pub fn encode_with(
    kind: Kind,
    out: &mut BytesMut,
    write: impl FnOnce(&mut BytesMut),
) -> Result<(), Error> {
    let start = out.len();
    out.put_slice(&[0; HEADER]);
    write(out);
    let length = out.len() - start - HEADER;
    let header = header_of(kind, length).inspect_err(|_| out.truncate(start))?;
    if let Some(place) = out.get_mut(start..start + HEADER) {
        place.copy_from_slice(&header);
    }
    Ok(())
}

/// What stands before a body of this length.
pub(super) fn header_of(kind: Kind, length: usize) -> Result<[u8; HEADER], Error> {
    if length > MAX_BODY {
        return Err(Error::TooLong {
            length,
            limit: MAX_BODY,
        });
    }
    let [_, high, middle, low] = (length as u32).to_be_bytes();
    Ok([kind as u8, high, middle, low])
}

/// Appends a package with this body.
///
/// # Errors
/// A body longer than [`MAX_BODY`]; `out` is then as it was.
pub fn encode(kind: Kind, body: &[u8], out: &mut BytesMut) -> Result<(), Error> {
    encode_with(kind, out, |out| out.put_slice(body))
}

impl TryFrom<u8> for Kind {
    type Error = Error;

    fn try_from(byte: u8) -> Result<Self, Error> {
        Ok(match byte {
            1 => Self::Handshake,
            2 => Self::HandshakeAck,
            3 => Self::Heartbeat,
            4 => Self::Data,
            5 => Self::Kick,
            other => return Err(Error::UnknownKind(other)),
        })
    }
}
