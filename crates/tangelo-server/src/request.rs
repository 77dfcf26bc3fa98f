//! A client's request on its way to its handler.

mod extensions;

use std::{fmt, ops::Range, sync::Arc, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use serde::Serialize;
use tangelo_wire::pomelo::json;
use tokio::time::Instant;

use self::extensions::Extensions;
pub(crate) use self::extensions::Owner;
use crate::{
    Limits, Result, Session,
    session::{FrontSession, Kind},
};

/// A client's request on its way to its handler. A notify is one whose answer nobody reads.
///
/// A clone shares what it says and what was laid beside it until then.
#[derive(Clone)]
pub struct Request {
    /// The buffer it came in; route and body are parts of it.
    bytes: Bytes,
    route: Range<usize>,
    body: Range<usize>,
    session: Session,
    deadline: Instant,
    extensions: Extensions,
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
            extensions: Extensions::default(),
        }
    }

    /// Server type, handler and method, such as `chat.chatHandler.send`; any bytes.
    pub fn route(&self) -> &[u8] {
        self.bytes.get(self.route.clone()).unwrap_or_default()
    }

    /// The route, without a copy.
    pub(crate) fn route_bytes(&self) -> Bytes {
        let known = self.route.end <= self.bytes.len();
        if known {
            self.bytes.slice(self.route.clone())
        } else {
            Bytes::new()
        }
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

    /// Replaces what it says: for filters, and all who come after them.
    pub fn set_body(&mut self, body: &[u8]) {
        let mut bytes = BytesMut::with_capacity(self.route.len() + body.len());
        bytes.extend_from_slice(self.route());
        let route = bytes.len();
        bytes.extend_from_slice(body);
        (self.route, self.body) = (0..route, route..bytes.len());
        self.bytes = bytes.freeze();
    }

    /// Replaces what it says by this as JSON.
    ///
    /// # Errors
    /// It is no JSON; the request is as it was.
    pub fn set_json<T: Serialize + ?Sized>(&mut self, body: &T) -> Result<()> {
        let body = json::to_vec(body)?;
        self.set_body(&body);
        Ok(())
    }

    /// A route of two parts, `handler.method`, is one of this type of server: now it is whole. True if it was not.
    pub(crate) fn complete_route(&mut self, server_type: &str) -> bool {
        if !is_of_own_type(self.route()) {
            return false;
        }
        let (route, body) = (self.route(), self.body());
        let length = server_type.len() + 1 + route.len();
        let mut bytes = BytesMut::with_capacity(length + body.len());
        bytes.extend_from_slice(server_type.as_bytes());
        bytes.extend_from_slice(b".");
        bytes.extend_from_slice(route);
        bytes.extend_from_slice(body);
        (self.route, self.body) = (0..length, length..bytes.len());
        self.bytes = bytes.freeze();
        true
    }

    /// Leaves the rest of the buffer it came in: for one that has to wait.
    pub(crate) fn unpin(&mut self) {
        self.bytes = Bytes::copy_from_slice(&self.bytes);
    }

    /// The next request of the same session.
    #[inline]
    pub(crate) fn renew(
        &mut self,
        bytes: Bytes,
        route: Range<usize>,
        body: Range<usize>,
        deadline: Instant,
    ) {
        self.bytes = bytes;
        (self.route, self.body, self.deadline) = (route, body, deadline);
    }

    /// It has been answered: all it keeps is whom it came from.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.bytes = Bytes::new();
        self.extensions.clear();
    }

    #[inline]
    pub(crate) fn is_of(&self, session: &Arc<FrontSession>) -> bool {
        matches!(&self.session.0, Kind::Front(own) if Arc::ptr_eq(own, session))
    }

    /// Whom it came from.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// When the answer is due.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The answer is due by then, if it was not before.
    pub(crate) fn due_by(&mut self, deadline: Instant) {
        self.deadline = self.deadline.min(deadline);
    }

    /// When the answer of a client's request is due that has this long; it came with as long as `limits`
    /// say.
    pub(crate) fn due_within(&self, limit: Option<Duration>, limits: &Limits) -> Instant {
        let shorter = limit.and_then(|limit| limits.deadline_or_default().checked_sub(limit));
        self.deadline - shorter.unwrap_or_default()
    }

    /// Lays a value beside the request, for filters and handlers that come later; one of the same type
    /// is replaced. A handler takes it as [`Extension<T>`](crate::Extension).
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        self.extensions.insert(Owner::EVERYBODY, value);
    }

    /// The value of this type that was laid beside it.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.extensions.get(Owner::EVERYBODY)
    }

    /// As [`insert`](Self::insert), for its owner alone: several filters of one kind may each keep theirs.
    pub(crate) fn insert_for<T: Send + Sync + 'static>(&mut self, owner: Owner, value: T) {
        self.extensions.insert(owner, value);
    }

    /// What its owner has laid beside the request.
    pub(crate) fn get_for<T: Send + Sync + 'static>(&self, owner: Owner) -> Option<&T> {
        self.extensions.get(owner)
    }
}

/// Whether a route has two parts, as clients of Pitaya and nano write one of the server they talk to.
fn is_of_own_type(route: &[u8]) -> bool {
    let points = route.iter().filter(|byte| **byte == b'.').count();
    points == 1 && !route.starts_with(b".") && !route.ends_with(b".")
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
