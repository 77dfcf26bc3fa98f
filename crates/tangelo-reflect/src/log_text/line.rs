//! A part of a line, as it is written.

use std::fmt;

use super::REST;

/// Keeps what is appended within its size, and free of the line's separator.
#[derive(Debug)]
pub(super) struct Line<'a> {
    out: &'a mut String,
    /// How far `out` may grow.
    end: usize,
    full: bool,
    /// Blanks since the last comma, if there was nothing else.
    blanks: Option<u8>,
}

/// Blanks that make a separator of a comma.
const SEPARATOR_BLANKS: u8 = 3;

impl<'a> Line<'a> {
    pub(super) fn new(out: &'a mut String, limit: usize) -> Self {
        Self {
            end: out.len().saturating_add(limit),
            out,
            full: false,
            blanks: None,
        }
    }

    /// Whether the rest of the message can be left alone.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    pub(super) fn push_str(&mut self, text: &str) {
        for character in text.chars() {
            self.push(character);
        }
    }

    pub(super) fn push_display(&mut self, value: impl fmt::Display) {
        // Fails only if `value` does, which numbers do not.
        let _ = fmt::Write::write_fmt(self, format_args!("{value}"));
    }

    pub(super) fn push(&mut self, character: char) {
        if self.full {
            return;
        }
        match (character, self.blanks) {
            (',', _) => self.blanks = Some(0),
            // All blanks go, or those that are left over would make a new separator.
            (' ', Some(SEPARATOR_BLANKS)) => return,
            (' ', Some(blanks)) if blanks + 1 == SEPARATOR_BLANKS => {
                self.out.truncate(self.out.len() - usize::from(blanks));
                self.blanks = Some(SEPARATOR_BLANKS);
                return;
            }
            (' ', Some(blanks)) => self.blanks = Some(blanks + 1),
            _ => self.blanks = None,
        }
        if self.out.len() + character.len_utf8() > self.end {
            self.out.push_str(REST);
            self.full = true;
            return;
        }
        self.out.push(character);
    }
}

impl fmt::Write for Line<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(limit: usize, texts: &[&str]) -> String {
        let mut out = "before,   ".to_owned();
        let mut line = Line::new(&mut out, limit);
        for text in texts {
            line.push_str(text);
        }
        out.strip_prefix("before,   ").unwrap().to_owned()
    }

    #[test]
    fn a_separator_becomes_a_comma_however_it_comes_about() {
        assert_eq!(line(100, &["a,   b"]), "a,b");
        assert_eq!(line(100, &["a,", " ", "  b"]), "a,b");
        assert_eq!(
            line(100, &["a,      b"]),
            "a,b",
            "what is left would be a separator again"
        );
        assert_eq!(line(100, &["a,   ,   b"]), "a,,b");
        assert_eq!(line(100, &["a,   "]), "a,");
        assert_eq!(line(100, &["a,  b,c   d"]), "a,  b,c   d");
        assert_eq!(
            line(100, &["   a"]),
            "   a",
            "what stands before is not looked at"
        );
    }

    #[test]
    fn what_does_not_fit_is_cut_between_characters() {
        assert_eq!(line(3, &["abc"]), "abc");
        assert_eq!(line(3, &["ab", "cd", "e"]), "abc...");
        assert_eq!(line(3, &["ab\u{e9}", "c"]), "ab...");
        assert_eq!(line(0, &["a"]), "...");
        assert_eq!(line(0, &[]), "");
    }
}
