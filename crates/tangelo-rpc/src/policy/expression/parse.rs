//! From text to terms.

use super::{Comparison, Term, Wanted};
use crate::policy::pattern::{self, Pattern};

/// How deep `!` and parentheses may be nested.
pub const MAX_DEPTH: usize = 32;

/// Why a text is no expression, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {position}: {problem}")]
pub struct ExpressionError {
    /// The character it is about, counted from 1.
    pub position: usize,
    /// What is wrong there.
    pub problem: String,
}

pub(super) fn expression(text: &str) -> Result<Term, ExpressionError> {
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
    };
    parser.skip_space();
    if parser.rest().is_empty() {
        return Ok(Term::All(Vec::new()));
    }
    let term = parser.any()?;
    match parser.rest().chars().next() {
        None => Ok(term),
        Some(')') => Err(parser.error("this parenthesis was never opened")),
        Some(_) => Err(parser.error(UNEXPECTED)),
    }
}

const UNEXPECTED: &str = "expected `&&`, `||` or the end; a value that holds one of `( ) | & ! == =~` \
                          needs double quotes around it";

struct Parser<'a> {
    text: &'a str,
    /// Bytes read.
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn any(&mut self) -> Result<Term, ExpressionError> {
        self.several("||", Self::all, Term::Any)
    }

    fn all(&mut self) -> Result<Term, ExpressionError> {
        self.several("&&", Self::one, Term::All)
    }

    /// One or more terms with this between them.
    fn several(
        &mut self,
        between: &str,
        term: fn(&mut Self) -> Result<Term, ExpressionError>,
        join: fn(Vec<Term>) -> Term,
    ) -> Result<Term, ExpressionError> {
        let first = term(self)?;
        if !self.take(between) {
            return Ok(first);
        }
        let mut terms = vec![first, term(self)?];
        while self.take(between) {
            terms.push(term(self)?);
        }
        Ok(join(terms))
    }

    fn one(&mut self) -> Result<Term, ExpressionError> {
        let start = self.at;
        if self.take("!") {
            self.deeper(start)?;
            let term = self.one()?;
            self.depth -= 1;
            return Ok(Term::Not(Box::new(term)));
        }
        if self.take("(") {
            self.deeper(start)?;
            let term = self.any()?;
            if !self.take(")") {
                let problem = match self.rest() {
                    "" => "expected `)`",
                    _ => UNEXPECTED,
                };
                return Err(self.error(problem));
            }
            self.depth -= 1;
            return Ok(term);
        }
        self.comparison().map(Term::Is)
    }

    fn comparison(&mut self) -> Result<Comparison, ExpressionError> {
        let is_key = |character: char| character.is_alphanumeric() || "_.-".contains(character);
        let key = self.take_while(is_key).to_owned();
        if key.is_empty() {
            return Err(self.error("expected a key"));
        }
        self.skip_space();
        let (then, is_pattern) = self.operator()?;
        self.skip_space();
        let start = self.at;
        let value = self.value()?;
        let wanted = if is_pattern {
            pattern::whole(value).map(Wanted::Matching)
        } else {
            listed(value)
        };
        match wanted {
            Ok(wanted) => Ok(Comparison { key, then, wanted }),
            Err(error) => {
                self.at = start;
                // The last line says what is wrong; those before draw an arrow to it.
                let error = error.to_string();
                Err(self.error(error.lines().last().unwrap_or_default()))
            }
        }
    }

    /// Whether what is named shall be so, and whether it is a pattern.
    fn operator(&mut self) -> Result<(bool, bool), ExpressionError> {
        for (sign, meaning) in [
            ("==", (true, false)),
            ("!=", (false, false)),
            ("=~", (true, true)),
            ("!~", (false, true)),
        ] {
            if self.take(sign) {
                return Ok(meaning);
            }
        }
        let start = self.at;
        let then =
            match self.take_while(|character| character.is_alphanumeric() || character == '_') {
                "in" => Some(true),
                "not_in" => Some(false),
                _ => None,
            };
        let is_word = self.rest().starts_with([' ', '\t', '\r', '\n', '"']);
        match then {
            Some(then) if is_word => Ok((then, false)),
            _ => {
                self.at = start;
                Err(self.error("expected `==`, `!=`, `=~`, `!~`, `in` or `not_in`"))
            }
        }
    }

    /// What stands on the right of an operator.
    fn value(&mut self) -> Result<&'a str, ExpressionError> {
        let quote = self.at;
        let rest = self.rest();
        if let Some(quoted) = rest.strip_prefix('"') {
            let Some((value, _)) = quoted.split_once('"') else {
                self.at = quote;
                return Err(self.error("this quote is never closed"));
            };
            self.at += value.len() + 2;
            self.skip_space();
            return Ok(value);
        }
        let is_end = |index: usize, character: char| match character {
            '(' | ')' | '|' | '&' | '!' | '"' => true,
            '=' => rest[index + 1..].starts_with(['=', '~']),
            _ => false,
        };
        let end = rest
            .char_indices()
            .find(|(index, character)| is_end(*index, *character));
        let end = end.map_or(rest.len(), |(index, _)| index);
        let value = rest[..end].trim_end();
        if value.is_empty() {
            return Err(
                self.error("expected a value, in double quotes if it is empty or begins so")
            );
        }
        self.at += end;
        Ok(value)
    }

    /// Goes over this sign and the space behind it, if it comes now.
    fn take(&mut self, sign: &str) -> bool {
        let found = self.rest().starts_with(sign);
        if found {
            self.at += sign.len();
            self.skip_space();
        }
        found
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|character| !wanted(character));
        let taken = &rest[..end.unwrap_or(rest.len())];
        self.at += taken.len();
        taken
    }

    fn skip_space(&mut self) {
        self.take_while(char::is_whitespace);
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn deeper(&mut self, start: usize) -> Result<(), ExpressionError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.at = start;
            return Err(self.error(&format!("nested deeper than {MAX_DEPTH}")));
        }
        Ok(())
    }

    fn error(&self, problem: &str) -> ExpressionError {
        ExpressionError {
            position: self.text[..self.at].chars().count() + 1,
            problem: problem.to_owned(),
        }
    }
}

fn listed(text: &str) -> Result<Wanted, regex::Error> {
    let items = text.split(',').map(str::trim);
    let (patterns, values): (Vec<_>, Vec<_>) = items
        .filter(|item| !item.is_empty())
        .partition(|item| Pattern::is_in(item));
    let mut values: Vec<_> = values.into_iter().map(str::to_owned).collect();
    values.sort_unstable();
    Ok(Wanted::Listed {
        text: text.to_owned(),
        values,
        patterns: patterns
            .into_iter()
            .map(Pattern::new)
            .collect::<Result<_, _>>()?,
    })
}
