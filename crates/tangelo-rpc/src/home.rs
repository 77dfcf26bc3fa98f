//! Where calls run that nobody polls.

use tangelo_runtime::{Stop, Tasks};
use tokio::runtime::Handle;

/// The tasks, and the runtime under them, that a callee can run its calls in.
#[derive(Clone, Debug)]
pub struct Home {
    tasks: Tasks,
    runtime: Handle,
}

impl Home {
    /// These tasks, in the runtime this is called in.
    ///
    /// # Errors
    /// There is no runtime here.
    pub fn here(tasks: Tasks) -> Result<Self, tokio::runtime::TryCurrentError> {
        let runtime = Handle::try_current()?;
        Ok(Self { tasks, runtime })
    }

    /// Runs a task of this home, from within any runtime or none.
    pub fn spawn(&self, span: tracing::Span, task: impl Future<Output = ()> + Send + 'static) {
        let _entered = self.runtime.enter();
        self.tasks.spawn(span, task);
    }

    /// What tells its tasks to stop.
    pub fn stop(&self) -> &Stop {
        self.tasks.stop()
    }

    /// Whether waiting in this thread would keep the home itself from going on.
    pub(crate) fn would_block_itself(&self) -> bool {
        use tokio::runtime::RuntimeFlavor::CurrentThread;
        Handle::try_current().is_ok_and(|here| {
            here.id() == self.runtime.id() && here.runtime_flavor() == CurrentThread
        })
    }
}
