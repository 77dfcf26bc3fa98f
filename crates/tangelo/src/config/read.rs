//! Files to texts.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::Path,
};

/// Bytes of the longest file.
pub(super) const LONGEST: u64 = 8 << 20;

/// The text of a file; none if it is not there.
///
/// # Errors
/// It is there and is no text of a sensible length.
pub(super) fn text(path: &Path) -> Result<Option<String>, String> {
    let not_read = |error: io::Error| format!("cannot be read: {error}");
    // A pipe would be waited for.
    match path.metadata() {
        Ok(data) if data.is_file() => {}
        Ok(_) => return Err("cannot be read: it is no file".to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(not_read(error)),
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(not_read)?;
    file.take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(not_read)?;
    if bytes.len() as u64 > LONGEST {
        return Err(format!("is longer than {} MiB", LONGEST >> 20));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..at).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("is no text in UTF-8, see line {line}")
    })?;
    // Node.js leaves it out as well.
    let text = match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    };
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::test_folder::Folder;

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_text() {
        let folder = Folder::with(&[("with.json", "\u{feff}{}"), ("without.json", "{}")]);
        for name in ["with.json", "without.json"] {
            assert_eq!(text(&folder.path(name)), Ok(Some("{}".to_owned())));
        }
    }

    #[test]
    fn what_is_not_there_is_none_and_what_is_no_text_says_why() {
        let folder = Folder::with(&[]);
        assert_eq!(text(&folder.path("servers.json")), Ok(None));
        let is_no_file = Err("cannot be read: it is no file".to_owned());
        assert_eq!(text(&folder.path("")), is_no_file);
        fs::write(folder.path("latin.json"), b"{\n\"\xe9\": 1}").unwrap();
        let is_no_text = Err("is no text in UTF-8, see line 2".to_owned());
        assert_eq!(text(&folder.path("latin.json")), is_no_text);
    }

    #[test]
    fn a_file_has_eight_mebibytes_and_not_a_byte_more() {
        let folder = Folder::with(&[]);
        let longest = " ".repeat(LONGEST as usize);
        fs::write(folder.path("longest.json"), &longest).unwrap();
        fs::write(folder.path("longer.json"), longest + " ").unwrap();
        assert!(matches!(text(&folder.path("longest.json")), Ok(Some(_))));
        let told = text(&folder.path("longer.json"));
        assert_eq!(told, Err("is longer than 8 MiB".to_owned()));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_may_not_be_read_says_so() {
        use std::os::unix::fs::symlink;
        let folder = Folder::with(&[]);
        // Rights do not hold for everybody who runs tests; a link to itself does.
        symlink("round.json", folder.path("round.json")).unwrap();
        let told = text(&folder.path("round.json")).unwrap_err();
        assert!(told.starts_with("cannot be read: "), "{told}");
    }
}
