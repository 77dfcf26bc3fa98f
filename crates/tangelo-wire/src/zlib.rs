//! Streams of zlib (RFC 1950), whole ones.

use std::io::Write;

use bytes::{BufMut, Bytes, BytesMut};
use flate2::{
    Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status, write::ZlibEncoder,
};

/// How many times the length of its input zlib is first given room for. It gets twice that when it is full.
const FIRST_ROOM: usize = 4;

/// Why bytes are not what zlib has made of something, or not of anything this side accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Inflating {
    /// Not what zlib writes, cut short, or followed by something else.
    #[error("not a stream of zlib")]
    Malformed,
    /// More than this side accepts.
    #[error("more than {limit} bytes when inflated")]
    TooLong {
        /// Bytes allowed.
        limit: usize,
    },
}

/// Makes a body what it was before, of `limit` bytes at the most. It takes no more memory than that, and
/// before anything comes out no more than what came in makes likely.
pub(crate) fn inflate(bytes: &[u8], limit: usize) -> Result<Bytes, Inflating> {
    let mut stream = Decompress::new(true);
    let mut out = Vec::new();
    let (mut read, mut written) = (0, 0);
    loop {
        if written == out.len() {
            let room = more_room(out.len(), bytes.len(), limit);
            out.reserve_exact(room - out.len());
            out.resize(room, 0);
        }
        // A byte past the limit goes nowhere; it only tells that there is one.
        let mut past_limit = [0];
        let room = match out.get_mut(written..) {
            Some(room) if !room.is_empty() => room,
            _ => &mut past_limit[..],
        };
        let input = bytes.get(read..).unwrap_or_default();
        let status = stream
            .decompress(input, room, FlushDecompress::None)
            .map_err(|_| Inflating::Malformed)?;
        let before = (read, written);
        // Neither is more than the length of a slice.
        (read, written) = (stream.total_in() as usize, stream.total_out() as usize);
        if written > limit {
            return Err(Inflating::TooLong { limit });
        }
        match status {
            Status::StreamEnd if read == bytes.len() => break,
            Status::StreamEnd => return Err(Inflating::Malformed),
            _ if before == (read, written) => return Err(Inflating::Malformed),
            _ => {}
        }
    }
    out.truncate(written);
    Ok(out.into())
}

/// The room that follows on `room` when it is full.
fn more_room(room: usize, input: usize, limit: usize) -> usize {
    let first = input.saturating_mul(FIRST_ROOM).max(1);
    room.saturating_mul(2).max(first).min(limit)
}

/// Appends what zlib makes of a body.
pub(crate) fn deflate(body: &[u8], out: &mut BytesMut) -> Option<()> {
    let mut encoder = ZlibEncoder::new(out.writer(), Compression::default());
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(drop)
}

/// Deflates one body after the other, with memory of its own: a quarter of a mebibyte.
#[derive(Debug)]
pub struct Deflater(Compress);

impl Deflater {
    /// For speed rather than for the last byte: who waits is a player.
    pub fn new() -> Self {
        Self(Compress::new(Compression::fast(), true))
    }

    /// What zlib makes of a body; none if that is not shorter.
    pub fn deflate(&mut self, body: &[u8]) -> Option<Vec<u8>> {
        self.0.reset();
        // It stops where it is not shorter any more.
        let mut out = Vec::with_capacity(body.len());
        let status = self.0.compress_vec(body, &mut out, FlushCompress::Finish);
        let ended = matches!(status, Ok(Status::StreamEnd));
        (ended && out.len() < body.len()).then_some(out)
    }
}

impl Default for Deflater {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inflating_gets_room_for_what_came_in_then_for_what_came_out_never_past_the_limit() {
        assert_eq!(more_room(0, 100, 1000), 400);
        assert_eq!(more_room(400, 100, 1000), 800);
        assert_eq!(more_room(800, 100, 1000), 1000);
        assert_eq!(more_room(0, 100, 399), 399);
        assert_eq!(more_room(0, 0, 1000), 1);
        assert_eq!(
            more_room(usize::MAX - 1, usize::MAX, usize::MAX),
            usize::MAX
        );
    }
}
