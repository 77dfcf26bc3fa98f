//! The syntax of Java's properties files.
//!
//! Written here because the published reader stops at the first mistake and brings regular
//! expressions with it.

use std::{fmt, iter::Peekable, str};

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    NotUtf8,
    BadEscape,
    HalfPair,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotUtf8 => "not UTF-8; save the file in that encoding",
            Self::BadEscape => "`\\u` needs four hexadecimal digits",
            Self::HalfPair => {
                "half of a surrogate pair: `\\u` escapes of one character belong together"
            }
        })
    }
}

/// Each property, key and text, with the line it begins in.
pub(super) fn properties(
    bytes: &[u8],
) -> impl Iterator<Item = (usize, Result<(String, String), Problem>)> {
    logical_lines(bytes)
        .into_iter()
        .map(|(number, line)| (number, line.and_then(|line| property(&line))))
}

/// Lines that say something, continued ones joined, escapes untouched.
fn logical_lines(bytes: &[u8]) -> Vec<(usize, Result<String, Problem>)> {
    // Some editors put this before UTF-8.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut lines = Vec::new();
    let mut natural = natural_lines(bytes).zip(1..);
    while let Some((line, number)) = natural.next() {
        let mut line = trim_start(line);
        if line.is_empty() || line.starts_with(b"#") || line.starts_with(b"!") {
            continue;
        }
        let mut joined = Vec::new();
        while let Some(part) = continued(line) {
            joined.extend(part);
            // A `\` at the end of the file continues into nothing.
            line = natural.next().map_or(&[], |(line, _)| trim_start(line));
        }
        joined.extend(line);
        let joined = String::from_utf8(joined).map_err(|_| Problem::NotUtf8);
        lines.push((number, joined));
    }
    lines
}

/// Lines end with `\n`, `\r` or both.
fn natural_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            rest = None;
            return Some(bytes);
        };
        let (line, ending) = bytes.split_at(end);
        rest = ending.strip_prefix(b"\r\n").or_else(|| ending.get(1..));
        Some(line)
    })
}

fn trim_start(line: &[u8]) -> &[u8] {
    let is_text = |byte: &u8| !matches!(byte, b' ' | b'\t' | b'\x0c');
    let start = line.iter().position(is_text).unwrap_or(line.len());
    line.split_at(start).1
}

/// A line without the `\` that continues it; of two, the first makes the second a character.
fn continued(line: &[u8]) -> Option<&[u8]> {
    let slashes = line.iter().rev().take_while(|byte| **byte == b'\\').count();
    if slashes % 2 == 1 {
        line.strip_suffix(b"\\")
    } else {
        None
    }
}

/// A key ends at the first `=`, `:` or space; around the text's beginning one of the former may
/// stand among spaces.
fn property(line: &str) -> Result<(String, String), Problem> {
    let mut rest = line.chars().peekable();
    let key = unescaped(&mut rest, |next| {
        is_space(next) || matches!(next, '=' | ':')
    })?;
    while rest.next_if(|next| is_space(*next)).is_some() {}
    rest.next_if(|next| matches!(next, '=' | ':'));
    while rest.next_if(|next| is_space(*next)).is_some() {}
    let text = unescaped(&mut rest, |_| false)?;
    Ok((key, text))
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\x0c')
}

/// Reads up to an unescaped character that ends it.
fn unescaped(
    rest: &mut Peekable<str::Chars<'_>>,
    ends: impl Fn(char) -> bool,
) -> Result<String, Problem> {
    let mut text = String::new();
    while let Some(character) = rest.next_if(|next| !ends(*next)) {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match rest.next() {
            Some('t') => text.push('\t'),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('f') => text.push('\x0c'),
            Some('u') => text.push(unicode(rest)?),
            Some(other) => text.push(other),
            None => {}
        }
    }
    Ok(text)
}

/// The character of a `\uXXXX`, or of two that are a surrogate pair.
fn unicode(rest: &mut Peekable<str::Chars<'_>>) -> Result<char, Problem> {
    let first = unit(rest)?;
    let mut units = vec![first];
    if (0xd800..0xdc00).contains(&first) {
        let escaped = rest.next_if_eq(&'\\').and(rest.next_if_eq(&'u'));
        escaped.ok_or(Problem::HalfPair)?;
        units.push(unit(rest)?);
    }
    let mut characters = char::decode_utf16(units);
    match (characters.next(), characters.next()) {
        (Some(Ok(character)), None) => Ok(character),
        _ => Err(Problem::HalfPair),
    }
}

