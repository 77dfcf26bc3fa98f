//! TOML with its lines.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::node::{Entry, FileName, Kind, Lines, Node};
use crate::{Mistakes, bootstrap::json_of};

/// Reads a text; none if it is no TOML.
pub(super) fn parse(text: &str, file: &FileName, mistakes: &mut Mistakes) -> Option<Node> {
    let lines = Lines::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let line = lines.at(error.span().map_or(0, |span| span.start));
        mistakes.add_at(Some(&file.at(line)), error.message());
    }
    let whole = || Node {
        line: 1,
        kind: entries(table.get_ref(), &lines),
    };
    errors.is_empty().then(whole)
}

fn node(value: &Spanned<DeValue<'_>>, line: usize, lines: &Lines) -> Node {
    let kind = match value.get_ref() {
        DeValue::Table(table) => entries(table, lines),
        DeValue::Array(list) => {
            let elements = list.iter();
            Kind::List(
                elements
                    .map(|one| node(one, lines.at(one.span().start), lines))
                    .collect(),
            )
        }
        _ => Kind::Plain(json_of(value)),
    };
    Node { line, kind }
}

/// The entries as the file has them, each in the line of its key.
fn entries(table: &DeTable<'_>, lines: &Lines) -> Kind {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let entries = entries.into_iter().map(|(key, value)| Entry {
        key: key.get_ref().to_string(),
        value: node(value, lines.at(key.span().start), lines),
    });
    Kind::Table(entries.collect())
}
