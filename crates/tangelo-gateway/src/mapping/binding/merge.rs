//! Fields within messages, put into what the body says.

use std::{collections::BTreeMap, fmt};

use prost_reflect::FieldDescriptor;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use crate::mapping::BadParameter;

/// What is said of a field, or of those within it.
#[derive(Debug)]
pub(super) enum Tree {
    Leaf(Leaf),
    Fields(Fields),
}

/// By their names in the .proto file; with those they have in JSON.
type Fields = BTreeMap<Box<str>, (Box<str>, Tree)>;

/// What is said of a field.
#[derive(Debug)]
pub(super) enum Leaf {
    /// By the path.
    Path(String),
    /// By the query, once or several times.
    Query(Vec<String>),
}

impl Default for Tree {
    fn default() -> Self {
        Self::Fields(Fields::new())
    }
}

impl Tree {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Fields(fields) if fields.is_empty())
    }

    /// Says a field. What the path says goes before the query.
    pub(super) fn put(&mut self, steps: &[FieldDescriptor], leaf: Leaf) -> Result<(), String> {
        match (self, steps.split_first()) {
            (Self::Fields(fields), Some((first, rest))) => {
                let fresh = match rest {
                    [] => Self::Leaf(Leaf::Query(Vec::new())),
                    _ => Self::default(),
                };
                let field = fields.entry(first.name().into());
                let (_, below) = field.or_insert_with(|| (first.json_name().into(), fresh));
                below.put(rest, leaf)
            }
            (Self::Leaf(known), None) => {
                match (known, leaf) {
                    (Leaf::Query(known), Leaf::Query(more)) => known.extend(more),
                    (known, leaf) => *known = leaf,
                }
                Ok(())
            }
            _ => Err("is said as a whole and in part".to_owned()),
        }
    }
}

/// The names of an object in their order, each as often as it stands there.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;

        impl<'de> Visitor<'de> for Names {
            type Value = Object<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut names = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    names.push(entry);
                }
                Ok(Object(names))
            }
        }

        deserializer.deserialize_map(Names)
    }
}

/// One value of JSON, and nothing behind it that could say more.
pub(super) fn value(json: &[u8]) -> Result<&RawValue, BadParameter> {
    let value = serde_json::from_slice(json);
    value.map_err(|error| BadParameter::new("the body", format!("no JSON: {error}")))
}

/// An object that has this value under this name.
pub(super) fn alone(name: &str, value: &RawValue) -> Vec<u8> {
    let name = Value::from(name).to_string();
    let parts = [b"{", name.as_bytes(), b":", value.get().as_bytes(), b"}"];
    parts.concat()
}

/// An object of JSON with these fields in it, in place of its own. Numbers stay as they are written.
pub(super) fn merged(json: Option<&[u8]>, tree: &Tree) -> Result<Vec<u8>, BadParameter> {
    let json = json.map(value).transpose()?;
    let mut out = Vec::new();
    write(&mut out, json, tree, "the body")?;
    Ok(out)
}

fn write(
    out: &mut Vec<u8>,
    json: Option<&RawValue>,
    tree: &Tree,
    path: &str,
) -> Result<(), BadParameter> {
    let fields = match tree {
        Tree::Fields(fields) => fields,
        Tree::Leaf(leaf) => {
            let value = match leaf {
                Leaf::Path(text) => Value::from(text.as_str()),
                Leaf::Query(texts) => match texts.as_slice() {
                    [one] => Value::from(one.as_str()),
                    all => Value::from(all),
                },
            };
            out.extend_from_slice(value.to_string().as_bytes());
            return Ok(());
        }
    };
    let known = match json.map(RawValue::get) {
        None | Some("null") => Vec::new(),
        Some(object) => {
            let object = serde_json::from_str(object);
            let object = object.map_err(|_| BadParameter::new(path, "expected an object"));
            let Object(names) = object?;
            names
        }
    };
    let begin = |out: &mut Vec<u8>, name: &str| {
        if !out.ends_with(b"{") {
            out.push(b',');
        }
        out.extend_from_slice(Value::from(name).to_string().as_bytes());
        out.push(b':');
    };
    out.push(b'{');
    for (said, value) in &known {
        let mut ours = fields.iter();
        if !ours.any(|(name, (json_name, _))| *said == **name || *said == **json_name) {
            begin(out, said);
            out.extend_from_slice(value.get().as_bytes());
        }
    }
    for (name, (json_name, below)) in fields {
        let is_it = |said: &String| *said == **name || *said == **json_name;
        let mut same = known.iter().filter(|(said, _)| is_it(said));
        let value = same.next().map(|(_, value)| *value);
        if same.next().is_some() {
            return Err(BadParameter::new(name, "stands twice in the object"));
        }
        begin(out, name);
        write(out, value, below, name)?;
    }
    out.push(b'}');
    Ok(())
}
