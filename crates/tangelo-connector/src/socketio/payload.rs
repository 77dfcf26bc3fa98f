//! How much of what a client is told stands in an answer to its poll. What engine.io says by itself does not count.

/// Between packets for clients 3 and 4.
const SEPARATOR: u8 = 0x1e;
/// Behind a length, where a payload for clients 1 and 2 has bytes in it.
const LENGTH_ENDS: u8 = 0xff;

/// Bytes of messages, with their types as texts have them; of bytes in base64 a little more.
pub(super) fn said(payload: &[u8]) -> usize {
    match payload {
        [0 | 1, ..] => with_bytes(payload),
        [b'0'..=b'9', rest @ ..] if measured(rest) => texts(payload),
        _ => payload.split(|byte| *byte == SEPARATOR).map(size).sum(),
    }
}

/// Whether it begins with a length and a colon.
fn measured(rest: &[u8]) -> bool {
    let after = rest.iter().find(|byte| !byte.is_ascii_digit());
    after == Some(&b':')
}

fn size(packet: &[u8]) -> usize {
    match packet {
        [b'4' | b'b', ..] => packet.len(),
        _ => 0,
    }
}

/// `2:41`, one after the other; all of it is ASCII.
fn texts(mut payload: &[u8]) -> usize {
    let mut said = 0;
    while let Some(colon) = payload.iter().position(|byte| *byte == b':') {
        let (length, rest) = payload.split_at(colon);
        let length = length
            .iter()
            .fold(0, |length, digit| digits(length, digit.wrapping_sub(b'0')));
        let rest = rest.get(1..).unwrap_or_default();
        let (packet, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        said += size(packet);
        payload = after;
    }
    said
}

/// Text or bytes, the digits of a length, 255, so many bytes; one after the other.
fn with_bytes(mut payload: &[u8]) -> usize {
    let mut said = 0;
    while let Some(end) = payload.iter().position(|byte| *byte == LENGTH_ENDS) {
        let (head, rest) = payload.split_at(end);
        let length = head
            .iter()
            .skip(1)
            .fold(0, |length, digit| digits(length, *digit));
        let rest = rest.get(1..).unwrap_or_default();
        let (packet, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        said += match head {
            // Here the type is a number.
            [1, ..] => packet.len().saturating_sub(1),
            _ => size(packet),
        };
        payload = after;
    }
    said
}

fn digits(length: usize, digit: u8) -> usize {
    length.saturating_mul(10).saturating_add(digit.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_count_and_nothing_else() {
        assert_eq!(said(b""), 0);
        assert_eq!(said(b"2"), 0);
        assert_eq!(said(b"42[1]\x1e2\x1e41"), 7);
        assert_eq!(said(b"42[\"a:b\"]"), 9);
        assert_eq!(said(b"5:42[1]1:32:41"), 7);
        assert_eq!(said(b"11:42[\"aaaaa\"]"), 11);
        assert_eq!(
            said(b"\x00\x05\xff42[1]\x01\x04\xff\x04abc\x00\x01\xff3"),
            8
        );
        // However it ends.
        assert_eq!(said(b"9:42"), 2);
    }
}
