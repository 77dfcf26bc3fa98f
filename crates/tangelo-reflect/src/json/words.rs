//! The words of mistakes in JSON: what belongs in a place, and the way there.

use prost_reflect::Kind;

/// Names that are listed, of fields or of an enum's values.
const MAX_NAMES: usize = 20;
/// Characters of a name that an error repeats.
const MAX_NAME: usize = 64;

/// What a value of this kind is: `int32`, `one of RED, BLUE`, `an object (shop.User)`.
pub fn expected(kind: &Kind) -> String {
    match kind {
        Kind::Enum(kind) => {
            let values = list(kind.values().map(|value| value.name().to_owned()));
            format!("one of {values}")
        }
        Kind::Message(message) => format!("an object ({})", message.full_name()),
        kind => format!("{kind:?}"),
    }
}

/// These names, and how many more there are.
pub(super) fn list(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(MAX_NAMES);
    let mut list: Vec<String> = names.take(MAX_NAMES).collect();
    match (more, list.is_empty()) {
        (0, true) => list.push("none".to_owned()),
        (0, false) => {}
        (more, _) => list.push(format!("{more} more")),
    }
    list.join(", ")
}

/// A step deeper on a path such as `users[2].age`.
///
/// The name came from outside: it is shortened, and without what would break a line of the log.
pub fn push_name(path: &mut String, key: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.extend(key.chars().take(MAX_NAME).flat_map(char::escape_debug));
    if key.chars().nth(MAX_NAME).is_some() {
        path.push_str("...");
    }
}
