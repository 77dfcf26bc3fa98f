//! How deep JSON nests, counted as its bytes go by.

use std::io;

use serde_json::Value;

use super::{MAX_DEPTH, MAX_JSON};

/// Objects and arrays that are open.
#[derive(Debug, Default)]
pub(super) struct Nesting {
    open: usize,
    in_string: bool,
    escaped: bool,
}

/// More than [`MAX_DEPTH`] are.
#[derive(Debug)]
pub(super) struct TooDeep;

impl Nesting {
    /// Counts what comes next.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), TooDeep> {
        for byte in bytes {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' if self.open == MAX_DEPTH => return Err(TooDeep),
                b'{' | b'[' => self.open += 1,
                b'}' | b']' => self.open = self.open.saturating_sub(1),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Whether a value nests no deeper than `levels`.
pub(super) fn fits(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels > 0 && items.iter().all(|item| fits(item, levels - 1)),
        Value::Object(items) => levels > 0 && items.values().all(|item| fits(item, levels - 1)),
        _ => true,
    }
}

/// Takes JSON that is written, up to both limits.
///
/// The writer of a message comes by here before it goes a level deeper, so its stack is bounded
/// as well, whatever lies within a google.protobuf.Any.
#[derive(Debug, Default)]
pub(super) struct Bounded {
    pub(super) json: Vec<u8>,
    nesting: Nesting,
    pub(super) full: Option<Limit>,
}

/// The limit that was met.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    Depth,
    Length,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.json.len() + bytes.len() > MAX_JSON {
            self.full = Some(Limit::Length);
        } else if self.nesting.feed(bytes).is_err() {
            self.full = Some(Limit::Depth);
        } else {
            self.json.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        Err(io::ErrorKind::FileTooLarge.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
