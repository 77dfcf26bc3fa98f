//! `tangelo.toml`.

mod element;

use std::{borrow::Cow, collections::HashSet, fmt::Display, fs, path::Path};

use serde_json::Value;
use tangelo_rpc::config::FromSetting;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Origins, value::json};
use crate::{
    bootstrap::{
        Bootstrap,
        elements::{Chapter, Place, listed},
    },
    config::{ENV, OURS, TomlFile},
    mistakes::At,
};

/// Lists of services known at run time; no chapter, but beside them.
pub(crate) const DESCRIPTORS: &str = "descriptors";

type Key<'a> = Spanned<Cow<'a, str>>;
type Entry<'a, 'b> = (&'b Key<'a>, &'b Spanned<DeValue<'a>>);

/// Reads a file; none if it cannot be read at all.
pub(super) fn read(
    bootstrap: &mut Bootstrap,
    (number, path): (usize, &Path),
    origins: &mut Origins,
) -> Option<()> {
    let name = path.display().to_string();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let looked = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
            let looked = looked.display();
            bootstrap.mistakes.add(format!(
                "{name}: cannot be read: {error} (looked for {looked})"
            ));
            return None;
        }
    };
    let (table, errors) = DeTable::parse_recoverable(&text);
    let lines = Lines {
        number,
        name: &name,
        text: &text,
    };
    for error in &errors {
        let at = lines.at(error.span().map_or(0, |span| span.start));
        bootstrap.mistakes.add_at(Some(&at), error.message());
    }
    if !errors.is_empty() {
        return None;
    }
    let mut reader = Reader {
        bootstrap,
        origins,
        lines,
        folder: path.parent().unwrap_or(Path::new("")),
        is_shared: false,
        seen: HashSet::new(),
    };
    reader.whole(table.get_ref());
    Some(())
}

/// Reads what is for krpc services in a file of an application, which read and judged the rest. What is
/// different in this environment comes last.
pub(super) fn read_shared(
    bootstrap: &mut Bootstrap,
    file: &TomlFile,
    env: &str,
    origins: &mut Origins,
) {
    let name = file.path.display().to_string();
    // The application has told what is wrong with it.
    let (table, _) = DeTable::parse_recoverable(&file.text);
    let mut reader = Reader {
        bootstrap,
        origins,
        lines: Lines {
            number: file.number,
            name: &name,
            text: &file.text,
        },
        folder: file.path.parent().unwrap_or(Path::new("")),
        is_shared: true,
        seen: HashSet::new(),
    };
    reader.whole(table.get_ref());
    let envs = table.get_ref().get(ENV).map(Spanned::get_ref);
    let section = match envs {
        Some(DeValue::Table(envs)) => envs.get(env).map(Spanned::get_ref),
        _ => None,
    };
    if let Some(DeValue::Table(section)) = section {
        // Here it is no second time.
        reader.seen.clear();
        reader.whole(section);
    }
}

/// The text of a file, for positions in it.
#[derive(Clone, Copy)]
struct Lines<'a> {
    /// Which of the files it is.
    number: usize,
    name: &'a str,
    text: &'a str,
}

impl Lines<'_> {
    /// The line of a position.
    fn at(&self, position: usize) -> At {
        let before = self.text.get(..position).unwrap_or_default();
        At::Line {
            file: self.number,
            name: self.name.to_owned(),
            line: before.matches('\n').count() + 1,
        }
    }
}

/// A file while it is read.
struct Reader<'a> {
    bootstrap: &'a mut Bootstrap,
    origins: &'a mut Origins,
    lines: Lines<'a>,
    folder: &'a Path,
    /// Whether the file is an application's, with chapters of its own.
    is_shared: bool,
    /// The elements that it has said something of.
    seen: HashSet<Place>,
}

impl Reader<'_> {
    fn whole(&mut self, table: &DeTable<'_>) {
        // First of all, as referers are found in them.
        if let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == DESCRIPTORS) {
            self.descriptors(&self.at(key), &json(value));
        }
        for entry in in_order(table) {
            self.chapter(entry);
        }
    }

    fn descriptors(&mut self, at: &At, value: &Value) {
        let paths = match Vec::<String>::from_setting(value) {
            Ok(paths) => paths,
            Err(problem) => return self.wrong(at, DESCRIPTORS, problem),
        };
        for path in paths {
            self.bootstrap
                .load_descriptors(&self.folder.join(path), Some(at));
        }
    }

    /// `[name]`, or all of `[[name]]`.
    fn chapter(&mut self, (key, value): Entry<'_, '_>) {
        let (name, at) = (key.get_ref().as_ref(), self.at(key));
        if name == DESCRIPTORS {
            return;
        }
        let Some(chapter) = Chapter::named(name) else {
            if self.is_shared {
                return;
            }
            return self.wrong(&at, name, no_chapter(name));
        };
        match value.get_ref() {
            DeValue::Table(table) => self.element(chapter, table, &at),
            DeValue::Array(list) if chapter.is_one() => {
                let at = list
                    .first()
                    .map_or(at, |element| self.lines.at(element.span().start));
                self.wrong(&at, name, format_args!("there is one: [{name}]"));
            }
            DeValue::Array(list) => {
                for element in list {
                    let at = self.lines.at(element.span().start);
                    match element.get_ref() {
                        DeValue::Table(table) => self.element(chapter, table, &at),
                        _ => self.wrong(&at, name, format_args!("expected [[{name}]]")),
                    }
                }
            }
            _ => self.wrong(&at, name, format_args!("expected [{name}] or [[{name}]]")),
        }
    }

    fn wrong(&mut self, at: &At, what: &str, problem: impl Display) {
        self.bootstrap
            .mistakes
            .add_at(Some(at), format!("{what}: {problem}"));
    }

    fn at(&self, key: &Key<'_>) -> At {
        self.lines.at(key.span().start)
    }
}

/// The entries of a table as the file has them.
fn in_order<'a, 'b>(table: &'b DeTable<'a>) -> Vec<Entry<'a, 'b>> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// What may be meant by a name that is no chapter's.
fn no_chapter(name: &str) -> String {
    let plain = name.replace('_', "").to_ascii_lowercase();
    let meant = Chapter::ALL.into_iter().find(|chapter| {
        let own = chapter.name().replace('_', "");
        plain == own || plain.strip_suffix('s') == Some(&own)
    });
    match meant {
        Some(chapter) if chapter.is_one() => format!("is written [{chapter}] here"),
        Some(chapter) if OURS.contains(&name) => {
            format!("is written [[{chapter}]] here; [{name}.<type>] is an application's (App)")
        }
        Some(chapter) => format!("is written [[{chapter}]] here"),
        None if plain == "method" || plain == "methods" => {
            "belongs to a service or referer: [[service.method]], [[referer.method]]".to_owned()
        }
        None if OURS.contains(&name) => {
            "is of an application with servers for clients (App), which this one is not".to_owned()
        }
        None => {
            let known: Vec<_> = Chapter::ALL.map(Chapter::name).into();
            format!(
                "unknown chapter; there are: {}, {DESCRIPTORS}",
                listed(&known)
            )
        }
    }
}