fn unit(rest: &mut Peekable<str::Chars<'_>>) -> Result<u16, Problem> {
    (0..4).try_fold(0, |unit, _| {
        let digit = rest.next().and_then(|digit| digit.to_digit(16));
        let digit = digit.ok_or(Problem::BadEscape)?;
        Ok(unit << 4 | digit as u16)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let found: Vec<_> = properties(text.as_bytes())
            .map(|(_, property)| property.unwrap())
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(key, text)| ((*key).to_owned(), (*text).to_owned()))
            .collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn a_key_ends_at_equals_colon_or_space() {
        for line in [
            "-1=a b",
            "-1:a b",
            "-1 a b",
            "-1\ta b",
            "-1 = a b",
            "  -1  :  a b",
            "\x0c-1=\x0ca b",
        ] {
            check(line, &[("-1", "a b")]);
        }
        check("-1==a", &[("-1", "=a")]);
        check("-1 = : a", &[("-1", ": a")]);
        check("-1", &[("-1", "")]);
        check("-1=", &[("-1", "")]);
        check("\\ a\\=\\:b=c", &[(" a=:b", "c")]);
    }

    #[test]
    fn spaces_at_the_end_belong_to_the_text() {
        check("-1=a  ", &[("-1", "a  ")]);
    }

    #[test]
    fn comments_and_empty_lines_say_nothing() {
        check("# a\n! b\n  # c\n\n   \t\n-1=#a!\n", &[("-1", "#a!")]);
        check("# not continued \\\n-1=a", &[("-1", "a")]);
    }

    #[test]
    fn lines_end_with_any_of_the_three() {
        check(
            "-1=a\n-2=b\r\n-3=c\r-4=d",
            &[("-1", "a"), ("-2", "b"), ("-3", "c"), ("-4", "d")],
        );
    }

    #[test]
    fn a_line_continues_after_an_odd_number_of_backslashes() {
        check(
            "-1=a \\\n   b\\\r\n  c\n-2=d",
            &[("-1", "a bc"), ("-2", "d")],
        );
        check("-1=a\\\\\n-2=b", &[("-1", "a\\"), ("-2", "b")]);
        check("-1=a\\\\\\\n-2=b", &[("-1", "a\\-2=b")]);
        check("-1=a\\\n# b", &[("-1", "a# b")]);
        check("-1=a\\\n\n-2=b", &[("-1", "a"), ("-2", "b")]);
        check("-1=a\\", &[("-1", "a")]);
        check("-1\\\n=a", &[("-1", "a")]);
    }

    #[test]
    fn lines_are_counted_as_an_editor_counts_them() {
        let text = "-1=a\\\r\n b\r\n\r\n# c\r\n-2=d";
        let numbers: Vec<_> = properties(text.as_bytes()).map(|(line, _)| line).collect();
        assert_eq!(numbers, [1, 5]);
    }

    #[test]
    fn escapes_stand_for_their_characters_and_others_for_themselves() {
        check("-1=\\t\\n\\r\\f\\\\\\q\\\"", &[("-1", "\t\n\r\x0c\\q\"")]);
        check("-1=\\u7528\\u6237\\u00E9", &[("-1", "用户é")]);
        check("\\u002d1=a", &[("-1", "a")]);
        check("-1=\\ud83d\\ude00", &[("-1", "😀")]);
    }

    #[test]
    fn broken_escapes_are_mistakes() {
        let problem = |text: &str| {
            let mut found = properties(text.as_bytes());
            found.next().unwrap().1.unwrap_err()
        };
        for text in ["-1=\\u", "-1=\\u12", "-1=\\u12g4", "-1=\\u+123"] {
            assert_eq!(problem(text), Problem::BadEscape, "{text}");
        }
        for text in [
            "-1=\\ud83d",
            "-1=\\ude00",
            "-1=\\ud83dx",
            "-1=\\ud83d\\n",
            "-1=\\ud83d\\ud83d",
            "-1=\\ud83d\\u0041",
        ] {
            assert_eq!(problem(text), Problem::HalfPair, "{text}");
        }
    }

    #[test]
    fn utf_8_is_read_with_or_without_a_mark_before_it() {
        check("\u{feff}-1=用户", &[("-1", "用户")]);
        let mut found = properties(b"-1=\xe9\n-2=b");
        assert_eq!(found.next().unwrap(), (1, Err(Problem::NotUtf8)));
        assert!(found.next().unwrap().1.is_ok());
    }
}
