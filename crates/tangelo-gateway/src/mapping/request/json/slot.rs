//! The place of one field's value.

use std::{borrow::Cow, collections::BTreeSet};

use prost::encoding::WireType;
use prost_reflect::Kind;
use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use super::{Object, Progress, Tables, all_else_is_wrong};
use crate::mapping::{
    MAX_KEYS,
    request::{
        Reading,
        claims::Claims,
        fault::Fault,
        number::whole,
        parameters::too_many,
        scalar::{Said, Scalar, Unfit, scalar},
        well_known,
        writer::Open,
    },
    shape::{Below, Field, Many},
};

/// Takes a value of JSON. Yields whether there was one: `null` is none, and an empty list where one value belongs.
pub(super) struct Slot<'p, 's> {
    tables: Tables<'p>,
    kind: &'p Kind,
    below: Below,
    many: &'p Many,
    number: u32,
    /// A default is written.
    always: bool,
    progress: &'s mut Progress,
}

impl<'p, 's> Slot<'p, 's> {
    pub(super) fn of(tables: Tables<'p>, field: &'p Field, progress: &'s mut Progress) -> Self {
        Self {
            tables,
            kind: &field.kind,
            below: field.below,
            many: &field.many,
            number: field.number,
            always: field.presence,
            progress,
        }
    }

    /// For one value of the list or map.
    fn one<'t>(&'t mut self, number: u32) -> Slot<'p, 't> {
        Slot {
            many: &Many::One,
            number,
            always: true,
            progress: self.progress,
            ..*self
        }
    }

    fn unfit<E: Error>(&mut self, found: impl std::fmt::Display) -> E {
        let fault = Fault::unfit(self.kind, self.tables.reading, found);
        self.progress.fail(fault)
    }

    fn expected<E: Error>(mut self, found: &str) -> E {
        match self.many {
            Many::Map(_) => {
                let words = format!(
                    "expected an object with values of {:?}, found {found}",
                    self.kind
                );
                self.progress.fail(Fault::new(words))
            }
            Many::List { .. } | Many::One => self.unfit(found),
        }
    }

    fn message<'de, A: MapAccess<'de>>(self, map: A) -> Result<bool, A::Error> {
        let (Below::Message(at) | Below::Group(at)) = self.below else {
            return Err(self.expected("an object"));
        };
        let shape = self.tables.shapes.at(at);
        let mut claims = Claims::new(shape);
        if let Below::Group(_) = self.below {
            self.progress.writer.mark(self.number, WireType::StartGroup);
            Object::within(self.tables, shape, &mut claims, self.progress).fields(map)?;
            self.progress.writer.mark(self.number, WireType::EndGroup);
        } else {
            let open = self.progress.writer.open(self.number);
            Object::within(self.tables, shape, &mut claims, self.progress).fields(map)?;
            self.progress.writer.close(&open);
        }
        Ok(true)
    }

    fn entries<'de, A: MapAccess<'de>>(
        mut self,
        keys: &'p Kind,
        mut map: A,
    ) -> Result<bool, A::Error> {
        let mut count = 0;
        // As they are written: `1` and `01` are one number.
        let mut said = BTreeSet::new();
        loop {
            let open = self.progress.writer.open(self.number);
            let key = Key {
                kind: keys,
                tables: self.tables,
                progress: self.progress,
            };
            let Some(key) = map.next_key_seed(key)? else {
                self.progress.writer.close_unless_empty(&open);
                return Ok(true);
            };
            count += 1;
            if count > MAX_KEYS {
                let words = too_many();
                return Err(self.progress.fail(Fault::new(words)));
            }
            let written = self.progress.writer.so_far(&open).to_vec();
            if said.contains(&written) {
                let fault = Fault::new("stands twice".to_owned()).within(&key);
                return Err(self.progress.fail(fault));
            }
            match map.next_value_seed(self.one(2)) {
                Ok(true) => {
                    self.progress.writer.close(&open);
                    said.insert(written);
                }
                Ok(false) => self.progress.writer.take_back(&open),
                Err(error) => {
                    self.progress.within(&key);
                    return Err(error);
                }
            }
        }
    }

    /// A token that holds no messages.
    fn token<E: Error>(mut self, token: &str) -> Result<bool, E> {
        match self.many {
            Many::List { packed } if token.starts_with('[') => self.list(token, *packed),
            _ => {
                let Some(value) = self.value::<E>(token)? else {
                    return Ok(false);
                };
                if self.always || *self.many != Many::One || !value.is_default() {
                    self.progress.writer.field(self.number, &value);
                }
                Ok(true)
            }
        }
    }

    fn list<E: Error>(mut self, token: &str, packed: bool) -> Result<bool, E> {
        let open: Option<Open> = packed.then(|| self.progress.writer.open(self.number));
        let elements = Elements {
            slot: &mut self,
            packed,
        };
        let mut text = serde_json::Deserializer::from_str(token);
        text.deserialize_seq(elements).map_err(E::custom)?;
        if let Some(open) = open {
            self.progress.writer.close_unless_empty(&open);
        }
        Ok(true)
    }

    /// One value. Of a list the first, where no list belongs.
    fn value<'a, E: Error>(&mut self, token: &'a str) -> Result<Option<Scalar<'a>>, E> {
        let said = match token.as_bytes().first() {
            Some(b'n') => return Ok(None),
            Some(b't') => Said::Bool(true),
            Some(b'f') => Said::Bool(false),
            Some(b'"') => Said::Text(self.text(token)?),
            Some(b'{') => return Err(self.unfit("an object")),
            Some(b'[') => {
                if let Some(bytes) = self.byte_list(token) {
                    return Ok(Some(Scalar::Bytes(bytes.into())));
                }
                let list: Vec<&'a RawValue> = serde_json::from_str(token).map_err(E::custom)?;
                return match list.first().map(|first| first.get()) {
                    None => Ok(None),
                    Some(first) if first.starts_with('[') => Err(self.unfit("a list")),
                    Some(first) => self.value(first),
                };
            }
            _ => Said::Number(token),
        };
        let reading = self.tables.reading;
        match scalar(self.kind, said.clone(), reading) {
            Ok(value) => Ok(value),
            Err(Unfit) => Err(self.unfit(said.shown(self.kind, reading))),
        }
    }

    fn text<'a, E: Error>(&mut self, token: &'a str) -> Result<Cow<'a, str>, E> {
        let inside = token.get(1..token.len().saturating_sub(1));
        match inside {
            Some(inside) if !inside.contains('\\') => Ok(inside.into()),
            _ => match serde_json::from_str::<String>(token) {
                Ok(text) => Ok(text.into()),
                Err(_) => Err(self.unfit("a string that is no Unicode")),
            },
        }
    }

    /// Bytes as numbers, of which Java writes half negative.
    fn byte_list(&self, token: &str) -> Option<Vec<u8>> {
        if self.tables.reading.base64 || !matches!(self.kind, Kind::Bytes) {
            return None;
        }
        let numbers: Vec<&RawValue> = serde_json::from_str(token).ok()?;
        let byte = |number: &RawValue| {
            let number = whole(number.get())?;
            let signed = i8::try_from(number).map(|number| number as u8);
            u8::try_from(number).or(signed).ok()
        };
        numbers.into_iter().map(byte).collect()
    }

    fn well_known<E: Error>(self, value: Value) -> Result<bool, E> {
        let Kind::Message(message) = self.kind else {
            return Ok(false);
        };
        if value.is_null() && message.name() != "Value" {
            return Ok(false);
        }
        let (values, listed) = match value {
            Value::Array(values) if *self.many != Many::One => (values, true),
            value => (vec![value], false),
        };
        for (index, value) in values.iter().enumerate() {
            if let Err(mut fault) =
                well_known::write(message, value, self.number, &mut self.progress.writer)
            {
                if listed {
                    fault.index(index);
                }
                return Err(self.progress.fail(fault));
            }
        }
        Ok(true)
    }
}

