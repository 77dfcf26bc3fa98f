//! Sessions' ids, which no other session ever has.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    num::ParseIntError,
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A session's id: unique also across restarts of its front end, so that a stale one names nobody.
///
/// The upper half tells the front end's life, the lower one counts. In JSON it is text, as it has more
/// digits than numbers have there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub(crate) u64);

/// Gives out ids that no session of an earlier life had.
#[derive(Debug)]
pub(crate) struct SessionIds {
    epoch: u32,
    last: AtomicU64,
}

impl SessionIds {
    pub(crate) fn new() -> Self {
        // Any hasher of the standard library begins with numbers nobody can guess.
        let epoch = RandomState::new().hash_one(0) as u32;
        Self {
            epoch,
            last: AtomicU64::new(u64::from(epoch) << 32),
        }
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// After four billion sessions the count goes on in the upper half rather than begin again.
    pub(super) fn next(&self) -> SessionId {
        SessionId(self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1))
    }
}

impl From<SessionId> for u64 {
    fn from(id: SessionId) -> Self {
        id.0
    }
}

impl From<u64> for SessionId {
    fn from(id: u64) -> Self {
        Self(id)
    }
}

impl FromStr for SessionId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Self)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_of_a_front_end_are_the_same_also_after_four_billion() {
        let ids = SessionIds::new();
        let first = ids.next();
        ids.last.fetch_add(u64::from(u32::MAX), Ordering::Relaxed);
        let much_later = ids.next();
        assert_ne!(first, much_later);
        assert_eq!(first.0 as u32, much_later.0 as u32);
    }

    #[test]
    fn in_json_it_is_text_with_all_its_digits() {
        let id = SessionId(u64::MAX);
        let text = serde_json::to_string(&id).unwrap();
        assert_eq!(text, "\"18446744073709551615\"");
        assert_eq!(serde_json::from_str::<SessionId>(&text).unwrap(), id);
        for other in ["\"\"", "\"-1\"", "\"x\"", "\"18446744073709551616\"", "1"] {
            assert!(serde_json::from_str::<SessionId>(other).is_err(), "{other}");
        }
    }
}
