//! How a handler is run.

use std::time::Duration;

use tangelo_rpc::Answer;

use super::Handler;
use crate::{Request, Result};

/// How a handler is run, where that is not as the others are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// From the request's coming to its answer.
    pub(crate) deadline: Option<Duration>,
    /// On a thread of its own.
    pub(crate) blocking: bool,
    /// It ends when the client goes.
    pub(crate) with_client: bool,
}

/// A handler that is run in a manner of its own; made by the methods of
/// [`HandlerExt`](crate::HandlerExt).
#[derive(Clone, Debug)]
pub struct InManner<H> {
    handler: H,
    manner: Manner,
}

impl<H> InManner<H> {
    pub(super) fn new(handler: H) -> Self {
        Self {
            handler,
            manner: Manner::default(),
        }
    }

    pub(super) fn due_within(mut self, deadline: Duration) -> Self {
        self.manner.deadline = Some(deadline);
        self
    }

    pub(super) fn on_a_thread(mut self) -> Self {
        self.manner.blocking = true;
        self
    }

    pub(super) fn ended_with_client(mut self) -> Self {
        self.manner.with_client = true;
        self
    }
}

impl<A, H: Handler<A>> Handler<A> for InManner<H> {
    fn call(&self, request: &mut Request) -> Result<Answer> {
        self.handler.call(request)
    }

    fn manner(&self) -> Manner {
        let inner = self.handler.manner();
        Manner {
            deadline: self.manner.deadline.or(inner.deadline),
            blocking: self.manner.blocking || inner.blocking,
            with_client: self.manner.with_client || inner.with_client,
        }
    }
}
