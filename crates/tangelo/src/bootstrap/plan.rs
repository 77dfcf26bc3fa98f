//! Everything an application is made of, checked: whatever is wrong is told at once.

use std::{collections::BTreeSet, net::SocketAddr, path::Path, sync::Arc};

use tangelo_reflect::Pool;
use tangelo_rpc::{
    Codecs, ConnectionListener, Services,
    client::{Fallback, RouteRules},
    config::{
        ApplicationConfig, ClientConfig, MethodConfig, MonitorConfig, Pattern, RefererConfig,
        RegistryConfig, ServerConfig, ServiceConfig,
    },
    server::{ErrorTexts, Properties},
};

use super::{
    Bootstrap, Brought, Mistakes,
    settings::{Origins, place},
};

/// The address a referer without any calls.
const DEFAULT_ADDRESS: &str = "127.0.0.1:5600";

/// What will be started.
pub(super) struct Plan {
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
}

impl Bootstrap {
    pub(super) fn plan(mut self) -> Result<Plan, Mistakes> {
        self.describe();
        let origins = self.read_settings();
        self.complete();
        let texts = self.texts();
        let mock = self.canned("mock_file");
        let fallback = self.canned("fallback_file");
        let mut check = Check {
            origins: &origins,
            mistakes: std::mem::take(&mut self.mistakes),
        };
        check.application(&self);
        check.ids(&self);
        check.web_servers(&self);
        for (position, registry) in self.registries.iter().enumerate() {
            check.registry(&self, position, registry);
        }
        for (position, server) in self.servers.iter().enumerate() {
            check.server(position, server);
        }
        for (position, client) in self.clients.iter().enumerate() {
            check.client(position, client);
        }
        for (position, service) in self.services.iter().enumerate() {
            check.service(&self, position, service);
        }
        for (position, referer) in self.referers.iter().enumerate() {
            check.referer(&self, position, referer);
        }
        if !check.mistakes.is_empty() {
            return Err(check.mistakes);
        }
        let Self {
            application,
            monitor,
            servers,
            clients,
            registries,
            services,
            referers,
            pool,
            listeners,
            brought,
            ..
        } = self;
        Ok(Plan {
            application,
            monitor,
            servers,
            clients,
            registries,
            services,
            referers,
            pool,
            listeners,
            brought,
            texts,
            mock,
            fallback,
        })
    }

    /// Takes the descriptors that generated code brings.
    fn describe(&mut self) {
        let services = self
            .services
            .iter()
            .filter_map(|service| service.served.as_ref());
        let services = services.map(|served| (served.name(), served.descriptors()));
        let referers = self
            .referers
            .iter()
            .filter_map(|referer| referer.described.as_ref());
        let referers = referers.map(|described| (described.name(), described.descriptors()));
        for (name, descriptors) in services.chain(referers).filter(|(_, set)| !set.is_empty()) {
            if let Err(errors) = self.pool.add_set(name, descriptors) {
                errors
                    .iter()
                    .for_each(|error| self.mistakes.add(error.to_string()));
            }
        }
    }

    /// Adds what nobody declared but somebody needs.
    fn complete(&mut self) {
        let offers = self.services.iter().any(|service| !service.reverse);
        if offers && self.servers.is_empty() && self.web_servers.is_empty() {
            self.servers.push(ServerConfig::default());
        }
        let calls = self.referers.iter().any(|referer| !referer.reverse);
        let answers = self.services.iter().any(|service| service.reverse);
        if (calls || answers) && self.clients.is_empty() {
            self.clients.push(ClientConfig::default());
        }
        let only = |ids: &[&str]| match ids {
            [one] => Some((*one).to_owned()),
            _ => None,
        };
        let servers: Vec<_> = self
            .servers
            .iter()
            .map(|server| server.id.as_str())
            .collect();
        let web_servers = self.web_servers.iter().map(|server| server.id.as_str());
        let doors: Vec<_> = servers.iter().copied().chain(web_servers).collect();
        let clients: Vec<_> = self
            .clients
            .iter()
            .map(|client| client.id.as_str())
            .collect();
        let registries: Vec<_> = self
            .registries
            .iter()
            .map(|registry| registry.id.as_str())
            .collect();
        let (door, server, client, registry) = (
            only(&doors),
            only(&servers),
            only(&clients),
            only(&registries),
        );
        for service in &mut self.services {
            if service.transport.is_empty() {
                service.transport.extend(if service.reverse {
                    client.clone()
                } else {
                    door.clone()
                });
            }
            if service.registry_names.is_empty() && !service.reverse {
                service.registry_names.extend(registry.clone());
            }
        }
        for referer in &mut self.referers {
            if referer.transport.is_empty() {
                let only = if referer.reverse { &server } else { &client };
                referer.transport = only.clone().unwrap_or_default();
            }
            if referer.reverse || !referer.direct.is_empty() {
                continue;
            }
            if referer.registry_name.is_empty() {
                match &registry {
                    Some(registry) => registry.clone_into(&mut referer.registry_name),
                    None => referer.direct.push(DEFAULT_ADDRESS.to_owned()),
                }
            }
        }
    }

