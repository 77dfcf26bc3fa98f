//! Starts what was planned.

use std::{collections::HashMap, net::Ipv4Addr, sync::Arc, time::Duration};

use tangelo_reflect::{Pool, ServiceInfo};
use tangelo_registry::{Instance, Memory, Offer, Registry};
use tangelo_rpc::{
    Codecs, Home, Method, Service, Services,
    access_log::{AccessLog, AccessLogConfig, PlainFormatter, TracingSink},
    client::{Client, Referer, RefererSettings, ReverseReferer, ReverseSettings},
    config::{ClientConfig, Described, RefererConfig, ServerConfig, ServiceConfig},
    server::{
        Bound, Executor, ExecutorConfig, FlowControl, MemoryFlowControl, Run, Served,
        ServedSettings,
    },
};
use tangelo_runtime::{Stop, Tasks};
use tracing::debug_span;

use super::{
    Mistakes,
    adapters::{BodiesByDescriptor, Canned, KeyField},
    host::own_host,
    plan::Plan,
};
use crate::{
    RpcApp,
    rpc_app::{Called, Registered},
};

/// Who answers, each for a number.
pub(super) type Answering = Vec<(i32, Arc<dyn Service>)>;

/// What everything that is started shares.
struct Parts {
    plan: Plan,
    pool: Arc<Pool>,
    log: Option<AccessLog>,
    flow: Option<Arc<dyn FlowControl>>,
    codecs: Codecs,
    registries: HashMap<String, Arc<dyn Registry>>,
    /// Where clients and all that runs beside the servers live.
    home: Home,
    background: Tasks,
}

pub(super) async fn start(mut plan: Plan) -> Result<RpcApp, Mistakes> {
    let pool = Arc::new(std::mem::take(&mut plan.pool));
    let web = std::mem::take(&mut plan.web);
    let log = access_log(&plan, &pool)?;
    let flow = flow_control(&mut plan);
    let codecs = Codecs::new(std::mem::take(&mut plan.brought.codecs));
    let background = Tasks::new(Stop::new());
    let home = Home::here(background.clone()).map_err(|error| Mistakes::one(error.to_string()))?;
    let registries = plan.registries.iter().map(|config| {
        let own = plan.brought.registries.get(&config.id).cloned();
        (
            config.id.clone(),
            own.unwrap_or_else(|| Arc::new(Memory::new())),
        )
    });
    let registries = registries.collect();
    let parts = Parts {
        pool,
        log,
        flow,
        codecs,
        registries,
        home,
        background,
        plan,
    };

    // Addresses first: what cannot be had is told before anything runs.
    let mut bound = Vec::new();
    let mut mistakes = Mistakes::default();
    for server in &parts.plan.servers {
        match Bound::new(server.clone()).await {
            Ok(server) => bound.push(server),
            Err(problem) => mistakes.add(format!("server.{}: {problem}", server.id)),
        }
    }
    let web = web.bind(&mut mistakes).await;
    let mut clients = HashMap::new();
    for config in &parts.plan.clients {
        match parts.client(config) {
            Ok(client) => {
                clients.insert(config.id.clone(), client);
            }
            Err(problem) => mistakes.add(format!("client.{}: {problem}", config.id)),
        }
    }
    let mut called = HashMap::new();
    // Of a client that is not there no referer can be made, and its mistake is told already.
    let with_client =
        |config: &&RefererConfig| config.reverse || clients.contains_key(&config.transport);
    for config in parts.plan.referers.iter().filter(with_client) {
        match parts.referer(config, &clients) {
            Ok(one) => {
                called.insert(config.id.clone(), one);
            }
            Err(problem) => mistakes.add(format!("referer.{}: {problem}", config.id)),
        }
    }
    let mut tables = Vec::new();
    for server in &parts.plan.servers {
        match parts.table(
            |service| !service.reverse && service.transport.contains(&server.id),
            run_of(server),
        ) {
            Ok(table) => tables.push(table),
            Err(problem) => mistakes.add(problem),
        }
    }
    let web = web.call(|id| parts.answering(id, &called), &mut mistakes);
    if !mistakes.is_empty() {
        parts.background.close(Duration::ZERO).await;
        return Err(mistakes);
    }

    // A server that is not there yet is no reason not to start.
    for one in called.values() {
        if let Called::Forward(referer) = one {
            referer.tried().await;
        }
    }
    let mut servers = Vec::new();
    for ((bound, table), config) in bound.into_iter().zip(tables).zip(&parts.plan.servers) {
        servers.push(bound.start(
            table,
            parts.codecs.clone(),
            parts.listeners(&config.id),
            &Tasks::new(Stop::new()),
        ));
    }
    let registered = parts.register(&servers);
    let web = web.start(&parts.background);
    let Parts {
        pool,
        log,
        background,
        ..
    } = parts;
    Ok(RpcApp::new(
        (servers, web),
        clients,
        called,
        pool,
        log,
        registered,
        background,
    ))
}

