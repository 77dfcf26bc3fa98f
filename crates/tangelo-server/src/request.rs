//! A client's request on its way to its handler.

use std::{fmt, ops::Range};

use bytes::{Buf, Bytes};
use tokio::time::Instant;

use crate::Session;

/// A client's request on its way to its handler. A notify is one whose answer nobody reads.
#[derive(Clone)]
pub struct Request {
    /// The buffer it came in; route and body are parts of it.
    bytes: Bytes,
    route: Range<usize>,
    body: Range<usize>,
    session: Session,
    deadline: Instant,
}

impl Request {
    /// A request whose route and body are these parts of `bytes`.
    pub(crate) fn new(
        bytes: Bytes,
        route: Range<usize>,
        body: Range<usize>,
        session: Session,
        deadline: Instant,
    ) -> Self {
        Self {
            bytes,
            route,
            body,
            session,
            deadline,
        }
    }

    /// Server type, handler and method, such as `chat.chatHandler.send`; any bytes.
    pub fn route(&self) -> &[u8] {
        self.bytes.get(self.route.clone()).unwrap_or_default()
    }

    /// What it says, as it came.
    pub fn body(&self) -> &[u8] {
        self.bytes.get(self.body.clone()).unwrap_or_default()
    }

    /// What it says, without a copy. The request has neither body nor route any more.
    pub fn take_body(&mut self) -> Bytes {
        let (mut bytes, body) = (std::mem::take(&mut self.bytes), self.body.clone());
        if body.end > bytes.len() || body.start > body.end {
            return Bytes::new();
        }
        bytes.truncate(body.end);
        bytes.advance(body.start);
        bytes
    }

    /// The same without the rest of the buffer it came in: for one that has to wait.
    pub(crate) fn unpinned(mut self) -> Self {
        self.bytes = Bytes::copy_from_slice(&self.bytes);
        self
    }

    /// Whom it came from.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// When the answer is due.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Request")
            .field("route", &self.route().escape_ascii().to_string())
            .field("body", &self.body.len())
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}
