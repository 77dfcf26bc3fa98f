//! Base-128 numbers, least significant group first, as both protocols write them.

use bytes::BufMut;

/// What is at the front of `bytes`: a number and how many bytes it took.
///
/// `None` when the number does not end within `bytes` or within `longest` bytes.
#[inline]
pub(crate) fn read(bytes: &[u8], longest: usize) -> Option<(u64, usize)> {
    if let Some(&first) = bytes.first()
        && first < 0x80
    {
        return Some((first.into(), 1));
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

#[inline]
pub(crate) fn write(mut value: u64, out: &mut impl BufMut) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}
