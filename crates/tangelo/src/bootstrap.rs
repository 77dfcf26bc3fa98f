//! Builds an application of krpc services.

mod adapters;
mod arguments;
mod check;
mod elements;
mod host;
mod plan;
mod settings;
mod start;
#[cfg(feature = "gateway")]
mod web;
#[cfg(not(feature = "gateway"))]
#[path = "bootstrap/web/without.rs"]
mod web;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::Parser;
use tangelo_reflect::Pool;
use tangelo_registry::Registry;
use tangelo_rpc::{
    Codec, ConnectionListener, Definition, Tracer,
    access_log::{LogFormatter, LogSink},
    config::{
        ApplicationConfig, ClientConfig, MonitorConfig, RefererConfig, RegistryConfig,
        ServerConfig, ServiceConfig, WebServerConfig,
    },
    server::{ErrorTexts, Execute, FlowControl},
};

use arguments::Arguments;
pub(crate) use elements::Chapter;
pub(crate) use plan::Plan;
pub(crate) use settings::{DESCRIPTORS, json as json_of};
pub(crate) use web::WebServers;

use crate::{
    BlockingApp, Mistakes, RpcApp,
    config::Krpc,
    mistakes::At,
    outside::Variables,
    process::{self, PATIENCE},
};

/// Builds an application of krpc services: servers and what they answer, clients and whom they call.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use tangelo::Bootstrap;
///
/// let app = Bootstrap::new("users")
///     .server(5600)
///     // .service(UserServiceServer::new(Users))
///     // .referer::<OrderServiceClient>("orders", "127.0.0.1:5700")
///     .start()
///     .await?;
/// app.stop(std::time::Duration::from_secs(10)).await;
/// # Ok(())
/// # }
/// ```
///
/// Without a server, services are offered on port 5600. What is set here is overruled by
/// [files](Self::file), they by the [environment](Self::environment), that by [`set`](Self::set), and
/// all by the [command line](Self::from_args). Two applications in one process share nothing.
#[derive(Default)]
pub struct Bootstrap {
    application: ApplicationConfig,
    monitor: MonitorConfig,
    servers: Vec<ServerConfig>,
    web_servers: Vec<WebServerConfig>,
    clients: Vec<ClientConfig>,
    registries: Vec<RegistryConfig>,
    services: Vec<ServiceConfig>,
    referers: Vec<RefererConfig>,
    pool: Pool,
    listeners: Vec<(String, Arc<dyn ConnectionListener>)>,
    brought: Brought,
    files: Vec<PathBuf>,
    variables: Variables,
    changes: Vec<(String, serde_json::Value)>,
    arguments: Option<Arguments>,
    within: Option<Krpc>,
    mistakes: Mistakes,
}

/// What the application brings in place of ours.
#[derive(Default)]
struct Brought {
    registries: BTreeMap<String, Arc<dyn Registry>>,
    executors: BTreeMap<String, Arc<dyn Execute>>,
    flow_control: Option<Arc<dyn FlowControl>>,
    error_texts: Option<Arc<dyn ErrorTexts>>,
    tracer: Option<Arc<dyn Tracer>>,
    codecs: Vec<Arc<dyn Codec>>,
    log_formatter: Option<Arc<dyn LogFormatter>>,
    log_sink: Option<Arc<dyn LogSink>>,
    #[cfg(feature = "gateway")]
    web: web::Brought,
}

