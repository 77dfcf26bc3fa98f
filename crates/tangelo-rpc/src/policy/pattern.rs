//! Texts in which `*` stands for digits.

use regex::Regex;

/// A text to compare with, in which each `*` is zero or more digits, as krpc has it.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Regex);

impl Pattern {
    /// # Errors
    /// It is too long.
    pub(super) fn new(text: &str) -> Result<Self, regex::Error> {
        let parts: Vec<_> = text.split('*').map(regex::escape).collect();
        whole(&parts.join("[0-9]*")).map(Self)
    }

    pub(super) fn is_in(text: &str) -> bool {
        text.contains('*')
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// A regular expression that has to match the whole text.
///
/// # Errors
/// It is none, or too large.
pub(super) fn whole(expression: &str) -> Result<Regex, regex::Error> {
    // By itself first: `a)|(b` is no expression, though in a group it looks like one.
    Regex::new(expression)?;
    Regex::new(&format!(r"\A(?:{expression})\z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_number_of_digits_and_nothing_else() {
        let pattern = Pattern::new("10.0.*.1*").unwrap();
        for text in ["10.0.3.1", "10.0.255.100", "10.0..1"] {
            assert!(pattern.matches(text), "{text}");
        }
        for text in [
            "10.0.x.1",
            "10.0.3.2",
            "10.0.3.1:80",
            "a10.0.3.1",
            "10x0.3.1",
        ] {
            assert!(!pattern.matches(text), "{text}");
        }
        assert!(Pattern::new("*1*1").unwrap().matches("1111"));
    }

    #[test]
    fn a_whole_expression_matches_the_whole_text_only() {
        let digits = whole("[0-9]+|x").unwrap();
        assert!(digits.is_match("12") && digits.is_match("x"));
        assert!(!digits.is_match("12x") && !digits.is_match("1\n"));
        assert!(whole("a)|(b").is_err());
    }
}
