//! From the wire to JSON, in one pass over each message.

mod map;
mod value;

use bytes::Bytes;
use prost_reflect::{Kind, MessageDescriptor};
use tangelo_reflect::{
    JsonOptions, MAX_DEPTH,
    message::{self, Malformed, Raw},
};

use crate::mapping::{
    Defaults, JsonForm, RenderError,
    shape::{Below, Field, Many, Shape, Shapes},
};

/// JSON that is being written.
#[derive(Debug)]
pub(super) struct Writer<'p, 'b> {
    pub(super) shapes: &'p Shapes,
    pub(super) form: JsonForm,
    pub(super) max: usize,
    pub(super) out: Vec<u8>,
    /// What has been found of the fields of messages that are being written.
    slots: Vec<Slot<'b>>,
}

/// What has been found of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slot<'b> {
    Nothing,
    One(Raw<'b>),
    /// All its values are within these bytes; between them may be other fields.
    Span {
        start: usize,
        end: usize,
    },
}

/// Why no JSON comes of it.
#[derive(Debug)]
pub(super) enum Stop {
    Malformed(String),
    TooDeep,
    TooLong,
}

impl From<Malformed> for Stop {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl Stop {
    pub(super) fn error(self, message: &MessageDescriptor, max: usize) -> RenderError {
        match self {
            Self::Malformed(problem) => RenderError::Message {
                message: message.full_name().to_owned(),
                problem,
            },
            Self::TooDeep => RenderError::TooDeep,
            Self::TooLong => RenderError::TooLong(max),
        }
    }
}

impl<'p, 'b> Writer<'p, 'b> {
    pub(super) fn new(shapes: &'p Shapes, form: JsonForm, max: usize, body: usize) -> Self {
        Self {
            shapes,
            form,
            max,
            out: Vec::with_capacity(body * 2 + 64),
            slots: Vec::new(),
        }
    }

    /// An object; `special` is asked of each field first, and those that it takes are left out.
    pub(super) fn object(
        &mut self,
        shape: &'p Shape,
        body: &'b [u8],
        depth: usize,
        mut special: impl FnMut(usize, Slot<'b>) -> Result<bool, Stop>,
    ) -> Result<(), Stop> {
        if depth > MAX_DEPTH {
            return Err(Stop::TooDeep);
        }
        let first = self.slots.len();
        self.find(shape, body, first)?;
        self.out.push(b'{');
        for (place, field) in shape.fields.iter().enumerate() {
            let slot = self.slot(first + place);
            if special(place, slot)? {
                continue;
            }
            self.field(field, slot, body, depth)?;
            if self.out.len() > self.max {
                return Err(Stop::TooLong);
            }
        }
        self.out.push(b'}');
        self.slots.truncate(first);
        Ok(())
    }

    fn slot(&self, at: usize) -> Slot<'b> {
        self.slots.get(at).copied().unwrap_or(Slot::Nothing)
    }

    /// Where the fields are. Of a single value the last counts; of a choice, the member that came last.
    fn find(&mut self, shape: &'p Shape, body: &'b [u8], first: usize) -> Result<(), Stop> {
        self.slots.resize(first + shape.fields.len(), Slot::Nothing);
        let mut rest = body;
        while !rest.is_empty() {
            let start = body.len() - rest.len();
            let (number, raw) = message::next(&mut rest)?;
            let end = body.len() - rest.len();
            let Some(place) = shape.by_number(number) else {
                continue;
            };
            let Some(field) = shape.fields.get(place) else {
                continue;
            };
            if field.choice.is_some() {
                self.choose(shape, place, field, first);
            }
            let Some(slot) = self.slots.get_mut(first + place) else {
                continue;
            };
            *slot = match (*slot, &field.many) {
                (_, Many::One) if field.below == Below::Nothing => Slot::One(raw),
                (Slot::Nothing, Many::One) => Slot::One(raw),
                (Slot::Nothing, _) => Slot::Span { start, end },
                (Slot::Span { start, .. }, _) => Slot::Span { start, end },
                // A message in two parts, which are one.
                (Slot::One(_), _) => Slot::Span { start: 0, end },
            };
        }
        Ok(())
    }

    fn choose(&mut self, shape: &Shape, place: usize, field: &Field, first: usize) {
        for (other, sibling) in shape.fields.iter().enumerate() {
            if other != place
                && sibling.choice == field.choice
                && let Some(slot) = self.slots.get_mut(first + other)
            {
                *slot = Slot::Nothing;
            }
        }
    }

    fn field(
        &mut self,
        field: &'p Field,
        slot: Slot<'b>,
        body: &'b [u8],
        depth: usize,
    ) -> Result<(), Stop> {
        match (&field.many, slot) {
            (Many::Map(keys), slot) => self.map(field, keys, slot, body, depth + 1),
            (Many::List { .. }, Slot::Nothing) => {
                if self.form.defaults == Defaults::Always {
                    self.key(field);
                    self.out.extend_from_slice(b"[]");
                }
                Ok(())
            }
            (Many::List { .. }, slot) => self.list(field, slot, body, depth + 1),
            (Many::One, Slot::Nothing) => {
                if !field.presence && self.shows_default(&field.kind) {
                    self.key(field);
                    self.default(&field.kind);
                }
                Ok(())
            }
            (Many::One, slot) if field.below != Below::Nothing => {
                self.key(field);
                match slot {
                    Slot::One(raw) => self.message(field, raw, depth + 1),
                    slot => {
                        let parts = self.parts(field, slot, body)?;
                        self.parted(field, &parts, depth + 1)
                    }
                }
            }
            (Many::One, Slot::One(raw)) => {
                if field.presence || !value::is_default(raw) || self.shows_default(&field.kind) {
                    self.key(field);
                    self.scalar(&field.kind, raw)?;
                }
                Ok(())
            }
            (Many::One, Slot::Span { .. }) => Ok(()),
        }
    }

