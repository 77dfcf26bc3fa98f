//! Types of messages as JSON schemas.

use std::collections::{BTreeMap, HashSet};

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};
use tangelo_reflect::{comment::Commented, validate::WrittenRules};

use super::{ordered::ORDER, rules};
use crate::mapping::{JsonForm, is_well_known};

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// To the service: its rules hold.
    Asked,
    Answered,
}

/// The schemas of types that have a name.
#[derive(Debug)]
pub(super) struct Schemas {
    pub(super) form: JsonForm,
    pub(super) known: BTreeMap<String, Value>,
}

/// Members of a oneof whose choice is described; of more it would be a long text.
const MAX_CHOICE: usize = 6;

impl Schemas {
    pub(super) fn new(form: JsonForm) -> Self {
        let known = BTreeMap::new();
        Self { form, known }
    }

    /// The name of a field in JSON.
    pub(super) fn name<'f>(&self, field: &'f FieldDescriptor) -> &'f str {
        match self.form.camel_names {
            true => field.json_name(),
            false => field.name(),
        }
    }

    /// Messages of a type.
    pub(super) fn message(&mut self, message: &MessageDescriptor, side: Side) -> Value {
        if self.form.well_known && is_well_known(message) {
            return self.well_known(message);
        }
        let mut name = message.full_name().to_owned();
        if side == Side::Answered && has_rules(message, &mut HashSet::new()) {
            name.push_str(".answer");
        }
        if !self.known.contains_key(&name) {
            // It may hold itself.
            self.known.insert(name.clone(), Value::Null);
            let fields: Vec<_> = declared(message).collect();
            let schema = self.object(message, &fields, side);
            self.known.insert(name.clone(), schema);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    /// Messages of a type, but with these fields only.
    pub(super) fn object(
        &mut self,
        message: &MessageDescriptor,
        fields: &[FieldDescriptor],
        side: Side,
    ) -> Value {
        let mut properties = Map::new();
        let (mut order, mut required) = (Vec::new(), Vec::new());
        for field in fields {
            let name = self.name(field).to_owned();
            order.push(Value::from(name.as_str()));
            if side == Side::Asked && is_required(field) {
                required.push(Value::from(name.as_str()));
            }
            properties.insert(name, self.field(field, side));
        }
        let mut schema = json!({ "type": "object" });
        describe(&mut schema, message.comment());
        let options = message.descriptor_proto().options.as_ref();
        if options.is_some_and(|options| options.deprecated()) {
            put(&mut schema, "deprecated", true);
        }
        if !properties.is_empty() {
            put(&mut schema, "properties", properties);
            put(&mut schema, ORDER, order);
        }
        if !required.is_empty() {
            put(&mut schema, "required", required);
        }
        let apart = self.apart(message, fields);
        if !apart.is_empty() {
            put(&mut schema, "not", json!({ "anyOf": apart }));
        }
        schema
    }

    /// Members of a oneof that cannot be there together.
    fn apart(&self, message: &MessageDescriptor, fields: &[FieldDescriptor]) -> Vec<Value> {
        let mut apart = Vec::new();
        for choice in message.oneofs().filter(|choice| !choice.is_synthetic()) {
            let members = fields.iter();
            let members =
                members.filter(|field| field.containing_oneof().as_ref() == Some(&choice));
            let members: Vec<_> = members.map(|field| self.name(field)).collect();
            if members.len() > MAX_CHOICE {
                continue;
            }
            for (at, one) in members.iter().enumerate() {
                let others = members.iter().skip(at + 1);
                apart.extend(others.map(|other| json!({ "required": [one, other] })));
            }
        }
        apart
    }

    /// A field of a message in JSON.
    pub(super) fn field(&mut self, field: &FieldDescriptor, side: Side) -> Value {
        let rules = WrittenRules::of(field).filter(|_| side == Side::Asked);
        let mut schema = match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                let value = self.value(&entry.map_entry_value_field().kind(), side);
                let mut map = json!({ "type": "object", "additionalProperties": value });
                if let Some(keys) = keys(&entry.map_entry_key_field().kind()) {
                    put(&mut map, "propertyNames", json!({ "pattern": keys }));
                }
                map
            }
            kind => {
                let mut value = self.value(&kind, side);
                if let Some(rules) = &rules {
                    rules::of_each(rules, &kind, &mut value);
                }
                match field.is_list() {
                    true => json!({ "type": "array", "items": value }),
                    false => value,
                }
            }
        };
        if let Some(rules) = &rules {
            rules::of_count(rules, &mut schema);
        }
        let comment = [field.comment(), rules.as_ref().and_then(rules::in_words)];
        let comment: Vec<_> = comment.into_iter().flatten().collect();
        describe(&mut schema, Some(comment.join("\n\n")));
        let options = field.field_descriptor_proto().options.as_ref();
        if options.is_some_and(|options| options.deprecated()) {
            put(&mut schema, "deprecated", true);
        }
        schema
    }

    /// One value.
    pub(super) fn value(&mut self, kind: &Kind, side: Side) -> Value {
        let quoted = self.form.int64_strings;
        match kind {
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                json!({ "type": "integer", "format": "int32", "minimum": i32::MIN, "maximum": i32::MAX })
            }
            Kind::Uint32 | Kind::Fixed32 => {
                json!({ "type": "integer", "format": "uint32", "minimum": 0, "maximum": u32::MAX })
            }
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 if quoted => {
                json!({ "type": "string", "format": "int64", "pattern": numbers(i64::MIN.into(), i64::MAX.into()) })
            }
            Kind::Uint64 | Kind::Fixed64 if quoted => {
                json!({ "type": "string", "format": "uint64", "pattern": numbers(0, u64::MAX.into()) })
            }
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                json!({ "type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX })
            }
            Kind::Uint64 | Kind::Fixed64 => {
                json!({ "type": "integer", "format": "uint64", "minimum": 0, "maximum": u64::MAX })
            }
            Kind::Float => json!({ "type": "number", "format": "float" }),
            Kind::Double => json!({ "type": "number", "format": "double" }),
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::String => json!({ "type": "string" }),
            Kind::Bytes if self.form.base64 => {
                json!({ "type": "string", "contentEncoding": "base64", "pattern": BASE64 })
            }
            Kind::Bytes => {
                let byte = json!({ "type": "integer", "minimum": 0, "maximum": 255 });
                json!({ "type": "array", "items": byte })
            }
            Kind::Enum(names) => self.enumeration(names),
            Kind::Message(message) => self.message(message, side),
        }
    }

    fn enumeration(&mut self, names: &EnumDescriptor) -> Value {
        let key = names.full_name().to_owned();
        if !self.known.contains_key(&key) {
            let values: Vec<_> = names.values().collect();
            let mut schema = match self.form.enum_names {
                true => {
                    let names: Vec<_> = values.iter().map(|value| value.name()).collect();
                    json!({ "type": "string", "enum": names })
                }
                false => {
                    let mut numbers: Vec<_> = values.iter().map(|value| value.number()).collect();
                    numbers.dedup();
                    json!({ "type": "integer", "format": "int32", "enum": numbers })
                }
            };
            let line = |value: &prost_reflect::EnumValueDescriptor| {
                let comment = value
                    .comment()
                    .map(|text| format!(" - {}", text.replace('\n', " ")));
                let comment = comment.unwrap_or_default();
                format!("* {} = {}{comment}", value.name(), value.number())
            };
            let lines: Vec<_> = values.iter().map(line).collect();
            let comment = names
                .comment()
                .map(|text| text + "\n\n")
                .unwrap_or_default();
            describe(&mut schema, Some(format!("{comment}{}", lines.join("\n"))));
            self.known.insert(key.clone(), schema);
        }
        json!({ "$ref": format!("#/components/schemas/{key}") })
    }

    fn well_known(&mut self, message: &MessageDescriptor) -> Value {
        match message.name() {
            "Timestamp" => json!({ "type": "string", "format": "date-time" }),
            "Duration" => {
                json!({ "type": "string", "pattern": r"^-?[0-9]{1,12}(\.[0-9]{1,9})?s$" })
            }
            "FieldMask" => json!({ "type": "string" }),
            "ListValue" => json!({ "type": "array", "items": {} }),
            "Value" => json!({}),
            "Any" => {
                let kind = json!({ "@type": { "type": "string" } });
                json!({ "type": "object", "properties": kind, "required": ["@type"] })
            }
            "Struct" | "Empty" => json!({ "type": "object" }),
            // The wrappers: their one field.
            _ => match message.get_field(1) {
                Some(field) => self.value(&field.kind(), Side::Answered),
                None => json!({}),
            },
        }
    }
}

