//! Values of files, and where they stand.

use serde_json::{Map, Value};

use crate::mistakes::At;

/// A value of a file, and its line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// Neither a list nor a table.
    Plain(Value),
    List(Vec<Node>),
    /// In the order of the file.
    Table(Vec<Entry>),
}

/// One key of a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: Node,
}

/// A file: how it is called in mistakes, and which of the files it is.
#[derive(Clone, Debug, Default)]
pub(super) struct FileName {
    pub(super) number: usize,
    pub(super) name: String,
}

impl FileName {
    pub(super) fn at(&self, line: usize) -> At {
        At::Line {
            file: self.number,
            name: self.name.clone(),
            line,
        }
    }
}

impl Node {
    /// The entries, if it is a table.
    pub(super) fn table(&self) -> Option<&[Entry]> {
        match &self.kind {
            Kind::Table(entries) => Some(entries),
            _ => None,
        }
    }

    /// The elements, if it is a list.
    pub(super) fn list(&self) -> Option<&[Self]> {
        match &self.kind {
            Kind::List(elements) => Some(elements),
            _ => None,
        }
    }

    /// The value of a key; the last one, if it stands there twice.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let mut entries = self.table()?.iter().rev();
        entries
            .find(|entry| entry.key == key)
            .map(|entry| &entry.value)
    }

    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Plain(value) => value.as_str(),
            _ => None,
        }
    }

    /// Without its lines.
    pub(super) fn json(&self) -> Value {
        match &self.kind {
            Kind::Plain(value) => value.clone(),
            Kind::List(elements) => elements.iter().map(Self::json).collect(),
            Kind::Table(entries) => {
                let entries = entries.iter();
                let entries = entries.map(|entry| (entry.key.clone(), entry.value.json()));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        }
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        match &self.kind {
            Kind::Plain(value) => value.is_null(),
            Kind::List(elements) => elements.is_empty(),
            Kind::Table(entries) => entries.is_empty(),
        }
    }

    /// What it is, for those who expected something else.
    pub(super) fn shown(&self) -> &'static str {
        match &self.kind {
            Kind::Plain(Value::Null) => "null",
            Kind::Plain(Value::String(_)) => "a text",
            Kind::Plain(Value::Bool(_)) => "true or false",
            Kind::Plain(_) => "a number",
            Kind::List(_) => "a list",
            Kind::Table(_) => "a table",
        }
    }

    /// The keys that stand in one table twice, at any depth, and the line of the later value.
    pub(super) fn doubles(&self) -> Vec<(&str, usize)> {
        let mut found = Vec::new();
        self.find_doubles(&mut found);
        found
    }

    fn find_doubles<'a>(&'a self, found: &mut Vec<(&'a str, usize)>) {
        match &self.kind {
            Kind::Plain(_) => {}
            Kind::List(elements) => elements.iter().for_each(|one| one.find_doubles(found)),
            Kind::Table(entries) => {
                let mut seen = std::collections::HashSet::new();
                for Entry { key, value } in entries {
                    if !seen.insert(key) {
                        found.push((key, value.line));
                    }
                    value.find_doubles(found);
                }
            }
        }
    }
}

/// Where the lines of a text begin.
#[derive(Debug)]
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self(
            std::iter::once(0)
                .chain(ends.map(|(at, _)| at + 1))
                .collect(),
        )
    }

    /// The line of a position, from 1.
    pub(super) fn at(&self, position: usize) -> usize {
        self.0.partition_point(|begin| *begin <= position)
    }
}
