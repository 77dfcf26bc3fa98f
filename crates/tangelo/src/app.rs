//! Which servers there are, and what they are made of.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::Parser;
use tangelo_registry::{Fixed, Instance, Memory, Registry};
use tangelo_server::{Blueprint, Candidates, Result, RouteRule, RouteTo, Routes, Session, States};
use tracing::warn;

use crate::{
    Bootstrap, ConfigError, Running, StartError,
    args::{Args, Change},
    config,
    process::{self, PATIENCE},
    running::{self, Planned},
};

/// An application: its server types, what they are made of, and which of its servers run here.
#[derive(Default)]
pub struct App {
    args: Args,
    default_config: Option<PathBuf>,
    blueprints: BTreeMap<String, Make>,
    routes: Routes,
    on_ready: Option<OnReady>,
    states: States,
    rpc: Option<Bootstrap>,
}

type OnReady = Box<dyn FnOnce(&Running)>;
type Make = Box<dyn Fn(Blueprint) -> Blueprint>;

impl App {
    /// An application that runs every server of `config/servers.json` in this process.
    pub fn new() -> Self {
        Self {
            args: Args::parse_from(["tangelo"]),
            ..Self::default()
        }
    }

    /// An application that does what the command line says: `--id`, `--env`, `--config`, `--set`;
    /// `--help` tells. A mistake there ends the process.
    pub fn from_args() -> Self {
        Self {
            args: Args::parse(),
            ..Self::default()
        }
    }

    /// Folder of the configuration unless the command line names one. Default `config`.
    #[must_use]
    pub fn config(mut self, folder: impl AsRef<Path>) -> Self {
        self.default_config = Some(folder.as_ref().to_path_buf());
        self
    }

    /// Runs only the server of this id here, as `--id` does. The others are in processes of their own.
    #[must_use]
    pub fn only(mut self, id: &str) -> Self {
        self.args.id = Some(id.to_owned());
        self
    }

    /// Changes a setting of a server, or of all of a type, as `--set` does.
    #[must_use]
    pub fn set(mut self, server: &str, key: &str, value: impl Into<serde_json::Value>) -> Self {
        let change = Change {
            server: server.to_owned(),
            key: key.to_owned(),
            value: value.into(),
        };
        self.args.set.push(change);
        self
    }

    /// What the servers of a type are made of.
    #[must_use]
    pub fn server(
        mut self,
        server_type: &str,
        make: impl Fn(Blueprint) -> Blueprint + 'static,
    ) -> Self {
        self.blueprints
            .insert(server_type.to_owned(), Box::new(make));
        self
    }

    /// Servers of this type are chosen by this key of the session: the same key, the same server.
    /// Without one, by the user. `default` as a type stands for all that have no route of their own; so
    /// it does in the next three.
    #[must_use]
    pub fn route(
        mut self,
        server_type: &str,
        key: impl Fn(&Session) -> Result<String> + Send + Sync + 'static,
    ) -> Self {
        self.routes = self.routes.with(server_type, key);
        self
    }

    /// Servers of this type are named by this function, as Pomelo's are: it is given the session and the
    /// servers there are. What it names is taken whether up or not.
    ///
    /// It is asked again when the session or the list of servers has changed.
    #[must_use]
    pub fn route_to(
        mut self,
        server_type: &str,
        server: impl Fn(&Session, &Candidates) -> Result<String> + Send + Sync + 'static,
    ) -> Self {
        self.routes = self.routes.with_server(server_type, server);
        self
    }

    /// Servers of this type are found by this async function, which has 3 s. The session's later
    /// requests are held back until it is known where this one goes, so that they begin in their order.
    #[must_use]
    pub fn route_async<F>(
        mut self,
        server_type: &str,
        find: impl Fn(Session, Candidates) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<RouteTo>> + Send + 'static,
    {
        self.routes = self.routes.with_async(server_type, find);
        self
    }

    /// How a key of this type becomes a server. Default [`RouteRule::ConsistentHash`].
    #[must_use]
    pub fn route_rule(mut self, server_type: &str, rule: RouteRule) -> Self {
        self.routes = self.routes.rule(server_type, rule);
        self
    }

    /// Shares a value with all handlers, which take it as [`State<T>`](crate::server::State).
    #[must_use]
    pub fn state<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.states.insert(value);
        self
    }

