//! Base-128 numbers, least significant group first, as both protocols write them.

use bytes::BufMut;

/// What is at the front of `bytes`: a number and how many bytes it took.
///
/// `None` when the number does not end within `bytes` or within `longest` bytes.
#[inline]
pub(crate) fn read(bytes: &[u8], longest: usize) -> Option<(u64, usize)> {
    // Most have one byte, or two.
    match *bytes {
        [first @ ..0x80, ..] => return Some((first.into(), 1)),
        [first, second @ ..0x80, ..] if longest > 1 => {
            return Some((u64::from(first & 0x7f) | u64::from(second) << 7, 2));
        }
        _ => {}
    }
    let mut value = 0u64;
    for (at, byte) in bytes.iter().take(longest).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

/// Bytes that [`write`] appends.
#[inline]
pub(crate) fn length(value: u64) -> usize {
    (u64::BITS - (value | 1).leading_zeros()).div_ceil(7) as usize
}

#[inline]
pub(crate) fn write(mut value: u64, out: &mut impl BufMut) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_takes_as_many_bytes_as_its_length_says() {
        let numbers = (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit]);
        for number in numbers.chain([u64::MAX]) {
            let mut out = Vec::new();
            write(number, &mut out);
            assert_eq!(out.len(), length(number), "{number}");
            assert_eq!(read(&out, 10), Some((number, out.len())));
        }
    }
}
