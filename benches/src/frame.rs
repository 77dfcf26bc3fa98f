//! Frames with the header of a Pomelo package: one byte of type, three bytes of body length.
//!
//! The bare servers must not pay for Tangelo's codec, nor gain from a fault in it, so the benchmark
//! has these few lines of its own.

/// The length of a frame's header.
pub const HEADER: usize = 4;

/// The type of the package that opens a Pomelo connection, in both directions.
pub const HANDSHAKE: u8 = 1;
/// The type of the package with which a client confirms the handshake.
pub const HANDSHAKE_ACK: u8 = 2;
/// The type of a heartbeat.
pub const HEARTBEAT: u8 = 3;
/// The type of a package that carries a message; the bare servers know no other.
pub const DATA: u8 = 4;

/// Splits the first whole frame off `input`: its type, its body, and what follows it.
#[must_use]
pub fn split(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[kind, high, middle, low], rest) = input.split_first_chunk::<HEADER>()?;
    let length = u32::from_be_bytes([0, high, middle, low]) as usize;
    let (body, rest) = rest.split_at_checked(length)?;
    Some((kind, body, rest))
}

/// Appends a frame.
///
/// A body longer than 24 bits can say is a mistake of the caller: the command line allows no such
/// payload.
pub fn put(output: &mut Vec<u8>, kind: u8, body: &[u8]) {
    put_header(output, kind, body.len());
    output.extend_from_slice(body);
}

/// Appends the header of a frame whose body the caller appends in pieces.
pub fn put_header(output: &mut Vec<u8>, kind: u8, body_length: usize) {
    debug_assert!(body_length < 1 << 24, "a frame's length has 24 bits");
    let [.., high, middle, low] = body_length.to_be_bytes();
    output.extend_from_slice(&[kind, high, middle, low]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_one_by_one() {
        let mut bytes = Vec::new();
        put(&mut bytes, DATA, b"first");
        put(&mut bytes, HEARTBEAT, b"");
        let (kind, body, rest) = split(&bytes).unwrap();
        assert_eq!((kind, body), (DATA, &b"first"[..]));
        assert_eq!(split(rest), Some((HEARTBEAT, &b""[..], &b""[..])));
    }

    #[test]
    fn part_of_a_frame_is_none_yet() {
        let mut bytes = Vec::new();
        put(&mut bytes, DATA, &[7; 300]);
        assert_eq!(&bytes[..HEADER], [DATA, 0, 1, 44]);
        for length in 0..bytes.len() {
            assert_eq!(split(&bytes[..length]), None, "{length} bytes");
        }
    }
}
