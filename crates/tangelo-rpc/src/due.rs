//! When the work at hand has to be done: calls that it makes end then as well.

use tokio::time::Instant;

tokio::task_local! {
    static DUE: Due;
}

/// When some work has to be done, where no [`ServerContext`](crate::ServerContext) tells it.
#[derive(Clone, Copy, Debug)]
pub struct Due(Instant);

impl Due {
    /// Done by then.
    pub fn by(deadline: Instant) -> Self {
        Self(deadline)
    }

    /// Runs a future so that the calls it makes end when it is due. A task of its own does not know of it.
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> + use<F> {
        DUE.scope(self, future)
    }

    /// Does this now, and so that the calls it begins end when it is due.
    pub fn enter<T>(self, work: impl FnOnce() -> T) -> T {
        DUE.sync_scope(self, work)
    }

    pub(crate) fn current() -> Option<Instant> {
        DUE.try_with(|due| due.0).ok()
    }
}
