//! Which numbers the fields of a meta have.
//!
//! krpc gave its later fields new numbers between its first version and 0.2.51:
//!
//! | field | [`Layout::V1`] | [`Layout::V2`] |
//! |---|---|---|
//! | 5 | text, trace id | number, timeout |
//! | 7 | number, timeout | message, trace |
//! | 8 | text, peers | text, attachment |
//! | 9 | text, attachment | number, compress |
//! | 10 | number, compress | number, encrypt |
//!
//! Fields 1 to 4 and 6 (direction, service, message, sequence, outcome) are the same, so heartbeats and
//! plain responses are too. A request tells its layout by the types of its fields 5 and 7.

use super::fields::{self, Value};

/// The field numbers of a meta. A connection has one of them, as its first request tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Those of krpc's first version.
    V1,
    /// Those of krpc 0.2.51.
    #[default]
    V2,
}

/// The fields of a meta as they stand in it, whatever their layout. A field left out is 0 or empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fields<'a> {
    pub(super) direction: i32,
    pub(super) service_id: i32,
    pub(super) msg_id: i32,
    pub(super) sequence: i32,
    pub(super) ret_code: i32,
    pub(super) number_5: Option<i32>,
    pub(super) text_5: Option<&'a [u8]>,
    pub(super) number_7: Option<i32>,
    /// With its key and its length.
    pub(super) field_7: Option<&'a [u8]>,
    pub(super) text_8: &'a [u8],
    pub(super) number_9: i32,
    pub(super) text_9: &'a [u8],
    pub(super) number_10: i32,
}

impl<'a> Fields<'a> {
    /// Reads them in one pass, in any order; `None` when this is no protobuf message.
    // Inlined, as what reads a meta is.
    #[inline(always)]
    pub(super) fn read(mut meta: &'a [u8]) -> Option<Self> {
        // These stand first, in everybody's frames: that is sooner looked at than what each field is.
        let mut fields = Self {
            direction: fields::leading_number(1, &mut meta)?,
            service_id: fields::leading_number(2, &mut meta)?,
            msg_id: fields::leading_number(3, &mut meta)?,
            sequence: fields::leading_number(4, &mut meta)?,
            ..Self::default()
        };
        while !meta.is_empty() {
            let before = meta;
            match fields::next(&mut meta)? {
                (1, Value::Number(value)) => fields.direction = value,
                (2, Value::Number(value)) => fields.service_id = value,
                (3, Value::Number(value)) => fields.msg_id = value,
                (4, Value::Number(value)) => fields.sequence = value,
                (5, Value::Number(value)) => fields.number_5 = Some(value),
                (5, Value::Text(value)) => fields.text_5 = Some(value),
                (6, Value::Number(value)) => fields.ret_code = value,
                (7, Value::Number(value)) => fields.number_7 = Some(value),
                (7, Value::Text(_)) => fields.field_7 = before.get(..before.len() - meta.len()),
                (8, Value::Text(value)) => fields.text_8 = value,
                (9, Value::Number(value)) => fields.number_9 = value,
                (9, Value::Text(value)) => fields.text_9 = value,
                (10, Value::Number(value)) => fields.number_10 = value,
                _ => {}
            }
        }
        Some(fields)
    }

    /// The layout these fields can only have; `None` when they fit both, or neither.
    pub(super) fn told(&self) -> Option<Layout> {
        let only_v1 = self.text_5.is_some() || self.number_7.is_some();
        let only_v2 = self.number_5.is_some() || self.field_7.is_some();
        match (only_v1, only_v2) {
            (true, false) => Some(Layout::V1),
            (false, true) => Some(Layout::V2),
            _ => None,
        }
    }

    /// Whether they hold a trace of [`Layout::V1`]. Fields that have both are trusted with neither.
    pub(super) fn has_v1_trace(&self) -> bool {
        let has_texts = self.text_5.is_some_and(|text| !text.is_empty()) || !self.text_8.is_empty();
        has_texts && self.field_7.is_none()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::varint;

    /// A field of any number and type, among them many of a meta's; some are cut off.
    fn field() -> impl Strategy<Value = Vec<u8>> {
        let number = prop_oneof![8 => 1..=10_u64, 1 => 0..100_u64];
        let kind = prop_oneof![6 => Just(0_u64), 3 => Just(2), 1 => 0..8_u64];
        let value = prop_oneof![Just(1_u64), 0..300_u64, any::<u64>()];
        (number, kind, value, vec(any::<u8>(), 0..9)).prop_map(|(number, kind, value, bytes)| {
            let mut field = Vec::new();
            varint::write(number << 3 | kind, &mut field);
            match kind {
                0 => varint::write(value, &mut field),
                2 => varint::write(bytes.len() as u64, &mut field),
                _ => {}
            }
            if kind != 0 {
                field.extend(bytes);
            }
            field
        })
    }

    proptest! {
        #[test]
        fn what_stands_first_is_read_as_it_is_behind_something_else(
            mut fields in vec(field(), 0..9),
            in_order in any::<bool>(),
            cut_off in prop_oneof![4 => Just(0_usize), 1 => 0..4_usize],
        ) {
            if in_order {
                fields.sort();
            }
            let mut meta = fields.concat();
            meta.truncate(meta.len().saturating_sub(cut_off));
            // Of a field that nobody knows.
            let mut behind = vec![15 << 3, 1];
            behind.extend_from_slice(&meta);
            prop_assert_eq!(Fields::read(&meta), Fields::read(&behind));
        }
    }
}
