//! Which servers there are, and what they are made of.

use std::{
    cell::OnceCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::Parser;
use tangelo_registry::{Fixed, Memory, Registry};
use tangelo_server::{
    Blueprint, Candidates, Clock, GlobalChannelStore, MemoryGlobalChannels, MemoryPresence,
    PresenceStore, Result, RouteRule, RouteTo, Routes, Session, States,
};
use tracing::warn;

use crate::{
    Bootstrap, Config, Mistakes, Plugin, Running, StartError,
    args::Args,
    bootstrap::Plan as RpcPlan,
    config::{self, Asked, Loaded, Server},
    outside::Variables,
    process::{self, PATIENCE},
    running::{self, Planned, Start},
    scheduled::Scheduled,
};

/// An application: its server types, what they are made of, and which of its servers run here.
#[derive(Default)]
pub struct App {
    args: Args,
    places: Vec<PathBuf>,
    env: Option<String>,
    variables: Option<Variables>,
    changes: Vec<(String, String, serde_json::Value)>,
    blueprints: BTreeMap<String, Vec<Make>>,
    routes: Routes,
    plugins: Vec<Box<dyn Plugin>>,
    clock: Option<Clock>,
    on_ready: Option<OnReady>,
    states: States,
    presence: Option<Arc<dyn PresenceStore>>,
    global_channels: Option<Arc<dyn GlobalChannelStore>>,
    rpc: Option<Bootstrap>,
}

type OnReady = Box<dyn FnOnce(&Running)>;
type Make = Box<dyn Fn(Blueprint) -> Blueprint>;

impl App {
    /// An application that runs every server of its configuration in this process.
    pub fn new() -> Self {
        Self::default()
    }

    /// An application that does what the command line says: `--id`, `--type`, `--env`, `--config`,
    /// `--set`; `--help` tells. A mistake there ends the process. It takes variables of the
    /// [environment](Self::environment) too.
    pub fn from_args() -> Self {
        Self {
            args: Args::parse(),
            ..Self::default()
        }
        .environment()
    }

    /// Where the configuration is, unless the command line says it: a folder of Pomelo's files, a file
    /// such as `tangelo.toml`, or one after the other. Default: `config` and `tangelo.toml` of the
    /// working directory, of which one may be missing.
    #[must_use]
    pub fn config(mut self, path: impl AsRef<Path>) -> Self {
        self.places.push(path.as_ref().to_path_buf());
        self
    }

    /// The environment, unless a variable or the command line says it: the section of the configuration
    /// that counts. Default `development`.
    #[must_use]
    pub fn env(mut self, env: &str) -> Self {
        self.env = Some(env.to_owned());
        self
    }

    /// Takes settings from variables of the environment: `TANGELO__SERVERS__CHAT_SERVER_1__PORT=7000`, by a
    /// server's id or by its type, and `TANGELO__ENV=production`. What a variable's name cannot hold is
    /// `_` in an id. They overrule files; one of this form that fits nothing is a mistake.
    #[must_use]
    pub fn environment(mut self) -> Self {
        self.variables = Some(Variables::of_this_process());
        self
    }

    /// Runs only the server of this id here, as `--id` does; several, if it is said several times. The
    /// others are in processes of their own.
    #[must_use]
    pub fn only(mut self, id: &str) -> Self {
        self.args.id.push(id.to_owned());
        self
    }

    /// Runs only the servers of this type here, as `--type` does.
    #[must_use]
    pub fn only_type(mut self, server_type: &str) -> Self {
        self.args.types.push(server_type.to_owned());
        self
    }

    /// Changes a setting of a server, or of all of a type, as `--set` does.
    #[must_use]
    pub fn set(mut self, server: &str, key: &str, value: impl Into<serde_json::Value>) -> Self {
        let change = (server.to_owned(), key.to_owned(), value.into());
        self.changes.push(change);
        self
    }

    /// What the servers of a type are made of. What is said of a type several times comes together, in
    /// that order.
    ///
    /// It is called for each of them that runs here, and once more where a front end has a
    /// [dictionary](Blueprint::dictionary), which has all handlers' routes.
    #[must_use]
    pub fn server(
        mut self,
        server_type: &str,
        make: impl Fn(Blueprint) -> Blueprint + 'static,
    ) -> Self {
        let of_type = self.blueprints.entry(server_type.to_owned());
        of_type.or_default().push(Box::new(make));
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

    /// Where it is kept who is online ([`Presence`](crate::server::Presence)). Default: in memory, where
    /// all servers run in this process; else there is none, and asking is an error.
    #[must_use]
    pub fn presence(mut self, store: impl PresenceStore) -> Self {
        self.presence = Some(Arc::new(store));
        self
    }

    /// Where it is kept who is in which global channel
    /// ([`GlobalChannels`](crate::server::GlobalChannels)). Default: in memory, where all servers run in
    /// this process; else there is none, and asking is an error.
    #[must_use]
    pub fn global_channels(mut self, store: impl GlobalChannelStore) -> Self {
        self.global_channels = Some(Arc::new(store));
        self
    }

    /// Takes what a plugin brings: to the application now, to each of its servers when it starts.
    #[must_use]
    pub fn plugin(self, plugin: impl Plugin) -> Self {
        let mut app = plugin.application(self);
        app.plugins.push(Box::new(plugin));
        app
    }

    /// What tells the jobs of all servers the time, unless a server has
    /// [its own](Blueprint::clock). Default: the machine's clock in its time zone.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// krpc services of this process: those it offers, and those its handlers call, which have them
    /// from [`State<RpcApp>`](crate::RpcApp). They start before the servers and stop after them. A handler's
    /// calls end when its own answer is due, but for those of tasks that it has spawned.
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
    /// All mistakes in the configuration at once, or a server that does not start; those that did are
    /// stopped.
    pub async fn start(mut self) -> Result<Running, StartError> {
        self.share_stores();
        let (config, plan) = self.plan()?;
        for notice in config.notices() {
            warn!("{notice}");
        }
        let rpc = match plan.rpc {
            Some(rpc) => Some(rpc.start().await.map_err(StartError::Rpc)?),
            None => None,
        };
        if let Some(app) = &rpc {
            self.states.insert(app.clone());
        }
        self.states.insert(config.clone());
        let blueprints = plan.here.into_iter();
        let here = blueprints.map(|(blueprint, instance)| {
            let mut blueprint = blueprint.states(&self.states);
            if rpc.is_some() {
                blueprint = blueprint.hand_deadlines_on();
            }
            (blueprint, instance)
        });
        let started = running::start(Start {
            config,
            here: here.collect(),
            registry: plan.registry,
            routes: self.routes,
            rpc: rpc.clone(),
        });
        let started = started.await;
        if let (Err(_), Some(app)) = (&started, &rpc) {
            app.stop(Duration::ZERO).await;
        }
        started
    }

    /// What is kept in memory is known to all servers only where they share it.
    fn share_stores(&mut self) {
        if self.args.runs_all() {
            self.presence
                .get_or_insert_with(|| Arc::new(MemoryPresence::new()));
            self.global_channels
                .get_or_insert_with(|| Arc::new(MemoryGlobalChannels::new()));
        }
    }

    /// What a server type is made of before anything is said of it.
    fn blank(&self, server_type: &str) -> Blueprint {
        let mut blueprint = Blueprint::new(server_type);
        if let Some(store) = &self.presence {
            blueprint = blueprint.presence(Arc::clone(store));
        }
        if let Some(store) = &self.global_channels {
            blueprint = blueprint.global_channels(Arc::clone(store));
        }
        blueprint
    }

    /// Reads the configuration, and checks everything before anything runs.
    fn plan(&mut self) -> Result<(Config, Plan), Mistakes> {
        let mut mistakes = Mistakes::default();
        let loaded = config::load(&self.asked(), &mut mistakes);
        let planned = loaded.and_then(|loaded| {
            let config = loaded.config.clone();
            let rpc = self.rpc.take();
            let rpc = rpc.map(|rpc| rpc.within(loaded.krpc.clone()).plan());
            let rpc = rpc.and_then(|rpc| rpc.map_err(|wrong| mistakes.append(wrong)).ok());
            let (here, registry) = self.here(&loaded, &mut mistakes)?;
            let plan = Plan {
                rpc,
                here,
                registry,
            };
            Some((config, plan))
        });
        match planned {
            Some(planned) if mistakes.is_empty() => Ok(planned),
            _ => {
                mistakes.sort();
                Err(mistakes)
            }
        }
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            places: match &self.args.config[..] {
                [] => &self.places,
                named => named,
            },
            beside: PathBuf::new(),
            env: [self.env.as_deref(), self.args.env.as_deref()],
            variables: self.variables.as_ref(),
            changes: &self.changes,
            assignments: &self.args.set,
            krpc: self.rpc.is_some(),
        }
    }

    /// The servers that run in this process, back ends first, and how they find each other.
    fn here(
        &self,
        loaded: &Loaded,
        mistakes: &mut Mistakes,
    ) -> Option<(Vec<Planned>, Arc<dyn Registry>)> {
        let all = &loaded.servers;
        let mut here = self.chosen(all, mistakes)?;
        for server_type in self.blueprints.keys().chain(self.routes.types()) {
            let named = |server: &Server| server.instance.server_type == *server_type;
            // Of what could not be read it may have been.
            if mistakes.is_empty() && !all.iter().any(named) {
                warn!(
                    server_type,
                    "the configuration names no server of this type"
                );
            }
        }
        let mut scheduled = Scheduled::read(&loaded.jobs, all, mistakes);
        let cluster = all.iter().map(|server| Arc::new(server.instance.clone()));
        let cluster: Vec<_> = cluster.collect();
        here.sort_by_key(|server| server.instance.frontend);
        let routes = OnceCell::new();
        let planned = here.into_iter().filter_map(|server| {
            let Server { instance, at, .. } = server;
            let server_type = &instance.server_type;
            let Some(makes) = self.blueprints.get(server_type) else {
                let problem = format!(
                    "{}: this application has no servers of type `{server_type}`",
                    instance.id
                );
                mistakes.add_at(Some(at), problem);
                return None;
            };
            let mut blueprint = self.blank(server_type).cluster(cluster.iter().cloned());
            if let Some(clock) = &self.clock {
                blueprint = blueprint.clock(clock.clone());
            }
            for plugin in &self.plugins {
                blueprint = plugin.server(instance, blueprint);
            }
            let blueprint = makes.iter().fold(blueprint, |made, make| make(made));
            let code = blueprint.client_definitions().clone();
            let mut blueprint = blueprint.change_definitions(|code| loaded.config.define(code));
            if let Some(read) = loaded.config.defined_anew(code)
                && instance.frontend
            {
                blueprint = blueprint.definitions_from(read);
            }
            let mut blueprint = server.tuning.apply(blueprint);
            if instance.frontend && blueprint.uses_dict() {
                let routes: &Vec<String> = routes.get_or_init(|| self.handler_routes(all));
                blueprint = blueprint.handlers_elsewhere(routes.iter().cloned());
            }
            let blueprint = scheduled.give(blueprint, mistakes);
            Some((blueprint, instance.clone()))
        });
        let planned: Vec<Planned> = planned.collect();
        let blueprints: Vec<_> = planned.iter().map(|(blueprint, _)| blueprint).collect();
        for mistake in Blueprint::disagreements(&blueprints) {
            mistakes.add(mistake);
        }
        let registry: Arc<dyn Registry> = match self.args.runs_all() {
            true => Arc::new(Memory::new()),
            false => {
                let instances = all.iter().map(|server| server.instance.clone());
                Arc::new(Fixed::new(instances))
            }
        };
        Some((planned, registry))
    }

    /// The routes of all handlers there are, on whatever server.
    fn handler_routes(&self, all: &[Server]) -> Vec<String> {
        let mut types = BTreeMap::new();
        for Server { instance, .. } in all {
            types.entry(&instance.server_type).or_insert(instance);
        }
        let blueprints = types.into_iter().filter_map(|(server_type, instance)| {
            let makes = self.blueprints.get(server_type)?;
            let plugins = self.plugins.iter();
            let blank = plugins.fold(self.blank(server_type), |blueprint, plugin| {
                plugin.server(instance, blueprint)
            });
            Some(makes.iter().fold(blank, |made, make| make(made)))
        });
        blueprints
            .flat_map(|blueprint| blueprint.handler_routes().collect::<Vec<_>>())
            .collect()
    }

    /// The servers that were asked for; none if there is none of a name.
    fn chosen<'a>(&self, all: &'a [Server], mistakes: &mut Mistakes) -> Option<Vec<&'a Server>> {
        let Args { id, types, .. } = &self.args;
        let before = mistakes.len();
        let ids = all.iter().map(|server| server.instance.id.as_str());
        names("server", id, ids.collect(), mistakes);
        let known = all
            .iter()
            .map(|server| server.instance.server_type.as_str());
        names("server type", types, known.collect(), mistakes);
        let asked = |names: &[String], name: &String| names.is_empty() || names.contains(name);
        let here = all.iter().filter(|server| {
            asked(id, &server.instance.id) && asked(types, &server.instance.server_type)
        });
        let here: Vec<_> = here.collect();
        if here.is_empty() && mistakes.is_empty() {
            mistakes.add("no server is of one of these ids and one of these types");
        }
        (mistakes.len() == before).then_some(here)
    }
}

/// Everything that will be started.
struct Plan {
    rpc: Option<RpcPlan>,
    here: Vec<Planned>,
    registry: Arc<dyn Registry>,
}

/// Names must be among those there are.
fn names(what: &str, asked: &[String], mut known: Vec<&str>, mistakes: &mut Mistakes) {
    known.dedup();
    for name in asked.iter().filter(|name| !known.contains(&name.as_str())) {
        let known = known.join(", ");
        mistakes.add(format!("there is no {what} `{name}`; there are: {known}"));
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