fn access_log(plan: &Plan, pool: &Arc<Pool>) -> Result<Option<AccessLog>, Mistakes> {
    let monitor = &plan.monitor;
    if !monitor.access_log {
        return Ok(None);
    }
    let formatter = plan.brought.log_formatter.clone().unwrap_or_else(|| {
        let bodies = BodiesByDescriptor::new(Arc::clone(pool), monitor);
        Arc::new(PlainFormatter::new(Arc::new(bodies)))
    });
    let sink = plan
        .brought
        .log_sink
        .clone()
        .unwrap_or_else(|| Arc::new(TracingSink));
    let config = AccessLogConfig {
        threads: monitor.log_threads,
        queue_size: monitor.log_queue_size,
    };
    let log = AccessLog::new(config, formatter, sink);
    log.map(Some)
        .map_err(|error| Mistakes::one(format!("access log: {error}")))
}

/// One account of calls for the whole application.
fn flow_control(plan: &mut Plan) -> Option<Arc<dyn FlowControl>> {
    if let Some(own) = plan.brought.flow_control.take() {
        return Some(own);
    }
    if plan.application.flow_control != "memory" {
        return None;
    }
    let mut control = MemoryFlowControl::new();
    for service in &plan.services {
        let Some(served) = &service.served else {
            continue;
        };
        if let Some(limits) = &service.flow_control {
            control = control.with_service(served.service_id(), limits);
        }
        for method in served.methods() {
            let settings = service
                .methods
                .iter()
                .find(|settings| settings.fits(method));
            if let Some(limits) = settings.and_then(|settings| settings.flow_control.as_ref()) {
                control = control.with_method(served.service_id(), method.msg_id, limits);
            }
        }
    }
    Some(Arc::new(control))
}

fn run_of(server: &ServerConfig) -> Result<Run, String> {
    executor(server.threads, server.max_threads, server.queue_size)
}

fn executor(threads: i32, max_threads: u32, queue_size: u32) -> Result<Run, String> {
    let config = ExecutorConfig {
        threads,
        max_threads,
        queue_size,
    };
    Executor::new(config)
        .map(Run::Limited)
        .map_err(|error| error.to_string())
}

impl Parts {
    fn client(&self, config: &ClientConfig) -> Result<Client, String> {
        let run = executor(config.threads, config.max_threads, config.queue_size);
        let table = self.table(
            |service| service.reverse && service.transport.contains(&config.id),
            run,
        )?;
        Client::new(
            config.clone(),
            table,
            self.codecs.clone(),
            self.listeners(&config.id),
            self.home.clone(),
        )
    }

    fn listeners(&self, id: &str) -> Vec<Arc<dyn tangelo_rpc::ConnectionListener>> {
        let listeners = self.plan.listeners.iter().filter(|(of, _)| of == id);
        listeners
            .map(|(_, listener)| Arc::clone(listener))
            .collect()
    }

    /// The services that are offered at one place; the others are known, and refused there.
    fn table(
        &self,
        is_here: impl Fn(&ServiceConfig) -> bool,
        run: Result<Run, String>,
    ) -> Result<Services, String> {
        let run = run?;
        let mut table = Services::new();
        if let Some(log) = &self.log {
            table = table.with_log(log.clone());
        }
        for config in &self.plan.services {
            let Some(served) = &config.served else {
                continue;
            };
            table = if is_here(config) {
                let settings = self.settings(config, &run)?;
                let offered = Served::new(served.service(), settings);
                let offered =
                    offered.map_err(|error| format!("service `{}`: {error}", config.id))?;
                table.with_dyn(served.service_id(), Arc::new(offered))
            } else {
                table.without(served.service_id())
            };
        }
        Ok(table)
    }

