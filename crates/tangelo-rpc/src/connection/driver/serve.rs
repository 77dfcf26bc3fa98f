//! Requests of the other side, from the frame to the answer.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tangelo_runtime::guard::{self, Guarded};
use tangelo_wire::krpc::{
    frame::{self, Frame},
    meta::{Beside, Meta},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Sleep,
};
use tracing::warn;

use super::{Driver, Phase, role::Side, write::check_reads};
use crate::{
    Code, Headers, Reply, Request, Service, Status,
    connection::{Afterwards, ReplyTo, Unsaid, quota::Share},
    link,
    service::{Begun, Head},
};

/// A body counts so many times its length, as decoded it takes more.
const BODY_COUNTS: usize = 4;
/// A compressed one counts as much as it may become: it costs its sender little.
const COMPRESSED_COUNTS: usize = 16;
/// How long a request may run whose caller did not say how long it waits.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Driver<S> {
    /// Polls what answers this request once, in place; it waits in the set only if it is not ready.
    #[inline(always)]
    pub(super) fn serve(&mut self, frame: Frame, context: &mut Context<'_>) -> io::Result<()> {
        let Frame { mut meta, body } = frame;
        let to = ReplyTo {
            service_id: meta.service_id,
            msg_id: meta.msg_id,
            sequence: meta.sequence,
            compress: meta.compress,
            encrypt: meta.encrypt,
        };
        if (meta.service_id, meta.msg_id) == link::HEARTBEAT {
            let shared = &self.connection.shared;
            let mut state = shared.state.lock();
            state.out.extend_from_slice(&frame::HEARTBEAT_RESPONSE);
            self.backlog = state.out.len() + state.unsent;
            return check_reads(self.backlog, shared);
        }
        let timeout = u64::try_from(meta.timeout_ms)
            .ok()
            .filter(|timeout| *timeout > 0)
            .map_or(DEFAULT_DEADLINE, Duration::from_millis);
        let deadline = self.now + timeout.min(self.connection.shared.limits.longest);
        if self.phase == Phase::Leaving && !self.refuses_new() {
            // A neighbour asks that has not heard of it yet: time for that begins anew.
            self.idle_since = None;
        }
        let (service, body) = match self.admit(&meta, body) {
            Ok(admitted) => admitted,
            Err(code) => return self.respond(to, &Err(code.into())),
        };
        let held = cost(&meta, body.len());
        let request = Request {
            service_id: meta.service_id,
            msg_id: meta.msg_id,
            body,
            deadline: Some(deadline),
            connection: Some(self.connection.clone()),
            sequence: meta.sequence,
            one_way: meta.sequence == 0,
            headers: headers(&mut meta),
            context: None,
        };
        let begun = guard::catch(|| service.begin(request, context));
        let answer = match begun {
            Ok(Begun::Answered(outcome)) => return self.respond(to, &outcome),
            Ok(Begun::Said(head, body)) => return self.say(to, head, &body),
            Err(panicked) => return self.respond(to, &Err(failed(panicked))),
            Ok(Begun::Waits(answer)) => Guarded::new(answer),
            Ok(Begun::Called(answer)) => {
                let mut answer = Guarded::new(answer);
                if let Poll::Ready(outcome) = Pin::new(&mut answer).poll(context) {
                    return self.respond(to, &outcome.unwrap_or_else(|p| Err(failed(p))));
                }
                answer
            }
        };
        self.held += held;
        self.running.push(Running {
            answer,
            deadline: Box::pin(tokio::time::sleep_until(deadline)),
            to,
            share: self.connection.shared.quota.hold(held),
        });
        Ok(())
    }

    /// Responds by a message of two parts.
    fn say(&mut self, to: ReplyTo, head: Head, body: &Bytes) -> io::Result<()> {
        let shared = &self.connection.shared;
        match shared.say(to, head.as_slice(), body) {
            Ok(waits) => {
                self.backlog = waits;
                check_reads(waits, shared)
            }
            // It is compressed or encrypted as a whole, is read by nobody, or cannot be sent.
            Err(Unsaid) => self.respond(to, &Ok(head.reply(body))),
        }
    }

    /// Who answers, and the body as it was before it travelled; or why nobody does, which then stands in
    /// the access log.
    pub(super) fn admit(
        &self,
        meta: &Meta,
        body: Bytes,
    ) -> Result<(&Arc<dyn Service>, Bytes), Code> {
        let dialect = &self.connection.shared.dialect;
        let admitted = self.find(meta).and_then(|service| {
            // What would find no room as it is need not be opened.
            self.check_room(body.len())?;
            let body = dialect.open(meta, body).ok_or(Code::DECODE_REQ_ERROR)?;
            self.check_room(cost(meta, body.len()))?;
            Ok((service, body))
        });
        admitted.inspect_err(|code| self.services.refused(&self.connection, meta, *code))
    }

    pub(super) fn find(&self, meta: &Meta) -> Result<&Arc<dyn Service>, Code> {
        let service = self.services.find(meta.service_id)?;
        if self.refuses_new() && !link::is_system(meta.service_id) {
            return Err(Code::SERVER_SHUTDOWN);
        }
        if self.running.len() >= self.connection.shared.limits.running {
            return Err(Code::QUEUE_FULL);
        }
        Ok(service)
    }

    /// A server that leaves refuses what is new, but not what was sent before its goaway was heard: who
    /// hears it sends nothing more. Plain krpc callers hear none.
    fn refuses_new(&self) -> bool {
        let hears_goaway =
            || self.role.side == Side::Accepting && self.connection.hello().is_some();
        self.phase == Phase::Leaving && !hears_goaway()
    }

    /// Whether a request of this cost may be kept, for this connection and beside all others.
    pub(super) fn check_room(&self, cost: usize) -> Result<(), Code> {
        let shared = &self.connection.shared;
        if self.held + cost > shared.limits.held || !shared.quota.has_room(cost) {
            return Err(Code::QUEUE_FULL);
        }
        Ok(())
    }

    /// Why a request of the other side has no reply.
    pub(super) fn log(&mut self, to: ReplyTo, status: &Status) {
        if status.code() == Code::SERVER_SHUTDOWN {
            return;
        }
        if let Some(left_out) = self.connection.shared.quota.line(self.now) {
            let (service, msg_id, reason) = (to.service_id, to.msg_id, status.reason());
            let from = self
                .connection
                .hello()
                .map(|hello| &*hello.identity.server_id);
            let peer = self.connection.peer();
            warn!(from, %peer, service, msg_id, %reason, left_out, "request failed");
        }
    }

    pub(super) fn respond(
        &mut self,
        to: ReplyTo,
        outcome: &Result<Reply, Status>,
    ) -> io::Result<()> {
        if let Err(status) = outcome {
            self.log(to, status);
        }
        if !to.is_awaited() {
            return Ok(());
        }
        let shared = &self.connection.shared;
        let waits = shared.respond(to, outcome).or_else(|error| {
            if let Some(left_out) = shared.quota.line(self.now) {
                let (service, message) = (to.service_id, to.msg_id);
                warn!(service, message, %error, left_out, "a reply could not be sent");
            }
            shared.respond(to, &Err(Code::ENCODE_RES_ERROR.into()))
        });
        self.backlog = waits.map_err(io::Error::other)?;
        check_reads(self.backlog, shared)
    }
}

