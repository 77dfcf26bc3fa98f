//! A session's settings, on its front end.

use std::io;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::Limits;

/// A session's settings. They travel with each of its requests, so what they take is limited.
#[derive(Debug, Default)]
pub(super) struct Settings {
    values: Map<String, Value>,
    /// Of keys and values as JSON, each pair with a colon and a comma.
    bytes: usize,
}

/// The settings would have had more bytes than they may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session's settings would have {0} bytes; they may have {max}", max = Limits::SETTINGS)]
pub(crate) struct TooLong(usize);

/// What the braces take, once there is a pair: its comma is counted, and not written.
const BRACES: usize = 1;
const COLON_AND_COMMA: usize = 2;

impl Settings {
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    pub(super) fn set(&mut self, key: String, value: Value) -> Result<(), TooLong> {
        let old = self.values.get(&key).map_or(0, |old| size(&key, old));
        let bytes = self.bytes - old + size(&key, &value);
        if bytes + BRACES > Limits::SETTINGS {
            return Err(TooLong(bytes + BRACES));
        }
        self.bytes = bytes;
        self.values.insert(key, value);
        Ok(())
    }

    pub(super) fn remove(&mut self, key: &str) {
        if let Some(old) = self.values.remove(key) {
            self.bytes -= size(key, &old);
        }
    }

    /// Removes some and sets others: all of it, or nothing.
    pub(super) fn change(
        &mut self,
        set: Map<String, Value>,
        removed: &[String],
    ) -> Result<(), TooLong> {
        let mut changed = Self {
            values: self.values.clone(),
            bytes: self.bytes,
        };
        // What is replaced makes room first, in whatever order they come.
        for key in removed.iter().chain(set.keys()) {
            changed.remove(key);
        }
        for (key, value) in set {
            changed.set(key, value)?;
        }
        *self = changed;
        Ok(())
    }

    /// As a JSON object; nothing for `{}`.
    pub(super) fn encode(&self) -> Bytes {
        match serde_json::to_vec(&self.values) {
            Ok(settings) if !self.values.is_empty() => settings.into(),
            _ => Bytes::new(),
        }
    }
}

fn size(key: &str, value: &Value) -> usize {
    length(key) + length(value) + COLON_AND_COMMA
}

/// How many bytes something has as JSON.
fn length<T: Serialize + ?Sized>(value: &T) -> usize {
    struct Count(usize);

    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut count = Count(0);
    // Neither counting nor a value that is JSON already can fail.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn they_are_as_long_as_they_are_written() {
        let mut settings = Settings::default();
        assert_eq!(settings.encode().len(), 0);
        for (key, value) in [
            ("__proto__", json!({ "constructor": null })),
            ("\"", json!("\u{0}😀")),
            ("", json!([1.5, true])),
            ("__proto__", json!(7)),
            ("room", json!("lobby")),
        ] {
            settings.set(key.to_owned(), value).unwrap();
            assert_eq!(settings.encode().len(), settings.bytes + BRACES);
        }
        settings.remove("room");
        settings.remove("room");
        assert_eq!(settings.encode().len(), settings.bytes + BRACES);
        let set = json!({ "a": 1, "\"": 2 }).as_object().unwrap().clone();
        settings
            .change(set, &["".into(), "".into(), "a".into()])
            .unwrap();
        assert_eq!(settings.encode().len(), settings.bytes + BRACES);
        assert_eq!(settings.get("__proto__"), Some(&json!(7)));
        assert_eq!(settings.get("constructor"), None);
    }

    #[test]
    fn they_may_be_as_long_as_the_limit_and_not_a_byte_longer() {
        let around = r#"{"a":""}"#.len();
        let long = |bytes: usize| Value::from("x".repeat(bytes - around));
        let mut settings = Settings::default();
        settings.set("a".into(), long(Limits::SETTINGS)).unwrap();
        assert_eq!(settings.encode().len(), Limits::SETTINGS);
        let past = Limits::SETTINGS + 1;
        assert_eq!(settings.set("a".into(), long(past)), Err(TooLong(past)));
        let more = json!({ "b": 1 }).as_object().unwrap().clone();
        assert!(settings.change(more.clone(), &[]).is_err());
        assert_eq!(settings.get("b"), None);
        settings.change(more, &["a".into()]).unwrap();
        assert_eq!(&settings.encode()[..], br#"{"b":1}"#);
    }
}