    /// Who answers at a web server, by number: services of this process first, then those that referers call.
    fn answering(
        &self,
        web_server: &str,
        called: &HashMap<String, Called>,
    ) -> Result<Answering, String> {
        // It has limits of its own.
        let run = executor(-1, 0, 0)?;
        let mut answering = Answering::new();
        for config in &self.plan.services {
            let is_here = !config.reverse && config.transport.iter().any(|id| id == web_server);
            let Some(served) = config.served.as_ref().filter(|_| is_here) else {
                continue;
            };
            let offered = Served::new(served.service(), self.settings(config, &run)?);
            let offered = offered.map_err(|error| format!("service `{}`: {error}", config.id))?;
            answering.push((served.service_id(), Arc::new(offered)));
        }
        for config in &self.plan.referers {
            if let Some(Called::Forward(referer)) = called.get(&config.id) {
                answering.push((config.service_id, Arc::new(referer.clone())));
            }
        }
        Ok(answering)
    }

    fn settings(&self, config: &ServiceConfig, of_server: &Run) -> Result<ServedSettings, String> {
        let (served, plan) = (config.served.as_ref(), &self.plan);
        let own = match plan.brought.executors.get(&config.id) {
            Some(own) => Run::Custom(Arc::clone(own)),
            None if config.threads < 0 => of_server.clone(),
            None => executor(config.threads, config.max_threads, config.queue_size)?,
        };
        let mut executors = HashMap::new();
        for settings in &config.methods {
            let Some(threads) = settings.threads.filter(|threads| *threads >= 0) else {
                continue;
            };
            let (most, queue) = (
                settings.max_threads.unwrap_or(0),
                settings.queue_size.unwrap_or(10_000),
            );
            let shared = executor(threads, most, queue)?;
            let methods = served.map(|served| served.methods()).unwrap_or_default();
            for method in methods.iter().filter(|method| settings.fits(method)) {
                executors
                    .entry(method.msg_id)
                    .or_insert_with(|| shared.clone());
            }
        }
        let known = served.and_then(|served| self.pool.service(served.service_id()));
        Ok(ServedSettings {
            executor: own,
            executors,
            flow: self.flow.clone(),
            texts: plan.texts.clone(),
            blocking: config.blocking.then(|| self.home.clone()),
            name: served
                .map(|served| served.name().to_owned())
                .unwrap_or_default(),
            tracer: plan.brought.tracer.clone(),
            log: self.log.clone(),
            methods: known
                .map(|service| service.methods.to_vec())
                .unwrap_or_default(),
        })
    }

    fn referer(
        &self,
        config: &RefererConfig,
        clients: &HashMap<String, Client>,
    ) -> Result<Called, String> {
        let plan = &self.plan;
        let mut config = config.clone();
        if config.described.is_none() {
            config.described = self.pool.service(config.service_id).map(described);
        }
        let rate = plan.application.sample_rate;
        if config.reverse {
            let settings = ReverseSettings {
                codecs: self.codecs.clone(),
                log: self.log.clone(),
                tracer: plan.brought.tracer.clone(),
                sample_rate: rate,
            };
            let reverse = ReverseReferer::new(config, settings, self.home.clone())?;
            return Ok(Called::Reverse(reverse));
        }
        let client = clients
            .get(&config.transport)
            .ok_or("its client is not there")?;
        let service = self.pool.service(config.service_id);
        let key = match (config.load_balance.key_field(), service) {
            (Some(field), Some(service)) => Some(KeyField::find(service, field)?),
            (Some(_), None) => {
                return Err("load_balance: nothing is known of the messages".to_owned());
            }
            (None, _) => None,
        };
        let canned = |answers: &Option<_>| {
            answers
                .clone()
                .map(|answers| Canned::new(answers, Arc::clone(&self.pool)) as _)
        };
        let settings = RefererSettings {
            key: key.map(|key| Arc::new(key) as _),
            mock: canned(&plan.mock),
            fallback: canned(&plan.fallback),
            codecs: self.codecs.clone(),
            log: self.log.clone(),
            tracer: plan.brought.tracer.clone(),
            sample_rate: rate,
            methods: service
                .map(|service| service.methods.to_vec())
                .unwrap_or_default(),
            application: plan.application.name.clone(),
            own_host: own_host(),
        };
        let (registry, group, direct) = (
            config.registry_name.clone(),
            config.group.clone(),
            config.direct.clone(),
        );
        let service_id = config.service_id;
        let referer = Referer::new(config, client.clone(), settings)?;
        match self.registries.get(&registry) {
            Some(registry) => follow(&referer, &**registry, (service_id, group), &self.background),
            None => {
                let addresses: Vec<_> = direct
                    .into_iter()
                    .map(|address| (address, WEIGHT))
                    .collect();
                referer.set_addresses(&addresses);
            }
        }
        Ok(Called::Forward(referer))
    }

