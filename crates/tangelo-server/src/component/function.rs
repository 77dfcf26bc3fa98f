//! A component that is a function.

use std::{pin::Pin, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tangelo_runtime::{Stop, Tasks};
use tracing::info_span;

use super::Component;
use crate::{Blueprint, Context, Error, Result};

/// A component that is a function: it starts something, and what it returns runs until the component
/// stops.
struct Function {
    start: Mutex<Option<Start>>,
    tasks: Tasks,
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Start = Box<dyn FnOnce(Arc<Context>) -> Boxed<Result<Boxed<()>>> + Send>;

impl Blueprint {
    /// A component that is a function. `start` resolves when it is ready, to the future that is it, and
    /// which is dropped when the server stops. See [`load`](Self::load) for one that has more to say.
    #[must_use]
    pub fn component<F, Fut, Run, E>(self, name: &str, start: F) -> Self
    where
        F: FnOnce(Arc<Context>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Run, E>> + Send + 'static,
        Run: Future<Output = ()> + Send + 'static,
        E: Into<Error>,
    {
        let start: Start = Box::new(|context| {
            let starting = start(context);
            Box::pin(async move {
                let run = starting.await.map_err(Into::into)?;
                Ok(Box::pin(run) as Boxed<()>)
            })
        });
        let function = Function {
            start: Mutex::new(Some(start)),
            tasks: Tasks::new(Stop::new()),
        };
        self.load(name, function)
    }
}

impl Component for Function {
    async fn start(&self, context: &Arc<Context>) -> Result<()> {
        let start = self.start.lock().take();
        if let Some(start) = start {
            let run = start(Arc::clone(context)).await?;
            self.tasks.spawn(info_span!("component"), run);
        }
        Ok(())
    }

    async fn stop(&self, _: &Arc<Context>) -> Result<()> {
        self.tasks.close(Duration::ZERO).await;
        Ok(())
    }
}
