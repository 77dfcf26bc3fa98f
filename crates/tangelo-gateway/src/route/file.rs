//! Files of routes, and what they import.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Place, RouteError, Routes,
    element::{Element, Lines},
    toml, xml,
};

/// Bytes of the longest file.
const LONGEST: u64 = 8 << 20;
/// How deep files may import each other.
const DEEPEST: usize = 32;

/// How a file is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Format {
    Xml,
    Toml,
}

/// A file while it is read.
pub(super) struct Reader<'a> {
    pub(super) routes: &'a mut Routes,
    /// Where its paths begin.
    pub(super) folder: PathBuf,
    /// The files that import it, the first of all first, and itself.
    importing: Vec<PathBuf>,
    number: usize,
    name: Arc<str>,
    lines: Lines,
}

impl Format {
    pub(super) fn of(path: &Path) -> Self {
        match path.extension() {
            Some(name) if name.eq_ignore_ascii_case("toml") => Self::Toml,
            _ => Self::Xml,
        }
    }
}

/// Reads a file for code.
pub(super) fn read(routes: &mut Routes, path: &Path, format: Format) {
    open(routes, path, format, Vec::new(), None);
}

/// Reads a text as if it were a file's.
pub(super) fn read_text(routes: &mut Routes, path: &Path, text: &str, format: Format) {
    let importing = fs::canonicalize(path).into_iter().collect();
    parse(routes, path, text, format, importing);
}

/// Reads a file, unless it was read already. `at` is where another imports it.
fn open(
    routes: &mut Routes,
    path: &Path,
    format: Format,
    mut importing: Vec<PathBuf>,
    at: Option<&Place>,
) {
    let wrong = |routes: &mut Routes, problem: String| {
        let words = format!("import {}: {problem}", path.display());
        routes.mistakes.push(RouteError::new(at, words));
    };
    let not_read = |error: io::Error| {
        let looked = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let looked = looked.display();
        format!("cannot be read: {error} (looked for {looked})")
    };
    let real = match fs::canonicalize(path) {
        Ok(real) => real,
        Err(error) => {
            routes.files.push(path.to_path_buf());
            return wrong(routes, not_read(error));
        }
    };
    if let Some(first) = importing.iter().position(|one| *one == real) {
        let circle = importing.iter().skip(first).chain([&real]);
        let circle: Vec<_> = circle.map(|path| path.display().to_string()).collect();
        return wrong(
            routes,
            format!("files in a circle: {}", circle.join(" -> ")),
        );
    }
    if routes.files.contains(&real) {
        return;
    }
    if importing.len() >= DEEPEST {
        let problem = format!("files import each other more than {DEEPEST} deep");
        return wrong(routes, problem);
    }
    routes.files.push(real.clone());
    importing.push(real);
    match text(path) {
        Ok(text) => parse(routes, path, &text, format, importing),
        Err(Unread::Io(error)) => wrong(routes, not_read(error)),
        Err(Unread::Other(problem)) => wrong(routes, problem),
    }
}

fn parse(routes: &mut Routes, path: &Path, text: &str, format: Format, importing: Vec<PathBuf>) {
    // Editors of Windows begin a file with it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let number = routes.begun;
    routes.begun += 1;
    let mut reader = Reader {
        routes,
        folder: path.parent().unwrap_or(Path::new("")).to_path_buf(),
        importing,
        number,
        name: path.display().to_string().into(),
        lines: Lines::of(text),
    };
    match format {
        Format::Xml => xml::read(&mut reader, text),
        Format::Toml => toml::read(&mut reader, text),
    }
}

enum Unread {
    Io(io::Error),
    Other(String),
}

fn text(path: &Path) -> Result<String, Unread> {
    // A pipe would be waited for.
    if !path.metadata().map_err(Unread::Io)?.is_file() {
        return Err(Unread::Other("cannot be read: it is no file".to_owned()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(Unread::Io)?;
    let mut file = file.take(LONGEST + 1);
    file.read_to_end(&mut bytes).map_err(Unread::Io)?;
    if bytes.len() as u64 > LONGEST {
        let problem = format!("is longer than {} MiB", LONGEST >> 20);
        return Err(Unread::Other(problem));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..at).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Unread::Other(format!("is no text in UTF-8, see line {line}"))
    })
}

impl Reader<'_> {
    /// Where a position of the text is.
    pub(super) fn at(&self, position: usize) -> Place {
        Place::new(self.number, &self.name, self.lines.at(position))
    }

    /// Keeps a mistake.
    pub(super) fn wrong(&mut self, place: &Place, words: impl Into<String>) {
        self.routes
            .mistakes
            .push(RouteError::new(Some(place), words));
    }

    /// Reads what a file imports.
    pub(super) fn import(&mut self, file: &str, place: &Place) {
        let path = self.folder.join(file);
        let importing = self.importing.clone();
        let format = Format::of(&path);
        open(self.routes, &path, format, importing, Some(place));
    }

    /// Adds what an element says that has no elements of its own.
    pub(super) fn element(&mut self, element: Element) {
        match element.name {
            "import" => match element.only(&["file"], self) {
                [Some(file)] => self.import(&file, &element.place),
                [None] => self.wrong(&element.place, "import: file is missing"),
            },
            "plugin" => match element.only(&["name", "params"], self) {
                [Some(name), params] => self.routes.plugins.push(super::PluginParams {
                    name,
                    params: params.unwrap_or_default(),
                    place: Some(element.place),
                }),
                [None, _] => self.wrong(&element.place, "plugin: name is missing"),
            },
            "dir" => {
                let dir = element.into_dir(&self.folder);
                self.routes.dirs.push(dir);
            }
            _ => {
                let url = element.into_url();
                self.routes.urls.push(url);
            }
        }
    }
}
