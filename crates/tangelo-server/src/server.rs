//! One server, running.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use parking_lot::Mutex;
use tangelo_connector::Listener;
use tangelo_registry::{Instance, Registry};
use tangelo_rpc::{
    Acceptor, Cluster, Services,
    link::{Identity, Peers},
};
use tangelo_runtime::{Stop, Tasks};
use tracing::{Instrument, Span, error_span, info, info_span, warn};

use crate::{
    Blueprint, Channels, Component, Connections, Context, Limits, Routes, Rpc, Sessions, accept,
    blueprint::MakeService,
    channel::{ChannelOnBackEnd, SessionOnBackEnd},
    forward::Forward,
    handler::Threads,
    membership::ChannelOnFrontEnd,
    peers::{BackEnds, Callers},
    pipeline::{Gone, Lines},
    remote::{self, RemoteOnServer},
    session::SessionIds,
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
    /// Connections to other servers, and components.
    back: Tasks,
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
        let span = error_span!("server", id = instance.id);
        let id = instance.id.clone();
        let starting = Self::start_within(blueprint, instance, registry, routes);
        let started = starting.instrument(span).await;
        started.map_err(|Problem(problem, source)| StartError {
            server: id,
            problem,
            source,
        })
    }

    async fn start_within(
        mut blueprint: Blueprint,
        mut instance: Instance,
        registry: Arc<dyn Registry>,
        routes: Routes,
    ) -> Result<Self, Problem> {
        if !blueprint.mistakes.is_empty() {
            return Err(Problem(blueprint.mistakes.join("; "), None));
        }
        let configured = blueprint.connections.configured(&instance);
        blueprint.connections = configured.map_err(|mistake| Problem(mistake, None))?;
        // Every port first: what cannot be had is known before anything runs.
        let acceptor = bind_for_servers(&mut instance).await?;
        let listener = bind_for_clients(&blueprint, &mut instance).await?;

        let (front, back) = (Tasks::new(Stop::new()), Tasks::new(Stop::new()));
        let rpc_address = acceptor.as_ref().map(|(_, address)| *address);
        let client_address = listener.as_ref().map(|listener| listener.address());
        let (context, offered, components) =
            assemble(blueprint, instance.clone(), routes, &*registry, &back);
        run_filters(&context, &back);
        serve_others(acceptor, offered, &context, &back);
        if let Err(problem) = start_components(components, &context, &back).await {
            back.close(Duration::ZERO).await;
            return Err(problem);
        }
        if let Some(listener) = listener {
            info!(address = %listener.address(), "listening for clients");
            let run = accept::run(listener, Arc::clone(&context), front.clone());
            front.spawn(info_span!("door"), run);
        }
        registry.register(instance);
        Ok(Self {
            context,
            registry,
            front,
            back,
            client_address,
            rpc_address,
        })
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
        let dialed = wanted(&self.context.instance);
        self.context
            .cluster
            .wait_until(|cluster| {
                cluster
                    .instances()
                    .iter()
                    .filter(|instance| dialed(instance))
                    .all(|instance| {
                        cluster
                            .by_id(&instance.id)
                            .is_some_and(|remote| remote.is_connected())
                    })
            })
            .await;
    }

    /// Closes the doors: clients' requests that run are answered, new ones refused, then their
    /// connections close. Returns how many clients were cut off at the deadline.
    pub async fn close_doors(&self, patience: Duration) -> usize {
        if self.context.instance.frontend {
            self.registry.deregister(self.context.server_id());
        }
        self.context.drain();
        self.front.close(patience).await
    }

    /// Leaves: what runs for other servers is answered, new requests are refused, then everything
    /// ends. Returns how much was cut off at the deadline.
    pub async fn leave(&self, patience: Duration) -> usize {
        self.registry.deregister(self.context.server_id());
        self.back.close(patience).await
    }
}

/// What keeps a server from starting, and what led to it.
struct Problem(String, Option<Box<dyn std::error::Error + Send + Sync>>);

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
    let bound = blueprint.connector.listen(host, port).await;
    let listener = bound.map_err(|error| cannot_listen(host, port, error))?;
    instance.client_port = Some(listener.address().port());
    Ok(Some(listener))
}

