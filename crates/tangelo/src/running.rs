//! The servers of this process while they run.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tangelo_registry::{Instance, Registry};
use tangelo_server::{Blueprint, Routes, Server};
use tokio::time::{Instant, timeout};
use tracing::warn;

use crate::{ConfigError, Mistakes, RpcApp};

/// How long servers of one process may take to meet.
const MEETING: Duration = Duration::from_secs(5);

/// The servers of this process while they run.
#[derive(Debug)]
pub struct Running {
    servers: Vec<Arc<Server>>,
    rpc: Option<RpcApp>,
}

/// Why an application does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration has mistakes.
    #[error(transparent)]
    Config(ConfigError),
    /// The settings of its krpc services have mistakes.
    #[error(transparent)]
    Rpc(#[from] Mistakes),
    /// `--id` names no server: what it said, and what there is.
    #[error("no server `{0}`; there are: {1}")]
    NoSuchServer(String, String),
    /// The configuration names no server at all.
    #[error("the configuration names no server")]
    NoServer,
    /// The configuration names a server of a type the application does not have.
    #[error("{0}: this application has no servers of type `{1}`")]
    UnknownType(String, String),
    /// A server does not start.
    #[error(transparent)]
    Server(#[from] tangelo_server::StartError),
}

/// A server to be, and what it is made of.
pub(crate) type Planned = (Blueprint, Instance);

pub(crate) async fn start(
    planned: Vec<Planned>,
    registry: Arc<dyn Registry>,
    routes: Routes,
    rpc: Option<RpcApp>,
) -> Result<Running, StartError> {
    let mut running = Running {
        servers: Vec::new(),
        rpc,
    };
    let one_process = planned.len() > 1;
    for (blueprint, instance) in planned {
        let (registry, routes) = (Arc::clone(&registry), routes.clone());
        match Server::start(blueprint, instance, registry, routes).await {
            Ok(server) => running.servers.push(Arc::new(server)),
            Err(error) => {
                running.shutdown(Duration::ZERO).await;
                return Err(error.into());
            }
        }
    }
    // Servers in other processes may come later; those in this one are here, so they are waited for.
    if one_process {
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

    /// Drains: front ends first, as they need the others to answer what runs. Returns how many
    /// clients and requests were cut off when `patience` was over.
    pub async fn shutdown(&self, patience: Duration) -> usize {
        let deadline = Instant::now() + patience;
        let left = || deadline.saturating_duration_since(Instant::now());
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

    async fn each<F: Future<Output = usize>>(&self, end: impl Fn(Arc<Server>) -> F) -> usize {
        join_all(self.servers.iter().map(|server| end(Arc::clone(server))))
            .await
            .into_iter()
            .sum()
    }
}
