//! For programs without a runtime.

use std::{ops::Deref, time::Duration};

use crate::{Bootstrap, Mistakes, RpcApp};

/// An [`RpcApp`] with a runtime of its own, for programs without one: calls are made with
/// [`wait`](tangelo_rpc::Call::wait).
///
/// It must not be started or dropped within a runtime. Dropped without
/// [`stop`](Self::stop) it ends at once.
#[derive(Debug)]
pub struct BlockingApp {
    app: RpcApp,
    runtime: tokio::runtime::Runtime,
}

impl BlockingApp {
    pub(crate) fn start(bootstrap: Bootstrap) -> Result<Self, Mistakes> {
        if tokio::runtime::Handle::try_current().is_ok() {
            let problem = "start_blocking: there is a runtime here already: use start().await";
            return Err(Mistakes::one(problem));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| Mistakes::one(format!("no runtime: {error}")))?;
        let app = runtime.block_on(bootstrap.start())?;
        Ok(Self { app, runtime })
    }

    /// As [`RpcApp::stop`], and waits for it.
    pub fn stop(self, patience: Duration) -> usize {
        self.runtime.block_on(self.app.stop(patience))
    }

    /// The runtime, for what else there is to do.
    pub fn runtime(&self) -> &tokio::runtime::Runtime {
        &self.runtime
    }
}

impl Deref for BlockingApp {
    type Target = RpcApp;

    fn deref(&self) -> &RpcApp {
        &self.app
    }
}