impl Bootstrap {
    /// An application of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self::default().application(|application| application.name(name))
    }

    /// An application that does what the command line says: `--config tangelo.toml`,
    /// `--set server.default.port=5700`, which may be repeated; `--help` tells. A mistake there ends the
    /// process. It takes variables of the [environment](Self::environment) too.
    ///
    /// Without `--config` it reads `tangelo.toml` of the working directory, if it is there and the code
    /// names no file. What the command line says overrules all else.
    pub fn from_args() -> Self {
        Self::default().environment().arguments(Arguments::parse())
    }

    /// It is a part of an application, whose configuration says this of it.
    pub(crate) fn within(mut self, krpc: Krpc) -> Self {
        self.within = Some(krpc);
        self
    }

    fn arguments(mut self, arguments: Arguments) -> Self {
        self.arguments = Some(arguments);
        self
    }

    /// Sets what concerns the application as a whole.
    #[must_use]
    pub fn application(
        mut self,
        change: impl FnOnce(ApplicationConfig) -> ApplicationConfig,
    ) -> Self {
        self.application = change(self.application);
        self
    }

    /// Sets the access log up.
    #[must_use]
    pub fn monitor(mut self, change: impl FnOnce(MonitorConfig) -> MonitorConfig) -> Self {
        self.monitor = change(self.monitor);
        self
    }

    /// Adds a server: its port, or its settings. Of several, each needs an id of its own.
    #[must_use]
    pub fn server(mut self, server: impl Into<ServerConfig>) -> Self {
        self.servers.push(server.into());
        self
    }

    /// Adds a web server, which has services answer over HTTP: its port, or its settings. What is reachable stands in
    /// its `routes.xml`. It needs the feature `gateway`. Of several, each needs an id of its own.
    #[must_use]
    pub fn web_server(mut self, web_server: impl Into<WebServerConfig>) -> Self {
        self.web_servers.push(web_server.into());
        self
    }

    /// Adds a client. Without one there is one of the default settings, if it is needed.
    #[must_use]
    pub fn client(mut self, client: ClientConfig) -> Self {
        self.clients.push(client);
        self
    }

    /// Adds a registry of one of our types.
    #[must_use]
    pub fn registry(mut self, registry: RegistryConfig) -> Self {
        self.registries.push(registry);
        self
    }

    /// Adds a registry of the application's own.
    #[must_use]
    pub fn own_registry(mut self, id: impl Into<String>, registry: Arc<dyn Registry>) -> Self {
        let config = RegistryConfig::default().id(id).kind("own");
        self.brought.registries.insert(config.id.clone(), registry);
        self.registries.push(config);
        self
    }

    /// Adds a service: a generated server of it, or that with settings.
    #[must_use]
    pub fn service(mut self, service: impl Into<ServiceConfig>) -> Self {
        self.services.push(service.into());
        self
    }

    /// Adds a service that servers call over the connections of a client: krpc's PUSH.
    #[must_use]
    pub fn reverse_service(self, service: impl Into<ServiceConfig>) -> Self {
        self.service(service.into().reverse(true))
    }

    /// Adds a referer for the service of a generated client, with the addresses of its servers,
    /// separated by commas.
    #[must_use]
    pub fn referer<C: Definition>(self, id: impl Into<String>, addresses: &str) -> Self {
        self.referer_with(RefererConfig::new::<C>(id).to(addresses))
    }

    /// Adds a referer with settings.
    #[must_use]
    pub fn referer_with(mut self, referer: RefererConfig) -> Self {
        self.referers.push(referer);
        self
    }

    /// Adds a referer for the service of this number, known by its [descriptors](Self::descriptors):
    /// it is called with JSON.
    #[must_use]
    pub fn dynamic_referer(self, id: impl Into<String>, service_id: i32, addresses: &str) -> Self {
        self.referer_with(RefererConfig::dynamic(id, service_id).to(addresses))
    }

    /// Adds a referer for a service of this application's clients: krpc's PUSH. A call goes to the
    /// client of a connection; see [`RpcApp::push`].
    #[must_use]
    pub fn reverse_referer<C: Definition>(self, id: impl Into<String>) -> Self {
        self.referer_with(RefererConfig::new::<C>(id).reverse(true))
    }

    /// Makes the services of a pool known, in place of all that were before.
    #[must_use]
    pub fn pool(mut self, pool: Pool) -> Self {
        self.pool = pool;
        self
    }

    /// Makes services known by a descriptor set, `xxx.proto.pb`, or by all such files of a folder.
    #[must_use]
    pub fn descriptors(mut self, path: impl AsRef<Path>) -> Self {
        self.load_descriptors(path.as_ref(), None);
        self
    }

    /// Loads what a file named at this place, or the code at none.
    fn load_descriptors(&mut self, path: &Path, at: Option<&At>) {
        let shown = path.display().to_string();
        let loaded = if path.is_dir() {
            self.pool.load_dir(path)
        } else {
            match std::fs::read(path) {
                Ok(bytes) => self.pool.add_set(&shown, &bytes),
                Err(error) => {
                    let mistake = format!("descriptors: {shown}: {error}");
                    return self.mistakes.add_at(at, mistake);
                }
            }
        };
        if let Err(errors) = loaded {
            let errors = errors.iter();
            for error in errors {
                self.mistakes.add_at(at, format!("descriptors: {error}"));
            }
        }
    }

    /// Tells `listener` which connections of a server or client come and go, by its id (of both, if they
    /// have the same); krpc's connection plugin.
    #[must_use]
    pub fn on_connection(
        mut self,
        id: impl Into<String>,
        listener: Arc<dyn ConnectionListener>,
    ) -> Self {
        self.listeners.push((id.into(), listener));
        self
    }

    /// Runs the calls to a service, by its id, in a manner of the application's own.
    #[must_use]
    pub fn executor(mut self, service: impl Into<String>, executor: Arc<dyn Execute>) -> Self {
        self.brought.executors.insert(service.into(), executor);
        self
    }

    /// Counts calls in a manner of the application's own, in place of the `flow_control` settings.
    #[must_use]
    pub fn flow_control(mut self, control: Arc<dyn FlowControl>) -> Self {
        self.brought.flow_control = Some(control);
        self
    }

    /// Finds words for codes in a manner of the application's own, in place of `error.properties`.
    #[must_use]
    pub fn error_texts(mut self, texts: Arc<dyn ErrorTexts>) -> Self {
        self.brought.error_texts = Some(texts);
        self
    }

    /// Adds a way to compress bodies, which referers choose by its name (`zip`).
    #[must_use]
    pub fn codec(mut self, codec: Arc<dyn Codec>) -> Self {
        self.brought.codecs.push(codec);
        self
    }

    /// Tells a tracing system of calls and requests: [`W3c`](tangelo_rpc::W3c) adds `traceparent` to
    /// calls, and `OpenTelemetry`, of the feature `opentelemetry`, makes spans of both.
    #[must_use]
    pub fn tracer(mut self, tracer: Arc<dyn Tracer>) -> Self {
        self.brought.tracer = Some(tracer);
        self
    }

    /// Writes the access log's lines in a form of the application's own.
    #[must_use]
    pub fn log_formatter(mut self, formatter: Arc<dyn LogFormatter>) -> Self {
        self.brought.log_formatter = Some(formatter);
        self
    }

    /// Writes the access log to a place of the application's own. By default its lines are events of
    /// `tracing`, of the targets `krpc.serverlog` and `krpc.clientlog`.
    #[must_use]
    pub fn log_sink(mut self, sink: Arc<dyn LogSink>) -> Self {
        self.brought.log_sink = Some(sink);
        self
    }

    /// Reads settings from a file, `tangelo.toml`. They overrule those made in code.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push(path.into());
        self
    }

    /// Takes settings from variables of the environment: `TANGELO__SERVER__DEFAULT__PORT=5700`,
    /// `TANGELO__APPLICATION__NAME=users`. What a variable's name cannot hold is `_` in an id. They
    /// overrule files; a variable of this form that fits nothing is a mistake.
    #[must_use]
    pub fn environment(mut self) -> Self {
        self.variables = Variables::of_this_process();
        self
    }

    /// Changes one setting, after all files and variables: `server.default.port`,
    /// `referer.us.timeout`, `application.name`.
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        self.changes.push((key.into(), value.into()));
        self
    }

    /// Starts it within the runtime this is called in: connects clients, then opens servers. It runs
    /// until [`RpcApp::stop`].
    ///
    /// # Errors
    /// Every mistake in the settings at once; or an address that cannot be listened on, and nothing
    /// runs then.
    pub async fn start(self) -> Result<RpcApp, Mistakes> {
        self.plan()?.start().await
    }

    /// Starts it with a runtime of its own, for a program without one.
    ///
    /// # Errors
    /// As [`start`](Self::start); or there is no runtime to be had.
    pub fn start_blocking(self) -> Result<BlockingApp, Mistakes> {
        BlockingApp::start(self)
    }

    /// Runs until Ctrl-C (or SIGTERM), then drains: 10 s at most, or until a second Ctrl-C. It has a
    /// runtime of its own, and logs to stderr as `RUST_LOG` says, `info` by default. Where nobody reads
    /// that, lines beyond 4 MiB are left out and counted, and nothing waits.
    pub fn serve(self) -> ExitCode {
        self.serve_with(|_| {})
    }

    /// As [`serve`](Self::serve), and calls `on_ready` when it runs.
    pub fn serve_with(self, on_ready: impl FnOnce(&RpcApp)) -> ExitCode {
        process::serve(self.start(), on_ready, async |app: &RpcApp| {
            app.stop(PATIENCE).await
        })
    }
}

impl std::fmt::Debug for Bootstrap {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Bootstrap")
            .field("application", &self.application)
            .field("servers", &self.servers)
            .field("clients", &self.clients)
            .field("services", &self.services)
            .field("referers", &self.referers)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
