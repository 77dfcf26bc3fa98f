//! The short road of a request: its back end is known, and nothing else stands between. So is that of its answer.

use std::sync::Arc;

use bytes::Bytes;
use tangelo_rpc::{Encoding, Waiter};
use tangelo_wire::pomelo::message::{Message, Route};

use super::{End, Front, running::Sent};
use crate::{Context, answer, forward};

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

    /// Tells the client what a back end has answered, if that is all there is to it; else it goes the long road
    /// from here.
    #[inline]
    pub(super) fn answer_known(
        &mut self,
        token: u64,
        encoding: Encoding,
        body: &[u8],
    ) -> Result<(), End> {
        if self.context.pushes().is_direct() {
            match self.running.plainly_forwarded(token) {
                // A notify has ended.
                Some(0) => return Ok(()),
                Some(id) => return self.respond((id, false), answer::of_reply(body)),
                None => {}
            }
        }
        let Some((place, entry)) = self.running.forwarded(token) else {
            return Ok(());
        };
        let reply = forward::reply(encoding, Bytes::copy_from_slice(body));
        self.hand_on(place, entry, Ok(Ok(reply)))
    }
}
