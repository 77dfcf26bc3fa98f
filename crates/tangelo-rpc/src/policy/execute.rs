//! Running calls in a manner of one's own.

use std::fmt;

use crate::{Answer, Request};

/// Starts a method: calling it calls the service, the answer it returns runs the method.
///
/// Nothing has happened before it is called; dropped uncalled, the method never ran.
pub type Work = Box<dyn FnOnce() -> Answer + Send>;

/// Decides when and where a call runs, in place of an [`Executor`](super::executor::Executor).
///
/// For scheduling of one's own: by priority, a queue for each user, a pool of threads for methods
/// that compute for long. What is returned answers the request in every case: with what the work
/// answers, or with a [`Status`](crate::Status) if the work is left out. krpc's code for that is
/// [`QUEUE_FULL`](crate::Code::QUEUE_FULL), which tells callers that the method surely has not run.
///
/// Dropping the returned answer cancels the call; work that was put elsewhere should then end too.
/// What waits here should look at [`Request::deadline`]: past it nobody wants the answer.
///
/// ```
/// use tangelo_rpc::{Answer, Code, Request, server::{Execute, Work}};
/// use tokio::sync::Semaphore;
///
/// /// One call at a time to service 100; the others as they come.
/// #[derive(Debug)]
/// struct OneAtATime(std::sync::Arc<Semaphore>);
///
/// impl Execute for OneAtATime {
///     fn execute(&self, request: &Request, work: Work) -> Answer {
///         if request.service_id != 100 {
///             return work();
///         }
///         let turn = std::sync::Arc::clone(&self.0);
///         Box::pin(async move {
///             let Ok(_turn) = turn.acquire().await else {
///                 return Err(Code::QUEUE_FULL.into());
///             };
///             work().await
///         })
///     }
/// }
/// ```
pub trait Execute: fmt::Debug + Send + Sync + 'static {
    /// Runs the work now, later or not at all, and answers. It must not block: it is called on the
    /// connection's own task. A panic in it is answered like one in the method.
    fn execute(&self, request: &Request, work: Work) -> Answer;
}
