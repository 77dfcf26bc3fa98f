//! A list of entries in YAML, as krpc's `fallback.yaml`.

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};
use serde_json::{Map, Number, Value};

use super::{Entries, Mistake};

/// How deep lists and mappings may be nested.
const MAX_DEPTH: usize = 64;

pub(super) fn entries(text: &str) -> Result<Entries, Mistake> {
    let documents = MarkedYaml::load_from_str(text)
        .map_err(|error| (error.marker().line(), error.info().to_owned()))?;
    let nodes = match documents.as_slice() {
        [] => return Ok(Vec::new()),
        [document] => match &document.data {
            YamlData::Sequence(nodes) => nodes,
            YamlData::Value(Scalar::Null) => return Ok(Vec::new()),
            _ => return Err(mistake(document, "expected a list of entries")),
        },
        [_, second, ..] => return Err(mistake(second, "expected one document")),
    };
    let entry = |node| entry(text, node).map(|entry| (node.span.start.line(), entry));
    Ok(nodes.iter().map(entry).collect())
}

fn entry(text: &str, node: &MarkedYaml<'_>) -> Result<Value, Mistake> {
    let mut entry = json(node, 0)?;
    if let (Value::Object(fields), YamlData::Mapping(written)) = (&mut entry, &node.data) {
        // `for: 100.10` is a number to YAML, and the same as 100.1; it counts as it is written.
        let written = written.iter().filter(|(key, _)| is_for(key));
        for (key, value) in written.filter(|(_, value)| is_number(value)) {
            let span = value.span;
            let digits = text.chars().skip(span.start.index()).take(span.len());
            fields.insert(name(key)?, Value::String(digits.collect()));
        }
    }
    Ok(entry)
}

fn is_for(key: &MarkedYaml<'_>) -> bool {
    matches!(&key.data, YamlData::Value(Scalar::String(name)) if name == "for")
}

fn is_number(value: &MarkedYaml<'_>) -> bool {
    matches!(value.data, YamlData::Value(Scalar::FloatingPoint(_)))
}

fn json(node: &MarkedYaml<'_>, depth: usize) -> Result<Value, Mistake> {
    if depth > MAX_DEPTH {
        return Err(mistake(node, &format!("nested deeper than {MAX_DEPTH}")));
    }
    Ok(match &node.data {
        YamlData::Value(Scalar::Null) => Value::Null,
        YamlData::Value(Scalar::Boolean(truth)) => (*truth).into(),
        YamlData::Value(Scalar::Integer(number)) => (*number).into(),
        YamlData::Value(Scalar::FloatingPoint(number)) => Number::from_f64(number.into_inner())
            .ok_or_else(|| mistake(node, "this is no number that an answer can hold"))?
            .into(),
        YamlData::Value(Scalar::String(text)) => text.as_ref().into(),
        YamlData::Sequence(items) => items
            .iter()
            .map(|item| json(item, depth + 1))
            .collect::<Result<_, _>>()?,
        YamlData::Mapping(fields) => Value::Object(
            fields
                .iter()
                .map(|(key, value)| Ok((name(key)?, json(value, depth + 1)?)))
                .collect::<Result<Map<_, _>, _>>()?,
        ),
        YamlData::Tagged(_, inner) => json(inner, depth + 1)?,
        YamlData::Representation(..) | YamlData::Alias(_) | YamlData::BadValue => {
            return Err(mistake(node, "this is no value"));
        }
    })
}

/// A key, which may look like something else than a text.
fn name(key: &MarkedYaml<'_>) -> Result<String, Mistake> {
    match &key.data {
        YamlData::Value(Scalar::String(name)) => Ok(name.as_ref().to_owned()),
        YamlData::Value(Scalar::Integer(number)) => Ok(number.to_string()),
        YamlData::Value(Scalar::Boolean(truth)) => Ok(truth.to_string()),
        _ => Err(mistake(key, "expected the name of a field")),
    }
}

fn mistake(node: &MarkedYaml<'_>, problem: &str) -> Mistake {
    (node.span.start.line(), problem.to_owned())
}
