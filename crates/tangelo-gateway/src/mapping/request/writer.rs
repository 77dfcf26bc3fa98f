//! Fields, written one after the other.

use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use super::scalar::Scalar;

/// A message that is being written.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) out: Vec<u8>,
}

/// Something whose length is not known yet.
#[derive(Debug)]
#[must_use]
pub(super) struct Open {
    /// Before its key.
    key: usize,
    /// Behind the byte that is kept for its length.
    start: usize,
}

impl Writer {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self {
            out: Vec::with_capacity(bytes),
        }
    }

    pub(super) fn field(&mut self, number: u32, value: &Scalar<'_>) {
        let wire_type = match value {
            Scalar::Varint(_) => WireType::Varint,
            Scalar::Fixed32(_) => WireType::ThirtyTwoBit,
            Scalar::Fixed64(_) => WireType::SixtyFourBit,
            Scalar::Bytes(_) => WireType::LengthDelimited,
        };
        encode_key(number, wire_type, &mut self.out);
        self.bare(value);
    }

    /// Without its key, as in a packed list.
    pub(super) fn bare(&mut self, value: &Scalar<'_>) {
        match value {
            Scalar::Varint(number) => encode_varint(*number, &mut self.out),
            Scalar::Fixed32(bits) => self.out.extend_from_slice(&bits.to_le_bytes()),
            Scalar::Fixed64(bits) => self.out.extend_from_slice(&bits.to_le_bytes()),
            Scalar::Bytes(bytes) => {
                encode_varint(bytes.len() as u64, &mut self.out);
                self.out.extend_from_slice(bytes);
            }
        }
    }

    pub(super) fn mark(&mut self, number: u32, wire_type: WireType) {
        encode_key(number, wire_type, &mut self.out);
    }

    /// What follows up to [`close`](Self::close) is the field's value.
    pub(super) fn open(&mut self, number: u32) -> Open {
        let key = self.out.len();
        encode_key(number, WireType::LengthDelimited, &mut self.out);
        self.out.push(0);
        Open {
            key,
            start: self.out.len(),
        }
    }

    /// What has been written of it.
    pub(super) fn so_far(&self, open: &Open) -> &[u8] {
        self.out.get(open.start..).unwrap_or_default()
    }

    /// Writes the length; makes room for it where it takes more than a byte.
    pub(super) fn close(&mut self, open: &Open) {
        let end = self.out.len();
        let length = end - open.start;
        let more = encoded_len_varint(length as u64) - 1;
        if more > 0 {
            self.out.resize(end + more, 0);
            self.out.copy_within(open.start..end, open.start + more);
        }
        if let Some(mut room) = self.out.get_mut(open.start - 1..open.start + more) {
            encode_varint(length as u64, &mut room);
        }
    }

    /// As [`close`](Self::close); where nothing has been written the field is taken back.
    pub(super) fn close_unless_empty(&mut self, open: &Open) {
        if self.out.len() == open.start {
            self.take_back(open);
        } else {
            self.close(open);
        }
    }

    /// As if it had never been opened.
    pub(super) fn take_back(&mut self, open: &Open) {
        self.out.truncate(open.key);
    }
}