    fn shows_default(&self, kind: &Kind) -> bool {
        match self.form.defaults {
            Defaults::Never => false,
            Defaults::Krpc => !matches!(kind, Kind::String | Kind::Bytes),
            Defaults::Always => true,
        }
    }

    /// The field's name; a comma before it where something stands before it.
    fn key(&mut self, field: &Field) {
        self.comma();
        if self.form.camel_names {
            self.out.extend_from_slice(field.key.as_bytes());
        } else {
            // Names of .proto files need no escapes.
            self.out.push(b'"');
            self.out.extend_from_slice(field.name.as_bytes());
            self.out.extend_from_slice(b"\":");
        }
    }

    fn comma(&mut self) {
        if !matches!(self.out.last(), Some(b'{' | b'[')) {
            self.out.push(b',');
        }
    }

    fn list(
        &mut self,
        field: &'p Field,
        slot: Slot<'b>,
        body: &'b [u8],
        depth: usize,
    ) -> Result<(), Stop> {
        if depth > MAX_DEPTH {
            return Err(Stop::TooDeep);
        }
        let before = self.out.len();
        self.key(field);
        let start = self.out.len();
        self.out.push(b'[');
        let mut rest = within(slot, body);
        while !rest.is_empty() {
            let (number, raw) = message::next(&mut rest)?;
            if number != field.number {
                continue;
            }
            if field.below != Below::Nothing {
                self.comma();
                self.message(field, raw, depth + 1)?;
            } else if let (Some(next), Raw::Bytes(mut packed)) = (value::packed(&field.kind), raw) {
                while !packed.is_empty() {
                    let raw = next(&mut packed)?;
                    self.comma();
                    self.scalar(&field.kind, raw)?;
                }
            } else {
                self.comma();
                self.scalar(&field.kind, raw)?;
            }
            if self.out.len() > self.max {
                return Err(Stop::TooLong);
            }
        }
        if self.out.len() == start + 1 && self.form.defaults != Defaults::Always {
            // Nothing but an empty packed list.
            self.out.truncate(before);
        } else {
            self.out.push(b']');
        }
        Ok(())
    }

    fn message(&mut self, field: &'p Field, raw: Raw<'b>, depth: usize) -> Result<(), Stop> {
        match (field.below, raw) {
            (Below::Message(at), Raw::Bytes(body)) | (Below::Group(at), Raw::Group(body)) => {
                self.object(self.shapes.at(at), body, depth, |_, _| Ok(false))
            }
            (Below::WellKnown, Raw::Bytes(body)) => self.well_known(field, body),
            _ => Err(value::other_form()),
        }
    }

    fn well_known(&mut self, field: &Field, body: &[u8]) -> Result<(), Stop> {
        let Kind::Message(message) = &field.kind else {
            return Err(value::other_form());
        };
        let options = JsonOptions {
            defaults: self.form.defaults == Defaults::Always,
            int64_numbers: !self.form.int64_strings,
            enum_numbers: !self.form.enum_names,
        };
        let json = tangelo_reflect::body_to_json(message, body, options);
        let json = json.map_err(|error| Stop::Malformed(error.to_string()))?;
        self.out.extend_from_slice(json.as_bytes());
        Ok(())
    }

    /// The parts of a message, one behind the other: which is how they are merged.
    fn parts(&self, field: &Field, slot: Slot<'b>, body: &'b [u8]) -> Result<Vec<u8>, Stop> {
        let mut parts = Vec::new();
        let mut rest = within(slot, body);
        while !rest.is_empty() {
            match message::next(&mut rest)? {
                (number, Raw::Bytes(part) | Raw::Group(part)) if number == field.number => {
                    parts.extend_from_slice(part);
                }
                (number, _) if number == field.number => return Err(value::other_form()),
                _ => {}
            }
        }
        Ok(parts)
    }

    /// A message that does not lie in the body as a whole.
    fn parted(&mut self, field: &Field, parts: &[u8], depth: usize) -> Result<(), Stop> {
        let (Below::Message(at) | Below::Group(at)) = field.below else {
            return self.well_known(field, parts);
        };
        let mut writer = Writer {
            shapes: self.shapes,
            form: self.form,
            max: self.max,
            out: std::mem::take(&mut self.out),
            slots: Vec::new(),
        };
        let written = writer.object(self.shapes.at(at), parts, depth, |_, _| Ok(false));
        self.out = writer.out;
        written
    }

    /// An object with nothing but this field.
    pub(super) fn alone(
        &mut self,
        field: &'p Field,
        slot: Slot<'b>,
        body: &'b [u8],
    ) -> Result<(), Stop> {
        self.out.push(b'{');
        self.field(field, slot, body, 1)?;
        self.out.push(b'}');
        Ok(())
    }

    pub(super) fn done(self) -> Bytes {
        self.out.into()
    }
}

/// Where all values of a field are.
fn within<'b>(slot: Slot<'b>, body: &'b [u8]) -> &'b [u8] {
    match slot {
        Slot::Span { start, end } => body.get(start..end).unwrap_or_default(),
        Slot::Nothing | Slot::One(_) => &[],
    }
}
