//! How much memory a body becomes when it is decoded.
//!
//! An element of a list takes two bytes of a body, and as much memory as its type has fields. So a body of
//! nothing but empty elements becomes many times what it was.

use std::collections::HashMap;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use super::walk::{MAX_DEPTH, deeper, fields_of};
use crate::message::{self, Malformed, Raw};

/// How many times its length a body may become when it is decoded, as far as that can be told from its
/// type. A list of numbers, packed, becomes eight times as much at the most.
pub const MAX_GROWTH: usize = 16;
/// Bytes that every body may become, however short it is.
pub const ALWAYS_DECODED: usize = 256 << 10;

/// A `String` or a `Vec`.
const LIST: usize = 24;
/// A `HashMap`.
const MAP: usize = 48;
/// What it costs to have something of its own in memory.
const ALLOCATION: usize = 16;
/// The shortest element of a list, in a body.
const SHORTEST: usize = 2;

/// What the messages of a type, and of all that it holds, become.
pub(super) struct DecodedSize {
    /// For each type, its own first.
    types: Vec<Heavy>,
    /// Bytes of a body that cannot become too much, whatever is in it.
    always_fits: usize,
}

/// The fields of a type that may take more memory than its own size, by number.
type Heavy = HashMap<u32, Growth, foldhash::fast::RandomState>;

/// What a value of a field adds.
struct Growth {
    by: usize,
    /// For each byte of it, if it is a packed list.
    by_packed: usize,
    below: Below,
}

#[derive(Clone, Copy)]
enum Below {
    Nothing,
    /// A message of the type at this index.
    Message(usize),
    /// An entry of a map, with such a message as its value, if any.
    Entry(Option<usize>),
}

/// Why a body is not decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is no message of the type.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It would become more than so many bytes.
    #[error("a body of {length} bytes would become more than {limit} when it is decoded")]
    TooLarge {
        /// Bytes of the body.
        length: usize,
        /// Bytes that it may become.
        limit: usize,
    },
}

impl DecodedSize {
    /// `None`: messages of the type never become more than they may.
    pub(super) fn of(descriptor: &MessageDescriptor) -> Option<Self> {
        let mut sizes = Sizes::default();
        let mut found = vec![descriptor.clone()];
        let mut types = Vec::new();
        while let Some(message) = found.get(types.len()).cloned() {
            let fields = message.fields();
            let heavy = fields.filter_map(|field| {
                Some((field.number(), growth(&field, &mut sizes, &mut found)?))
            });
            types.push(heavy.collect::<Heavy>());
        }
        let fields = types.iter().flat_map(Heavy::values);
        let worst = fields.map(|growth| growth.by_packed.max(growth.by.div_ceil(SHORTEST)));
        let worst = worst.max().filter(|worst| *worst > MAX_GROWTH)?;
        Some(Self {
            types,
            always_fits: ALWAYS_DECODED / worst,
        })
    }

    pub(super) fn check(&self, body: &[u8]) -> Result<(), Unreadable> {
        if body.len() <= self.always_fits {
            return Ok(());
        }
        let limit = ALWAYS_DECODED.max(body.len().saturating_mul(MAX_GROWTH));
        let mut left = limit;
        if self.measure(0, body, MAX_DEPTH, &mut left)? {
            return Ok(());
        }
        let length = body.len();
        Err(Unreadable::TooLarge { length, limit })
    }

