//! The filters of a server, in the order they run.

use std::sync::Arc;

use tangelo_rpc::{Reply, Status};
use tangelo_runtime::guard::{self, Guarded, Panicked};
use tracing::warn;

use super::failed;
use crate::{
    Answered, Error, Filter, IntoReply, Request, Result,
    answer::Shown,
    filter::{AnyFilter, Boxed},
};

/// The filters that requests pass on their way, and who says what a client is told when one fails.
#[derive(Default)]
pub(crate) struct Filters {
    befores: Vec<Arc<dyn AnyFilter>>,
    /// In the order they run: the last one added first.
    afters: Vec<Arc<dyn AnyFilter>>,
    on_error: Option<ErrorHandler>,
    /// Whether there are any of those: looked at for every request.
    any: bool,
}

/// Says what a client is told of an error.
type ErrorHandler = Arc<dyn Fn(Error, &Request) -> Result<Reply, Status> + Send + Sync>;

impl Filters {
    pub(crate) fn before(&mut self, filter: impl Filter) {
        self.befores.push(Arc::new(filter));
        self.any = true;
    }

    pub(crate) fn after(&mut self, filter: impl Filter) {
        self.afters.insert(0, Arc::new(filter));
        self.any = true;
    }

    pub(crate) fn both(&mut self, filter: impl Filter) {
        let filter: Arc<dyn AnyFilter> = Arc::new(filter);
        self.befores.push(Arc::clone(&filter));
        self.afters.insert(0, filter);
        self.any = true;
    }

    pub(crate) fn error_handler<R: IntoReply>(
        &mut self,
        handler: impl Fn(Error, &Request) -> R + Send + Sync + 'static,
    ) {
        self.on_error = Some(Arc::new(move |error, request| {
            handler(error, request).into_reply()
        }));
        self.any = true;
    }

    /// Whether a request passes them as if there were none.
    pub(crate) fn is_empty(&self) -> bool {
        !self.any
    }

    /// Whether a request may have to wait here before its handler.
    pub(crate) fn has_befores(&self) -> bool {
        !self.befores.is_empty()
    }

    pub(crate) fn has_afters(&self) -> bool {
        !self.afters.is_empty()
    }

    /// Each filter once, for what it does beside the requests.
    pub(crate) fn each(&self) -> impl Iterator<Item = Arc<dyn AnyFilter>> {
        let alone = |after: &&Arc<dyn AnyFilter>| {
            !self.befores.iter().any(|before| Arc::ptr_eq(before, after))
        };
        let afters = self.afters.iter().filter(alone);
        self.befores.iter().chain(afters).cloned()
    }

    /// Runs the before filters, up to the first that fails.
    pub(crate) async fn before_all(&self, request: &mut Request) -> Result<(), Status> {
        for filter in &self.befores {
            let passed = guarded(|| filter.before(request)).await;
            passed.map_err(failed)?.map_err(Error::into_answer)?;
        }
        Ok(())
    }

    /// Runs the after filters, all of them.
    pub(crate) async fn after_all(&self, answered: &Answered) {
        for filter in &self.afters {
            let problem = match guarded(|| filter.after(answered)).await {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.into_answer(),
                Err(panicked) => failed(panicked),
            };
            let session = answered.session();
            if let Some(left_out) = session.context().may_log() {
                let (id, route) = (session.id(), Shown(answered.request().route()));
                let reason = problem.reason();
                warn!(session = %id, %route, %reason, left_out, "after filter failed");
            }
        }
    }

    /// What the client is told of a failure. An error handler that panics is as if there were none.
    pub(crate) fn told(&self, status: Status, request: &Request) -> Result<Reply, Status> {
        let Some(on_error) = &self.on_error else {
            return Err(status);
        };
        let error = Error::of(status.clone());
        guard::catch(|| on_error(error, request)).unwrap_or_else(|panicked| {
            warn!(%panicked, "error handler failed");
            Err(status)
        })
    }
}

/// What `begin` begins; a panic in that, in a poll or when it is dropped is an error.
async fn guarded<'a, T>(begin: impl FnOnce() -> Boxed<'a, T>) -> Result<T, Panicked> {
    Guarded::new(guard::catch(begin)?).await
}
