//! Maps.

use prost_reflect::Kind;
use tangelo_reflect::{
    MAX_DEPTH,
    message::{self, Raw},
};

use super::{Slot, Stop, Writer, value, within};
use crate::mapping::{
    Defaults,
    shape::{Below, Field},
};

impl<'p, 'b> Writer<'p, 'b> {
    /// By their keys; of several entries with one key the last.
    pub(super) fn map(
        &mut self,
        field: &'p Field,
        keys: &Kind,
        slot: Slot<'b>,
        body: &'b [u8],
        depth: usize,
    ) -> Result<(), Stop> {
        if let (Slot::Nothing, Defaults::Never) = (slot, self.form.defaults) {
            return Ok(());
        }
        if depth > MAX_DEPTH {
            return Err(Stop::TooDeep);
        }
        let mut entries = Vec::new();
        let mut rest = within(slot, body);
        while !rest.is_empty() {
            match message::next(&mut rest)? {
                (number, Raw::Bytes(entry)) if number == field.number => {
                    entries.push((key(keys, entry)?, entry));
                }
                (number, _) if number == field.number => return Err(value::other_form()),
                _ => {}
            }
        }
        // Stable: of one key the last stands last.
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.key(field);
        self.out.push(b'{');
        for (at, (key, entry)) in entries.iter().enumerate() {
            if entries.get(at + 1).is_some_and(|(next, _)| next == key) {
                continue;
            }
            self.comma();
            self.json(key.as_str());
            self.out.push(b':');
            self.entry(field, entry, depth + 1)?;
            if self.out.len() > self.max {
                return Err(Stop::TooLong);
            }
        }
        self.out.push(b'}');
        Ok(())
    }

    fn entry(&mut self, field: &'p Field, entry: &'b [u8], depth: usize) -> Result<(), Stop> {
        let mut last = None;
        let mut parts: Vec<u8> = Vec::new();
        let mut rest = entry;
        while !rest.is_empty() {
            match message::next(&mut rest)? {
                (VALUE, Raw::Bytes(part)) if field.below != Below::Nothing => {
                    if let Some(Raw::Bytes(first)) = last
                        && parts.is_empty()
                    {
                        parts.extend_from_slice(first);
                    }
                    if last.is_some() {
                        parts.extend_from_slice(part);
                    }
                    last = Some(Raw::Bytes(part));
                }
                (VALUE, raw) => last = Some(raw),
                _ => {}
            }
        }
        match last {
            _ if !parts.is_empty() => self.parted(field, &parts, depth),
            Some(raw) if field.below != Below::Nothing => self.message(field, raw, depth),
            None if field.below != Below::Nothing => self.message(field, Raw::Bytes(&[]), depth),
            Some(raw) => self.scalar(&field.kind, raw),
            None => {
                self.default(&field.kind);
                Ok(())
            }
        }
    }
}

/// Numbers of an entry's fields.
const KEY: u32 = 1;
const VALUE: u32 = 2;

fn key(kind: &Kind, entry: &[u8]) -> Result<String, Stop> {
    let mut rest = entry;
    let mut key = None;
    while !rest.is_empty() {
        if let (KEY, raw) = message::next(&mut rest)? {
            key = Some(message::text(kind, raw).ok_or_else(value::other_form)?);
        }
    }
    Ok(key.unwrap_or_else(|| match kind {
        Kind::String => String::new(),
        Kind::Bool => "false".to_owned(),
        _ => "0".to_owned(),
    }))
}
