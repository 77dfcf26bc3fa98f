//! Push schedulers: when what is said to clients leaves, and whether.
//!
//! Everything a session is told passes here, replies as well as pushes. By default it goes straight to
//! the session's queue, and nothing of this is used.

mod buffered;
mod direct;
mod fan_out;
mod forwarded;
mod outbound;
mod replaceable;
mod round;
mod schedulers;
mod sender;
mod slot;

use std::{any::TypeId, sync::Arc};

use serde_json::Value;
use tangelo_connector::Push;
use tangelo_rpc::{Reply, Status};
use tangelo_runtime::Tasks;

pub use self::{
    buffered::Buffered,
    direct::Direct,
    outbound::{Outbound, OutboundKind},
    schedulers::PushSchedulers,
    sender::PushSender,
};
use self::{fan_out::FanOut, replaceable::Replaceable, sender::Ticks, slot::Slot};
pub(crate) use self::{forwarded::Forwarded, outbound::Response, round::Round};
use crate::{Blueprint, SessionId, error::carried, session::FrontSession};

/// Decides when what is said to clients leaves, and whether: Pomelo's `pushScheduler`.
///
/// A front end has one, and replies pass it as pushes do. It is called by whatever task has something
/// to say, also by several at once: it has to be quick, and must not block. What it does not hand on
/// at once it keeps and hands on later: at a [`tick`](Self::tick) it has asked for, or from anywhere
/// by a clone of the sender. What is said to a client from within its methods comes here again.
///
/// However it behaves, no answer is lost without a word:
///
/// * When it panics, what it had in hand goes on directly.
/// * A response that it drops is answered 500. One that it keeps for longer than
///   [`Limits::deadline`](crate::Limits::deadline) is answered 504, and leaves no more.
/// * A push that it drops is not sent: that is its right.
///
/// The log tells of all but the last.
pub trait PushScheduler: Send + Sync + 'static {
    /// Takes something to be sent: hands it on to `sender`, keeps it, or drops it.
    fn schedule(&self, message: Outbound, sender: &PushSender);

    /// The time is over that was asked for with [`PushSender::tick_in`]. Nothing by default.
    fn tick(&self, sender: &PushSender) {
        let _ = sender;
    }

    /// This session is about to close, because it is kicked or because its client has gone: what waits
    /// for it is handed on now or never. It may be told twice. Nothing by default.
    fn closing(&self, session: SessionId, sender: &PushSender) {
        let _ = (session, sender);
    }

    /// The server closes its doors: what waits is handed on now, and what comes after at once. By
    /// default a [`tick`](Self::tick).
    fn stop(&self, sender: &PushSender) {
        self.tick(sender);
    }
}

/// What is said to the scheduler beside a reply.
pub(crate) fn options(outcome: &Result<Reply, Status>) -> Option<Arc<Value>> {
    match outcome {
        Ok(reply) => reply.options.clone(),
        Err(status) => carried(status)?.options.clone(),
    }
}

/// The scheduler and the replaceable routes of a blueprint, until its server starts.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// None: directly.
    scheduler: Option<Arc<Slot>>,
    replaceable: Replaceable,
}

impl Plan {
    /// `tasks` own the ticks. To be called within the runtime they run in.
    pub(crate) fn start(self, tasks: &Tasks) -> Pushes {
        let fan_out = FanOut::new(tasks);
        let with_ticks = |slot| (slot, Arc::new(Ticks::new(&fan_out)));
        Pushes {
            scheduler: self.scheduler.map(with_ticks),
            replaceable: self.replaceable,
            fan_out,
        }
    }
}

/// The way of everything that a server says to its clients.
#[derive(Debug)]
pub(crate) struct Pushes {
    scheduler: Option<(Arc<Slot>, Arc<Ticks>)>,
    fan_out: Arc<FanOut>,
    replaceable: Replaceable,
}

impl Pushes {
    /// Whether replies leave without a scheduler's being asked.
    pub(crate) fn is_direct(&self) -> bool {
        self.scheduler.is_none()
    }

    /// Whether what the application brought is asked about a push on this route.
    pub(crate) fn asks_application(&self, route: &str) -> bool {
        self.scheduler.is_some() || self.replaceable.asks(route)
    }

    /// Says something unasked, to whom the round comes.
    pub(crate) fn begin(
        &self,
        kind: OutboundKind,
        push: impl Into<Arc<Push>>,
        options: Option<Arc<Value>>,
    ) -> Round<'_> {
        let push = push.into();
        Round {
            pushes: self,
            kind,
            key: self.replaceable.key(&push),
            push,
            options,
            receivers: Vec::new(),
            waking: self.fan_out.begin(),
        }
    }

    /// Answers a request, where there is a scheduler.
    pub(crate) fn respond(
        &self,
        session: Arc<FrontSession>,
        response: Response,
        options: Option<Arc<Value>>,
    ) {
        let message = Outbound::response(session, response, options);
        if let Some((slot, ticks)) = &self.scheduler {
            slot.schedule(message, ticks);
        }
    }

    /// What waits for this session has to leave: it is about to close.
    pub(crate) fn closing(&self, session: SessionId) {
        if let Some((slot, ticks)) = &self.scheduler {
            slot.closing(session, ticks);
        }
    }

    /// The doors close: nothing waits any more.
    pub(crate) fn stop(&self) {
        if let Some((slot, ticks)) = &self.scheduler {
            slot.stop(ticks);
        }
    }
}

impl Blueprint {
    /// What decides when replies and pushes leave, and whether. Default [`Direct`]. One of each front
    /// end's own.
    #[must_use]
    pub fn push_scheduler<S: PushScheduler>(mut self, scheduler: S) -> Self {
        let direct = TypeId::of::<S>() == TypeId::of::<Direct>();
        self.pushes.scheduler = (!direct).then(|| Slot::new(scheduler));
        self
    }

    /// For a client that does not keep up, only the newest push of this route is kept: those that
    /// still wait are dropped for it. What else waits keeps its order.
    #[must_use]
    pub fn replaceable(mut self, route: &str) -> Self {
        self.pushes.replaceable.add(route, None);
        self
    }

    /// As [`replaceable`](Self::replaceable), but a push replaces only those of the same key, which is
    /// taken from the message: `|message| message["id"].clone()`. Where it is `null`, or `key` panics,
    /// the push replaces none and is not replaced.
    ///
    /// The message of such a route is parsed once on every front end that it comes to.
    #[must_use]
    pub fn replaceable_by(
        mut self,
        route: &str,
        key: impl Fn(&Value) -> Value + Send + Sync + 'static,
    ) -> Self {
        self.pushes.replaceable.add(route, Some(Box::new(key)));
        self
    }
}
