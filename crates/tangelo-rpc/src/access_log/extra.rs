//! What else a line has to say.

use std::fmt::{self, Write};

/// Names and values at the end of a line, as in `Q:646^OTS:325`.
///
/// Up to 1 KiB is kept; what comes after that is left out and `...` stands for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    text: String,
    is_cut: bool,
}

impl Extra {
    /// Bytes that are kept.
    pub const MOST: usize = 1 << 10;

    /// Nothing to say; costs nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a name and its value; a `^` in them, which stands between them, becomes a space.
    pub fn add(&mut self, name: &str, value: impl fmt::Display) {
        if self.is_cut {
            return;
        }
        if !self.text.is_empty() {
            self.text.push('^');
        }
        if write!(Kept(&mut self.text), "{name}:{value}").is_err() {
            self.text.push_str("...");
            self.is_cut = true;
        }
    }

    /// All of it.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Takes text up to the limit.
struct Kept<'a>(&'a mut String);

impl Write for Kept<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if self.0.len() + character.len_utf8() > Extra::MOST {
                return Err(fmt::Error);
            }
            self.0.push(if character == '^' { ' ' } else { character });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_joined_as_in_krpc() {
        let mut extra = Extra::new();
        extra.add("INTS", 1107);
        extra.add("Q", 646);
        extra.add("user", "a^b");
        assert_eq!(extra.as_str(), "INTS:1107^Q:646^user:a b");
    }

    #[test]
    fn it_is_kept_up_to_its_limit() {
        let mut extra = Extra::new();
        let longest = "x".repeat(Extra::MOST - 2);
        extra.add("n", &longest);
        assert_eq!(extra.as_str(), format!("n:{longest}"));

        let mut extra = Extra::new();
        extra.add("n", format!("{longest}x"));
        extra.add("m", 1);
        assert_eq!(extra.as_str(), format!("n:{longest}..."));

        let mut extra = Extra::new();
        extra.add("n", &longest[1..]);
        extra.add("m", 1);
        assert_eq!(extra.as_str(), format!("n:{}^...", &longest[1..]));
    }
}
