//! Pitaya's dialect: the same packages and messages, with bodies that may be compressed, answers that say
//! whether they tell of a failure, and one serializer for all bodies.
//!
//! A client of Pitaya's is known by its handshake. It is told of failures as [`failure`] writes them.

mod failure;

use bytes::Bytes;
use serde_json::Value;

pub use self::failure::failure;
use super::{dictionary::Dictionary, message::COMPRESSED};
pub use crate::zlib::{Deflater, Inflating};

/// In the flag byte of a response: it tells of a failure.
const FAILED: u8 = 0x20;

/// A client of Pitaya's, as it names itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// What it runs on, such as `mac`.
    pub platform: Option<String>,
    /// The version of its library.
    pub lib_version: Option<String>,
    /// The build of the application's client.
    pub build_number: Option<String>,
    /// The version of the application's client.
    pub version: Option<String>,
}

/// Who a handshake's `sys` says is calling; none: no client of Pitaya's. Those name their platform or their
/// library, and not their `type`, as Pomelo's do.
pub(super) fn client(sys: &Value) -> Option<Client> {
    let text = |key| sys.get(key).and_then(Value::as_str).map(str::to_owned);
    let client = Client {
        platform: text("platform"),
        lib_version: text("libVersion"),
        build_number: text("clientBuildNumber"),
        version: text("clientVersion"),
    };
    let names_itself = client.platform.is_some() || client.lib_version.is_some();
    (names_itself && sys.get("type").is_none()).then_some(client)
}

/// How bodies are written, all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Serializer {
    /// As JSON.
    #[default]
    Json,
    /// As Google's protobuf.
    Protobuf,
}

impl Serializer {
    /// Its name, as clients are told it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Protobuf => "protobuf",
        }
    }
}

/// What clients of Pitaya's are told beside the heartbeat, put together once for all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Members of `sys`, without braces.
    pub(super) members: String,
}

impl Told {
    /// The codes that they may write for routes, and the serializer.
    pub fn new(dictionary: Option<&Dictionary>, serializer: Serializer) -> Self {
        let serializer = serializer.name();
        let members = match dictionary {
            Some(dictionary) => {
                let codes = dictionary.codes_by_route();
                format!(r#""dict":{codes},"serializer":"{serializer}""#)
            }
            None => format!(r#""serializer":"{serializer}""#),
        };
        Self { members }
    }
}

/// What a message says of itself in its first byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Its body is compressed, by zlib.
    pub compressed: bool,
    /// It is a response, and tells of a failure.
    pub failed: bool,
}

impl Flags {
    /// Sets them in a message that is written already.
    pub fn set(self, message: &mut [u8]) {
        if let Some(flag) = message.first_mut() {
            if self.compressed {
                *flag |= COMPRESSED;
            }
            if self.failed {
                *flag |= FAILED;
            }
        }
    }

    /// Those of a message; nothing is set in one of no bytes.
    pub fn of(message: &[u8]) -> Self {
        let flag = message.first().copied().unwrap_or_default();
        Self {
            compressed: flag & COMPRESSED != 0,
            failed: flag & FAILED != 0,
        }
    }
}

/// Makes a compressed body what it was before, of `limit` bytes at the most. Nothing of what is beyond that
/// is kept.
///
/// # Errors
/// Bytes that are no stream of zlib, or a longer body.
pub fn inflate(body: &[u8], limit: usize) -> Result<Bytes, Inflating> {
    crate::zlib::inflate(body, limit)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_client_of_pitayas_names_its_platform_or_library_and_no_type() {
        let libpitaya = json!({"platform": "mac", "libVersion": "0.3.5-release",
            "clientBuildNumber": "20", "clientVersion": "2.1"});
        let known = client(&libpitaya).expect("it names itself");
        assert_eq!(known.platform.as_deref(), Some("mac"));
        assert_eq!(known.lib_version.as_deref(), Some("0.3.5-release"));
        assert_eq!(known.build_number.as_deref(), Some("20"));
        assert_eq!(known.version.as_deref(), Some("2.1"));
        for sys in [json!({"platform": ""}), json!({"libVersion": "1"})] {
            assert!(client(&sys).is_some(), "{sys}");
        }
        for sys in [
            json!({}),
            json!({"type": "js-websocket", "version": "0.0.1"}),
            json!({"type": "js-websocket", "platform": "web"}),
            json!({"clientVersion": "2.1"}),
            json!({"platform": 1, "libVersion": null}),
        ] {
            assert_eq!(client(&sys), None, "{sys}");
        }
    }

    #[test]
    fn it_is_told_codes_for_what_it_says_and_the_serializer() {
        let told = Told::new(None, Serializer::Json);
        assert_eq!(told.members, r#""serializer":"json""#);
        let dictionary = Dictionary::new(["b.c.d"], ["on"]).expect("a dictionary");
        let told = Told::new(Some(&dictionary), Serializer::Protobuf);
        let members = r#""dict":{"b.c.d":1,"on":2},"serializer":"protobuf""#;
        assert_eq!(told.members, members);
    }
}
