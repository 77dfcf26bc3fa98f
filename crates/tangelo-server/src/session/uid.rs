//! Users' ids.

use std::{fmt, ops::Deref, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use twox_hash::XxHash3_64;

/// A user's id: any text. A number, in Rust as in JSON, is taken for its decimal digits, as clients
/// send either.
///
/// ```
/// # use tangelo_server::Uid;
/// assert_eq!(serde_json::from_str::<Uid>("10001")?, Uid::from("10001"));
/// assert_eq!(serde_json::from_str::<Uid>("\"10001\"")?, Uid::from(10001));
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid(Arc<str>);

impl Uid {
    /// The largest whole number of which all digits survive in JavaScript.
    const LARGEST: f64 = 9_007_199_254_740_992.0;
}

/// What belongs to a user keeps its order by this, and every server, today's or another, hashes alike.
pub(super) fn key(uid: &str) -> u64 {
    XxHash3_64::oneshot(uid.as_bytes())
}

impl From<Uid> for Arc<str> {
    fn from(uid: Uid) -> Self {
        uid.0
    }
}

impl Deref for Uid {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Uid {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl From<&str> for Uid {
    fn from(text: &str) -> Self {
        Self(Arc::from(text))
    }
}

impl From<Arc<str>> for Uid {
    fn from(text: Arc<str>) -> Self {
        Self(text)
    }
}

macro_rules! from {
    ($($from:ty),*; $to_text:expr) => {
        $(impl From<$from> for Uid {
            fn from(from: $from) -> Self {
                Self(Arc::from($to_text(from)))
            }
        })*
    };
}

from!(String, &String; String::from);
from!(u32, u64, i32, i64; |number| format!("{number}"));

impl Serialize for Uid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Uid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Uid;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a user's id: text or a whole number")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Uid, E> {
                Ok(text.into())
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Uid, E> {
                Ok(number.into())
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Uid, E> {
                Ok(number.into())
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Uid, E> {
                if number.fract() == 0.0 && number.abs() <= Uid::LARGEST {
                    Ok((number as i64).into())
                } else {
                    Err(E::invalid_value(de::Unexpected::Float(number), &self))
                }
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_its_decimal_digits_and_nothing_else_is_a_user() {
        for (json, uid) in [
            ("\"\"", ""),
            ("\"constructor\"", "constructor"),
            ("7", "7"),
            ("-7", "-7"),
            ("18446744073709551615", "18446744073709551615"),
            ("1e3", "1000"),
            ("7.0", "7"),
            ("-0.0", "0"),
        ] {
            let read: Uid = serde_json::from_str(json).unwrap();
            assert_eq!(&*read, uid, "{json}");
        }
        for json in ["7.5", "1e300", "true", "null", "[]", "{}", "[7]"] {
            assert!(serde_json::from_str::<Uid>(json).is_err(), "{json}");
        }
        assert_eq!(serde_json::to_string(&Uid::from(7)).unwrap(), "\"7\"");
    }
}
