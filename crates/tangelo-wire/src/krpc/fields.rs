//! A protobuf message, field by field.

use bytes::BufMut;

use crate::varint;

const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const LENGTH_DELIMITED: u64 = 2;
const FIXED_32: u64 = 5;
const LONGEST: usize = 10;

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    /// An int32; it is sent as its sign-extended 64 bits, so their low half is the value.
    Number(i32),
    /// Text, bytes or a message.
    Text(&'a [u8]),
    /// Four or eight bytes, which no field of ours has.
    Fixed,
}

/// Takes the next field, its number and its value, off the front of `rest`.
///
/// `None` when there is none, or what is there is no protobuf.
// Inlined into its loops, a meta is read in a quarter less time.
#[inline(always)]
pub(super) fn next<'a>(rest: &mut &'a [u8]) -> Option<(u64, Value<'a>)> {
    let key = number(rest)?;
    let value = match key & 7 {
        VARINT => Value::Number(number(rest)? as i32),
        LENGTH_DELIMITED => {
            let size = usize::try_from(number(rest)?).ok()?;
            Value::Text(take(rest, size)?)
        }
        FIXED_64 => take(rest, 8).map(|_| Value::Fixed)?,
        FIXED_32 => take(rest, 4).map(|_| Value::Fixed)?,
        _ => return None,
    };
    let field = key >> 3;
    (field != 0).then_some((field, value))
}

/// Takes an int32 of this field off the front of `rest`; 0 if another is there, which stays. `None` as of
/// [`next`].
#[inline(always)]
pub(super) fn leading_number(field: u8, rest: &mut &[u8]) -> Option<i32> {
    match rest {
        [key, after @ ..] if *key == field << 3 | VARINT as u8 => {
            *rest = after;
            number(rest).map(|value| value as i32)
        }
        _ => Some(0),
    }
}

/// Appends an int32, unless it is 0.
#[inline(always)]
pub(super) fn put_number(field: u64, value: i32, out: &mut impl BufMut) {
    if value != 0 {
        varint::write(field << 3 | VARINT, out);
        varint::write(i64::from(value) as u64, out);
    }
}

/// Appends text, bytes or a message, unless it is empty.
#[inline(always)]
pub(super) fn put_text(field: u64, value: &[u8], out: &mut impl BufMut) {
    put_text_of(field, value.len(), out);
    out.put_slice(value);
}

/// Appends what stands before text, bytes or a message of this length, unless it is empty.
pub(super) fn put_text_of(field: u64, length: usize, out: &mut impl BufMut) {
    if length > 0 {
        varint::write(field << 3 | LENGTH_DELIMITED, out);
        varint::write(length as u64, out);
    }
}

/// Bytes of a field below 16 that holds an int32.
pub(super) fn number_length(value: i32) -> usize {
    match value {
        0 => 0,
        value => 1 + varint::length(i64::from(value) as u64),
    }
}

/// Bytes of a field below 16 that holds text, bytes or a message of this length.
pub(super) fn text_length(length: usize) -> usize {
    match length {
        0 => 0,
        length => 1 + varint::length(length as u64) + length,
    }
}

#[inline]
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let (value, length) = varint::read(bytes, LONGEST)?;
    *bytes = bytes.get(length..)?;
    Some(value)
}

#[inline]
fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}
