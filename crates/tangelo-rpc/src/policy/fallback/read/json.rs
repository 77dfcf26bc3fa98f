//! A list of entries in JSON.

use serde_json::value::RawValue;

use super::{Entries, Mistake, line_of};

pub(super) fn entries(text: &str) -> Result<Entries, Mistake> {
    let mistake = |error: serde_json::Error| (error.line().max(1), error.to_string());
    let entries: Vec<&RawValue> = serde_json::from_str(text).map_err(mistake)?;
    let entry = |raw: &RawValue| {
        // The raw text is a part of the whole: so far is it from the beginning.
        let byte = raw.get().as_ptr().addr() - text.as_ptr().addr();
        let value = serde_json::from_str(raw.get()).map_err(mistake)?;
        Ok((line_of(text, byte), value))
    };
    Ok(entries.into_iter().map(entry).collect())
}