/// In the standard alphabet, padded.
const BASE64: &str = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$";

/// The fields of a type in the order of the .proto file.
pub(super) fn declared(message: &MessageDescriptor) -> impl Iterator<Item = FieldDescriptor> {
    let fields = message.descriptor_proto().field.iter();
    fields.filter_map(|field| message.get_field(u32::try_from(field.number()).ok()?))
}

/// Whether a request that leaves this field out is refused.
pub(super) fn is_required(field: &FieldDescriptor) -> bool {
    WrittenRules::of(field).is_some_and(|rules| !rules.allow_absence(field))
}

/// Whether there are rules anywhere in it.
fn has_rules(message: &MessageDescriptor, seen: &mut HashSet<String>) -> bool {
    seen.insert(message.full_name().to_owned())
        && message.fields().any(|field| {
            let below = match field.kind() {
                Kind::Message(below) => has_rules(&below, seen),
                _ => false,
            };
            below || WrittenRules::of(&field).is_some()
        })
}

/// What keys of a map look like that are no strings.
fn keys(kind: &Kind) -> Option<String> {
    match kind {
        Kind::String => None,
        Kind::Bool => Some("^(true|false)$".to_owned()),
        Kind::Uint32 | Kind::Fixed32 => Some(numbers(0, u32::MAX.into())),
        Kind::Uint64 | Kind::Fixed64 => Some(numbers(0, u64::MAX.into())),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            Some(numbers(i64::MIN.into(), i64::MAX.into()))
        }
        _ => Some(numbers(i32::MIN.into(), i32::MAX.into())),
    }
}