/// What keeping a request costs, in bytes.
fn cost(meta: &Meta, length: usize) -> usize {
    let beside = meta.beside.as_ref().map_or(0, |beside| beside.size());
    let counts = match meta.compress {
        0 => BODY_COUNTS,
        _ => COMPRESSED_COUNTS,
    };
    beside + length * counts
}

/// What came beside the body, if anything did: copied, as it is kept for as long as the request is, and
/// would keep the whole buffer it came in.
fn headers(meta: &mut Meta) -> Option<Box<Headers>> {
    let Beside {
        mut trace,
        attachment,
    } = *meta.beside.take()?;
    trace.unpin();
    Some(Box::new(Headers {
        trace,
        attachment: Bytes::copy_from_slice(&attachment),
        ..Headers::default()
    }))
}

/// A request that was not answered at once.
pub(super) struct Running {
    answer: Guarded<dyn Future<Output = Result<Reply, Status>> + Send>,
    deadline: Pin<Box<Sleep>>,
    to: ReplyTo,
    share: Share,
}

impl Running {
    /// What it answers.
    pub(super) fn to(&self) -> ReplyTo {
        self.to
    }

    /// What is left to do for a request that has been answered.
    pub(super) fn afterwards(left: Afterwards) -> Self {
        let Afterwards { of, deadline, work } = left;
        Self {
            answer: Guarded::new(work),
            deadline: Box::pin(tokio::time::sleep_until(deadline)),
            to: ReplyTo::nobody(of),
            share: Share::default(),
        }
    }
}

/// One that was answered now.
pub(super) struct Ended {
    pub(super) to: ReplyTo,
    pub(super) share: Share,
    pub(super) outcome: Result<Reply, Status>,
}

impl Future for Running {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut answer = Pin::new(&mut self.answer).poll(context);
        if answer.is_pending() {
            ready!(self.deadline.as_mut().poll(context));
            // Once more: what has only waited for its turn so far says so.
            answer = Pin::new(&mut self.answer).poll(context);
        }
        let outcome = match answer {
            Poll::Ready(outcome) => outcome.unwrap_or_else(|panicked| Err(failed(panicked))),
            Poll::Pending => Err(Code::RPC_TIMEOUT.into()),
        };
        let (to, share) = (self.to, self.share.take());
        Poll::Ready(Ended { to, share, outcome })
    }
}

fn failed(panicked: guard::Panicked) -> Status {
    Status::from(Code::BUSINESS_ERROR).with_cause(panicked)
}
