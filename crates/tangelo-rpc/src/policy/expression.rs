//! Conditions, as krpc writes them in routing rules and fallbacks.
//!
//! ```text
//! host == 10.0.0.*,10.0.1.1 && !(msgId != 1,2 || user.name =~ "a.*|b.*")
//! ```
//!
//! * `key == v1,v2`, or `key in v1,v2`: the value is one of these. In them `*` stands for zero or
//!   more digits. A value that is the whole list as it is written fits too, commas and stars and all.
//! * `key != v1,v2`, or `key not_in v1,v2`: it is none of these.
//! * `key =~ pattern`, `key !~ pattern`: it is, or is not, what this regular expression matches as a
//!   whole.
//! * `!`, `&&`, `||` and parentheses, in this order of binding. Nothing at all is always true.
//! * What holds one of `( ) | & ! == =~` is written in double quotes, which cannot be part of it.
//!
//! Everything is compared as text. Where there is no value for a key, every comparison with it is
//! false, `!=` too.

mod parse;

use std::{borrow::Cow, str::FromStr};

use regex::Regex;

pub use self::parse::{ExpressionError, MAX_DEPTH};
use super::pattern::Pattern;

/// Where an expression finds the value of a key; none if there is no such value.
pub type Lookup<'a> = dyn Fn(&str) -> Option<Cow<'a, str>> + 'a;

/// A condition, ready to be asked.
#[derive(Clone, Debug)]
pub struct Expression(Term);

#[derive(Clone, Debug)]
enum Term {
    /// All of these; of none, always.
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Is(Comparison),
}

#[derive(Clone, Debug)]
struct Comparison {
    key: String,
    /// What it says when the value is as wanted.
    then: bool,
    wanted: Wanted,
}

#[derive(Clone, Debug)]
enum Wanted {
    Listed {
        /// The list as it is written.
        text: String,
        /// Its values, sorted.
        values: Vec<String>,
        patterns: Vec<Pattern>,
    },
    Matching(Regex),
}

impl Expression {
    /// The one that is always true.
    pub fn always() -> Self {
        Self(Term::All(Vec::new()))
    }

    /// Whether it is true of these values.
    pub fn matches(&self, lookup: &Lookup<'_>) -> bool {
        self.0.matches(lookup)
    }

    /// Its key, if it is a single comparison.
    pub(super) fn only_key(&self) -> Option<&str> {
        match &self.0 {
            Term::Is(comparison) => Some(&comparison.key),
            Term::All(_) | Term::Any(_) | Term::Not(_) => None,
        }
    }
}

impl FromStr for Expression {
    type Err = ExpressionError;

    fn from_str(text: &str) -> Result<Self, ExpressionError> {
        parse::expression(text).map(Self)
    }
}

impl Term {
    fn matches(&self, lookup: &Lookup<'_>) -> bool {
        match self {
            Self::All(terms) => terms.iter().all(|term| term.matches(lookup)),
            Self::Any(terms) => terms.iter().any(|term| term.matches(lookup)),
            Self::Not(term) => !term.matches(lookup),
            Self::Is(comparison) => lookup(&comparison.key)
                .is_some_and(|value| comparison.wanted.is(&value) == comparison.then),
        }
    }
}

impl Wanted {
    fn is(&self, value: &str) -> bool {
        match self {
            Self::Listed {
                text,
                values,
                patterns,
            } => {
                text == value
                    || values.binary_search_by(|one| (**one).cmp(value)).is_ok()
                    || patterns.iter().any(|pattern| pattern.matches(value))
            }
            Self::Matching(regex) => regex.is_match(value),
        }
    }
}

#[cfg(test)]
mod tests;
