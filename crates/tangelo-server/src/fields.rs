//! The fields of a protobuf message, where they are.
//!
//! For the one message that every forwarded request is: its parts are used as they lie in the frame,
//! and most of them by nobody but the handler.

use std::ops::Range;

use prost::encoding::{self, WireType};

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
pub(crate) struct Malformed(pub(crate) String);

/// The fields of a message in the order they stand, by number.
pub(crate) fn fields(message: &[u8]) -> impl Iterator<Item = Result<(u32, Value), Malformed>> {
    let mut rest = message;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let field = field(message, &mut rest);
        if field.is_err() {
            rest = &[];
        }
        Some(field)
    })
}

fn field(message: &[u8], rest: &mut &[u8]) -> Result<(u32, Value), Malformed> {
    let malformed = |error: prost::DecodeError| Malformed(error.to_string());
    let truncated = || Malformed("truncated".to_owned());
    let (number, wire_type) = encoding::decode_key(rest).map_err(malformed)?;
    let value = match wire_type {
        WireType::Varint => Value::Number(encoding::decode_varint(rest).map_err(malformed)?),
        WireType::SixtyFourBit => {
            let (bytes, after) = rest.split_first_chunk().ok_or_else(truncated)?;
            *rest = after;
            Value::Fixed(u64::from_le_bytes(*bytes))
        }
        WireType::LengthDelimited => {
            let length = encoding::decode_varint(rest).map_err(malformed)?;
            let length = usize::try_from(length).map_err(|_| truncated())?;
            let start = message.len() - rest.len();
            *rest = rest.get(length..).ok_or_else(truncated)?;
            Value::Bytes(start..start + length)
        }
        WireType::ThirtyTwoBit => {
            let (bytes, after) = rest.split_first_chunk().ok_or_else(truncated)?;
            *rest = after;
            Value::Fixed(u32::from_le_bytes(*bytes).into())
        }
        WireType::StartGroup | WireType::EndGroup => {
            return Err(Malformed("a group".to_owned()));
        }
    };
    Ok((number, value))
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
