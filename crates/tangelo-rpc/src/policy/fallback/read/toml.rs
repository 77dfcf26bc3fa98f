//! `[[fallback]]` tables in TOML.

use serde::Deserialize;
use serde_json::{Number, Value};
use toml::Spanned;

use super::{Entries, Mistake, line_of};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    fallback: Vec<Spanned<toml::Table>>,
}

pub(super) fn entries(text: &str) -> Result<Entries, Mistake> {
    let file: File = toml::from_str(text).map_err(|error| {
        let byte = error.span().map_or(0, |span| span.start);
        (line_of(text, byte), error.message().to_owned())
    })?;
    let entry = |entry: Spanned<toml::Table>| {
        let line = line_of(text, entry.span().start);
        match json(toml::Value::Table(entry.into_inner())) {
            Ok(entry) => Ok((line, entry)),
            Err(mistake) => Err((line, mistake)),
        }
    };
    Ok(file.fallback.into_iter().map(entry).collect())
}

fn json(value: toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => Number::from_f64(number)
            .ok_or_else(|| format!("{number} is no number that an answer can hold"))?
            .into(),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(json).collect::<Result<_, _>>()?,
        toml::Value::Table(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(key, value)| Ok((key, json(value)?)))
                .collect::<Result<_, String>>()?,
        ),
    })
}
