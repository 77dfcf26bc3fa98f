//! The servers of this process while they run.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tangelo_registry::{Instance, Registry};
use tangelo_server::{Blueprint, Routes, Server};
use tokio::time::{Instant, timeout};
use tracing::warn;

use crate::{Config, Mistakes, RpcApp};

/// How long servers of one process may take to meet.
const MEETING: Duration = Duration::from_secs(5);

/// The servers of this process while they run.
#[derive(Debug)]
pub struct Running {
    config: Config,
    servers: Vec<Arc<Server>>,
    rpc: Option<RpcApp>,
}

/// Why an application does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration has mistakes: all of them.
    #[error(transparent)]
    Config(#[from] Mistakes),
    /// Its krpc services do not start.
    #[error(transparent)]
    Rpc(Mistakes),
    /// A server does not start.
    #[error(transparent)]
    Server(#[from] tangelo_server::StartError),
}

/// A server to be, and what it is made of.
pub(crate) type Planned = (Blueprint, Instance);

/// What is started.
pub(crate) struct Start {
    pub(crate) config: Config,
    pub(crate) here: Vec<Planned>,
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) routes: Routes,
    pub(crate) rpc: Option<RpcApp>,
}

pub(crate) async fn start(start: Start) -> Result<Running, StartError> {
    let is_whole = start.here.len() == start.config.servers().len();
    let mut running = Running {
        config: start.config,
        servers: Vec::new(),
        rpc: start.rpc,
    };
    // Every port first: one that cannot be had is known before anything runs.
    let mut bound = Vec::new();
    for (blueprint, instance) in start.here {
        bound.push(Server::bind(blueprint, instance).await?);
    }
    for server in bound {
        let (registry, routes) = (Arc::clone(&start.registry), start.routes.clone());
        match server.start(registry, routes).await {
            Ok(server) => running.servers.push(Arc::new(server)),
            Err(error) => {
                running.end(Duration::ZERO).await;
                return Err(error.into());
            }
        }
    }
    // Servers in other processes may come later; those in this one are here, so they are waited for.
    if is_whole {
        let meet = async {
            for server in &running.servers {
                server.connected().await;
            }
        };
        if timeout(MEETING, meet).await.is_err() {
            warn!("not all servers of this process have met");
        }
    }
    Ok(running)
}

impl Running {
    /// What the configuration says.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The servers.
    pub fn servers(&self) -> &[Arc<Server>] {
        &self.servers
    }

    /// The krpc services of this process, if it has any.
    pub fn rpc(&self) -> Option<&RpcApp> {
        self.rpc.as_ref()
    }

    /// The server of this id.
    pub fn server(&self, id: &str) -> Option<&Arc<Server>> {
        self.servers
            .iter()
            .find(|server| server.context().server_id() == id)
    }

    /// Ends: first what the application does [before](tangelo_server::Blueprint::before_shutdown), then it
    /// drains, front ends first, as they need the others to answer what runs; then components stop.
    /// Returns how much was cut off when `patience` was over.
    pub async fn shutdown(&self, patience: Duration) -> usize {
        // Clocks end before the longest time there is.
        const FOREVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
        let patience = patience.min(FOREVER);
        let deadline = Instant::now() + patience;
        join_all(
            self.servers
                .iter()
                .map(|server| server.before_shutdown(patience)),
        )
        .await;
        self.end(deadline.saturating_duration_since(Instant::now()))
            .await
    }

    /// Drains, and ends what is left.
    async fn end(&self, patience: Duration) -> usize {
        let deadline = Instant::now() + patience;
        let left = || deadline.saturating_duration_since(Instant::now());
        // Servers of several types need each other until their clients are served; they stay silent so long.
        if self.are_alike() {
            self.servers.iter().for_each(|server| server.announce());
        }
        let cut_off = self
            .each(|server| async move { server.close_doors(left()).await })
            .await;
        let cut_off = cut_off
            + self
                .each(|server| async move { server.leave(left()).await })
                .await;
        match &self.rpc {
            Some(rpc) => cut_off + rpc.stop(left()).await,
            None => cut_off,
        }
    }

    /// Whether all servers here are of one type.
    fn are_alike(&self) -> bool {
        let mut types = self
            .servers
            .iter()
            .map(|server| server.context().server_type());
        let first = types.next();
        types.all(|other| Some(other) == first)
    }

    async fn each<F: Future<Output = usize>>(&self, end: impl Fn(Arc<Server>) -> F) -> usize {
        join_all(self.servers.iter().map(|server| end(Arc::clone(server))))
            .await
            .into_iter()
            .sum()
    }
}
