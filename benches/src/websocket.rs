//! As much of WebSocket's framing as a load generator needs.
//!
//! A library would cost the generator an allocation per message, and the generator must never be
//! what is measured.

use std::io;

/// The request that asks for WebSocket. Key and answer are the example of RFC 6455.
pub const UPGRADE: &[u8] =
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const FINAL_BINARY: u8 = 0x82;
const MASKED: u8 = 0x80;
/// Any mask will do on the loopback. This one has no zero byte, so that a server which forgets to
/// unmask is found out.
const MASK: [u8; 4] = [0x5a, 0xa5, 0x3c, 0xc3];

/// The length of the answer to [`UPGRADE`] when it is whole; an error when it refuses.
pub fn accepted(input: &[u8]) -> io::Result<Option<usize>> {
    let Some(end) = input.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&input[..end]);
    if head.starts_with("HTTP/1.1 101 ") && head.contains(ACCEPT) {
        Ok(Some(end + 4))
    } else {
        Err(io::Error::other(format!(
            "the server refused WebSocket: {head}"
        )))
    }
}

/// Appends `payload` as one masked binary message, as a client must.
pub fn put_masked(output: &mut Vec<u8>, payload: &[u8]) {
    output.push(FINAL_BINARY);
    match payload.len() {
        length @ 0..126 => output.push(MASKED | length as u8),
        length @ 126..=0xffff => {
            output.push(MASKED | 126);
            output.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            output.push(MASKED | 127);
            output.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    output.extend_from_slice(&MASK);
    let start = output.len();
    output.extend_from_slice(payload);
    let (words, tail) = output[start..].as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(MASK)).to_ne_bytes();
    }
    for (byte, mask) in tail.iter_mut().zip(MASK) {
        *byte ^= mask;
    }
}

/// What a server's frame is to the load generator.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A whole binary message.
    Binary(&'a [u8]),
    /// A ping or a pong, which a run of a few seconds may leave unanswered.
    Control,
}

/// Splits the first whole frame off `input`, which comes from a server and so is not masked.
pub fn split(input: &[u8]) -> io::Result<Option<(Frame<'_>, &[u8])>> {
    let Some((&[first, second], rest)) = input.split_first_chunk::<2>() else {
        return Ok(None);
    };
    let sized = match second {
        0..126 => Some((u64::from(second), rest)),
        126 => rest
            .split_first_chunk()
            .map(|(length, rest)| (u64::from(u16::from_be_bytes(*length)), rest)),
        127 => rest
            .split_first_chunk()
            .map(|(length, rest)| (u64::from_be_bytes(*length), rest)),
        MASKED.. => return Err(io::Error::other("a server masked a frame")),
    };
    let Some((length, rest)) = sized else {
        return Ok(None);
    };
    let length = usize::try_from(length).map_err(io::Error::other)?;
    let Some((payload, rest)) = rest.split_at_checked(length) else {
        return Ok(None);
    };
    match first {
        FINAL_BINARY => Ok(Some((Frame::Binary(payload), rest))),
        0x89 | 0x8a => Ok(Some((Frame::Control, rest))),
        0x88 => Err(io::Error::other("the server closed the WebSocket")),
        other => Err(io::Error::other(format!(
            "a WebSocket frame that starts with {other:#04x}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_framed_and_masked() {
        for length in [0, 1, 5, 125, 126, 0xffff, 0x1_0000] {
            let payload: Vec<u8> = (0..length).map(|number| number as u8).collect();
            let mut frame = Vec::new();
            put_masked(&mut frame, &payload);
            // A server's frame is the same without the mask.
            let start = frame.len() - length;
            for (at, byte) in frame[start..].iter_mut().enumerate() {
                *byte ^= MASK[at % 4];
            }
            frame.drain(start - 4..start);
            frame[1] &= !MASKED;
            assert_eq!(
                split(&frame).unwrap(),
                Some((Frame::Binary(&payload), &[][..])),
                "{length} bytes"
            );
            assert_eq!(
                split(&frame[..frame.len() - 1]).unwrap(),
                None,
                "{length} bytes but one"
            );
        }
    }

    #[test]
    fn a_refusal_is_an_error_and_part_of_an_answer_is_none() {
        assert!(accepted(b"HTTP/1.1 400 Bad Request\r\n\r\n").is_err());
        assert_eq!(accepted(b"HTTP/1.1 101 Switching Pro").unwrap(), None);
        let whole =
            format!("HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n");
        assert_eq!(accepted(whole.as_bytes()).unwrap(), Some(whole.len()));
    }
}
