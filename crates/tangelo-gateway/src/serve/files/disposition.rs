//! Under which name a client saves what it gets.

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// RFC 8187: all but these stands for itself.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Letters of the longest name.
const LONGEST: usize = 200;

/// `attachment; filename="..."` or `inline` (RFC 6266).
pub(super) fn disposition(attachment: bool, name: Option<&str>) -> HeaderValue {
    let kind = if attachment { "attachment" } else { "inline" };
    let name = name.map(base_name).filter(|name| !name.is_empty());
    let text = match name {
        None => kind.to_owned(),
        Some(name) => {
            // For clients that know no more, letters that mean nothing in the header.
            let plain: String = name
                .chars()
                .map(|letter| match letter {
                    '"' | '\\' | '%' => '_',
                    letter if letter.is_ascii() => letter,
                    _ => '_',
                })
                .collect();
            let exact = utf8_percent_encode(&name, PLAIN);
            match plain == name {
                true => format!("{kind}; filename=\"{plain}\""),
                false => format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{exact}"),
            }
        }
    };
    let value = HeaderValue::try_from(text);
    value.unwrap_or(HeaderValue::from_static("attachment"))
}

/// A file's name, of whatever path it is said to have; nothing in it that is not seen.
pub(super) fn base_name(path: &str) -> String {
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
    let seen = name.chars().filter(|letter| !is_unseen(*letter));
    let name: String = seen.take(LONGEST).collect();
    let name = name.trim();
    match name {
        "." | ".." => String::new(),
        name => name.to_owned(),
    }
}

/// Controls, and what turns the direction of a text: `cod.exe` must not look as `exe.doc`.
fn is_unseen(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_nothing_but_itself() {
        for (name, header) in [
            ("a.txt", "attachment; filename=\"a.txt\""),
            ("a b.txt", "attachment; filename=\"a b.txt\""),
            ("../../etc/passwd", "attachment; filename=\"passwd\""),
            ("C:\\temp\\a.txt", "attachment; filename=\"a.txt\""),
            (
                "a\"; filename=\"b.exe",
                "attachment; filename=\"a_; filename=_b.exe\"; filename*=UTF-8''a%22%3B%20filename%3D%22b.exe",
            ),
            (
                "a\r\nset-cookie: b",
                "attachment; filename=\"aset-cookie: b\"",
            ),
            (
                "报告.pdf",
                "attachment; filename=\"__.pdf\"; filename*=UTF-8''%E6%8A%A5%E5%91%8A.pdf",
            ),
            ("a\u{202e}fdp.exe", "attachment; filename=\"afdp.exe\""),
            (
                "100%.txt",
                "attachment; filename=\"100_.txt\"; filename*=UTF-8''100%25.txt",
            ),
            ("", "attachment"),
            ("..", "attachment"),
            ("a/", "attachment"),
        ] {
            assert_eq!(disposition(true, Some(name)), header, "{name}");
        }
        assert_eq!(disposition(false, None), "inline");
        assert_eq!(disposition(false, Some("a")), "inline; filename=\"a\"");
        let long = disposition(true, Some(&"x".repeat(1000)));
        assert_eq!(long.len(), "attachment; filename=\"\"".len() + LONGEST);
    }
}
