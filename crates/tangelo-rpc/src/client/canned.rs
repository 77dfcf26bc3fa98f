//! Answers without a server.

use std::fmt;

use crate::Reply;

/// Gives canned answers: while a service is not written yet, or when none of its servers can be reached.
pub trait Answers: fmt::Debug + Send + Sync + 'static {
    /// The answer to this request; none if there is none for it. It must not block.
    fn answer(&self, service_id: i32, msg_id: i32, body: &[u8]) -> Option<Reply>;
}