/// Everything a server consists of, not running yet; and what its blueprint adds once it is there.
fn assemble(
    blueprint: Blueprint,
    instance: Instance,
    routes: Routes,
    registry: &dyn Registry,
    back: &Tasks,
) -> (Arc<Context>, Offered, Vec<(String, Component)>) {
    let Blueprint {
        heartbeat,
        limits,
        pipeline,
        pushes,
        states,
        connections,
        services,
        components,
        on_leave,
        remotes,
        rpc,
        events,
        ..
    } = blueprint;
    let sessions = Arc::new(Sessions::new(events));
    let connections = Connections::new(connections, &instance.id, Arc::clone(&sessions));
    let session_ids = SessionIds::new();
    let identity = Identity {
        server_id: instance.id.clone(),
        server_type: instance.server_type.clone(),
        epoch: session_ids.epoch(),
        frontend: instance.frontend,
    };
    let back_ends = BackEnds {
        sessions: Arc::clone(&sessions),
        tasks: back.clone(),
    };
    let cluster = Cluster::new(Arc::new(identity), Arc::new(back_ends), registry, lanes());
    let rpc = Rpc::new(cluster.clone(), routes.clone(), rpc);
    let context = Context {
        instance,
        limits,
        heartbeat,
        session_ids,
        sessions,
        connections,
        channels: Channels::new(on_leave),
        cluster,
        routes,
        turns: Lines::new(None, Limits::MOST_IN_FLIGHT as usize),
        gone: Gone::default(),
        threads: Threads::new(&limits),
        tasks: back.clone(),
        rpc,
        pipeline,
        pushes: Arc::new(pushes.start(back)),
        states,
        failures: Mutex::default(),
        farewells: Mutex::default(),
        draining: AtomicBool::new(false),
    };
    let offered = Offered { services, remotes };
    (Arc::new(context), offered, components)
}

/// What an application offers other servers, and this one.
struct Offered {
    services: Vec<MakeService>,
    remotes: remote::ByName,
}

/// Lets other servers in, and dials those that are there.
fn serve_others(
    acceptor: Option<(Acceptor, SocketAddr)>,
    offered: Offered,
    context: &Arc<Context>,
    back: &Tasks,
) {
    let remotes = RemoteOnServer {
        context: Arc::clone(context),
        remotes: offered.remotes,
    };
    let make = |services, make: MakeService| make(context, services);
    let offered = offered.services.into_iter();
    let offered = offered.fold(Services::new().with(remotes), make);
    if let Some((acceptor, address)) = acceptor {
        let services = offered
            .clone()
            .with(Forward {
                context: Arc::clone(context),
            })
            .with(SessionOnBackEnd(context.channels.clone()))
            .with(ChannelOnBackEnd(context.channels.clone()));
        let peers: Arc<dyn Peers> = Arc::new(Callers {
            context: Arc::clone(context),
            tasks: back.clone(),
        });
        let identity = Arc::clone(context.cluster.identity());
        let run = acceptor.run(identity, services, peers, back.clone());
        back.spawn(info_span!("acceptor"), run);
        info!(%address, "listening for servers");
    }
    let own = Arc::new(offered.clone());
    context.rpc.answers_itself(&own);
    let services = offered.with(ChannelOnFrontEnd {
        sessions: Arc::clone(&context.sessions),
        pushes: Arc::clone(&context.pushes),
    });
    let cluster = context.cluster.clone();
    let run = cluster.run(services, wanted(&context.instance), back.clone());
    until_drained(back, info_span!("cluster"), async move {
        run.await;
        drop(own);
    });
}

/// What filters do beside the requests.
fn run_filters(context: &Arc<Context>, back: &Tasks) {
    let pipeline = &context.pipeline;
    if !context.instance.frontend && !pipeline.global.is_empty() {
        warn!("global filters do nothing on a back end");
    }
    for filter in pipeline.global.each().chain(pipeline.local.each()) {
        let context = Arc::clone(context);
        until_drained(back, info_span!("filter"), async move {
            filter.run(&context).await;
        });
    }
}

async fn start_components(
    components: Vec<(String, Component)>,
    context: &Arc<Context>,
    back: &Tasks,
) -> Result<(), Problem> {
    for (name, component) in components {
        let run = component(Arc::clone(context)).await.map_err(|error| {
            let problem = format!("component {name} does not start: {error}");
            Problem(problem, Some(error))
        })?;
        until_drained(back, info_span!("component", name), run);
    }
    Ok(())
}

/// Runs something that has no end of its own until its group drains.
fn until_drained(tasks: &Tasks, span: Span, run: impl Future<Output = ()> + Send + 'static) {
    let stop = tasks.stop().clone();
    tasks.spawn(span, async move {
        tokio::select! {
            () = run => {}
            () = stop.draining() => {}
        }
    });
}

/// Connections kept to each other server: as many as cores, since each is one task, up to a limit.
fn lanes() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(MOST_LANES)) as u32
}

/// Which servers this one dials: all of other types that can be called. Only front ends dial front
/// ends, as a gate does to know which are up.
fn wanted(own: &Instance) -> impl Fn(&Instance) -> bool + Send + use<> {
    let (own_type, frontend) = (own.server_type.clone(), own.frontend);
    move |instance| {
        instance.port.is_some()
            && instance.server_type != own_type
            && (frontend || !instance.frontend)
    }
}
