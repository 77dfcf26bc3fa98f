//! One request that runs, and what it waits for.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use tangelo_registry::Instance;
use tangelo_rpc::{Connection, Reply, Sequence, Status};
use tangelo_runtime::guard::Guarded;
use tokio::time::Instant;

use super::super::choices::Chosen;
use crate::{
    Request,
    pipeline::{self, Passage, Step},
};

/// One request that runs.
pub(in super::super) struct Entry {
    pub(in super::super) id: u32,
    pub(super) deadline: Instant,
    pub(super) work: Work,
}

pub(super) enum Work {
    Handler {
        /// For the log. A copy: the request's own would keep the whole read buffer.
        route: Box<[u8]>,
        answer: Guarded<dyn Future<Output = Result<Reply, Status>> + Send>,
        /// It ends when the client goes.
        with_client: bool,
    },
    Forwarded {
        sent: Sent,
        token: u64,
        passage: Option<Box<Passage>>,
    },
    /// Its route function is being asked.
    Routing {
        passage: Option<Box<Passage>>,
        asking: Guarded<dyn Future<Output = Found> + Send>,
    },
    /// One that came before it has not begun.
    Held { request: Box<Request> },
    /// On its way through filters.
    Passing { route: Box<[u8]>, passing: Passing },
}

/// The server a route function has found.
pub(in super::super) type Found = Result<Arc<Instance>, Status>;

/// A request that was sent to a back end.
pub(in super::super) struct Sent {
    pub(in super::super) chosen: Arc<Chosen>,
    pub(in super::super) sequence: Sequence,
}

/// What a place has come to.
pub(in super::super) enum Came {
    Step(Step),
    /// It is known where the request goes, or why that is not known.
    Routed(Found),
}

impl Came {
    /// By a handler that no filters are around.
    pub(super) fn answered(outcome: Result<Reply, Status>) -> Self {
        let passage = None;
        Self::Step(Step::Answered { outcome, passage })
    }
}

/// A request on its way through filters.
pub(in super::super) struct Passing {
    step: Guarded<dyn Future<Output = Step> + Send>,
    /// Whether what came after it may begin; with none, it may at once.
    begun: Option<Arc<AtomicBool>>,
}

impl Passing {
    pub(in super::super) fn new(
        step: impl Future<Output = Step> + Send + 'static,
        begun: Option<Arc<AtomicBool>>,
    ) -> Self {
        let step = Guarded::new(Box::pin(step) as _);
        Self { step, begun }
    }

    pub(super) fn poll(&mut self, task: &mut Context<'_>) -> Poll<Step> {
        Pin::new(&mut self.step).poll(task).map(|step| {
            // All that is an application's is guarded by itself.
            step.unwrap_or_else(|panicked| Step::Answered {
                outcome: Err(pipeline::failed(panicked)),
                passage: None,
            })
        })
    }

    pub(super) fn has_begun(&self) -> bool {
        let begun = self.begun.as_ref();
        begun.is_none_or(|begun| begun.load(Ordering::Relaxed))
    }
}

impl Entry {
    /// For the log.
    pub(in super::super) fn route(&self) -> &[u8] {
        match &self.work {
            Work::Handler { route, .. } | Work::Passing { route, .. } => route,
            Work::Forwarded { sent, .. } => sent.chosen.frame.route(),
            Work::Routing { passage, .. } => {
                let request = passage.as_ref().map(|passage| passage.request());
                request.map_or(&[], Request::route)
            }
            Work::Held { request } => request.route(),
        }
    }

    /// The connection to the back end that was to answer it.
    pub(in super::super) fn back_end(&self) -> Option<&Connection> {
        match &self.work {
            Work::Forwarded { sent, .. } => Some(&sent.chosen.connection),
            _ => None,
        }
    }

    /// What is known of its way through filters, if it has passed some.
    pub(in super::super) fn take_passage(&mut self) -> Option<Box<Passage>> {
        match &mut self.work {
            Work::Forwarded { passage, .. } | Work::Routing { passage, .. } => passage.take(),
            Work::Handler { .. } | Work::Held { .. } | Work::Passing { .. } => None,
        }
    }

    /// It has failed.
    pub(super) fn failed(&mut self, status: Status) -> Step {
        let mut passage = match &self.work {
            // It has come to no filter yet, and may be an error handler's matter nevertheless.
            Work::Held { request } => Some(Passage::of_client(Request::clone(request))),
            _ => self.take_passage(),
        };
        let outcome = match &mut passage {
            Some(passage) => passage.told(Err(status)),
            None => Err(status),
        };
        Step::Answered { outcome, passage }
    }

    /// An answer that comes nevertheless finds nobody.
    pub(super) fn forget(&self) {
        if let Work::Forwarded { sent, .. } = &self.work {
            sent.chosen.connection.forget(sent.sequence);
        }
    }
}
