//! What a url chooses among: how much of a session it needs, and how its path is compared.

use std::str::FromStr;

/// How much of a session a url needs: `sessionMode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum SessionMode {
    /// 0: none.
    #[default]
    None,
    /// 1: only its id. Who has none gets one.
    Id,
    /// 2: its id, and what it holds if there is one. Nobody is refused.
    Optional,
    /// 3: a login is required.
    Required,
}

/// How a url's path is compared with the one asked for: `match`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Matching {
    /// They are the same, segment for segment.
    #[default]
    Exact,
    /// The one asked for may have more segments.
    Prefix,
}

/// Reads `0`, `1`, `2`, `3`, or `none`, `id`, `optional`, `required`.
///
/// # Errors
/// What was expected.
impl FromStr for SessionMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "0" | "none" => Ok(Self::None),
            "1" | "id" => Ok(Self::Id),
            "2" | "optional" => Ok(Self::Optional),
            "3" | "required" => Ok(Self::Required),
            _ => Err(format!(
                "`{text}` is none of 0 (none), 1 (id), 2 (optional), 3 (required)"
            )),
        }
    }
}

/// Reads `exact` or `prefix`.
///
/// # Errors
/// What was expected.
impl FromStr for Matching {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "exact" => Ok(Self::Exact),
            "prefix" => Ok(Self::Prefix),
            _ => Err(format!("`{text}` is none of exact, prefix")),
        }
    }
}
