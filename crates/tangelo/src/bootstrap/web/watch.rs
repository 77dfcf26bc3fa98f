//! Routes and messages that change while a web server runs.

use std::time::Duration;

use tangelo_gateway::Gateway;
use tangelo_runtime::Tasks;
use tokio::time::sleep;
use tracing::{debug_span, warn};

use super::sources::{SourceMarks, Sources};

/// Looks at the files of a web server, and loads what has changed.
pub(super) struct Watched {
    sources: Sources,
    /// How they were when they were loaded last.
    loaded: SourceMarks,
    /// How they were at the last look.
    seen: SourceMarks,
}

/// Looks again and again, until the application stops.
pub(super) fn watch(mut watched: Watched, gateway: Gateway, every: Duration, background: &Tasks) {
    let stop = background.stop().clone();
    let span = debug_span!("watch", gateway = gateway.id());
    let look = async move {
        loop {
            sleep(every).await;
            let gateway = gateway.clone();
            let looked = tokio::task::spawn_blocking(move || {
                watched.look(&gateway);
                watched
            });
            // It fails only when the runtime ends.
            let Ok(after) = looked.await else { return };
            watched = after;
        }
    };
    background.spawn(span, async move {
        tokio::select! {
            () = stop.draining() => {}
            () = look => {}
        }
    });
}

impl Watched {
    /// `loaded` is how the files were before they were read.
    pub(super) fn new(sources: Sources, loaded: SourceMarks) -> Self {
        Self {
            sources,
            seen: loaded.clone(),
            loaded,
        }
    }

    fn look(&mut self, gateway: &Gateway) {
        let now = self.sources.marks(&self.seen.files);
        // What is being written is left alone until it has come to rest.
        let rests = now == self.seen;
        let has_changed = now != self.loaded;
        self.seen = now;
        if rests && has_changed {
            self.load(gateway);
        }
    }

    fn load(&mut self, gateway: &Gateway) {
        // Others may be imported now than before.
        if let Ok(routes) = self.sources.routes() {
            self.seen = self.sources.marks(routes.files());
        }
        self.loaded = self.seen.clone();
        // Read after they were looked at: a change meanwhile is seen the next time.
        if let Err(problem) = self.reload(gateway) {
            let gateway = gateway.id();
            warn!(
                gateway,
                "what has changed cannot be served, all stays as it was:\n{problem}"
            );
        }
    }

    fn reload(&mut self, gateway: &Gateway) -> Result<(), String> {
        let routes = self.sources.routes()?;
        let pool = self.sources.pool().map_err(|errors| errors.to_string())?;
        let reloaded = gateway.reload(&routes, &pool);
        reloaded.map_err(|errors| errors.to_string())?;
        self.sources.settle();
        Ok(())
    }
}
