//! Everything an application is made of, checked: whatever is wrong is told at once.

mod complete;
mod files;

use std::sync::Arc;

use tangelo_reflect::Pool;
use tangelo_rpc::{
    ConnectionListener,
    client::Fallback,
    config::{
        ApplicationConfig, ClientConfig, MonitorConfig, RefererConfig, RegistryConfig,
        ServerConfig, ServiceConfig,
    },
    server::ErrorTexts,
};

use super::{Bootstrap, Brought, Mistakes, check, settings::Origins, start, web};
use crate::RpcApp;

/// What will be started.
pub(crate) struct Plan {
    pub(super) application: ApplicationConfig,
    pub(super) monitor: MonitorConfig,
    pub(super) servers: Vec<ServerConfig>,
    pub(super) clients: Vec<ClientConfig>,
    pub(super) registries: Vec<RegistryConfig>,
    pub(super) services: Vec<ServiceConfig>,
    pub(super) referers: Vec<RefererConfig>,
    pub(super) pool: Pool,
    pub(super) listeners: Vec<(String, Arc<dyn ConnectionListener>)>,
    pub(super) brought: Brought,
    pub(super) texts: Option<Arc<dyn ErrorTexts>>,
    pub(super) mock: Option<Fallback>,
    pub(super) fallback: Option<Fallback>,
    pub(super) web: web::Planned,
}

impl Plan {
    /// Starts it.
    pub(crate) async fn start(self) -> Result<RpcApp, Mistakes> {
        start::start(self).await
    }
}

impl Bootstrap {
    /// From what was said to what will be started.
    pub(crate) fn plan(mut self) -> Result<Plan, Mistakes> {
        let mut origins = Origins::default();
        self.describe();
        let all_read = self.read_files(&mut origins);
        self.imply();
        self.change_all(&mut origins);
        if all_read.is_none() {
            self.mistakes.sort();
            return Err(self.mistakes);
        }
        self.bind();
        let files = self.load(&origins);
        let proto = self.load_proto_dirs(&origins);
        self.pool.add_rest();
        let mut mistakes = std::mem::take(&mut self.mistakes);
        check::all(&self, &origins, &mut mistakes);
        let web = self.plan_web(&proto, files.texts.as_ref(), &origins, &mut mistakes);
        if !mistakes.is_empty() {
            mistakes.sort();
            return Err(mistakes);
        }
        Ok(Plan {
            application: self.application,
            monitor: self.monitor,
            servers: self.servers,
            clients: self.clients,
            registries: self.registries,
            services: self.services,
            referers: self.referers,
            pool: self.pool,
            listeners: self.listeners,
            brought: self.brought,
            texts: files.texts,
            mock: files.mock,
            fallback: files.fallback,
            web,
        })
    }

    /// Takes the descriptors that generated code brings.
    fn describe(&mut self) {
        let services = self.services.iter();
        let served = services.filter_map(|service| service.served.as_ref());
        let served = served.map(|served| (served.name(), served.descriptors()));
        let referers = self.referers.iter();
        let described = referers.filter_map(|referer| referer.described.as_ref());
        let described = described.map(|described| (described.name(), described.descriptors()));
        for (name, descriptors) in served.chain(described).filter(|(_, set)| !set.is_empty()) {
            if let Err(errors) = self.pool.add_service(name, descriptors, name) {
                let errors = errors.iter();
                errors.for_each(|error| self.mistakes.add(error.to_string()));
            }
        }
    }
}