    fn texts(&mut self) -> Option<Arc<dyn ErrorTexts>> {
        if let Some(texts) = self.brought.error_texts.take() {
            return Some(texts);
        }
        let file = self.application.error_msg_converter.as_str();
        let is_default = file == ApplicationConfig::default().error_msg_converter;
        if file.is_empty() || (is_default && !Path::new(file).exists()) {
            return None;
        }
        match Properties::load(file) {
            Ok(texts) => Some(Arc::new(texts)),
            Err(error) => {
                self.mistakes
                    .add(format!("application.error_msg_converter: {error}"));
                None
            }
        }
    }

    fn canned(&mut self, key: &str) -> Option<Fallback> {
        let file = match key {
            "mock_file" => &self.application.mock_file,
            _ => &self.application.fallback_file,
        };
        if file.is_empty() {
            return None;
        }
        let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"));
        let read = |text: String| {
            Fallback::read(Path::new(file), &text).map_err(|error| error.to_string())
        };
        match text.and_then(read) {
            Ok(answers) => Some(answers),
            Err(error) => {
                self.mistakes.add(format!("application.{key}: {error}"));
                None
            }
        }
    }
}

/// Collects what is wrong.
struct Check<'a> {
    origins: &'a Origins,
    mistakes: Mistakes,
}

