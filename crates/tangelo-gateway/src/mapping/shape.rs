//! Types of messages as tables.

use std::collections::HashMap;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use super::JsonForm;

/// The types that messages of one type are made of, that one first.
#[derive(Clone, Debug)]
pub(super) struct Shapes {
    types: Vec<Shape>,
}

/// One type.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) descriptor: MessageDescriptor,
    /// In the order of the .proto file.
    pub(super) fields: Vec<Field>,
    /// Where the field of a name is; sorted.
    names: Vec<(Box<str>, usize)>,
    /// Where the field of a number is; sorted.
    numbers: Vec<(u32, usize)>,
}

/// A field.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// As the .proto file has it.
    pub(super) name: Box<str>,
    /// As JSON has it.
    pub(super) written: Box<str>,
    /// The same in JSON: `"name":`.
    pub(super) key: Box<str>,
    pub(super) number: u32,
    /// Of each element, if it is a list; of the values, if it is a map.
    pub(super) kind: Kind,
    pub(super) below: Below,
    pub(super) many: Many,
    /// Whether a message says if it is set.
    pub(super) presence: bool,
    /// The choice it belongs to: its place among them, behind the fields.
    pub(super) choice: Option<usize>,
}

/// What a message within a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Below {
    /// The field holds none.
    Nothing,
    /// One of the type at this place.
    Message(usize),
    /// The same, between marks instead of behind its length.
    Group(usize),
    /// A type with a form of its own.
    WellKnown,
}

/// How many values a field has.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Many {
    One,
    List {
        packed: bool,
    },
    /// With keys of this kind.
    Map(Kind),
}

/// Types that have a form of their own as JSON, by protobuf's mapping.
const WELL_KNOWN: [&str; 16] = [
    "Any",
    "BoolValue",
    "BytesValue",
    "DoubleValue",
    "Duration",
    "Empty",
    "FieldMask",
    "FloatValue",
    "Int32Value",
    "Int64Value",
    "ListValue",
    "StringValue",
    "Struct",
    "Timestamp",
    "UInt32Value",
    "UInt64Value",
];

impl Shapes {
    pub(super) fn of(descriptor: &MessageDescriptor, form: JsonForm) -> Self {
        let mut found = Found {
            places: HashMap::from([(descriptor.full_name().to_owned(), 0)]),
            types: vec![descriptor.clone()],
        };
        let mut types = Vec::new();
        while let Some(descriptor) = found.types.get(types.len()).cloned() {
            types.push(Shape::of(&descriptor, form, &mut found));
        }
        Self { types }
    }

    pub(super) fn root(&self) -> &Shape {
        self.at(0)
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "places are given out for types that are there"
    )]
    pub(super) fn at(&self, place: usize) -> &Shape {
        &self.types[place]
    }
}

/// Types that have been met.
struct Found {
    places: HashMap<String, usize>,
    types: Vec<MessageDescriptor>,
}

impl Found {
    fn place(&mut self, descriptor: &MessageDescriptor) -> usize {
        if let Some(&place) = self.places.get(descriptor.full_name()) {
            return place;
        }
        let place = self.types.len();
        self.places.insert(descriptor.full_name().to_owned(), place);
        self.types.push(descriptor.clone());
        place
    }
}

impl Shape {
    fn of(descriptor: &MessageDescriptor, form: JsonForm, found: &mut Found) -> Self {
        let declared = descriptor.descriptor_proto().field.iter();
        let declared = declared.filter_map(|field| descriptor.get_field(field.number() as u32));
        let declared: Vec<_> = declared.collect();
        let choices: Vec<_> = descriptor.oneofs().collect();
        let fields: Vec<_> = declared
            .iter()
            .map(|field| {
                let choice = field.containing_oneof();
                let choice = choice.filter(|choice| !choice.is_synthetic());
                let choice = choice.and_then(|choice| choices.iter().position(|c| *c == choice));
                Field::of(
                    field,
                    choice.map(|place| declared.len() + place),
                    form,
                    found,
                )
            })
            .collect();
        let mut names: Vec<(Box<str>, usize)> = Vec::new();
        for (place, field) in declared.iter().enumerate() {
            names.push((field.name().into(), place));
            if form.camel_names && field.json_name() != field.name() {
                names.push((field.json_name().into(), place));
            }
        }
        names.sort();
        let mut numbers: Vec<_> = fields
            .iter()
            .enumerate()
            .map(|(place, field)| (field.number, place))
            .collect();
        numbers.sort_unstable();
        Self {
            descriptor: descriptor.clone(),
            fields,
            names,
            numbers,
        }
    }

    /// The field that a client calls so.
    pub(super) fn by_name(&self, name: &str) -> Option<(usize, &Field)> {
        let at = self
            .names
            .binary_search_by(|(other, _)| (**other).cmp(name));
        let (_, place) = self.names.get(at.ok()?)?;
        Some((*place, self.fields.get(*place)?))
    }

    /// The field that is called so in the .proto file.
    pub(super) fn declared(&self, name: &str) -> Option<(usize, &Field)> {
        let (place, field) = self.by_name(name)?;
        (*field.name == *name).then_some((place, field))
    }

    /// Where the field of this number is.
    pub(super) fn by_number(&self, number: u32) -> Option<usize> {
        // Fields mostly have the numbers 1, 2, 3 ... in their order.
        let first = (number as usize).checked_sub(1)?;
        if let Some(&(other, place)) = self.numbers.get(first)
            && other == number
        {
            return Some(place);
        }
        let at = self
            .numbers
            .binary_search_by_key(&number, |(other, _)| *other);
        Some(self.numbers.get(at.ok()?)?.1)
    }
}

impl Field {
    fn of(
        field: &FieldDescriptor,
        choice: Option<usize>,
        form: JsonForm,
        found: &mut Found,
    ) -> Self {
        let (kind, many) = match field.kind() {
            Kind::Message(entry) if field.is_map() => (
                entry.map_entry_value_field().kind(),
                Many::Map(entry.map_entry_key_field().kind()),
            ),
            kind if field.is_list() => {
                let packed = field.is_packed();
                (kind, Many::List { packed })
            }
            kind => (kind, Many::One),
        };
        let below = match &kind {
            Kind::Message(message) if form.well_known && is_well_known(message) => Below::WellKnown,
            Kind::Message(message) if field.is_group() => Below::Group(found.place(message)),
            Kind::Message(message) => Below::Message(found.place(message)),
            _ => Below::Nothing,
        };
        let name = if form.camel_names {
            field.json_name()
        } else {
            field.name()
        };
        Self {
            name: field.name().into(),
            written: name.into(),
            key: format!("{}:", serde_json::Value::from(name)).into(),
            number: field.number(),
            kind,
            below,
            many,
            presence: field.supports_presence(),
            choice,
        }
    }

    /// One value that is no message.
    pub(super) fn is_single_scalar(&self) -> bool {
        self.many == Many::One && self.below == Below::Nothing
    }
}

pub(crate) fn is_well_known(message: &MessageDescriptor) -> bool {
    message.package_name() == "google.protobuf"
        && (WELL_KNOWN.contains(&message.name()) || message.name() == "Value")
}
