//! Pomelo's protobuf: bodies that are shorter than JSON, by definitions both sides have.
//!
//! It looks like protobuf and is not:
//!
//! * `int32` is zig-zag, as `sInt32` is.
//! * A list of numbers is its key once, how many there are, and the numbers; no length in bytes.
//! * The type of a field in its key is ignored, as browsers write a wrong one; the definition decides.
//! * A field without a definition ends the message: nobody knows how long it is.
//!
//! [`Definitions`] are read from the form of `clientProtos.json` and `serverProtos.json`. They turn a
//! body into JSON and back. Towards clients that ask for it ([`Dialect::Extended`]) there are further
//! types, lists of numbers have a length in bytes, and what has no definition is passed over.

mod compile;
mod decode;
mod define;
mod describe;
mod encode;
mod form;

pub use self::{
    compile::{Definitions, MessageId, Problem},
    decode::DecodeError,
    define::{ProtoField, ProtoKey, ProtoMessage, ProtoRule},
    encode::EncodeError,
    form::FormError,
};

/// Messages within each other, at the most, in definitions and in what is read and written.
pub const MAX_DEPTH: usize = 32;
/// Bytes of the longest JSON that a body becomes.
pub const MAX_JSON: usize = super::package::MAX_BODY;
/// The largest number that is read: what JavaScript counts exactly.
pub const MAX_NUMBER: u64 = (1 << 53) - 1;
/// The largest number of a field.
pub const MAX_TAG: u32 = (1 << 29) - 1;

/// Which of two ways of writing both sides have agreed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Pomelo's own, to the byte.
    #[default]
    Pomelo,
    /// The same with `bool`, `bytes`, `uInt64`, `sInt64` and `int64`; with a length in bytes before lists of
    /// numbers, so that a field without a definition can be passed over.
    Extended,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    UInt32,
    /// Also `int32`.
    SInt32,
    Float,
    Double,
    String,
    Bool,
    Bytes,
    UInt64,
    /// Also `int64`.
    SInt64,
    Message(MessageId),
}

/// What the last bits of a key say of the bytes behind it.
mod wire {
    pub(super) const VARINT: u8 = 0;
    pub(super) const EIGHT_BYTES: u8 = 1;
    pub(super) const LENGTH: u8 = 2;
    pub(super) const FOUR_BYTES: u8 = 5;
}

/// Bytes of the longest number.
const LONGEST_VARINT: usize = 10;

impl Kind {
    /// The type of this name, if it is no message.
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "uInt32" => Self::UInt32,
            "sInt32" | "int32" => Self::SInt32,
            "float" => Self::Float,
            "double" => Self::Double,
            "string" => Self::String,
            "bool" => Self::Bool,
            "bytes" => Self::Bytes,
            "uInt64" => Self::UInt64,
            "sInt64" | "int64" => Self::SInt64,
            _ => return None,
        })
    }

    /// Whether Pomelo's clients do not know it.
    fn is_extension(self) -> bool {
        matches!(self, Self::Bool | Self::Bytes | Self::UInt64 | Self::SInt64)
    }

    fn wire(self) -> u8 {
        match self {
            Self::UInt32 | Self::SInt32 | Self::Bool | Self::UInt64 | Self::SInt64 => wire::VARINT,
            Self::Double => wire::EIGHT_BYTES,
            Self::Float => wire::FOUR_BYTES,
            Self::String | Self::Bytes | Self::Message(_) => wire::LENGTH,
        }
    }

    /// Whether a list of them has its key once.
    fn is_number(self) -> bool {
        self.wire() != wire::LENGTH
    }
}
