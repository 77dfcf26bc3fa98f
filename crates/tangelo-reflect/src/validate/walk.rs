//! Looks at a body where it lies: nothing of it is decoded, so that it costs its length and no more,
//! whatever it holds.

use std::collections::BTreeSet;

use prost_reflect::Kind;

use super::{
    compile::{Field, Form, Place, Plan},
    scalar::{Scalar, Texts},
};
use crate::message::{self, Malformed, Raw};

/// How deep messages may lie in each other, as in prost.
pub(super) const MAX_DEPTH: usize = 100;

/// Why a body does not pass.
#[derive(Debug)]
pub(super) enum Stop {
    Malformed(Malformed),
    Broken(Place),
}

impl From<Malformed> for Stop {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// One look at one body.
pub(super) struct Walk<'p, 'b> {
    plans: &'p [Plan],
    /// What is known of the fields of the messages that are open, the outermost first.
    open: Vec<Seen<'b>>,
    texts: Texts,
}

/// What is known of a field of a message whose bytes are being read.
#[derive(Default)]
struct Seen<'b> {
    /// Elements of a list or map so far.
    count: usize,
    /// Different keys of a map so far, where they are counted.
    keys: BTreeSet<Key<'b>>,
    /// The only value there is: the last one counts.
    value: Option<Raw<'b>>,
    /// What comes before that in a message that is told in parts.
    before: Vec<&'b [u8]>,
    /// It breaks a rule of its own.
    is_broken: bool,
    /// What is broken in its first element that breaks a rule.
    broken_below: Option<Place>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key<'b> {
    Number(i128),
    Text(&'b str),
}

impl<'p, 'b> Walk<'p, 'b> {
    pub(super) fn check(plans: &'p [Plan], body: &'b [u8]) -> Result<(), Stop> {
        let mut walk = Self {
            plans,
            open: Vec::new(),
            texts: Texts::default(),
        };
        walk.message(0, &[], body, MAX_DEPTH)
    }

