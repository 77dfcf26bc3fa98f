//! What tells that files are others than before.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// When each file was written last, and how long it is; none if it is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks(Vec<(PathBuf, Option<(SystemTime, u64)>)>);

impl Marks {
    /// As they are now.
    pub(super) fn of(files: impl IntoIterator<Item = PathBuf>) -> Self {
        let files = files.into_iter();
        let marked = files.map(|path| {
            let mark = mark(&path);
            (path, mark)
        });
        Self(marked.collect())
    }
}

fn mark(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
