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

/// How many bytes a number takes.
#[inline]
pub(crate) fn length(value: u32) -> usize {
    let bits = u32::BITS - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
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
    fn a_number_takes_as_many_bytes_as_is_told_before() {
        let edges = (0..u32::BITS).map(|bit| 1 << bit);
        for number in edges
            .flat_map(|edge: u32| [edge - 1, edge])
            .chain([u32::MAX])
        {
            let mut out = Vec::new();
            write(number.into(), &mut out);
            assert_eq!(out.len(), length(number), "{number}");
        }
    }
}
