//! Bodies made shorter: zlib (RFC 1950) and snappy (one raw block, neither framed nor with a checksum).
//!
//! An empty body is never compressed, whatever its meta says.

use bytes::{BufMut, Bytes, BytesMut};

use crate::zlib::{self, Inflating};

/// The most snappy makes of so many bytes: a copy of 64 bytes is told in 3.
const SNAPPY_COPY: (u64, u64) = (64, 3);

/// How a body is compressed. The numbers are those of the field `compress` of a meta, where 0 is not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// An RFC 1950 stream.
    Zlib = 1,
    /// A raw block.
    Snappy = 2,
}

/// Why a body is not compressed, or not as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The number of no compression known here.
    #[error("unknown compression {0}")]
    Unknown(i32),
    /// Not what the compression writes, cut short, followed by something else, or of another length
    /// than it says.
    #[error("body is not compressed as its meta says")]
    Malformed,
    /// More than this side accepts.
    #[error("decompressed body of more than {limit} bytes")]
    TooLong {
        /// Bytes allowed.
        limit: usize,
    },
    /// Longer than the format can tell: 4 GiB for snappy.
    #[error("body cannot be compressed")]
    Refused,
}

impl TryFrom<i32> for Compression {
    type Error = Error;

    fn try_from(number: i32) -> Result<Self, Error> {
        Ok(match number {
            1 => Self::Zlib,
            2 => Self::Snappy,
            other => return Err(Error::Unknown(other)),
        })
    }
}

impl From<Inflating> for Error {
    fn from(error: Inflating) -> Self {
        match error {
            Inflating::Malformed => Self::Malformed,
            Inflating::TooLong { limit } => Self::TooLong { limit },
        }
    }
}

/// Appends the compressed body.
///
/// # Errors
/// [`Error::Refused`]; `out` is then as it was.
pub fn compress(kind: Compression, body: &[u8], out: &mut BytesMut) -> Result<(), Error> {
    let start = out.len();
    let compressed = match kind {
        Compression::Zlib => zlib::deflate(body, out),
        Compression::Snappy => pack(body, out),
    };
    if compressed.is_none() {
        out.truncate(start);
    }
    compressed.ok_or(Error::Refused)
}

/// Makes a body what it was before it was compressed, of `limit` bytes at the most.
///
/// It takes no more memory than `limit`, and before anything comes out no more than what came in
/// makes likely.
///
/// # Errors
/// [`Error::Malformed`], [`Error::TooLong`].
pub fn decompress(kind: Compression, bytes: &[u8], limit: usize) -> Result<Bytes, Error> {
    match kind {
        Compression::Zlib => Ok(zlib::inflate(bytes, limit)?),
        Compression::Snappy => unpack(bytes, limit),
    }
}

fn pack(body: &[u8], out: &mut BytesMut) -> Option<()> {
    let start = out.len();
    // 0 for what is too long, which the encoder then refuses.
    let longest = snap::raw::max_compress_len(body.len());
    out.put_bytes(0, longest);
    let room = out.get_mut(start..)?;
    let length = snap::raw::Encoder::new().compress(body, room).ok()?;
    out.truncate(start + length);
    Some(())
}

fn unpack(bytes: &[u8], limit: usize) -> Result<Bytes, Error> {
    let mut out = vec![0; unpacked_length(bytes, limit)?];
    // It also refuses what does not fill this length.
    snap::raw::Decoder::new()
        .decompress(bytes, &mut out)
        .map_err(|_| Error::Malformed)?;
    Ok(out.into())
}

/// The length that a block says it has, if so many bytes can become that.
fn unpacked_length(bytes: &[u8], limit: usize) -> Result<usize, Error> {
    let length = snap::raw::decompress_len(bytes).map_err(|_| Error::Malformed)?;
    if length > limit {
        return Err(Error::TooLong { limit });
    }
    let (copied, told_in) = SNAPPY_COPY;
    if length as u64 * told_in > bytes.len() as u64 * copied {
        return Err(Error::Malformed);
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snappy_gets_no_room_that_it_cannot_fill() {
        // Three bytes that say 64, and 65.
        assert_eq!(unpacked_length(b"\x40\0\0", usize::MAX), Ok(64));
        assert_eq!(
            unpacked_length(b"\x41\0\0", usize::MAX),
            Err(Error::Malformed)
        );
        let four_gib = b"\xff\xff\xff\xff\x0f\0";
        assert_eq!(unpacked_length(four_gib, usize::MAX), Err(Error::Malformed));
    }
}