    /// Announces the services that are to be found.
    fn register(&self, servers: &[tangelo_rpc::server::Server]) -> Vec<Registered> {
        let mut registered = Vec::new();
        for server in servers {
            let id = &server.config().id;
            for (name, registry) in &self.registries {
                let services = self.plan.services.iter().filter(|service| {
                    !service.reverse
                        && service.transport.contains(id)
                        && service.registry_names.contains(name)
                });
                let offers: Vec<_> = services
                    .filter_map(|service| {
                        let served = service.served.as_ref()?;
                        Some(Offer {
                            service_id: served.service_id(),
                            name: served.name().to_owned(),
                            group: service.group.clone(),
                            weight: service.weight,
                        })
                    })
                    .collect();
                let config = self
                    .plan
                    .registries
                    .iter()
                    .find(|config| config.id == *name);
                if offers.is_empty() || config.is_some_and(|config| !config.enable_regist) {
                    continue;
                }
                let address = server.address();
                // Within the process every address of the machine is as good as any.
                let is_memory = config.is_some_and(|config| config.kind == "memory");
                let host = match address.ip() {
                    ip if !ip.is_unspecified() => ip,
                    _ if is_memory => Ipv4Addr::LOCALHOST.into(),
                    _ => own_host().unwrap_or(Ipv4Addr::LOCALHOST.into()),
                };
                let instance = Instance {
                    id: format!(
                        "{}-{id}-{:08x}",
                        self.plan.application.name,
                        fastrand::u32(..)
                    ),
                    server_type: self.plan.application.name.clone(),
                    host: host.to_string(),
                    port: Some(address.port()),
                    services: offers,
                    ..Instance::default()
                };
                registered.push(Registered::new(Arc::clone(registry), instance));
            }
        }
        registered
    }
}

/// What a descriptor set tells of a service.
pub(super) fn described(service: &ServiceInfo) -> Described {
    let methods = service.methods.iter().map(|method| Method {
        msg_id: method.id,
        name: method.name.clone().into(),
    });
    Described::new(service.name.clone(), methods.collect())
}

/// The weight of an address that was given none.
const WEIGHT: u32 = 100;

/// Gives a referer the addresses that a registry knows, now and from now on.
fn follow(
    referer: &Referer,
    registry: &dyn Registry,
    (service_id, group): (i32, String),
    background: &Tasks,
) {
    let mut watch = registry.watch();
    let follow = {
        let referer = referer.clone();
        move |instances: &[Arc<Instance>]| {
            let offered = instances.iter().filter_map(|instance| {
                let offer = instance
                    .services
                    .iter()
                    .find(|offer| offer.service_id == service_id && offer.group == group)?;
                let host = if instance.host.contains(':') {
                    format!("[{}]", instance.host)
                } else {
                    instance.host.clone()
                };
                Some((format!("{host}:{}", instance.port?), offer.weight))
            });
            referer.set_addresses(&offered.collect::<Vec<_>>());
        }
    };
    follow(&watch.borrow_and_update());
    let stop = background.stop().clone();
    background.spawn(debug_span!("follow", service_id), async move {
        tokio::select! {
            () = stop.draining() => {}
            () = async {
                while watch.changed().await.is_ok() {
                    let instances = watch.borrow_and_update().clone();
                    follow(&instances);
                }
            } => {}
        }
    });
}
