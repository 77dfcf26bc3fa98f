//! What is known of a finished request or call.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::Extra;

/// What a line of the access log is made of.
///
/// What a peer chose the length of stands here as a bounded copy ([`Excerpt`], [`LogText`]), so
/// that a record keeps no read buffer and 10,000 of them have a known size.
#[derive(Clone, Debug)]
pub struct Record {
    /// Who writes it.
    pub kind: Kind,
    /// When the request or call was finished.
    pub completed: SystemTime,
    /// Which connection: the peer's address and a mark of its own, as in `127.0.0.1:44934:60aff517`;
    /// [`NO_CONNECTION`] if there was none.
    pub connection: Arc<str>,
    /// What tied the response to its request.
    pub sequence: i32,
    /// The trace it belongs to; may be empty.
    pub trace_id: LogText,
    /// Its place in the trace; may be empty.
    pub span_id: LogText,
    /// The service.
    pub service_id: i32,
    /// The message within it.
    pub msg_id: i32,
    /// The outcome: 0, or a negative code.
    pub ret_code: i32,
    /// From its arrival, or from the call, until it was finished.
    pub took: Duration,
    /// The request's body.
    pub request: Excerpt,
    /// The response's body; empty if there was none.
    pub response: Excerpt,
    /// What else there is to say.
    pub extra: Extra,
}

/// Who writes a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A server, of a request it answered.
    Server,
    /// A client, of a call it made.
    Client,
}

/// The connection of a call that found none, as krpc writes it.
pub const NO_CONNECTION: &str = "no_connection:0:0";

/// The beginning of a body, copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excerpt {
    bytes: Box<[u8]>,
    whole_len: usize,
}

impl Excerpt {
    /// Bytes of a body that are kept.
    pub const MOST: usize = 4 << 10;

    /// Copies the first 4 KiB of a body. An empty one costs nothing.
    pub fn of(body: &[u8]) -> Self {
        let kept = body.get(..Self::MOST).unwrap_or(body);
        Self {
            bytes: kept.into(),
            whole_len: body.len(),
        }
    }

    /// What was kept.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How long the whole body was.
    pub fn whole_len(&self) -> usize {
        self.whole_len
    }

    /// Whether all of the body was kept.
    pub fn is_whole(&self) -> bool {
        self.bytes.len() == self.whole_len
    }
}

/// A short text that a peer may have chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogText(Box<str>);

impl LogText {
    /// Bytes of a text that are kept.
    pub const MOST: usize = 128;

    /// Copies a text, of a longer one the first 128 bytes and `...`. Bytes that are not UTF-8
    /// become the replacement character.
    pub fn of(text: &[u8]) -> Self {
        match text.get(..Self::MOST) {
            Some(kept) if text.len() > Self::MOST => {
                let mut kept = String::from_utf8_lossy(kept).into_owned();
                kept.push_str("...");
                Self(kept.into())
            }
            _ => Self(String::from_utf8_lossy(text).into()),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for LogText {
    fn from(text: &str) -> Self {
        Self::of(text.as_bytes())
    }
}

impl fmt::Display for LogText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_kept_up_to_its_limit_and_its_length_is_known() {
        let whole = Excerpt::of(&vec![7; Excerpt::MOST]);
        assert!(whole.is_whole());
        assert_eq!(whole.bytes().len(), Excerpt::MOST);

        let cut = Excerpt::of(&vec![7; Excerpt::MOST + 1]);
        assert!(!cut.is_whole());
        assert_eq!(cut.bytes(), whole.bytes());
        assert_eq!(cut.whole_len(), Excerpt::MOST + 1);

        assert_eq!(Excerpt::of(b""), Excerpt::default());
    }

    #[test]
    fn a_text_is_kept_up_to_its_limit() {
        let longest = "x".repeat(LogText::MOST);
        assert_eq!(LogText::from(longest.as_str()).as_str(), longest);
        let longer = format!("{longest}x");
        assert_eq!(
            LogText::from(longer.as_str()).as_str(),
            format!("{longest}...")
        );
        assert_eq!(LogText::of(b"a\xff").as_str(), "a\u{fffd}");
    }
}
