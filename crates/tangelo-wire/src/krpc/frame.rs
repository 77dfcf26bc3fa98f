//! The frame: `KR`, the length of the meta, the length of meta and body, then both.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{
    layout::Layout,
    meta::{self, Meta},
};

/// Bytes before the meta.
pub const HEADER: usize = 8;
/// The longest meta; its length is a signed 16-bit number to Java.
pub const MAX_META: usize = i16::MAX as usize;
/// The largest frame unless configured otherwise, header included.
pub const DEFAULT_MAX_FRAME: usize = 1_000_000;

const MAGIC: [u8; 2] = *b"KR";

/// A heartbeat as the connecting side sends it when nothing else was said.
pub const HEARTBEAT_REQUEST: [u8; 14] = *b"KR\0\x06\0\0\0\x06\x08\x01\x10\x01\x18\x01";
/// What answers it.
pub const HEARTBEAT_RESPONSE: [u8; 14] = *b"KR\0\x06\0\0\0\x06\x08\x02\x10\x01\x18\x01";

/// A whole frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is, and for whom.
    pub meta: Meta,
    /// The protobuf message; empty where every field has its default.
    pub body: Bytes,
}

/// Why bytes are no frame, or cannot become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The first two bytes are not `KR`.
    #[error("not a krpc frame")]
    Magic,
    /// More than this side accepts.
    #[error("frame of {length} bytes, the limit is {limit}")]
    TooLong {
        /// Bytes the header announced, itself included.
        length: u64,
        /// Bytes allowed.
        limit: usize,
    },
    /// A meta of no bytes, of more than [`MAX_META`], or longer than the frame.
    #[error("meta of {0} bytes")]
    MetaLength(usize),
    /// The meta is no meta.
    #[error(transparent)]
    Meta(#[from] meta::Error),
}

/// Takes the next whole frame off the front of a stream's buffer; `Ok(None)` asks for more bytes.
///
/// What can be judged early is: the magic by each byte of it, the length by the header alone. A meta
/// that does not tell its layout is read in `fallback`.
///
/// # Errors
/// Any [`Error`]; the peer then speaks something else.
#[inline(always)]
pub fn decode(
    buffer: &mut BytesMut,
    fallback: Layout,
    limit: usize,
) -> Result<Option<Frame>, Error> {
    if buffer.iter().zip(MAGIC).any(|(have, want)| *have != want) {
        return Err(Error::Magic);
    }
    let &[_, _, m0, m1, p0, p1, p2, p3, ..] = &**buffer else {
        return Ok(None);
    };
    let meta_length = usize::from(u16::from_be_bytes([m0, m1]));
    let rest = u32::from_be_bytes([p0, p1, p2, p3]);
    let length = HEADER as u64 + u64::from(rest);
    if length > limit as u64 {
        return Err(Error::TooLong { length, limit });
    }
    let rest = rest as usize;
    if meta_length == 0 || meta_length > MAX_META || meta_length > rest {
        return Err(Error::MetaLength(meta_length));
    }
    if buffer.len() < HEADER + rest {
        return Ok(None);
    }
    let mut bytes = buffer.split_to(HEADER + rest).freeze();
    bytes.advance(HEADER);
    let meta = Meta::decode_front(&bytes, meta_length, fallback)?;
    bytes.advance(meta_length);
    Ok(Some(Frame { meta, body: bytes }))
}

/// Appends a frame whose body `write` appends.
///
/// # Errors
/// A meta or a frame longer than the format or `limit` allows; `out` is then as it was.
#[inline]
pub fn encode_with(
    meta: &Meta,
    layout: Layout,
    limit: usize,
    out: &mut BytesMut,
    write: impl FnOnce(&mut BytesMut),
) -> Result<(), Error> {
    let start = out.len();
    if meta.beside.is_none() {
        // Most are so: room is made at once, and numbers are written where they stay.
        out.put_slice(&[0; HEADER + meta::LONGEST_NUMBERS]);
        let mut rest = out.get_mut(start..).unwrap_or_default();
        rest.put_slice(&MAGIC);
        rest.put_slice(&[0; HEADER - MAGIC.len()]);
        meta.encode_numbers(layout, &mut rest);
        let unused = rest.len();
        out.truncate(out.len() - unused);
    } else {
        out.put_slice(&MAGIC);
        out.put_slice(&[0; HEADER - MAGIC.len()]);
        meta.encode(layout, out);
    }
    let meta_length = out.len() - start - HEADER;
    write(out);
    let length = out.len() - start;
    if meta_length > MAX_META || length > limit || u32::try_from(length).is_err() {
        out.truncate(start);
        return Err(if meta_length > MAX_META {
            Error::MetaLength(meta_length)
        } else {
            Error::TooLong {
                length: length as u64,
                limit,
            }
        });
    }
    if let Some(mut header) = out.get_mut(start + MAGIC.len()..start + HEADER) {
        header.put_u16(meta_length as u16);
        header.put_u32((length - HEADER) as u32);
    }
    Ok(())
}

/// Appends a frame with this body.
///
/// # Errors
/// As [`encode_with`].
pub fn encode(
    meta: &Meta,
    body: &[u8],
    layout: Layout,
    limit: usize,
    out: &mut BytesMut,
) -> Result<(), Error> {
    encode_with(meta, layout, limit, out, |out| out.put_slice(body))
}