/// The pattern of the whole numbers of a type, and of no others: those with fewer digits than the largest, then those that
/// are less from one of its digits on. The least is 0, or one below the largest's negative.
fn numbers(least: i128, largest: i128) -> String {
    let digits = largest.to_string();
    let mut parts = vec![format!("[0-9]{{1,{}}}", digits.len() - 1)];
    for (at, digit) in digits.char_indices() {
        let first = if at == 0 { '1' } else { '0' };
        let below = u32::from(digit)
            .checked_sub(1)
            .and_then(char::from_u32)
            .filter(|below| *below >= first);
        if let (Some(below), Some(same)) = (below, digits.get(..at)) {
            let rest = digits.len() - at - 1;
            parts.push(format!("{same}[{first}-{below}][0-9]{{{rest}}}"));
        }
    }
    parts.push(digits);
    let magnitude = parts.join("|");
    match least {
        0 => format!("^({magnitude})$"),
        least => format!("^(-?({magnitude})|{least})$"),
    }
}

/// Adds a description, if there is something to say.
pub(super) fn describe(schema: &mut Value, text: Option<String>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        put(schema, "description", text);
    }
}

pub(super) fn put(schema: &mut Value, name: &str, value: impl Into<Value>) {
    if let Value::Object(schema) = schema {
        schema.insert(name.to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use regex_lite::Regex;

    use super::*;

    #[test]
    fn the_pattern_of_numbers_is_for_all_of_their_type_and_no_others() {
        for (least, largest) in [
            (i128::from(i32::MIN), i128::from(i32::MAX)),
            (0, u32::MAX.into()),
            (i64::MIN.into(), i64::MAX.into()),
            (0, u64::MAX.into()),
        ] {
            let pattern = Regex::new(&numbers(least, largest)).unwrap();
            let mut tried = vec![least, largest, 0, 7, 10, largest / 2, largest - 1];
            // Around each of its digits.
            let mut unit = 1;
            while unit <= largest {
                tried.extend([largest - unit, largest / unit * unit, unit, unit - 1]);
                unit *= 10;
            }
            for number in tried {
                assert!(pattern.is_match(&number.to_string()), "{number}");
                let negative = -number;
                if number == least {
                    continue;
                }
                assert_eq!(
                    pattern.is_match(&negative.to_string()),
                    negative >= least,
                    "{negative}"
                );
            }
            for number in [
                least - 1,
                largest + 1,
                largest * 10,
                largest + 10,
                least - 10,
            ] {
                assert!(!pattern.is_match(&number.to_string()), "{number}");
            }
            for text in ["", "-", "1x", "+1", "1.0"] {
                assert!(!pattern.is_match(text), "{text}");
            }
        }
    }
}
