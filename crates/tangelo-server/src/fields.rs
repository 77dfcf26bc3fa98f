//! The fields of a protobuf message, where they are.
//!
//! For the one message that every forwarded request is: its parts are used as they lie in the frame,
//! and most of them by nobody but the handler.

use std::ops::Range;

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// A varint.
    Number(u64),
    /// Eight bytes.
    Fixed(u64),
    /// Where its bytes are in the message.
    Bytes(Range<usize>),
}

/// Why bytes are no protobuf message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no protobuf message: {0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const LENGTH_DELIMITED: u64 = 2;
const FIXED_32: u64 = 5;

/// The fields of a message in the order they stand, by number.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    message: &'a [u8],
    rest: &'a [u8],
}

#[inline]
pub(crate) fn fields(message: &[u8]) -> Fields<'_> {
    Fields {
        message,
        rest: message,
    }
}

impl Fields<'_> {
    /// Takes the bytes of this field, one below 16; none if another is next, which stays. What stands where its
    /// writer puts it is sooner taken so than looked at for what it is.
    #[inline(always)]
    pub(crate) fn leading_bytes(&mut self, field: u32) -> Result<Range<usize>, Malformed> {
        match self.rest {
            [key, after @ ..] if u64::from(*key) == u64::from(field) << 3 | LENGTH_DELIMITED => {
                self.rest = after;
                bytes(self.message, &mut self.rest)
            }
            _ => Ok(0..0),
        }
    }
}

impl Iterator for Fields<'_> {
    type Item = Result<(u32, Value), Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = field(self.message, &mut self.rest);
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

const TRUNCATED: Malformed = Malformed("truncated");

#[inline(always)]
fn field(message: &[u8], rest: &mut &[u8]) -> Result<(u32, Value), Malformed> {
    let key = varint(rest)?;
    let value = match key & 7 {
        VARINT => Value::Number(varint(rest)?),
        FIXED_64 => {
            let (bytes, after) = rest.split_first_chunk().ok_or(TRUNCATED)?;
            *rest = after;
            Value::Fixed(u64::from_le_bytes(*bytes))
        }
        LENGTH_DELIMITED => Value::Bytes(bytes(message, rest)?),
        FIXED_32 => {
            let (bytes, after) = rest.split_first_chunk().ok_or(TRUNCATED)?;
            *rest = after;
            Value::Fixed(u32::from_le_bytes(*bytes).into())
        }
        _ => return Err(Malformed("a group, or nothing known")),
    };
    match u32::try_from(key >> 3) {
        Ok(number) if number > 0 => Ok((number, value)),
        _ => Err(Malformed("a field of no number")),
    }
}

#[inline(always)]
fn bytes(message: &[u8], rest: &mut &[u8]) -> Result<Range<usize>, Malformed> {
    let length = usize::try_from(varint(rest)?).map_err(|_| TRUNCATED)?;
    let start = message.len() - rest.len();
    *rest = rest.get(length..).ok_or(TRUNCATED)?;
    Ok(start..start + length)
}

#[inline]
fn varint(rest: &mut &[u8]) -> Result<u64, Malformed> {
    const LONGEST: usize = 10;
    if let [first, after @ ..] = *rest
        && *first < 0x80
    {
        *rest = after;
        return Ok((*first).into());
    }
    let mut value = 0;
    for (at, byte) in rest.iter().take(LONGEST).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            *rest = rest.get(at + 1..).unwrap_or_default();
            return Ok(value);
        }
    }
    Err(Malformed("a number without an end"))
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::generated::forward::{ForwardReq, Session};

    #[test]
    fn what_prost_writes_is_found_where_it_is() {
        let session = Session {
            sid: 7,
            uid: "u".into(),
            ..Session::default()
        };
        let message = ForwardReq {
            route: "a.b.c".into(),
            kind: 1,
            body: "{}".into(),
            session: Some(session),
            ..ForwardReq::default()
        };
        let bytes = message.encode_to_vec();
        let found: Vec<_> = fields(&bytes).map(Result::unwrap).collect();
        let part = |range: &Range<usize>| bytes.get(range.clone()).unwrap();
        let [
            (1, Value::Bytes(route)),
            (2, Value::Number(1)),
            (4, Value::Bytes(body)),
            (5, Value::Bytes(session)),
        ] = &*found
        else {
            panic!("{found:?}");
        };
        assert_eq!((part(route), part(body)), (&b"a.b.c"[..], &b"{}"[..]));
        let session: Vec<_> = fields(part(session)).map(Result::unwrap).collect();
        assert_eq!(session.first(), Some(&(1, Value::Fixed(7))));
    }

    #[test]
    fn what_stands_first_is_taken_and_what_does_not_is_left() {
        let message = ForwardReq {
            route: "abc".into(),
            body: "{}".into(),
            ..ForwardReq::default()
        };
        let bytes = message.encode_to_vec();
        let mut read = fields(&bytes);
        assert_eq!(read.leading_bytes(4), Ok(0..0), "it stands behind another");
        assert_eq!(read.leading_bytes(1), Ok(2..5));
        assert_eq!(read.leading_bytes(1), Ok(0..0), "it was taken");
        assert_eq!(read.next(), Some(Ok((4, Value::Bytes(7..9)))));
        assert_eq!((read.leading_bytes(4), read.next()), (Ok(0..0), None));
        let mut cut_off = fields(&bytes[..4]);
        assert_eq!(cut_off.leading_bytes(1), Err(TRUNCATED));
    }

    #[test]
    fn a_message_cut_off_anywhere_is_an_error_or_ends_between_fields() {
        let message = ForwardReq {
            route: "abc".into(),
            body: "{}".into(),
            ..ForwardReq::default()
        };
        let bytes = message.encode_to_vec();
        for length in 0..bytes.len() {
            let found: Result<Vec<_>, _> = fields(bytes.get(..length).unwrap()).collect();
            assert_eq!(
                found.is_ok(),
                length == 0 || length == 5,
                "{length}: {found:?}"
            );
        }
        assert!(
            fields(&[
                0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01
            ])
            .all(|f| f.is_err())
        );
    }
}
