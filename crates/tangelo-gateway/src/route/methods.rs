//! The methods that a url is open for.

use std::{fmt, str::FromStr};

use http::Method;

/// A set of the methods that a url can be open for: `get`, `head`, `post`, `put`, `delete` and `patch`.
///
/// Read from a list as in `routes.xml`, in either case: `get,post`. Shown as the header `Allow` has it: `GET, POST`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Methods(u8);

/// How many methods there are.
pub(super) const COUNT: usize = ALL.len();

const ALL: [Method; 6] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::PATCH,
];

/// The number of a method, below [`COUNT`]; none if no url can be open for it.
pub(super) fn slot(method: &Method) -> Option<usize> {
    ALL.iter().position(|known| known == method)
}

impl Methods {
    /// None at all.
    pub const NONE: Self = Self(0);
    /// What a url is open for that says nothing of it.
    pub const GET_POST: Self = Self(0b101);

    /// Whatever a url can be open for.
    pub(super) const ALL: Self = Self((1 << COUNT) - 1);

    /// Those that are not among the others.
    pub(super) fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Whether it is one of them.
    pub fn contains(self, method: &Method) -> bool {
        slot(method).is_some_and(|slot| self.has(slot))
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = Method> {
        let slots = ALL.into_iter().enumerate();
        slots.filter_map(move |(slot, method)| self.has(slot).then_some(method))
    }

    pub(super) fn has(self, slot: usize) -> bool {
        self.0 & (1 << slot) != 0
    }

    pub(super) fn add(&mut self, slot: usize) {
        self.0 |= 1 << slot;
    }
}

/// # Errors
/// Why it is no list of methods.
impl FromStr for Methods {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut methods = Self::NONE;
        for name in text.split(',').map(str::trim) {
            let known = ALL
                .iter()
                .position(|known| known.as_str().eq_ignore_ascii_case(name));
            match known {
                Some(slot) => methods.add(slot),
                None => {
                    return Err(format!(
                        "`{name}` is none of get, head, post, put, delete, patch"
                    ));
                }
            }
        }
        Ok(methods)
    }
}

impl fmt::Display for Methods {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, method) in self.iter().enumerate() {
            if at > 0 {
                formatter.write_str(", ")?;
            }
            formatter.write_str(method.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_a_list_in_either_case_with_blanks() {
        let shown = |text: &str| text.parse::<Methods>().map(|methods| methods.to_string());
        assert_eq!(shown("get,post"), Ok("GET, POST".to_owned()));
        assert_eq!(shown(" PUT , delete,Put"), Ok("PUT, DELETE".to_owned()));
        assert_eq!(shown("patch,head"), Ok("HEAD, PATCH".to_owned()));
        assert_eq!("get,post".parse(), Ok(Methods::GET_POST));
    }

    #[test]
    fn what_is_no_method_is_named() {
        for (text, named) in [("get,gte", "`gte`"), ("", "``"), ("options", "`options`")] {
            let error = text.parse::<Methods>().unwrap_err();
            assert!(error.starts_with(named), "{error}");
        }
    }
}
