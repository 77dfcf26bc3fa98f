//! What stands before a frame's body: direction, target, correlation, outcome.
//!
//! The field numbers are those of krpc 0.2.51. The message is written and read by hand because every
//! frame has one, most of its fields are small numbers, and the trace can stay unread.

use bytes::{BufMut, Bytes};

use crate::varint;

/// Which way a frame goes. Both sides of a connection may ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Asks.
    #[default]
    Request = 1,
    /// Answers.
    Response = 2,
}

/// The meta of a frame. A field with its default value is not sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Request or response.
    pub direction: Direction,
    /// Number of the service; at least 1.
    pub service_id: i32,
    /// Number of the message within the service; at least 1.
    pub msg_id: i32,
    /// What ties a response to its request.
    pub sequence: i32,
    /// How long the caller will wait, in milliseconds; 0: it did not say.
    pub timeout_ms: i32,
    /// The outcome, in a response: 0 or a negative code.
    pub ret_code: i32,
    /// The encoded trace, unread.
    pub trace: Bytes,
    /// Free text that travels beside the body.
    pub attachment: Bytes,
    /// How the body is compressed: 0 not, 1 zlib, 2 snappy.
    pub compress: i32,
    /// How the body is encrypted: 0 not, 1 AES.
    pub encrypt: i32,
}

/// Why bytes are no meta.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a protobuf message.
    #[error("meta is no protobuf message")]
    Malformed,
    /// Neither request nor response.
    #[error("meta with direction {0}")]
    Direction(i32),
    /// A service or message number below 1.
    #[error("meta for service {service_id}, message {msg_id}")]
    Target {
        /// The service number found.
        service_id: i32,
        /// The message number found.
        msg_id: i32,
    },
}

const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const LENGTH_DELIMITED: u64 = 2;
const FIXED_32: u64 = 5;
const LONGEST: usize = 10;

impl Meta {
    /// Reads a meta; unknown fields are skipped, as are known numbers of another wire type.
    ///
    /// # Errors
    /// Bytes that are no protobuf message, an unknown direction, a target below 1.
    pub fn decode(bytes: &Bytes) -> Result<Self, Error> {
        Self::decode_front(bytes, bytes.len())
    }

    /// Reads the meta that is the first `length` bytes; the rest is somebody else's.
    pub(super) fn decode_front(bytes: &Bytes, length: usize) -> Result<Self, Error> {
        let mut meta = Self::default();
        let mut direction = 0;
        let mut rest = bytes.get(..length).ok_or(Error::Malformed)?;
        while !rest.is_empty() {
            let key = number(&mut rest)?;
            match (key >> 3, key & 7) {
                (0, _) => return Err(Error::Malformed),
                (field, VARINT) => {
                    // An int32 is sent as its sign-extended 64 bits, so its low half is the value.
                    let value = number(&mut rest)? as i32;
                    match field {
                        1 => direction = value,
                        2 => meta.service_id = value,
                        3 => meta.msg_id = value,
                        4 => meta.sequence = value,
                        5 => meta.timeout_ms = value,
                        6 => meta.ret_code = value,
                        9 => meta.compress = value,
                        10 => meta.encrypt = value,
                        _ => {}
                    }
                }
                (field, LENGTH_DELIMITED) => {
                    let size = usize::try_from(number(&mut rest)?).map_err(|_| Error::Malformed)?;
                    let value = take(&mut rest, size)?;
                    match field {
                        7 => meta.trace = bytes.slice_ref(value),
                        8 => meta.attachment = bytes.slice_ref(value),
                        _ => {}
                    }
                }
                (_, FIXED_64) => {
                    take(&mut rest, 8)?;
                }
                (_, FIXED_32) => {
                    take(&mut rest, 4)?;
                }
                _ => return Err(Error::Malformed),
            }
        }
        meta.direction = match direction {
            1 => Direction::Request,
            2 => Direction::Response,
            other => return Err(Error::Direction(other)),
        };
        if meta.service_id < 1 || meta.msg_id < 1 {
            return Err(Error::Target {
                service_id: meta.service_id,
                msg_id: meta.msg_id,
            });
        }
        Ok(meta)
    }

    /// Appends the meta.
    pub fn encode(&self, out: &mut impl BufMut) {
        let numbers = |out: &mut _, fields: &[(u64, i32)]| {
            for (field, value) in fields {
                if *value != 0 {
                    varint::write(field << 3 | VARINT, out);
                    varint::write(i64::from(*value) as u64, out);
                }
            }
        };
        numbers(
            out,
            &[
                (1, self.direction as i32),
                (2, self.service_id),
                (3, self.msg_id),
                (4, self.sequence),
                (5, self.timeout_ms),
                (6, self.ret_code),
            ],
        );
        for (field, value) in [(7u64, &self.trace), (8, &self.attachment)] {
            if !value.is_empty() {
                varint::write(field << 3 | LENGTH_DELIMITED, out);
                varint::write(value.len() as u64, out);
                out.put_slice(value);
            }
        }
        numbers(out, &[(9, self.compress), (10, self.encrypt)]);
    }
}

fn number(bytes: &mut &[u8]) -> Result<u64, Error> {
    let (value, length) = varint::read(bytes, LONGEST).ok_or(Error::Malformed)?;
    *bytes = bytes.get(length..).unwrap_or_default();
    Ok(value)
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], Error> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or(Error::Malformed)?;
    *bytes = rest;
    Ok(taken)
}