    /// A message that `last` is the last part of.
    fn message(
        &mut self,
        index: usize,
        before: &[&'b [u8]],
        last: &'b [u8],
        depth: usize,
    ) -> Result<(), Stop> {
        let plans = self.plans;
        let Some(plan) = plans.get(index) else {
            return Ok(());
        };
        if before.is_empty() && last.is_empty() {
            return plan.unset.map_or(Ok(()), |place| Err(Stop::Broken(place)));
        }
        let base = self.open.len();
        self.open
            .resize_with(base + plan.fields.len(), Seen::default);
        let mut parts = before.iter().copied().chain([last]);
        let outcome = parts
            .try_for_each(|part| self.read((index, plan), base, part, depth))
            .and_then(|()| self.settle((index, plan), base, depth));
        self.open.truncate(base);
        outcome
    }

    /// Reads fields. Stops when no field that is declared before can be broken any more.
    fn read(
        &mut self,
        (index, plan): (usize, &Plan),
        base: usize,
        mut part: &'b [u8],
        depth: usize,
    ) -> Result<(), Stop> {
        while !part.is_empty() {
            let (number, raw) = message::next(&mut part)?;
            let Some(slot) = plan.slots.get(&number) else {
                continue;
            };
            if slot.is_map {
                fields_of(raw)?;
            }
            for sibling in &slot.instead_of {
                if let Some(seen) = self.open.get_mut(base + sibling) {
                    *seen = Seen::default();
                }
            }
            let Some(at) = slot.field else { continue };
            let Some(field) = plan.fields.get(at) else {
                continue;
            };
            self.field(field, base + at, raw, depth)?;
            if at == 0 && self.open.get(base).is_some_and(|seen| seen.is_broken) {
                return Err(Stop::Broken(Place {
                    plan: index,
                    field: at,
                }));
            }
        }
        Ok(())
    }

    /// One more value of a field, of which `at` has what is known.
    fn field(&mut self, field: &Field, at: usize, raw: Raw<'b>, depth: usize) -> Result<(), Stop> {
        let Some(seen) = self.open.get_mut(at) else {
            return Ok(());
        };
        if seen.is_broken {
            return Ok(());
        }
        match &field.form {
            Form::One(_) => {
                let before = seen.value.replace(raw);
                if let (true, Some(before)) = (field.below.is_some(), before) {
                    seen.before.push(fields_of(before)?);
                }
            }
            Form::List(Kind::Message(_)) => {
                let message = fields_of(raw)?;
                seen.count(field, 1);
                self.element(field, at, &[], message, depth)?;
            }
            Form::List(kind) => self.scalars(field, kind, at, raw)?,
            Form::Map(key) => {
                let entry = fields_of(raw)?;
                seen.count(field, 1);
                let least = field.rules.least();
                let counts_keys = least > 1 && seen.keys.len() < least;
                if field.below.is_some() || counts_keys {
                    self.entry(field, key, at, entry, depth, counts_keys)?;
                }
            }
        }
        Ok(())
    }

    /// One element of a list that is no message, or several that are packed.
    fn scalars(&mut self, field: &Field, kind: &Kind, at: usize, raw: Raw<'b>) -> Result<(), Stop> {
        let Some(seen) = self.open.get_mut(at) else {
            return Ok(());
        };
        let (Raw::Bytes(mut packed), false) = (raw, matches!(kind, Kind::String | Kind::Bytes))
        else {
            let value = Scalar::read(kind, raw)?;
            seen.count(field, 1);
            seen.is_broken |= !field.rules.hold_one(value, &mut self.texts);
            return Ok(());
        };
        let next = match kind {
            Kind::Fixed32 | Kind::Sfixed32 | Kind::Float => message::fixed32,
            Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => message::fixed64,
            _ => message::varint,
        };
        while !packed.is_empty() && !seen.is_broken {
            let value = Scalar::read(kind, next(&mut packed)?)?;
            seen.count(field, 1);
            seen.is_broken |= !field.rules.hold_one(value, &mut self.texts);
        }
        Ok(())
    }

    /// An entry of a map. A key that is told twice counts twice towards what may be, and once towards
    /// what has to be.
    fn entry(
        &mut self,
        field: &Field,
        kind: &Kind,
        at: usize,
        mut entry: &'b [u8],
        depth: usize,
        counts_keys: bool,
    ) -> Result<(), Stop> {
        let depth = deeper(depth)?;
        let (mut key, mut value, mut before) = (None, &[][..], Vec::new());
        while !entry.is_empty() {
            match message::next(&mut entry)? {
                (1, raw) => key = Some(Scalar::read(kind, raw)?),
                (2, raw) if field.below.is_some() => {
                    let earlier = std::mem::replace(&mut value, fields_of(raw)?);
                    if !earlier.is_empty() {
                        before.push(earlier);
                    }
                }
                _ => {}
            }
        }
        if counts_keys && let Some(seen) = self.open.get_mut(at) {
            let key = match key {
                Some(Scalar::Text(text)) => Key::Text(text),
                Some(Scalar::Integer(number)) => Key::Number(number),
                Some(Scalar::Bool(value)) => Key::Number(value.into()),
                _ if matches!(kind, Kind::String) => Key::Text(""),
                _ => Key::Number(0),
            };
            seen.keys.insert(key);
        }
        self.element(field, at, &before, value, depth)
    }

    /// A message in a list or a map.
    fn element(
        &mut self,
        field: &Field,
        at: usize,
        before: &[&'b [u8]],
        last: &'b [u8],
        depth: usize,
    ) -> Result<(), Stop> {
        let known = self.open.get(at).and_then(|seen| seen.broken_below);
        let (Some(below), None) = (field.below, known) else {
            return Ok(());
        };
        match self.message(below, before, last, deeper(depth)?) {
            Err(Stop::Broken(place)) => {
                if let Some(seen) = self.open.get_mut(at) {
                    seen.broken_below = Some(place);
                }
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// All has been read: fields are judged in the order they are declared in.
    fn settle(
        &mut self,
        (index, plan): (usize, &Plan),
        base: usize,
        depth: usize,
    ) -> Result<(), Stop> {
        for (at, field) in plan.fields.iter().enumerate() {
            let Some(seen) = self.open.get_mut(base + at) else {
                return Ok(());
            };
            let is_set = seen.count > 0 || seen.value.is_some();
            if !is_set {
                field
                    .unset
                    .map_or(Ok(()), |place| Err(Stop::Broken(place)))?;
                continue;
            }
            let holds = match (&field.form, seen.value) {
                (Form::One(Kind::Message(_)), _) => true,
                (Form::One(kind), Some(raw)) => {
                    let value = Scalar::read(kind, raw)?;
                    field.rules.hold_one(value, &mut self.texts)
                }
                _ => {
                    let count = if seen.keys.is_empty() {
                        seen.count
                    } else {
                        seen.keys.len()
                    };
                    !seen.is_broken && count >= field.rules.least()
                }
            };
            if !holds {
                return Err(Stop::Broken(Place {
                    plan: index,
                    field: at,
                }));
            }
            if let Some(place) = seen.broken_below {
                return Err(Stop::Broken(place));
            }
            if let (Some(below), Some(raw)) = (field.below, seen.value) {
                let before = std::mem::take(&mut seen.before);
                self.message(below, &before, fields_of(raw)?, deeper(depth)?)?;
            }
        }
        Ok(())
    }
}

impl Seen<'_> {
    fn count(&mut self, field: &Field, more: usize) {
        self.count += more;
        self.is_broken |= self.count > field.rules.most();
    }
}

pub(super) fn deeper(depth: usize) -> Result<usize, Malformed> {
    depth
        .checked_sub(1)
        .ok_or_else(|| Malformed::new("messages lie too deep in each other"))
}

/// The bytes of a message in a message.
pub(super) fn fields_of(raw: Raw<'_>) -> Result<&[u8], Malformed> {
    match raw {
        Raw::Bytes(fields) | Raw::Group(fields) => Ok(fields),
        _ => Err(Malformed::new(
            "a message in another form than messages have",
        )),
    }
}