    /// Takes what a message becomes from what is left. False: there was less.
    fn measure(
        &self,
        index: usize,
        mut message: &[u8],
        depth: usize,
        left: &mut usize,
    ) -> Result<bool, Malformed> {
        let Some(heavy) = self.types.get(index) else {
            return Ok(true);
        };
        while !message.is_empty() {
            let (number, raw) = message::next(&mut message)?;
            let Some(growth) = heavy.get(&number) else {
                continue;
            };
            let by = match raw {
                Raw::Bytes(packed) if growth.by_packed > 0 => growth.by_packed * packed.len(),
                _ => growth.by,
            };
            let Some(less) = left.checked_sub(by) else {
                return Ok(false);
            };
            *left = less;
            let fits = match growth.below {
                Below::Nothing => true,
                Below::Message(below) => {
                    self.measure(below, fields_of(raw)?, deeper(depth)?, left)?
                }
                Below::Entry(value) => self.measure_entry(value, fields_of(raw)?, depth, left)?,
            };
            if !fits {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn measure_entry(
        &self,
        value: Option<usize>,
        mut entry: &[u8],
        depth: usize,
        left: &mut usize,
    ) -> Result<bool, Malformed> {
        let Some(below) = value else { return Ok(true) };
        while !entry.is_empty() {
            let (number, raw) = message::next(&mut entry)?;
            if number == 2 && !self.measure(below, fields_of(raw)?, deeper(depth)?, left)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn growth(
    field: &FieldDescriptor,
    sizes: &mut Sizes,
    found: &mut Vec<MessageDescriptor>,
) -> Option<Growth> {
    let mut index = |message: &MessageDescriptor| {
        found
            .iter()
            .position(|known| known == message)
            .unwrap_or_else(|| {
                found.push(message.clone());
                found.len() - 1
            })
    };
    let (mut by, mut by_packed, mut below) = (0, 0, Below::Nothing);
    match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            let value = entry.map_entry_value_field().kind();
            let key = sizes.of_value(&entry.map_entry_key_field().kind());
            by = key + sizes.of_value(&value) + ALLOCATION;
            below = Below::Entry(value.as_message().map(index));
        }
        Kind::Message(message) => {
            below = Below::Message(index(&message));
            if field.is_list() {
                by = sizes.of(&message);
            } else if sizes.holds_itself(&message) {
                by = sizes.of(&message) + ALLOCATION;
            }
        }
        kind @ (Kind::String | Kind::Bytes) if field.is_list() => {
            by = sizes.of_value(&kind) + ALLOCATION;
        }
        kind if field.is_list() => {
            by = sizes.of_value(&kind);
            by_packed = match kind {
                // Each is as long in a body.
                Kind::Fixed32 | Kind::Sfixed32 | Kind::Float => 1,
                Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => 1,
                _ => by,
            };
        }
        // A part of its message.
        _ => return None,
    }
    Some(Growth {
        by,
        by_packed,
        below,
    })
}

/// What generated types take in memory, about.
#[derive(Default)]
struct Sizes {
    /// None: it is being looked at, so it holds itself.
    known: HashMap<String, Option<usize>>,
    hold_themselves: Vec<String>,
}

impl Sizes {
    fn of(&mut self, message: &MessageDescriptor) -> usize {
        match self.known.get(message.full_name()) {
            Some(Some(size)) => return *size,
            Some(None) => {
                self.hold_themselves.push(message.full_name().to_owned());
                // In a box.
                return size_of::<usize>();
            }
            None => {}
        }
        self.known.insert(message.full_name().to_owned(), None);
        let mut oneofs = HashMap::new();
        let mut size = 0_usize;
        for field in message.fields() {
            let own = self.of_field(&field);
            match field.containing_oneof() {
                // They share their place.
                Some(oneof) => {
                    let place = oneofs.entry(oneof.full_name().to_owned()).or_insert(0);
                    *place = own.max(*place);
                }
                None => size = size.saturating_add(own),
            }
        }
        let oneofs = oneofs
            .into_values()
            .map(|own: usize| own + size_of::<usize>());
        let size = oneofs.fold(size, usize::saturating_add).min(ALWAYS_DECODED);
        self.known
            .insert(message.full_name().to_owned(), Some(size));
        size
    }

    fn holds_itself(&mut self, message: &MessageDescriptor) -> bool {
        self.of(message);
        self.hold_themselves
            .iter()
            .any(|name| name == message.full_name())
    }

    fn of_field(&mut self, field: &FieldDescriptor) -> usize {
        match field.kind() {
            _ if field.is_map() => MAP,
            _ if field.is_list() => LIST,
            kind => self.of_value(&kind),
        }
    }

    fn of_value(&mut self, kind: &Kind) -> usize {
        match kind {
            Kind::String | Kind::Bytes => LIST,
            Kind::Message(message) => self.of(message).saturating_add(size_of::<usize>()),
            Kind::Bool => 1,
            Kind::Double | Kind::Int64 | Kind::Uint64 => 8,
            Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64 => 8,
            _ => 4,
        }
    }
}
