//! What lies beneath a folder.

use std::{fs::File, io, path::Path, time::SystemTime};

use cap_std::{ambient_authority, fs::Dir};

/// What is at a path.
#[derive(Debug)]
pub(crate) enum Place {
    File(Opened),
    Folder,
    /// Nothing, or what is not to be seen.
    Nothing,
}

/// A file that is there, and how it was when it was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: File,
    pub(crate) length: u64,
    pub(crate) modified: Option<SystemTime>,
}

/// Whether a name in this path is hidden, by a dot. What is well-known (RFC 8615) is for everybody.
pub(crate) fn is_hidden(path: &str) -> bool {
    let mut names = path.split('/').enumerate();
    names.any(|(at, name)| {
        let is_stream = cfg!(windows) && (name.contains(':') || name.ends_with(['.', ' ']));
        (name.starts_with('.') && (at > 0 || name != ".well-known")) || is_stream
    })
}

/// Opens what is at a path beneath a folder. Links are followed as long as they do not lead out of it.
///
/// Blocks.
pub(crate) fn look(folder: &Path, path: &str) -> io::Result<Place> {
    // Anew each time: who exchanges a folder by a link to another one has the other one.
    let folder = Dir::open_ambient_dir(folder, ambient_authority())?;
    look_in(&folder, path)
}

/// As [`look`], and the file is gone from its folder when it is opened: nobody else has it.
///
/// Blocks.
pub(super) fn take(folder: &Path, path: &str) -> io::Result<Place> {
    let folder = Dir::open_ambient_dir(folder, ambient_authority())?;
    let place = look_in(&folder, path)?;
    if let Place::File(_) = place {
        folder.remove_file(path)?;
    }
    Ok(place)
}

pub(super) fn look_in(folder: &Dir, path: &str) -> io::Result<Place> {
    if path.is_empty() {
        return Ok(Place::Folder);
    }
    // Not opened before it is known what it is: to open a pipe can take for ever.
    let known = match folder.metadata(path) {
        Ok(known) => known,
        Err(error) => return nothing(error),
    };
    if known.is_dir() {
        return Ok(Place::Folder);
    }
    if !known.is_file() {
        return Ok(Place::Nothing);
    }
    let file = match folder.open(path) {
        Ok(file) => file.into_std(),
        Err(error) => return nothing(error),
    };
    let known = file.metadata()?;
    Ok(Place::File(Opened {
        length: known.len(),
        modified: known.modified().ok(),
        file,
    }))
}

/// What is an error of whoever asks is nothing to be found; what is ours is an error.
fn nothing(error: io::Error) -> io::Result<Place> {
    use io::ErrorKind as K;
    match error.kind() {
        K::NotFound
        | K::NotADirectory
        | K::IsADirectory
        // A link that leads out of the folder, too.
        | K::PermissionDenied
        | K::InvalidFilename
        | K::InvalidInput => Ok(Place::Nothing),
        _ if is_loop(&error) => Ok(Place::Nothing),
        _ => Err(error),
    }
}

/// A link to itself: `ELOOP`. Its `ErrorKind` cannot be named yet.
fn is_loop(error: &io::Error) -> bool {
    let number = if cfg!(any(target_os = "linux", target_os = "android")) {
        40
    } else {
        62
    };
    cfg!(unix) && error.raw_os_error() == Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_dot_before_it_is_hidden_but_for_what_is_well_known() {
        for path in [
            ".env",
            ".git/config",
            "a/.htaccess",
            "a/.git/b",
            "a/.well-known/b",
            "...",
        ] {
            assert!(is_hidden(path), "{path}");
        }
        for path in [
            "",
            "a",
            "a.b",
            "a/b.c/d",
            ".well-known/acme-challenge/x",
            "a..b",
        ] {
            assert!(!is_hidden(path), "{path}");
        }
    }
}
