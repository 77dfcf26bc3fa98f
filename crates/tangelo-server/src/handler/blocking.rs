//! Handlers on threads of their own.

use std::sync::Arc;

use tangelo_rpc::{Answer, Code, Reply, Service, Status};
use tangelo_runtime::guard;
use tokio::{
    runtime::Handle,
    sync::{Semaphore, oneshot},
    time::timeout_at,
};
use tracing::Span;

use super::Handling;
use crate::{Limits, Request, pipeline::failed};

/// A handler that runs on a thread of its own.
pub(super) struct Blocking(pub(super) Handling<Request>);

impl Service<&mut Request> for Blocking {
    fn call(&self, request: &mut Request) -> Answer {
        let context = request.session().context();
        let (handler, tasks) = (Arc::clone(&self.0), context.tasks.clone());
        let Ok(permit) = Arc::clone(&context.threads.0).try_acquire_owned() else {
            let message = "too much runs on threads of its own";
            let refused = Status::new(Code::QUEUE_FULL, message);
            return Box::pin(std::future::ready(Err(refused)));
        };
        let (sender, answer) = oneshot::channel();
        let mut request = request.clone();
        let (runtime, span) = (Handle::current(), Span::current());
        tasks.spawn_blocking(move || {
            let (_permit, _in_span) = (permit, span.entered());
            let deadline = request.deadline();
            let run = async { timeout_at(deadline, handler.call(&mut request)).await };
            let outcome = match guard::catch(|| runtime.block_on(run)) {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => Err(Code::RPC_TIMEOUT.into()),
                Err(panicked) => Err(failed(panicked)),
            };
            // It may have been given up.
            let _ = sender.send(outcome);
        });
        Box::pin(async move { answer.await.unwrap_or_else(|_| ended()) })
    }
}

/// The thread never came to it: the process ends.
fn ended() -> Result<Reply, Status> {
    Err(Code::SERVER_SHUTDOWN.into())
}

/// How many handlers may run on threads of their own.
#[derive(Debug)]
pub(crate) struct Threads(Arc<Semaphore>);

impl Threads {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self(Arc::new(Semaphore::new(limits.blocking)))
    }
}
