//! The road of a reply: through the push scheduler or at once, behind what was said before.

use std::sync::Arc;

use bytes::Bytes;
use tangelo_connector::{Outgoing, Push};
use tangelo_rpc::{Code, Reply, Status};
use tokio::time::Instant;
use tracing::warn;

use super::{End, Front};
use crate::{
    answer::{self, Shown},
    push::{self, Response},
    session::Item,
};

/// Log lines a client may cause in a second; the rest is counted.
const LOG_LINES_PER_SECOND: u32 = 5;

impl Front {
    /// Hands a reply on, behind all that was said before: what its handler pushed is in the queue.
    /// Why there is none goes to the log. A notify is not answered.
    pub(super) fn reply(
        &mut self,
        id: u32,
        route: &[u8],
        outcome: &Result<Reply, Status>,
    ) -> Result<(), End> {
        if let Err(status) = outcome {
            self.log(id, route, status);
        }
        if id == 0 {
            return Ok(());
        }
        if !self.context.pushes().is_direct() {
            self.schedule(id, route, outcome);
            // What it has handed on makes room for the next, as long as the client keeps up.
            return self.tell_queued();
        }
        self.tell_queued()?;
        let (body, failed) = (answer::body(outcome), outcome.is_err());
        if self.unwritten || self.session.queue().is_filled() {
            let body = Bytes::copy_from_slice(&body);
            self.session.add(Item::Response { id, body, failed });
            return Ok(());
        }
        self.respond((id, failed), &body)
    }

    /// The push scheduler hands it on when it likes.
    pub(super) fn schedule(&mut self, id: u32, route: &[u8], outcome: &Result<Reply, Status>) {
        let token = self.running.token(0);
        self.owe(token, id);
        let response = Response {
            id,
            token,
            route: String::from_utf8_lossy(route).into(),
            body: Bytes::copy_from_slice(&answer::body(outcome)),
            failed: outcome.is_err(),
        };
        let session = Arc::clone(&self.session);
        let options = push::options(outcome);
        self.context.pushes().respond(session, response, options);
    }

    pub(super) fn owe(&mut self, token: u64, id: u32) {
        let deadline = Instant::now() + self.context.limits().deadline_or_default();
        self.owed.add(token, id, deadline);
        self.timer.at_latest(deadline);
    }

    /// Answers at once, past the push scheduler.
    pub(super) fn refuse(&mut self, id: u32, status: &Status) -> Result<(), End> {
        self.log(id, b"", status);
        let failed = Err(status.clone());
        self.respond((id, true), &answer::body(&failed))
    }

    /// Answers a request; whether it `failed`, some clients are told beside the body.
    pub(super) fn respond(&mut self, (id, failed): (u32, bool), body: &[u8]) -> Result<(), End> {
        if self.outlives() {
            self.keep_response(id, body);
            return Ok(());
        }
        match self.queue(Outgoing::Response { id, body, failed }) {
            Err(End::Connection(unsaid)) if unsaid.is_of_one_message() => {
                let status = Status::from(Code::BUSINESS_ERROR).with_cause(unsaid);
                self.log(id, b"", &status);
                let failed = Err(status);
                let (body, failed) = (&answer::body(&failed), true);
                self.queue(Outgoing::Response { id, body, failed })
            }
            queued => queued,
        }
    }

    /// Tells the client something unasked. What it cannot be told is left out; it hears what is behind it.
    pub(super) fn push(&mut self, push: &Arc<Push>) -> Result<(), End> {
        if self.outlives() {
            self.keep_push(push);
            return Ok(());
        }
        match self.queue(Outgoing::Push(push)) {
            Err(End::Connection(unsaid)) if unsaid.is_of_one_message() => {
                if let Some(left_out) = self.may_log() {
                    let (session, route) = (self.session.id(), push.route());
                    warn!(%session, route, reason = %unsaid, left_out, "push left out");
                }
                Ok(())
            }
            queued => queued,
        }
    }

    /// Whether a line may be written now; if so, how many were left out before it, if any.
    fn may_log(&mut self) -> Option<Option<u32>> {
        let of_session = self.logged.line(self.now, LOG_LINES_PER_SECOND)?;
        Some(of_session.max(self.context.may_log()?))
    }

    pub(super) fn log(&mut self, id: u32, route: &[u8], status: &Status) {
        if let Some(left_out) = self.may_log() {
            let (session, code) = (self.session.id(), answer::client_code(status.code()));
            let (route, reason) = (Shown(route), status.reason());
            warn!(%session, id, %route, code, %reason, left_out, "request failed");
        }
    }
}
