//! The short road of a request: its back end is known, and nothing else stands between. So is that of its answer.

use std::sync::Arc;

use tangelo_rpc::Waiter;
use tangelo_wire::pomelo::message::{Message, Route};

use super::{End, Front, running::Sent};
use crate::{Context, answer, forward, session::Item};

impl Front {
    /// Sends a request to the back end that the session's requests of this route go to. False if there is more
    /// to it than that, for which there is the long road: then nothing has been done.
    pub(super) fn forward_known(&mut self, context: &Context, id: u32, message: &Message) -> bool {
        let Route::Name(route) = message.route() else {
            return false;
        };
        let Some(chosen) = self.choices.known(context, &self.session, route) else {
            return false;
        };
        let is_plain = context.pipeline.is_plain() && context.pushes().is_direct();
        if !is_plain || self.running.is_holding() || context.is_draining() {
            return false;
        }
        let Ok(place) = self.running.place() else {
            return false;
        };
        let kind = match id {
            0 => forward::Kind::Notify,
            _ => forward::Kind::Request,
        };
        let timeout = context.limits().deadline_or_default();
        let token = self.running.token(place);
        let waiter = Arc::clone(&self.session) as Arc<dyn Waiter>;
        let (connection, frame) = (&chosen.connection, &chosen.frame);
        let body = message.body();
        let sent = forward::send(connection, frame, (waiter, token), (kind, body), timeout);
        let Ok(sequence) = sent else {
            return false;
        };
        let deadline = self.now + timeout;
        let sent = Sent { chosen, sequence };
        self.running
            .add_forwarded((id, token), deadline, sent, None);
        self.timer.at_latest(deadline);
        true
    }

    /// Tells the client what a back end has answered. False if there is more to it than that: then nothing has
    /// been done.
    #[inline]
    pub(super) fn answer_known(&mut self, item: &Item) -> Result<bool, End> {
        let Item::Forwarded { token, outcome } = item else {
            return Ok(false);
        };
        let Some(body) = forward::plain_body(outcome) else {
            return Ok(false);
        };
        if !self.context.pushes().is_direct() {
            return Ok(false);
        }
        match self.running.plainly_forwarded(*token) {
            // A notify has ended.
            Some(0) => Ok(true),
            Some(id) => {
                self.respond((id, false), answer::of_reply(body))?;
                Ok(true)
            }
            None => Ok(false),
        }
    }
}
