//! The path of a request, read.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Stands for an encoded `/` in a decoded path. It cannot come from a client: control characters are refused.
pub(super) const ENCODED_SLASH: char = '\0';

/// Why a path is refused, whatever the routes are: answered with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadPath {
    /// It is `*`, say, or empty.
    #[error("the path does not begin with /")]
    NoRoot,
    /// It has a `%` without its digits.
    #[error("the path has a % without two hexadecimal digits")]
    Encoding,
    /// It is no text.
    #[error("the path is not UTF-8")]
    NoText,
    /// It has a line break, say, or a zero byte.
    #[error("the path has a control character")]
    Control,
    /// It leads upwards, or to where it is already. Clients that mean no harm resolve it before they ask.
    #[error("the path has a segment . or ..")]
    Dots,
}

/// The path, decoded but for encoded slashes: those are no borders of segments and are an [`ENCODED_SLASH`] here.
///
/// Segments are decoded once. `+` is a plus.
///
/// # Errors
/// What is no path.
pub(super) fn read(path: &str) -> Result<Cow<'_, str>, BadPath> {
    let segments = path.strip_prefix('/').ok_or(BadPath::NoRoot)?;
    if !path.contains('%') {
        for segment in segments.split('/') {
            check(segment)?;
        }
        return Ok(Cow::Borrowed(path));
    }
    let mut decoded = String::with_capacity(path.len());
    for segment in segments.split('/') {
        decoded.push('/');
        let segment = decode(segment)?;
        check(&segment)?;
        for letter in segment.chars() {
            decoded.push(if letter == '/' { ENCODED_SLASH } else { letter });
        }
    }
    Ok(Cow::Owned(decoded))
}

fn decode(segment: &str) -> Result<Cow<'_, str>, BadPath> {
    let mut after = segment.split('%').skip(1);
    let is_encoded = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !after.all(is_encoded) {
        return Err(BadPath::Encoding);
    }
    let decoded = percent_decode_str(segment).decode_utf8();
    decoded.map_err(|_| BadPath::NoText)
}

/// A decoded segment: what looks like several to those who decode twice or run on Windows must be harmless, too.
fn check(segment: &str) -> Result<(), BadPath> {
    if segment.chars().any(char::is_control) {
        return Err(BadPath::Control);
    }
    let mut parts = segment.split(['/', '\\']);
    match parts.any(|part| matches!(part, "." | "..")) {
        true => Err(BadPath::Dots),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_read(path: &str, as_: &str) {
        assert_eq!(read(path).as_deref(), Ok(as_), "{path}");
    }

    #[test]
    fn a_path_is_decoded_once_and_a_plus_is_a_plus() {
        is_read("/a/b", "/a/b");
        is_read("/te%73t/a+b", "/test/a+b");
        is_read("/%E7%94%A8%e6%88%b7", "/用户");
        is_read("/a%2541", "/a%41");
        is_read("/a%3Fb%23", "/a?b#");
    }

    #[test]
    fn an_encoded_slash_is_no_border_of_segments() {
        is_read("/a%2Fb/c", "/a\0b/c");
        is_read("/a%2f", "/a\0");
    }

    #[test]
    fn a_path_without_percent_signs_costs_no_copy() {
        assert!(matches!(read("/user/test1"), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn what_is_no_path_is_refused_in_every_encoding() {
        use BadPath::*;
        for (path, why) in [
            ("", NoRoot),
            ("*", NoRoot),
            ("a/b", NoRoot),
            ("/a%", Encoding),
            ("/a%2", Encoding),
            ("/a%zz", Encoding),
            ("/a%%41", Encoding),
            ("/a%+1", Encoding),
            ("/a%é", Encoding),
            ("/%ff", NoText),
            ("/%c0%af", NoText),
            ("/%e7%94", NoText),
            ("/%ed%a0%80", NoText),
            ("/a%00b", Control),
            ("/a\0b", Control),
            ("/a%0d%0aX:%20y", Control),
            ("/a\tb", Control),
            ("/%7f", Control),
            ("/%c2%85", Control),
            ("/..", Dots),
            ("/a/../b", Dots),
            ("/a/./b", Dots),
            ("/a/%2e%2e/b", Dots),
            ("/a/.%2E", Dots),
            ("/a/%2E", Dots),
            ("/..%2fb", Dots),
            ("/a%2f..%2fb", Dots),
            ("/a%2f..", Dots),
            ("/..\\b", Dots),
            ("/a%5c..%5cb", Dots),
        ] {
            assert_eq!(read(path), Err(why), "{path}");
        }
        // These are names.
        for path in ["/...", "/a..b", "/.well-known/x", "/..a", "/%252e%252e/a"] {
            assert!(read(path).is_ok(), "{path}");
        }
    }
}
