//! Servers within the test's own process.

use std::sync::Arc;

use tangelo::{
    Bootstrap,
    registry::Registry,
    rpc::{
        Status,
        config::{RefererConfig, ServerConfig, ServiceConfig},
    },
};

use super::{RelayReq, RelayRes, WorkReq, WorkRes, Worker, WorkerClient, WorkerServer};
use crate::world::Hold;

/// Answers with its name.
pub(super) struct Local {
    name: String,
    hold: Hold,
}

impl Worker for Local {
    async fn work(&self, request: WorkReq) -> Result<WorkRes, Status> {
        if request.hold {
            self.hold.pass().await;
        }
        Ok(WorkRes {
            id: request.id,
            server: self.name.clone(),
            ..WorkRes::default()
        })
    }

    async fn relay(&self, _: RelayReq) -> Result<RelayRes, Status> {
        Ok(RelayRes::default())
    }
}

/// A service that answers with this name.
pub(super) fn named(name: &str) -> ServiceConfig {
    holding(name, &Hold::new())
}

/// The same, whose held calls wait here.
pub(super) fn holding(name: &str, hold: &Hold) -> ServiceConfig {
    ServiceConfig::new(WorkerServer::new(Local {
        name: name.to_owned(),
        hold: hold.clone(),
    }))
}

/// An application that offers a service on a port the system chooses.
pub(super) fn serving(service: ServiceConfig) -> Bootstrap {
    Bootstrap::new("serving")
        .server(ServerConfig::from(0).host("127.0.0.1"))
        .service(service)
}

/// An application that calls whom the registry names under this group.
pub(super) fn calling_by(registry: &(impl Registry + Clone), group: &str) -> Bootstrap {
    let referer = RefererConfig::new::<WorkerClient>("worker").group(group);
    Bootstrap::new("calling")
        .own_registry("registry", Arc::new(registry.clone()))
        .referer_with(referer)
}
