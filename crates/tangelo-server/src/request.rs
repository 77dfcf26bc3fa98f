//! A client's request on its way to its handler.

use bytes::Bytes;
use tokio::time::Instant;

use crate::Session;

/// A client's request on its way to its handler. A notify is one whose answer nobody reads.
#[derive(Clone, Debug)]
pub struct Request {
    /// Server type, handler and method, such as `chat.chatHandler.send`; any bytes.
    pub route: Bytes,
    /// What it says, as it came.
    pub body: Bytes,
    /// Whom it came from.
    pub session: Session,
    /// When the answer is due.
    pub deadline: Instant,
}
