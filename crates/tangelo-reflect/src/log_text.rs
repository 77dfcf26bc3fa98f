//! Messages as they stand in a line of an access log.
//!
//! A line's parts are separated by a comma and three blanks. No part has that in it, whatever a peer has
//! sent: it becomes a lone comma. Nor does a part have a line break or anything else [unseen](is_unseen) in it, or more than [`MAX_TEXT`] bytes.

mod json;
mod line;
mod query;
mod simple;

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    fmt,
};

use prost_reflect::{DynamicMessage, FieldDescriptor, MapKey, Value};

pub use self::{json::Json, simple::Simple};

/// Most bytes a message takes in a line; `...` follows where it is cut. JSON that is cut is no longer JSON.
pub const MAX_TEXT: usize = 64 * 1024;

/// Fields that a gateway fills with what may hold any other. Where something is masked nobody can say here what of them is.
const OF_HTTP: [&str; 2] = ["httpPath", "httpContent"];
/// The field that it fills with the query: its pairs are masked by their names.
const QUERY: &str = "httpQueryString";

/// What stands for the rest of a value.
const REST: &str = "...";

/// What of a message is logged. The names are those of krpc's `monitor`, as are the defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Fields whose values are logged as `***`, by their names in the .proto file, at whatever depth. So are values
    /// in maps whose keys are such names, and of `httpQueryString` the values of such names; if there are any,
    /// `httpPath` and `httpContent` are `***` as a whole. None by default.
    pub mask_fields: HashSet<String>,
    /// How many elements of a repeated field or a map are logged: of a map, those with the smallest keys. 1 by default.
    pub max_repeated_size_to_log: usize,
    /// How many characters of a string are logged. 500 by default.
    pub max_field_size_to_log: usize,
    /// Whether fields with default values are logged. Those that can tell that they are not set are not. No by default.
    pub print_default: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mask_fields: HashSet::new(),
            max_repeated_size_to_log: 1,
            max_field_size_to_log: 500,
            print_default: false,
        }
    }
}

/// A way to write a message into a line.
pub trait Formatter: fmt::Debug + Send + Sync {
    /// Appends the message to a line that may have something in it already.
    fn format(&self, message: &DynamicMessage, options: &Options, out: &mut String);
}

/// The formatter with the name it has in a configuration: `simple`, or `json`, which krpc called `jackson` at first.
pub fn formatter(name: &str) -> Option<&'static dyn Formatter> {
    match name {
        "simple" => Some(&Simple),
        "json" | "jackson" => Some(&Json),
        _ => None,
    }
}

impl Options {
    fn masks(&self, name: &str) -> bool {
        self.mask_fields.contains(name) || (self.masks_any() && OF_HTTP.contains(&name))
    }

    fn masks_any(&self) -> bool {
        !self.mask_fields.is_empty()
    }

    fn masks_key(&self, key: &MapKey) -> bool {
        key.as_str().is_some_and(|key| self.masks(key))
    }

    /// The field's value, if it is to be logged.
    fn value<'a>(
        &self,
        message: &'a DynamicMessage,
        field: &FieldDescriptor,
    ) -> Option<Cow<'a, Value>> {
        let default = self.print_default && !field.supports_presence();
        let value = (default || message.has_field(field)).then(|| message.get_field(field))?;
        if self.masks_any()
            && field.name() == QUERY
            && let Some(text) = value.as_str()
        {
            let masked = query::masked(text, |name| self.masks(name));
            return Some(Cow::Owned(Value::String(masked)));
        }
        Some(value)
    }

    /// The elements of a repeated field that are logged.
    fn elements<'a>(&self, values: &'a [Value]) -> impl Iterator<Item = &'a Value> {
        values.iter().take(self.max_repeated_size_to_log)
    }

    /// The entries of a map that are logged.
    fn entries<'a>(&self, entries: &'a HashMap<MapKey, Value>) -> Vec<(&'a MapKey, &'a Value)> {
        let by_key = |one: &(&MapKey, &Value), other: &(&MapKey, &Value)| one.0.cmp(other.0);
        let mut entries: Vec<_> = entries.iter().collect();
        // Not all of them are sorted: there may be many more than are logged.
        if self.max_repeated_size_to_log < entries.len() {
            entries.select_nth_unstable_by(self.max_repeated_size_to_log, by_key);
            entries.truncate(self.max_repeated_size_to_log);
        }
        entries.sort_unstable_by(by_key);
        entries
    }

    /// As much of a string as is logged, and whether that is not all.
    fn cut<'a>(&self, text: &'a str) -> (&'a str, bool) {
        let end = text.char_indices().nth(self.max_field_size_to_log);
        let cut = end.and_then(|(end, _)| text.get(..end));
        (cut.unwrap_or(text), cut.is_some())
    }
}

/// Whether a reader of logs would begin a new line here, act on the character, turn the direction of what
/// follows, or not see it: what Unicode calls control (`Cc`), format (`Cf`), line (`Zl`) and paragraph separator (`Zp`).
pub fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{890}'..='\u{891}'
                | '\u{8e2}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{2064}'
                | '\u{2066}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{110bd}'
                | '\u{110cd}'
                | '\u{13430}'..='\u{1343f}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0001}'
                | '\u{e0020}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use regex_automata::dfa::{Automaton, dense};

    use super::*;

    #[test]
    fn unseen_is_what_unicode_calls_control_format_and_separators_of_lines() {
        let unicode = dense::DFA::new(r"^[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]$").unwrap();
        for character in '\0'..=char::MAX {
            let mut bytes = [0; 4];
            let text: &str = character.encode_utf8(&mut bytes);
            let is_unseen_there = unicode.try_search_fwd(&text.into()).unwrap().is_some();
            assert_eq!(is_unseen(character), is_unseen_there, "{character:?}");
        }
    }
}
