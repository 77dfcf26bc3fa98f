//! Files that have come with a request.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::off_thread;
use crate::session::new_id;

/// What stands behind the name of a file that is about to be deleted, and of one that stays.
const TEMPORARY: &str = ".tmp";
const KEPT: &str = ".upload";

/// How old a temporary file is that nobody needs any more: no request takes so long.
const FORGOTTEN: Duration = Duration::from_secs(24 * 60 * 60);

/// The files of a request. They are deleted with it, unless they are kept.
#[derive(Debug, Default)]
pub(in crate::serve) struct Uploaded {
    files: Vec<PathBuf>,
}

impl Uploaded {
    /// A new name in a folder. Nobody guesses it, and nothing in it is of the client's choice.
    pub(super) fn name(&mut self, folder: &Path, is_kept: bool) -> io::Result<PathBuf> {
        let id = new_id().map_err(io::Error::other)?;
        let suffix = if is_kept { KEPT } else { TEMPORARY };
        let path = std::path::absolute(folder)?.join(format!("{id}{suffix}"));
        self.files.push(path.clone());
        Ok(path)
    }

    /// They stay.
    pub(in crate::serve) fn keep(mut self) {
        self.files.clear();
    }

    /// They go, and are gone when this ends.
    pub(in crate::serve) async fn remove(mut self) {
        let files = std::mem::take(&mut self.files);
        if !files.is_empty() {
            let removed = off_thread(move || {
                remove(files);
                Ok(())
            });
            // What is left lies there until it is swept.
            let _ = removed.await;
        }
    }
}

/// The request has ended early.
impl Drop for Uploaded {
    fn drop(&mut self) {
        let files = std::mem::take(&mut self.files);
        if files.is_empty() {
            return;
        }
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || remove(files))),
            Err(_) => remove(files),
        }
    }
}

fn remove(files: Vec<PathBuf>) {
    for file in files {
        // A service may have moved it away.
        let _ = fs::remove_file(file);
    }
}

/// Deletes what a process has left in a folder that was ended from outside.
///
/// Blocks.
pub(in crate::serve) fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let now = SystemTime::now();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let id = name.to_str().and_then(|name| name.strip_suffix(TEMPORARY));
        let is_ours =
            id.is_some_and(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let modified = || entry.metadata().ok()?.modified().ok();
        let is_old = || {
            let age = modified().and_then(|time| now.duration_since(time).ok());
            age.is_some_and(|age| age > FORGOTTEN)
        };
        if is_ours && is_old() {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_process_has_left_is_swept_and_nothing_else() {
        let folder = std::env::temp_dir().join(format!("tangelo-sweep-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let id = "0123456789abcdef0123456789abcdef";
        let other = "1123456789abcdef0123456789abcdef";
        let names = [
            (format!("{id}.tmp"), true, false),
            (format!("{other}.tmp"), false, true),
            (format!("{id}.upload"), true, true),
            ("notes.tmp".to_owned(), true, true),
        ];
        for (name, is_old, _) in &names {
            let file = fs::File::create(folder.join(name)).unwrap();
            if *is_old {
                let then = SystemTime::now() - FORGOTTEN - Duration::from_secs(60);
                file.set_modified(then).unwrap();
            }
        }
        sweep(&folder);
        for (name, _, stays) in &names {
            assert_eq!(folder.join(name).exists(), *stays, "{name}");
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
