//! From JSON to the wire, in one pass.

mod slot;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use self::slot::Slot;
use super::{
    Reading,
    claims::{Claim, Claims},
    fault::Fault,
    parameters::{too_deep, too_many},
    writer::Writer,
};
use crate::mapping::{
    BadParameter, MAX_KEYS,
    shape::{Shape, Shapes},
};

/// How JSON becomes messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tables<'p> {
    pub(super) shapes: &'p Shapes,
    pub(super) reading: Reading,
}

/// Where it is written, and what was wrong with it.
#[derive(Debug)]
struct Progress {
    writer: Writer,
    fault: Option<Fault>,
}

impl Progress {
    /// The error says nothing: the fault does.
    fn fail<E: Error>(&mut self, fault: Fault) -> E {
        self.fault = Some(fault);
        E::custom("")
    }

    /// The fault is within this field.
    fn within(&mut self, name: &str) {
        if let Some(fault) = &mut self.fault {
            fault.name(name);
        }
    }

    fn at(&mut self, index: usize) {
        if let Some(fault) = &mut self.fault {
            fault.index(index);
        }
    }
}

/// Writes those fields of the object that are not taken.
///
/// With `nulls` a `null` counts as having been said.
pub(super) fn object(
    tables: Tables<'_>,
    json: &[u8],
    claims: &mut Claims,
    nulls: bool,
    writer: &mut Writer,
) -> Result<(), BadParameter> {
    let fault = |words: String| BadParameter::from(Fault::new(words));
    let json = std::str::from_utf8(json).map_err(|_| fault("not UTF-8".to_owned()))?;
    if tangelo_reflect::is_too_deep(json.as_bytes()) {
        return Err(fault(too_deep()));
    }
    let mut progress = Progress {
        writer: std::mem::take(writer),
        fault: None,
    };
    let mut text = serde_json::Deserializer::from_str(json);
    let seed = Object {
        tables,
        shape: tables.shapes.root(),
        claims,
        nulls,
        progress: &mut progress,
    };
    let read = seed.deserialize(&mut text).and_then(|()| text.end());
    *writer = progress.writer;
    match (read, progress.fault) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(fault)) => Err(fault.into()),
        (Err(error), None) => Err(fault(format!("no JSON: {error}"))),
    }
}

/// The fields of a message.
struct Object<'p, 's> {
    tables: Tables<'p>,
    shape: &'p Shape,
    claims: &'s mut Claims,
    nulls: bool,
    progress: &'s mut Progress,
}

impl<'p, 's> Object<'p, 's> {
    /// A message within another.
    fn within(
        tables: Tables<'p>,
        shape: &'p Shape,
        claims: &'s mut Claims,
        progress: &'s mut Progress,
    ) -> Self {
        Self {
            tables,
            shape,
            claims,
            nulls: false,
            progress,
        }
    }

    fn expected<E: Error>(self, found: &str) -> E {
        let name = self.shape.descriptor.full_name();
        let words = format!("expected an object ({name}), found {found}");
        self.progress.fail(Fault::new(words))
    }

    fn fields<'de, A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = 0;
        while let Some(named) = map.next_key_seed(Name(self.shape))? {
            keys += 1;
            if keys > MAX_KEYS {
                let words = too_many();
                return Err(self.progress.fail(Fault::new(words)));
            }
            let Some(place) = named else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let Some(field) = self.shape.fields.get(place) else {
                continue;
            };
            let wrong = match self.claims.look(place, field) {
                Claim::Free => None,
                Claim::Taken => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                Claim::Again => Some("stands twice"),
                Claim::Chosen => Some("another member of the same oneof is there too"),
            };
            if let Some(words) = wrong {
                let fault = Fault::new(words.to_owned()).within(&field.name);
                return Err(self.progress.fail(fault));
            }
            let slot = Slot::of(self.tables, field, self.progress);
            match map.next_value_seed(slot) {
                Ok(said) if said || self.nulls => self.claims.add(place, field),
                Ok(_) => {}
                Err(error) => {
                    self.progress.within(&field.name);
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Object<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// What a value of JSON that has no place here is called.
macro_rules! all_else_is_wrong {
    ($value:ty) => {
        fn visit_bool<E: Error>(self, value: bool) -> Result<$value, E> {
            Err(self.expected(if value { "true" } else { "false" }))
        }
        fn visit_i64<E: Error>(self, value: i64) -> Result<$value, E> {
            Err(self.expected(&value.to_string()))
        }
        fn visit_u64<E: Error>(self, value: u64) -> Result<$value, E> {
            Err(self.expected(&value.to_string()))
        }
        fn visit_f64<E: Error>(self, value: f64) -> Result<$value, E> {
            Err(self.expected(&value.to_string()))
        }
        fn visit_str<E: Error>(self, _: &str) -> Result<$value, E> {
            Err(self.expected("a string"))
        }
    };
}
use all_else_is_wrong;

impl<'de> Visitor<'de> for Object<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.fields(map)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Err(self.expected("null"))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(self.expected("a list"))
    }

    all_else_is_wrong!(());
}

/// Where the field of a name is.
struct Name<'p>(&'p Shape);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.by_name(name).map(|(place, _)| place))
    }
}
