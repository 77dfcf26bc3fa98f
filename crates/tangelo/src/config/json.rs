//! JSON with its lines. As in Node.js there are no comments, and no commas too many.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use super::node::{Entry, Kind, Lines, Node};

/// How deep lists and tables may stand in each other.
pub(super) const DEEPEST: usize = 64;

/// Reads a text; what is wrong with it, and in which line.
pub(super) fn parse(text: &str) -> Result<Node, (usize, String)> {
    let whole: &RawValue = serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let position = text.split_inclusive('\n').take(line.saturating_sub(1));
        let position = position.map(str::len).sum::<usize>() + column.saturating_sub(1);
        let problem = match text.as_bytes().get(position) {
            Some(b'/') => "JSON has no comments".to_owned(),
            Some(b']' | b'}') if ends_with_comma(text, position) => "a comma too many".to_owned(),
            _ => {
                let problem = error.to_string();
                let known = problem.split(" at line ").next();
                known.unwrap_or(&problem).to_owned()
            }
        };
        (line.max(1), format!("{problem} (column {column})"))
    })?;
    let reader = Reader {
        text,
        lines: Lines::of(text),
    };
    reader.node(whole, 0)
}

/// Whether a comma is the last thing before this position.
fn ends_with_comma(text: &str, position: usize) -> bool {
    let before = text.get(..position).unwrap_or_default();
    before.trim_end().ends_with(',')
}

struct Reader<'a> {
    text: &'a str,
    lines: Lines,
}

impl<'a> Reader<'a> {
    fn node(&self, raw: &'a RawValue, depth: usize) -> Result<Node, (usize, String)> {
        let raw = raw.get();
        // It is a part of the text.
        let position = (raw.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let line = self.lines.at(position);
        if depth > DEEPEST {
            return Err((line, format!("is nested deeper than {DEEPEST} levels")));
        }
        let wrong = |error: serde_json::Error| {
            let problem = error.to_string();
            let known = problem.split(" at line ").next().unwrap_or(&problem);
            (line, known.to_owned())
        };
        let kind = match raw.as_bytes().first() {
            Some(b'[') => {
                let elements: Vec<&RawValue> = serde_json::from_str(raw).map_err(wrong)?;
                let elements = elements.into_iter().map(|one| self.node(one, depth + 1));
                Kind::List(elements.collect::<Result<_, _>>()?)
            }
            Some(b'{') => {
                let Entries(entries) = serde_json::from_str(raw).map_err(wrong)?;
                let entries = entries.into_iter().map(|(key, value)| {
                    let value = self.node(value, depth + 1)?;
                    Ok(Entry { key, value })
                });
                Kind::Table(entries.collect::<Result<_, _>>()?)
            }
            _ => Kind::Plain(serde_json::from_str::<Value>(raw).map_err(wrong)?),
        };
        Ok(Node { line, kind })
    }
}

/// The entries of an object in their order, those with the same key all of them.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Entries<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(All)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_keep_their_order_and_their_lines() {
        let node = parse("{\n \"b\": [1,\n  \"x\\u00e9\"],\n \"a\": {\"c\": null}}").unwrap();
        assert_eq!(node.json(), json!({"b": [1, "x\u{e9}"], "a": {"c": null}}));
        let entries = node.table().unwrap();
        let seen: Vec<_> = entries
            .iter()
            .map(|entry| (&*entry.key, entry.value.line))
            .collect();
        assert_eq!(seen, [("b", 2), ("a", 4)]);
        assert_eq!(node.get("b").unwrap().list().unwrap()[1].line, 3);
    }

    #[test]
    fn what_is_no_json_is_told_with_its_line() {
        let told = |text: &str| {
            let (line, problem) = parse(text).unwrap_err();
            format!("{line}: {problem}")
        };
        assert_eq!(told(""), "1: EOF while parsing a value (column 0)");
        assert_eq!(told("{\n// no\n}"), "2: JSON has no comments (column 1)");
        assert_eq!(told("[1,\n]"), "2: a comma too many (column 1)");
        assert_eq!(told("{} {}"), "1: trailing characters (column 4)");
        assert_eq!(told("{'a': 1}"), "1: key must be a string (column 2)");
        let surrogate = told("[\n\"\\ud800\"]");
        assert!(surrogate.starts_with("2: "), "{surrogate}");
    }

    #[test]
    fn a_key_said_twice_is_seen_and_the_last_counts() {
        let node = parse("{\"a\": 1,\n\"b\": [{\"c\": 1,\n\"c\": 2}],\n\"a\": 3}").unwrap();
        assert_eq!(node.doubles(), [("c", 3), ("a", 4)]);
        assert_eq!(node.get("a").unwrap().json(), 3);
        assert_eq!(node.json(), json!({"a": 3, "b": [{"c": 2}]}));
    }

    #[test]
    fn nesting_has_an_end() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(
            parse(&nested(DEEPEST + 1)).is_ok(),
            "the innermost is empty"
        );
        let (_, told) = parse(&nested(DEEPEST + 2)).unwrap_err();
        assert_eq!(told, "is nested deeper than 64 levels");
        // However deep it goes on.
        assert!(parse(&nested(10_000)).is_err());
    }
}
