//! What runs beside a server: components, started in the order they were brought, stopped in the
//! reverse one.

mod function;

use std::{any::Any, fmt, pin::Pin, sync::Arc, time::Duration};

use tangelo_runtime::guard::Guarded;
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument, debug, info_span, warn};

use crate::{Blueprint, Context, Error, Result};

/// Something that lives beside a server: a pool of connections, a world that ticks, a cache that is
/// written when the server stops. [`Blueprint::load`] brings it.
///
/// Components start one after the other, in the order they were brought, before anybody can ask their
/// server anything; they stop in the reverse order, when what the server took is answered and jobs have
/// ended. A panic is a failure.
pub trait Component: Send + Sync + 'static {
    /// Called first. Other servers can be called from here on, and those components that were
    /// brought before have started.
    ///
    /// # Errors
    /// It cannot start: the server does not, and components that have started are stopped.
    fn start(&self, context: &Arc<Context>) -> impl Future<Output = Result<()>> + Send {
        let _ = context;
        std::future::ready(Ok(()))
    }

    /// Called when all components have started.
    ///
    /// # Errors
    /// As with `start`.
    fn after_start(&self, context: &Arc<Context>) -> impl Future<Output = Result<()>> + Send {
        let _ = context;
        std::future::ready(Ok(()))
    }

    /// Called if it has started. It is dropped when the drain's deadline has come, a second after
    /// it was called at the earliest.
    ///
    /// # Errors
    /// They go to the log.
    fn stop(&self, context: &Arc<Context>) -> impl Future<Output = Result<()>> + Send {
        let _ = context;
        std::future::ready(Ok(()))
    }
}

/// The components of one server, in the order they start.
#[derive(Default)]
pub(crate) struct Components(Vec<Loaded>);

struct Loaded {
    name: String,
    component: Arc<dyn Erased>,
    any: Arc<dyn Any + Send + Sync>,
}

/// How long a component may take to stop though the drain's time is over.
const LAST_WORK: Duration = Duration::from_secs(1);

impl Blueprint {
    /// Brings a component under a name: Pomelo's `app.load`. Handlers find it with
    /// [`Context::component`] or [`Context::component_named`].
    #[must_use]
    pub fn load(mut self, name: &str, component: impl Component) -> Self {
        if self.components.find(name).is_some() {
            self.mistakes
                .push(format!("there are two components `{name}`"));
        }
        self.components.add(name, component);
        self
    }
}

impl Context {
    /// The first component of this type.
    pub fn component<C: Component>(&self) -> Option<Arc<C>> {
        let mut components = self.components.0.iter();
        components.find_map(|loaded| Arc::clone(&loaded.any).downcast().ok())
    }

    /// The component of this name, if it is of this type.
    pub fn component_named<C: Component>(&self, name: &str) -> Option<Arc<C>> {
        Arc::clone(&self.components.find(name)?.any).downcast().ok()
    }
}

impl Components {
    pub(crate) fn add(&mut self, name: &str, component: impl Component) {
        let component = Arc::new(component);
        self.0.push(Loaded {
            name: name.to_owned(),
            any: Arc::clone(&component) as _,
            component,
        });
    }

    fn find(&self, name: &str) -> Option<&Loaded> {
        self.0.iter().find(|loaded| loaded.name == name)
    }

    /// Starts them all. If one does not start, those that have are stopped.
    ///
    /// # Errors
    /// Which does not start, and why.
    pub(crate) async fn start(&self, context: &Arc<Context>) -> Result<(), (String, Error)> {
        for (started, loaded) in self.0.iter().enumerate() {
            if let Err(error) = loaded.start(context).await {
                self.stop_first(started, context, Instant::now()).await;
                let problem = format!("component {} does not start", loaded.name);
                return Err((problem, error));
            }
        }
        for loaded in &self.0 {
            if let Err(error) = loaded.after_start(context).await {
                self.stop(context, Instant::now()).await;
                let problem = format!("component {} fails after its start", loaded.name);
                return Err((problem, error));
            }
        }
        Ok(())
    }

    /// Stops them all, the last first. Returns how many did not stop in time.
    pub(crate) async fn stop(&self, context: &Arc<Context>, deadline: Instant) -> usize {
        self.stop_first(self.0.len(), context, deadline).await
    }

    async fn stop_first(&self, started: usize, context: &Arc<Context>, deadline: Instant) -> usize {
        let mut cut_off = 0;
        for loaded in self.0.iter().take(started).rev() {
            let deadline = deadline.max(Instant::now() + LAST_WORK);
            match timeout_at(deadline, loaded.stop(context)).await {
                Ok(Ok(())) => debug!(component = loaded.name, "stopped"),
                Ok(Err(error)) => {
                    let (component, reason) = (&loaded.name, error.why());
                    warn!(component, reason, "did not stop well");
                }
                Err(_) => {
                    cut_off += 1;
                    warn!(component = loaded.name, "did not stop in time");
                }
            }
        }
        cut_off
    }
}

impl Loaded {
    async fn start(&self, context: &Arc<Context>) -> Result<()> {
        self.guarded(self.component.start(context)).await
    }

    async fn after_start(&self, context: &Arc<Context>) -> Result<()> {
        self.guarded(self.component.after_start(context)).await
    }

    async fn stop(&self, context: &Arc<Context>) -> Result<()> {
        self.guarded(self.component.stop(context)).await
    }

    async fn guarded(&self, work: Boxed<'_>) -> Result<()> {
        let work = work.instrument(info_span!("component", name = self.name));
        Guarded::new(Box::pin(work)).await?
    }
}

type Boxed<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// A component, whatever its type. Called within the future, so that a panic is the future's.
trait Erased: Send + Sync {
    fn start<'a>(&'a self, context: &'a Arc<Context>) -> Boxed<'a>;
    fn after_start<'a>(&'a self, context: &'a Arc<Context>) -> Boxed<'a>;
    fn stop<'a>(&'a self, context: &'a Arc<Context>) -> Boxed<'a>;
}

impl<C: Component> Erased for C {
    fn start<'a>(&'a self, context: &'a Arc<Context>) -> Boxed<'a> {
        Box::pin(async move { Component::start(self, context).await })
    }

    fn after_start<'a>(&'a self, context: &'a Arc<Context>) -> Boxed<'a> {
        Box::pin(async move { Component::after_start(self, context).await })
    }

    fn stop<'a>(&'a self, context: &'a Arc<Context>) -> Boxed<'a> {
        Box::pin(async move { Component::stop(self, context).await })
    }
}

impl fmt::Debug for Components {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|loaded| &loaded.name);
        formatter.debug_list().entries(names).finish()
    }
}