impl Check<'_> {
    /// A mistake in a key of an element, with its file and line if it has them.
    fn wrong(
        &mut self,
        (chapter, position): (&str, usize),
        id: &str,
        key: &str,
        problem: impl std::fmt::Display,
    ) {
        let place = place(chapter, position);
        let own = self.origins.get(&(place.clone(), key.to_owned()));
        let at = own.or_else(|| self.origins.get(&(place, String::new())));
        let at = at.map(|at| format!("{at}: ")).unwrap_or_default();
        let id = if id.is_empty() {
            String::new()
        } else {
            format!(" `{id}`")
        };
        self.mistakes
            .add(format!("{at}{chapter}{id}: {key}: {problem}"));
    }

    fn application(&mut self, all: &Bootstrap) {
        let at = ("application", 0);
        match all.application.flow_control.as_str() {
            "" | "memory" => {}
            "redis" => self.wrong(
                at,
                "",
                "flow_control",
                "redis is not there yet; use memory, or bring one: Bootstrap::flow_control",
            ),
            other => self.wrong(
                at,
                "",
                "flow_control",
                format_args!("expected memory or nothing, found `{other}`"),
            ),
        }
        if all.application.sample_rate > 100 {
            self.wrong(at, "", "sample_rate", "expected 0 to 100");
        }
        let form = all.monitor.log_formatter.as_str();
        if tangelo_reflect::log_text::formatter(form).is_none() {
            self.wrong(
                ("monitor", 0),
                "",
                "log_formatter",
                format_args!("expected simple or json, found `{form}`"),
            );
        }
        let known = || {
            all.servers
                .iter()
                .map(|server| &server.id)
                .chain(all.clients.iter().map(|client| &client.id))
        };
        for (id, _) in &all.listeners {
            if !known().any(|known| known == id) {
                self.mistakes.add(format!(
                    "on_connection `{id}`: there is no server or client of this id"
                ));
            }
        }
        for id in all.brought.executors.keys() {
            if !all.services.iter().any(|service| service.id == *id) {
                self.mistakes
                    .add(format!("executor `{id}`: there is no service of this id"));
            }
        }
    }

    fn ids(&mut self, all: &Bootstrap) {
        let doors = all.servers.iter().map(|one| ("server", one.id.as_str()));
        let doors = doors.chain(
            all.web_servers
                .iter()
                .map(|one| ("web_server", one.id.as_str())),
        );
        self.unique(doors);
        self.unique(all.clients.iter().map(|one| ("client", one.id.as_str())));
        self.unique(
            all.registries
                .iter()
                .map(|one| ("registry", one.id.as_str())),
        );
        self.unique(all.services.iter().map(|one| ("service", one.id.as_str())));
        self.unique(all.referers.iter().map(|one| ("referer", one.id.as_str())));
    }

    fn unique<'b>(&mut self, ids: impl Iterator<Item = (&'static str, &'b str)>) {
        let mut seen = BTreeSet::new();
        for (position, (chapter, id)) in ids.enumerate() {
            if id.is_empty() {
                self.wrong((chapter, position), "", "id", "is missing");
            } else if !seen.insert(id) {
                self.wrong((chapter, position), id, "id", "there are two of this id");
            }
        }
    }

    fn web_servers(&mut self, all: &Bootstrap) {
        for (position, server) in all.web_servers.iter().enumerate() {
            self.wrong(
                ("web_server", position),
                &server.id,
                "port",
                "web servers cannot be started yet: the HTTP gateway is not there",
            );
        }
    }

    fn registry(&mut self, all: &Bootstrap, position: usize, registry: &RegistryConfig) {
        let at = ("registry", position);
        match registry.r#type.as_str() {
            "memory" => {}
            "own" if all.brought.registries.contains_key(&registry.id) => {}
            kind @ ("zookeeper" | "etcd" | "consul" | "redis" | "jedis" | "nacos") => {
                self.wrong(at, &registry.id, "type", format_args!("{kind} is not there yet; use memory, addresses (direct), or bring one: Bootstrap::own_registry"));
            }
            other => self.wrong(
                at,
                &registry.id,
                "type",
                format_args!("expected memory, found `{other}`"),
            ),
        }
    }

    fn server(&mut self, position: usize, server: &ServerConfig) {
        let at = ("server", position);
        self.limits(at, &server.id, (server.threads, server.max_package_size));
        self.one_of(at, &server.id, ("layout", &server.layout), &["v1", "v2"]);
    }

    fn client(&mut self, position: usize, client: &ClientConfig) {
        let at = ("client", position);
        self.limits(at, &client.id, (client.threads, client.max_package_size));
        self.one_of(at, &client.id, ("layout", &client.layout), &["v1", "v2"]);
        if !(1..=24).contains(&client.connections) {
            self.wrong(at, &client.id, "connections", "expected 1 to 24");
        }
    }

    fn limits(&mut self, at: (&str, usize), id: &str, (threads, max_package_size): (i32, usize)) {
        /// The least that a frame can be asked to hold.
        const LEAST: usize = 1024;
        if threads < -1 {
            self.wrong(
                at,
                id,
                "threads",
                "expected -1 (no limit), 0 (1,024) or more",
            );
        }
        if !(LEAST..=i32::MAX as usize).contains(&max_package_size) {
            self.wrong(
                at,
                id,
                "max_package_size",
                format_args!("expected {LEAST} to {}", i32::MAX),
            );
        }
    }

    fn one_of(&mut self, at: (&str, usize), id: &str, (key, value): (&str, &str), known: &[&str]) {
        if !known.contains(&value) {
            self.wrong(
                at,
                id,
                key,
                format_args!("expected {}, found `{value}`", known.join(" or ")),
            );
        }
    }

    /// Names that must be among those there are.
    fn known(
        &mut self,
        at: (&str, usize),
        id: &str,
        (key, name): (&str, &str),
        kind: &str,
        known: &[&str],
    ) {
        if known.contains(&name) {
            return;
        }
        let there_are = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        if name.is_empty() {
            self.wrong(
                at,
                id,
                key,
                format_args!("name the {kind}; there are: {there_are}"),
            );
        } else {
            self.wrong(
                at,
                id,
                key,
                format_args!("there is no {kind} `{name}`; there are: {there_are}"),
            );
        }
    }

    fn service(&mut self, all: &Bootstrap, position: usize, service: &ServiceConfig) {
        let at = ("service", position);
        let id = service.id.as_str();
        let Some(served) = &service.served else {
            return self.wrong(at, id, "id", "is brought in code: Bootstrap::service");
        };
        self.number(at, id, served.service_id());
        if let Some(method) = served.methods().iter().find(|method| method.msg_id < 1) {
            self.wrong(
                at,
                id,
                "msg_id",
                format_args!(
                    "{} has number {}; messages begin at 1",
                    method.name, method.msg_id
                ),
            );
        }
        let (kind, transports): (_, Vec<_>) = if service.reverse {
            (
                "client",
                all.clients
                    .iter()
                    .map(|client| client.id.as_str())
                    .collect(),
            )
        } else {
            let servers = all.servers.iter().map(|server| server.id.as_str());
            (
                "server",
                servers
                    .chain(all.web_servers.iter().map(|server| server.id.as_str()))
                    .collect(),
            )
        };
        if service.transport.is_empty() {
            self.known(at, id, ("transport", ""), kind, &transports);
        }
        for transport in &service.transport {
            self.known(at, id, ("transport", transport), kind, &transports);
            let clash = all.services.iter().take(position).find(|other| {
                other.transport.contains(transport)
                    && other.reverse == service.reverse
                    && other
                        .served
                        .as_ref()
                        .is_some_and(|other| other.service_id() == served.service_id())
            });
            if let Some(other) = clash {
                self.wrong(
                    at,
                    id,
                    "transport",
                    format_args!(
                        "`{}` offers service {} on `{transport}` already",
                        other.id,
                        served.service_id()
                    ),
                );
            }
        }
        let registries: Vec<_> = all
            .registries
            .iter()
            .map(|registry| registry.id.as_str())
            .collect();
        for registry in &service.registry_names {
            self.known(
                at,
                id,
                ("registry_names", registry),
                "registry",
                &registries,
            );
        }
        if service.threads < -1 {
            self.wrong(
                at,
                id,
                "threads",
                "expected -1 (the server's), 0 (1,024) or more",
            );
        }
        let counts = all.application.flow_control == "memory" || all.brought.flow_control.is_some();
        if !counts
            && (service.flow_control.is_some()
                || service
                    .methods
                    .iter()
                    .any(|method| method.flow_control.is_some()))
        {
            self.wrong(
                at,
                id,
                "flow_control",
                "counts only if application.flow_control is memory",
            );
        }
        let referers_own = service.methods.iter().any(|method| {
            method.timeout.is_some() || method.retry_level.is_some() || method.retry_count.is_some()
        });
        if referers_own {
            self.wrong(
                at,
                id,
                "method",
                "timeout, retry_level and retry_count are a referer's",
            );
        }
        self.patterns(at, id, &service.methods, Some(served.methods()));
    }

    fn referer(&mut self, all: &Bootstrap, position: usize, referer: &RefererConfig) {
        let at = ("referer", position);
        let id = referer.id.as_str();
        self.number(at, id, referer.service_id);
        let (kind, transports): (_, Vec<_>) = if referer.reverse {
            (
                "server",
                all.servers
                    .iter()
                    .map(|server| server.id.as_str())
                    .collect(),
            )
        } else {
            (
                "client",
                all.clients
                    .iter()
                    .map(|client| client.id.as_str())
                    .collect(),
            )
        };
        self.known(at, id, ("transport", &referer.transport), kind, &transports);
        if !referer.direct.is_empty() && !referer.registry_name.is_empty() {
            self.wrong(
                at,
                id,
                "direct",
                "give addresses (direct) or a registry (registry_name), not both",
            );
        }
        if referer.reverse && !(referer.direct.is_empty() && referer.registry_name.is_empty()) {
            self.wrong(
                at,
                id,
                "reverse",
                "clients are called over their connections: leave addresses and registry out",
            );
        }
        if !referer.registry_name.is_empty() {
            let registries: Vec<_> = all
                .registries
                .iter()
                .map(|registry| registry.id.as_str())
                .collect();
            self.known(
                at,
                id,
                ("registry_name", &referer.registry_name),
                "registry",
                &registries,
            );
            let named = |registry: &&RegistryConfig| registry.id == referer.registry_name;
            let named = all.registries.iter().find(named);
            if named.is_some_and(|registry| !registry.enable_discover) {
                self.wrong(
                    at,
                    id,
                    "registry_name",
                    format_args!(
                        "registry `{}` is not looked in: its enable_discover is false",
                        referer.registry_name
                    ),
                );
            }
        }
        for address in &referer.direct {
            if !is_address(address) {
                self.wrong(
                    at,
                    id,
                    "direct",
                    format_args!("expected host:port, found `{address}`"),
                );
            }
        }
        if referer.described.is_none() && all.pool.service(referer.service_id).is_none() {
            self.wrong(
                at,
                id,
                "service_id",
                format_args!(
                    "nothing is known of service {}: load its descriptor set (descriptors)",
                    referer.service_id
                ),
            );
        }
        if let Err(problem) = Codecs::new(all.brought.codecs.iter().cloned()).named(&referer.zip) {
            self.wrong(at, id, "zip", problem);
        }
        if !matches!(referer.breaker_close_by, 1 | 2) {
            self.wrong(
                at,
                id,
                "breaker_close_by",
                "expected 1 (any code but 0) or 2 (timeouts)",
            );
        }
        if let Some(Err(error)) = referer
            .routes
            .as_ref()
            .map(|routes| RouteRules::new(routes, ""))
        {
            self.wrong(at, id, "routes", error);
        }
        let services_own = referer.methods.iter().any(|method| {
            method.threads.is_some()
                || method.max_threads.is_some()
                || method.queue_size.is_some()
                || method.flow_control.is_some()
        });
        if services_own {
            self.wrong(
                at,
                id,
                "method",
                "threads, max_threads, queue_size and flow_control are a service's",
            );
        }
        self.patterns(
            at,
            id,
            &referer.methods,
            referer
                .described
                .as_ref()
                .map(|described| described.methods()),
        );
    }

    fn number(&mut self, at: (&str, usize), id: &str, service_id: i32) {
        let first = Services::FIRST_APPLICATION_ID;
        if service_id < first {
            self.wrong(
                at,
                id,
                "service_id",
                format_args!("{service_id} is not an application's: those begin at {first}"),
            );
        }
    }

    /// Every pattern names a method that is there, and every number of a list does.
    fn patterns(
        &mut self,
        at: (&str, usize),
        id: &str,
        settings: &[MethodConfig],
        methods: Option<&[tangelo_rpc::Method]>,
    ) {
        let Some(methods) = methods else {
            return;
        };
        let names = || {
            methods
                .iter()
                .map(|method| format!("{} = {}", method.name, method.msg_id))
                .collect::<Vec<_>>()
                .join(", ")
        };
        for settings in settings {
            let missing = match &settings.pattern {
                Some(Pattern::Numbers(ranges)) => ranges.iter().copied().find(|(first, last)| {
                    let inside = methods
                        .iter()
                        .filter(|method| (*first..=*last).contains(&method.msg_id));
                    inside.count() as i64 != i64::from(*last) - i64::from(*first) + 1
                }),
                Some(pattern) => methods
                    .iter()
                    .all(|method| !pattern.fits(method))
                    .then_some((0, 0)),
                None => Some((0, 0)),
            };
            match missing {
                None => {}
                Some((0, 0)) => self.wrong(
                    at,
                    id,
                    "method",
                    format_args!("a pattern fits no method; there are: {}", names()),
                ),
                Some((first, last)) => self.wrong(
                    at,
                    id,
                    "method",
                    format_args!(
                        "not all of {first}-{last} are methods; there are: {}",
                        names()
                    ),
                ),
            }
        }
    }
}

/// Whether it is `host:port`.
fn is_address(text: &str) -> bool {
    text.parse::<SocketAddr>().is_ok()
        || text.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty()
                && !host.contains(':')
                && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
}
