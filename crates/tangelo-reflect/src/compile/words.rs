//! The compiler's errors, with the path as it was given and with what to do.

use std::path::{Path, PathBuf};

/// What to write where a file's syntax is another than krpc's.
pub(super) const PROTO3: &str = "krpc's files begin with `syntax = \"proto3\";`";

/// A part of the compiler's words, and what helps.
const REMEDIES: [(&str, &str); 5] = [
    ("found 'edition'", PROTO3),
    ("unknown syntax", PROTO3),
    (
        "import '",
        "put it beside the file that imports it, or name its directory among those to look in",
    ),
    (
        "name 'krpc.",
        "the options are those of `import \"krpcext.proto\";`",
    ),
    (
        "is shadowed by",
        "files of one name need a directory above both to look in",
    ),
];

/// The error in one line: file, line, column, what is wrong, and what to do about it.
pub(super) fn of(error: &protox::Error, dirs: &[PathBuf]) -> String {
    // Its `Debug` is how it says line and column.
    let mut words = format!("{error:?}");
    if let Some(name) = error.file() {
        let dir = dirs.iter().find(|dir| dir.join(name).is_file());
        let path = dir.map_or_else(|| name.to_owned(), |dir| shown(&dir.join(name)));
        words = match words.strip_prefix(name) {
            Some(rest) => format!("{path}{rest}"),
            None => format!("{path}: {words}"),
        };
    }
    let remedy = REMEDIES.iter().find(|(part, _)| words.contains(part));
    match remedy {
        Some((_, remedy)) => format!("{words}: {remedy}"),
        None => words,
    }
}

/// The path as a person would write it.
pub(super) fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}