impl<'de> DeserializeSeed<'de> for Slot<'_, '_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        match (self.many, self.below) {
            (Many::Map(_), _) | (_, Below::Message(_) | Below::Group(_)) => {
                deserializer.deserialize_any(self)
            }
            (_, Below::Nothing) => self.token(<&'de RawValue>::deserialize(deserializer)?.get()),
            (_, Below::WellKnown) => self.well_known(Value::deserialize(deserializer)?),
        }
    }
}

impl<'de> Visitor<'de> for Slot<'_, '_> {
    type Value = bool;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<bool, A::Error> {
        match self.many {
            Many::Map(keys) => self.entries(keys, map),
            Many::One | Many::List { .. } => self.message(map),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<bool, A::Error> {
        match self.many {
            Many::Map(_) => Err(self.expected("a list")),
            Many::One => {
                let said = list.next_element_seed(self.one(self.number))?;
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(said == Some(true))
            }
            Many::List { .. } => {
                let mut index = 0;
                let number = self.number;
                loop {
                    match list.next_element_seed(self.one(number)) {
                        Ok(None) => return Ok(true),
                        Ok(Some(true)) => index += 1,
                        Ok(Some(false)) => {
                            let error = self.unfit("null");
                            self.progress.at(index);
                            return Err(error);
                        }
                        Err(error) => {
                            self.progress.at(index);
                            return Err(error);
                        }
                    }
                }
            }
        }
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    all_else_is_wrong!(bool);
}

/// The elements of a list that holds no messages.
struct Elements<'t, 'p, 's> {
    slot: &'t mut Slot<'p, 's>,
    packed: bool,
}

impl<'de> Visitor<'de> for Elements<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some(token) = list.next_element::<&'de RawValue>()? {
            let value = match self.slot.value::<A::Error>(token.get()) {
                Ok(Some(value)) => value,
                Ok(None) => {
                    let error = self.slot.unfit("nothing");
                    self.slot.progress.at(index);
                    return Err(error);
                }
                Err(error) => {
                    self.slot.progress.at(index);
                    return Err(error);
                }
            };
            if self.packed {
                self.slot.progress.writer.bare(&value);
            } else {
                self.slot.progress.writer.field(self.slot.number, &value);
            }
            index += 1;
        }
        Ok(())
    }
}

/// Writes a map's key; yields it for the way to what is wrong with its value.
struct Key<'p, 's> {
    kind: &'p Kind,
    tables: Tables<'p>,
    progress: &'s mut Progress,
}

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Key<'_, '_> {
    fn write<E: Error>(self, key: Cow<'de, str>) -> Result<Cow<'de, str>, E> {
        let reading = Reading {
            trim: false,
            ..self.tables.reading
        };
        match scalar(self.kind, Said::Text(key.as_ref().into()), reading) {
            Ok(Some(value)) => {
                self.progress.writer.field(1, &value);
                Ok(key)
            }
            Ok(None) | Err(Unfit) => {
                let fault = Fault::unfit_key(self.kind, reading, &key);
                Err(self.progress.fail(fault))
            }
        }
    }
}

impl<'de> Visitor<'de> for Key<'_, '_> {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<Self::Value, E> {
        self.write(key.into())
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        self.write(key.to_owned().into())
    }
}