    /// krpc services of this process: those it offers, and those its handlers call, which have them
    /// from [`State<RpcApp>`](crate::RpcApp). They start before the servers and stop after them.
    #[must_use]
    pub fn rpc(mut self, bootstrap: Bootstrap) -> Self {
        self.rpc = Some(bootstrap);
        self
    }

    /// Called when every server of this process is ready.
    #[must_use]
    pub fn on_ready(mut self, on_ready: impl FnOnce(&Running) + 'static) -> Self {
        self.on_ready = Some(Box::new(on_ready));
        self
    }

    /// Runs until Ctrl-C (or SIGTERM), then drains: 10 s at most, or until a second Ctrl-C.
    ///
    /// It has a runtime of its own, and logs to stderr as `RUST_LOG` says, `info` by default.
    pub fn serve(mut self) -> ExitCode {
        let on_ready = self.on_ready.take();
        process::serve(
            self.start(),
            |running| {
                if let Some(on_ready) = on_ready {
                    on_ready(running);
                }
            },
            async |running: &Running| running.shutdown(PATIENCE).await,
        )
    }

    /// Starts the servers within the runtime this is called in. They run until
    /// [`Running::shutdown`].
    ///
    /// # Errors
    /// A mistake in the configuration, or a server that does not start; those that did are stopped.
    pub async fn start(mut self) -> Result<Running, StartError> {
        let folder = self.args.config.clone().or(self.default_config.clone());
        let folder = folder.unwrap_or_else(|| PathBuf::from("config"));
        let all = config::load(&folder, &self.args.env, &self.args.set)?;
        let rpc = match self.rpc.take() {
            Some(bootstrap) => Some(bootstrap.start().await?),
            None => None,
        };
        if let Some(app) = &rpc {
            self.states.insert(app.clone());
        }
        let started = match self.here(all) {
            Ok((here, registry)) => running::start(here, registry, self.routes, rpc.clone()).await,
            Err(error) => Err(error),
        };
        if let (Err(_), Some(app)) = (&started, &rpc) {
            app.stop(Duration::ZERO).await;
        }
        started
    }

    /// The servers that run in this process, back ends first, and how they find each other.
    fn here(&self, all: Vec<Instance>) -> Result<(Vec<Planned>, Arc<dyn Registry>), StartError> {
        let mut here: Vec<Instance> = match &self.args.id {
            Some(id) => all
                .iter()
                .filter(|instance| instance.id == *id)
                .cloned()
                .collect(),
            None => all.clone(),
        };
        if here.is_empty() {
            let ids: Vec<_> = all.iter().map(|instance| instance.id.as_str()).collect();
            return Err(match &self.args.id {
                Some(id) if !ids.is_empty() => StartError::NoSuchServer(id.clone(), ids.join(", ")),
                _ => StartError::NoServer,
            });
        }
        for server_type in self.blueprints.keys().chain(self.routes.types()) {
            if !all
                .iter()
                .any(|instance| instance.server_type == *server_type)
            {
                warn!(
                    server_type,
                    "the configuration names no server of this type"
                );
            }
        }
        here.sort_by_key(|instance| instance.frontend);
        let planned = here.into_iter().map(|instance| {
            let make = self.blueprints.get(&instance.server_type).ok_or_else(|| {
                StartError::UnknownType(instance.id.clone(), instance.server_type.clone())
            })?;
            let blueprint = make(Blueprint::new(&instance.server_type)).states(&self.states);
            Ok((blueprint, instance))
        });
        let planned = planned.collect::<Result<_, StartError>>()?;
        let registry: Arc<dyn Registry> = match self.args.id {
            Some(_) => Arc::new(Fixed::new(all)),
            None => Arc::new(Memory::new()),
        };
        Ok((planned, registry))
    }
}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("App")
            .field("args", &self.args)
            .field("servers", &self.blueprints.keys())
            .finish_non_exhaustive()
    }
}
