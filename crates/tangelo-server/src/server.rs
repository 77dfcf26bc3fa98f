//! One server, running.

mod life;

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use parking_lot::Mutex;
use tangelo_connector::{Listener, Place};
use tangelo_registry::{Instance, Registry};
use tangelo_rpc::{Acceptor, Cluster, link::Identity};
use tangelo_runtime::{Stop, Tasks};
use tracing::{Instrument, Span, error_span, info};

use self::life::Doors;
use crate::{
    Blueprint, Channels, Connections, Context, GlobalChannels, Job, Limits, Presence, Routes, Rpc,
    Sessions, accept,
    blueprint::MakeService,
    channel::Delivery,
    encodings,
    handler::Threads,
    life_cycle::{BeforeShutdown, Hooks, Neighbours, ServerEvents, Started},
    peers::BackEnds,
    pipeline::{Gone, Lines},
    remote,
    resume::Resumes,
    roster::Roster,
    session::{SessionIds, Single},
};

/// The most connections kept to another server, however many cores there are.
const MOST_LANES: usize = 16;

/// One server, running, its doors open.
#[derive(Debug)]
pub struct Server {
    context: Arc<Context>,
    registry: Arc<dyn Registry>,
    /// Clients and what they run.
    front: Tasks,
    /// Servers that have dialed this one, and what runs for them.
    callers: Tasks,
    /// Connections to servers this one dials: what runs here may still ask them while it drains.
    back: Tasks,
    before_shutdown: BeforeShutdown,
    client_address: Option<SocketAddr>,
    rpc_address: Option<SocketAddr>,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[error("{server}: {problem}")]
pub struct StartError {
    server: String,
    problem: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Server {
    /// Starts a server: what others need of it first, its doors last.
    ///
    /// # Errors
    /// A port cannot be listened on, a component does not start, the blueprint has a mistake.
    pub async fn start(
        blueprint: Blueprint,
        instance: Instance,
        registry: Arc<dyn Registry>,
        routes: Routes,
    ) -> Result<Self, StartError> {
        let bound = Self::bind(blueprint, instance).await?;
        bound.start(registry, routes).await
    }

    /// Takes a server's ports, before anything runs. Several servers of a process take all of theirs first, so that
    /// a port that cannot be had is known while there is nothing to stop.
    ///
    /// # Errors
    /// A port cannot be listened on, the blueprint has a mistake.
    pub async fn bind(blueprint: Blueprint, instance: Instance) -> Result<Bound, StartError> {
        let (id, span) = (instance.id.clone(), span(&instance.id));
        let bound = Self::bind_within(blueprint, instance).instrument(span);
        bound.await.map_err(|problem| problem.of(id))
    }

    async fn bind_within(blueprint: Blueprint, mut instance: Instance) -> Result<Bound, Problem> {
        let mut mistakes = blueprint.check();
        if blueprint.single_session.is_some() && instance.frontend && instance.port.is_none() {
            mistakes.push("single_session needs a `port`: front ends ask each other".to_owned());
        }
        if !mistakes.is_empty() {
            return Err(Problem(mistakes.join("; "), None));
        }
        let doors = Doors {
            for_servers: bind_for_servers(&mut instance).await?,
            for_clients: bind_for_clients(&blueprint, &mut instance).await?,
        };
        Ok(Bound {
            blueprint,
            instance,
            doors,
        })
    }

    async fn start_within(
        bound: Bound,
        registry: Arc<dyn Registry>,
        routes: Routes,
    ) -> Result<Self, Problem> {
        let Bound {
            mut blueprint,
            instance,
            mut doors,
        } = bound;
        let tasks = || Tasks::new(Stop::new());
        let (front, callers, back) = (tasks(), tasks(), tasks());
        let plan = std::mem::take(&mut blueprint.encodings);
        let encodings = match instance.frontend {
            true => plan.start(blueprint.handler_routes()),
            false => Ok(encodings::Current::default()),
        };
        let encodings = encodings.map_err(|error| Problem(error.to_string(), None))?;
        let mut parts = assemble(blueprint, encodings, instance, routes, &*registry, &back);
        let server = Self {
            context: Arc::clone(&parts.context),
            registry,
            front,
            callers,
            back,
            before_shutdown: BeforeShutdown::new(std::mem::take(&mut parts.hooks.before_shutdown)),
            client_address: doors.for_clients.as_ref().and_then(|door| door.address()),
            rpc_address: doors.for_servers.as_ref().map(|(_, address)| *address),
        };
        match server.begin(parts, &mut doors).await {
            Ok(()) => Ok(server),
            Err(problem) => {
                if let Some(listener) = doors.for_clients {
                    accept::stop(listener).await;
                }
                server.back.close(Duration::ZERO).await;
                Err(problem)
            }
        }
    }

    /// What belongs to it.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Where clients connect.
    pub fn client_address(&self) -> Option<SocketAddr> {
        self.client_address
    }

    /// Where other servers connect.
    pub fn rpc_address(&self) -> Option<SocketAddr> {
        self.rpc_address
    }

    /// Resolves when connections to all servers stand that the registry names now.
    pub async fn connected(&self) {
        let wanted = wanted(&self.context);
        self.context
            .cluster
            .wait_until(|cluster| {
                cluster
                    .instances()
                    .iter()
                    .filter(|instance| wanted(instance))
                    .all(|instance| {
                        cluster
                            .by_id(&instance.id)
                            .is_some_and(|remote| remote.is_connected())
                    })
            })
            .await;
    }
}

/// A server that has its ports, and does not run yet. Dropped, it gives them back.
pub struct Bound {
    blueprint: Blueprint,
    instance: Instance,
    doors: Doors,
}

impl Bound {
    /// Starts the server: what others need of it first, its doors last.
    ///
    /// # Errors
    /// A hook fails, or a component does not start.
    pub async fn start(
        self,
        registry: Arc<dyn Registry>,
        routes: Routes,
    ) -> Result<Server, StartError> {
        let (id, span) = (self.instance.id.clone(), span(&self.instance.id));
        let started = Server::start_within(self, registry, routes).instrument(span);
        started.await.map_err(|problem| problem.of(id))
    }
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Bound")
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

/// Whose work it is, in each line of the log.
fn span(server_id: &str) -> Span {
    error_span!("server", id = server_id)
}

/// What keeps a server from starting, and what led to it.
struct Problem(String, Option<Box<dyn std::error::Error + Send + Sync>>);

impl Problem {
    fn of(self, server: String) -> StartError {
        let Self(problem, source) = self;
        StartError {
            server,
            problem,
            source,
        }
    }
}

fn cannot_listen(host: &str, port: u16, error: std::io::Error) -> Problem {
    let problem = format!("cannot listen on {host}:{port}: {error}");
    Problem(problem, Some(error.into()))
}

async fn bind_for_servers(
    instance: &mut Instance,
) -> Result<Option<(Acceptor, SocketAddr)>, Problem> {
    let Some(port) = instance.port else {
        return Ok(None);
    };
    let bound = Acceptor::bind(&instance.host, port).await;
    let bound = bound.and_then(|acceptor| acceptor.address().map(|address| (acceptor, address)));
    let (acceptor, address) = bound.map_err(|error| cannot_listen(&instance.host, port, error))?;
    instance.port = Some(address.port());
    Ok(Some((acceptor, address)))
}

async fn bind_for_clients(
    blueprint: &Blueprint,
    instance: &mut Instance,
) -> Result<Option<Box<dyn Listener>>, Problem> {
    let Some(port) = instance.client_port.filter(|_| instance.frontend) else {
        return Ok(None);
    };
    let host = instance.client_host.as_ref().unwrap_or(&instance.host);
    let options = &instance.settings;
    let place = Place {
        host,
        port,
        options,
    };
    let bound = blueprint.connector.listen(place).await;
    let listener = bound.map_err(|error| cannot_listen(host, port, error))?;
    if let Some(address) = listener.address() {
        instance.client_port = Some(address.port());
    }
    Ok(Some(listener))
}

/// Everything a server consists of, not running yet; and what its blueprint adds once it is there.
struct Parts {
    context: Arc<Context>,
    services: Vec<MakeService>,
    remotes: remote::ByName,
    jobs: Vec<Job>,
    hooks: Hooks,
    server_events: ServerEvents,
    /// The servers of the configuration.
    cluster: Option<Vec<Arc<Instance>>>,
    started: Arc<Started>,
    neighbours: Arc<Neighbours>,
}

fn assemble(
    blueprint: Blueprint,
    encodings: encodings::Current,
    instance: Instance,
    routes: Routes,
    registry: &dyn Registry,
    back: &Tasks,
) -> Parts {
    let Blueprint {
        heartbeat,
        limits,
        pipeline,
        pushes,
        states,
        connections,
        greeting,
        services,
        components,
        hooks,
        server_events,
        cluster: expected,
        on_leave,
        jobs,
        push_filters,
        stores,
        remotes,
        rpc,
        mut events,
        single_session,
        resume,
        ..
    } = blueprint;
    let keeps_roster = instance.frontend && !stores.is_empty();
    let roster = keeps_roster.then(|| Roster::new(&instance.id, stores.clone()));
    if let Some(roster) = &roster {
        roster.follow(&mut events);
    }
    let (jobs, scheduled) = jobs.into_jobs(&instance.id);
    let neighbours = Arc::<Neighbours>::default();
    let started = Arc::new(Started::new(Arc::clone(&neighbours)));
    let single = single_session.filter(|_| instance.frontend);
    let single = single.map(|config| Single::new(config, &instance.server_type));
    let sessions = Sessions::new(events, single);
    let resumes = resume.filter(|_| instance.frontend).map(Resumes::new);
    if resumes.is_some() && encodings.now().are_offered() {
        info!(server = %instance.id, "who takes the dictionary or definitions has no session to come back to");
    }
    if instance.client_port.is_some() && !instance.frontend {
        info!(server = %instance.id, "it has a client port and is no front end: if anybody listens there, it is the application");
    }
    let connections = Connections::new(connections, &instance.id, sessions.clone());
    let session_ids = SessionIds::new();
    let limits = limits.that_can_be_kept();
    let identity = Arc::new(Identity {
        server_id: instance.id.clone(),
        server_type: instance.server_type.clone(),
        epoch: session_ids.epoch(),
        frontend: instance.frontend,
    });
    let pushes = Arc::new(pushes.start(back));
    let here = Delivery {
        sessions: sessions.clone(),
        pushes: Arc::clone(&pushes),
        filters: push_filters,
    };
    let channels = Channels::new(here, Arc::clone(&identity), registry.watch(), on_leave);
    let presence = Presence::new(stores.presence.clone(), channels.clone());
    let global_channels =
        GlobalChannels::new(stores.channels.clone(), channels.clone(), roster.clone());
    let back_ends = BackEnds {
        sessions: sessions.clone(),
        started: Arc::clone(&started),
        neighbours: Arc::clone(&neighbours),
        roster: roster.clone(),
        tasks: back.clone(),
    };
    let cluster = Cluster::new(identity, Arc::new(back_ends), registry, lanes());
    let rpc = Rpc::new(cluster.clone(), routes.clone(), rpc);
    let context = Context {
        instance,
        limits,
        heartbeat,
        session_ids,
        sessions,
        resumes,
        connections,
        encodings,
        greeting: greeting.start(),
        channels,
        global_channels,
        presence,
        stores,
        roster,
        cluster,
        routes,
        turns: Lines::new(None, Limits::MOST_IN_FLIGHT as usize),
        gone: Gone::default(),
        threads: Threads::new(&limits),
        tasks: back.clone(),
        rpc,
        pipeline,
        pushes,
        states,
        jobs,
        components,
        failures: Mutex::default(),
        farewells: Mutex::default(),
        draining: AtomicBool::new(false),
    };
    Parts {
        context: Arc::new(context),
        services,
        remotes,
        jobs: scheduled,
        hooks,
        server_events,
        cluster: expected,
        started,
        neighbours,
    }
}

/// Connections kept to each other server: as many as cores, since each is one task, up to a limit.
fn lanes() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(MOST_LANES)) as u32
}

/// Whether a server dials another: all of other types that can be called. Only front ends dial front
/// ends, as a gate does to know which are up; also those of their own type, as what is for a client
/// there goes over the connection that its front end has dialed.
fn dials(own: &Instance, other: &Instance) -> bool {
    let is_dialed = if other.frontend {
        own.frontend
    } else {
        other.server_type != own.server_type
    };
    is_dialed && other.port.is_some() && other.id != own.id
}

/// Which servers this one dials.
fn wanted(context: &Context) -> impl Fn(&Instance) -> bool + Send + use<> {
    let own = context.instance.clone();
    move |other| dials(&own, other)
}
