//! A back end's answer on its way to the push scheduler.

use std::sync::Arc;

use bytes::Bytes;
use tangelo_rpc::{Reply, Status, Waiter};
use tracing::warn;

use super::{Response, options};
use crate::{
    answer::{self, Shown},
    forward,
    session::{FrontSession, Item},
};

/// Waits for a back end's answer where there is a push scheduler. That is told from here rather than by
/// the session's task, so that the answer keeps its order with the pushes that came over the same
/// connection.
pub(crate) struct Forwarded {
    pub(crate) session: Arc<FrontSession>,
    pub(crate) id: u32,
    pub(crate) route: Box<[u8]>,
    /// Whether its filters hear of the answer.
    pub(crate) filtered: bool,
}

impl Waiter for Forwarded {
    fn answer(&self, token: u64, outcome: Result<Reply, Status>) {
        let answered = match forward::answer(outcome) {
            Ok(answered) => answered,
            // What is told of it is the error handler's matter, and there is nothing to be in order with.
            Err(lost) if self.filtered => {
                let outcome = Err(lost);
                self.session.add(Item::Forwarded { token, outcome });
                return;
            }
            Err(lost) => {
                self.log(&lost);
                Err(lost)
            }
        };
        // From here on its place among the requests that run is free, or its after filters'.
        self.session.add(Item::Scheduled { token });
        let options = options(&answered);
        let response = Response {
            id: self.id,
            token,
            route: String::from_utf8_lossy(&self.route).into(),
            // A copy: the answer is a part of a read buffer, which what waits would keep whole.
            body: Bytes::copy_from_slice(&answer::body(&answered)),
            failed: answered.is_err(),
        };
        let session = Arc::clone(&self.session);
        let pushes = self.session.context().pushes();
        pushes.respond(session, response, options);
        if self.filtered {
            let outcome = answered;
            self.session.add(Item::HandedOn { token, outcome });
        }
    }
}

impl Forwarded {
    /// What failed on the back end is in the log there; what was lost is not.
    fn log(&self, lost: &Status) {
        if let Some(left_out) = self.session.context().may_log() {
            let (session, id, route) = (self.session.id(), self.id, Shown(&self.route));
            let (code, reason) = (answer::client_code(lost.code()), lost.reason());
            warn!(%session, id, %route, code, %reason, left_out, "request failed");
        }
    }
}
