//! Where calls run that nobody polls.

use tangelo_runtime::{Stop, Tasks};
use tokio::{runtime::Handle, sync::oneshot};

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

    /// Drives a future on a thread of its own, where it may block. Dropping what is returned does not
    /// end it.
    pub(crate) fn run_blocking<F>(&self, future: F) -> oneshot::Receiver<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let (sender, outcome) = oneshot::channel();
        let (_entered, runtime) = (self.runtime.enter(), self.runtime.clone());
        self.tasks.spawn_blocking(move || {
            // Nobody may want to know any more.
            let _ = sender.send(runtime.block_on(future));
        });
        outcome
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
