//! What an application does at certain moments of a server's life: Pomelo's lifecycle.js.

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tangelo_runtime::guard::Guarded;
use tokio::time::timeout;
use tracing::warn;

use crate::{Blueprint, Context, Error, Result};

/// What is called at certain moments.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) before_start: Vec<Hook>,
    pub(crate) after_start: Vec<Hook>,
    pub(crate) after_start_all: Vec<Hook>,
    pub(crate) before_shutdown: Vec<Hook>,
}

pub(crate) type Hook = Box<dyn FnOnce(Arc<Context>) -> Boxed + Send>;
type Boxed = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// Moments of a server's life. Several functions may be added for each; they are called one after the
/// other, in that order, before a shutdown in the reverse one. A panic is a failure.
impl Blueprint {
    /// Called before anything of the server runs, its ports taken: Pomelo's `beforeStartup`. An error
    /// keeps it from starting.
    #[must_use]
    pub fn before_start<F, Fut>(mut self, hook: F) -> Self
    where
        F: FnOnce(Arc<Context>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.hooks.before_start.push(boxed(hook));
        self
    }

    /// Called when the components have started, before the doors open and jobs begin: Pomelo's
    /// `afterStartup`. An error keeps the server from starting; its components are stopped.
    #[must_use]
    pub fn after_start<F, Fut>(mut self, hook: F) -> Self
    where
        F: FnOnce(Arc<Context>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.hooks.after_start.push(boxed(hook));
        self
    }

    /// Called once when every server of the configuration has started, in whatever process: Pomelo's
    /// `afterStartAll`. Servers that have no road to this one, not even over others, are not waited
    /// for. An error goes to the log.
    #[must_use]
    pub fn after_start_all<F, Fut>(mut self, hook: F) -> Self
    where
        F: FnOnce(Arc<Context>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.hooks.after_start_all.push(boxed(hook));
        self
    }

    /// Called when the server is told to end, while all of it still works: Pomelo's `beforeShutdown`.
    /// The drain begins when it resolves, and has the time that is left of its deadline, at which this
    /// is dropped. An error goes to the log.
    #[must_use]
    pub fn before_shutdown<F, Fut>(mut self, hook: F) -> Self
    where
        F: FnOnce(Arc<Context>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.hooks.before_shutdown.insert(0, boxed(hook));
        self
    }
}

fn boxed<F, Fut>(hook: F) -> Hook
where
    F: FnOnce(Arc<Context>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    Box::new(move |context| Box::pin(hook(context)))
}

/// Calls them one after the other.
///
/// # Errors
/// The first that failed; those behind it are not called.
pub(crate) async fn run(hooks: Vec<Hook>, context: &Arc<Context>) -> Result<(), Error> {
    for hook in hooks {
        let context = Arc::clone(context);
        Guarded::new(Box::pin(async move { hook(context).await })).await??;
    }
    Ok(())
}

/// What is called before a shutdown, once.
pub(crate) struct BeforeShutdown(Mutex<Vec<Hook>>);

impl BeforeShutdown {
    pub(crate) fn new(hooks: Vec<Hook>) -> Self {
        Self(Mutex::new(hooks))
    }

    /// Calls them one after the other. What has not resolved within `patience` is dropped.
    pub(crate) async fn run(&self, context: &Arc<Context>, patience: Duration) {
        let hooks = std::mem::take(&mut *self.0.lock());
        let calls = async {
            for hook in hooks {
                if let Err(error) = run(vec![hook], context).await {
                    warn!(reason = error.why(), "before_shutdown failed");
                }
            }
        };
        if timeout(patience, calls).await.is_err() {
            warn!("before_shutdown took too long");
        }
    }
}

impl fmt::Debug for BeforeShutdown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} to be called", self.0.lock().len())
    }
}
