//! Where calls run that nobody polls.

use tangelo_runtime::{Stop, Tasks};
use tokio::{runtime::Handle, sync::oneshot, task::block_in_place};

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

    /// Blocks this thread with `wait`; none, and nothing has begun, where the home itself could not go on
    /// meanwhile.
    pub(crate) fn block_on<T>(&self, wait: impl FnOnce() -> T) -> Option<T> {
        use tokio::runtime::RuntimeFlavor::CurrentThread;
        let here = Handle::try_current().ok();
        match here.filter(|here| here.id() == self.runtime.id()) {
            None => Some(wait()),
            Some(here) if here.runtime_flavor() == CurrentThread => None,
            // Another thread takes over what this one has to do for the home.
            Some(_) => Some(block_in_place(wait)),
        }
    }
}
