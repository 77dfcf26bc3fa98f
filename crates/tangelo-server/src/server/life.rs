//! The order in which a server starts, and the one in which it ends.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tangelo_connector::Listener;
use tangelo_registry::Instance;
use tangelo_rpc::{Acceptor, Answer, Code, Request, Service, Services, link::Peers};
use tangelo_runtime::Tasks;
use tokio::time::Instant;
use tracing::{Instrument, Span, info, info_span, warn};

use super::{Parts, Problem, Server, dials, span, wanted};
use crate::{
    Context, Error, accept,
    blueprint::MakeService,
    channel::{ChannelOnBackEnd, ChannelOnFrontEnd, SessionOnBackEnd},
    encodings,
    forward::Forward,
    life_cycle::{self, Hook, Hooks, LifeCycle, Neighbours, ServerEvents, Started, within_reach},
    limits,
    peers::Callers,
    remote::{self, RemoteOnServer},
    resume::ResumeService,
    session::{self, SessionService},
};

/// Where others come in; each if there is one.
pub(super) struct Doors {
    pub(super) for_servers: Option<(Acceptor, SocketAddr)>,
    pub(super) for_clients: Option<Box<dyn Listener>>,
}

impl Server {
    /// Begins everything: components before anybody can ask, the doors last. If something fails, what
    /// has started is stopped.
    pub(super) async fn begin(&self, parts: Parts, doors: &mut Doors) -> Result<(), Problem> {
        let context = &self.context;
        let Parts {
            services,
            remotes,
            jobs,
            hooks:
                Hooks {
                    before_start,
                    after_start,
                    after_start_all,
                    ..
                },
            server_events,
            cluster,
            started,
            neighbours,
            ..
        } = parts;
        let failed = |what: &str, error: Error| {
            Problem(
                format!("{what}: {}", error.why()),
                Some(error.into_status().into()),
            )
        };
        life_cycle::run(before_start, context)
            .await
            .map_err(|error| failed("before_start", error))?;
        let offered = offered(services, remotes, context);
        let open = Arc::<AtomicBool>::default();
        self.dial(offered.clone(), &open, &started);
        let components = context.components.start(context).await;
        components.map_err(|(what, error)| failed(&what, error))?;
        if let Err(error) = life_cycle::run(after_start, context).await {
            context.components.stop(context, Instant::now()).await;
            return Err(failed("after_start", error));
        }
        self.tell_of_servers(server_events, &neighbours);
        self.run_filters();
        for job in jobs {
            // They were checked together; what is left is told, and nothing else suffers.
            let id = job.id().to_owned();
            if let Err(error) = context.jobs().add(job) {
                warn!(job = id, %error, "not scheduled");
            }
        }
        context.jobs().start(context);
        open.store(true, Ordering::Release);
        self.let_servers_in(doors.for_servers.take(), offered, &started, &neighbours);
        self.let_clients_in(doors.for_clients.take());
        self.registry.register(context.instance.clone());
        started.note([context.server_id().to_owned()]);
        self.wait_for_all(after_start_all, cluster, started);
        Ok(())
    }

    /// Keeps connections to those it may ask. They may ask back over them, and are refused until the doors
    /// are open.
    fn dial(&self, offered: Services, open: &Arc<AtomicBool>, started: &Arc<Started>) {
        let context = &self.context;
        let own = Arc::new(offered.clone());
        context.rpc.answers_itself(&own);
        let within = |service| -> Arc<dyn Service> {
            let open = Arc::clone(open);
            Arc::new(BehindDoor { service, open })
        };
        let services = offered
            .within(within)
            .with(ChannelOnFrontEnd {
                channels: context.channels.clone(),
                roster: context.roster.clone(),
            })
            .with(SessionService {
                sessions: context.sessions.clone(),
                closed: None,
            })
            .with(ResumeService(context.sessions.clone()))
            .with(LifeCycle {
                started: Arc::clone(started),
                dialed: true,
            });
        let wanted = wanted(context);
        let cluster = context.cluster.clone();
        let run = cluster.run(services, wanted, self.back.clone());
        until_drained(&self.back, info_span!("cluster"), async move {
            run.await;
            drop(own);
        });
        if let Some(roster) = &context.roster {
            let run = Arc::clone(roster).run();
            until_drained(&self.back, info_span!("roster"), run);
        }
        if context.sessions.single().is_some() {
            let keep = session::keep(Arc::clone(context));
            until_drained(&self.back, info_span!("claims"), keep);
        }
    }

    fn let_servers_in(
        &self,
        acceptor: Option<(Acceptor, SocketAddr)>,
        offered: Services,
        started: &Arc<Started>,
        neighbours: &Arc<Neighbours>,
    ) {
        let Some((acceptor, address)) = acceptor else {
            return;
        };
        let context = &self.context;
        let services = offered
            .with(Forward {
                context: Arc::clone(context),
            })
            .with(SessionService {
                sessions: context.sessions.clone(),
                closed: Some(SessionOnBackEnd(context.channels.clone())),
            })
            .with(ChannelOnBackEnd(context.channels.clone()))
            .with(ResumeService(context.sessions.clone()))
            .with(LifeCycle {
                started: Arc::clone(started),
                dialed: false,
            });
        let peers: Arc<dyn Peers> = Arc::new(Callers {
            context: Arc::clone(context),
            neighbours: Arc::clone(neighbours),
            tasks: self.callers.clone(),
        });
        let identity = Arc::clone(context.cluster.identity());
        let run = acceptor.run(identity, services, peers, self.callers.clone());
        self.callers.spawn(info_span!("acceptor"), run);
        info!(%address, "listening for servers");
    }

    fn let_clients_in(&self, listener: Option<Box<dyn Listener>>) {
        if let Some(listener) = listener {
            let address = listener.address().map(tracing::field::display);
            info!(address, "listening for clients");
            let run = accept::run(listener, Arc::clone(&self.context), self.front.clone());
            self.front.spawn(info_span!("door"), run);
        }
        if let Some(source) = self.context.encodings.source() {
            let run = encodings::follow(source, Arc::clone(&self.context));
            until_drained(&self.back, info_span!("definitions"), run);
        }
    }

    fn tell_of_servers(&self, events: ServerEvents, neighbours: &Arc<Neighbours>) {
        if events.is_empty() {
            return;
        }
        let own = self.context.instance.clone();
        let run = events.run(
            Arc::clone(&self.context),
            self.registry.watch(),
            Arc::clone(neighbours),
            move |other| dials(&own, other) || dials(other, &own),
        );
        until_drained(&self.back, info_span!("servers"), run);
    }

    /// What filters do beside requests and calls.
    fn run_filters(&self) {
        let (context, pipeline) = (&self.context, &self.context.pipeline);
        if !context.instance.frontend && !pipeline.global.is_empty() {
            warn!("global filters do nothing on a back end");
        }
        for filter in pipeline.global.each().chain(pipeline.local.each()) {
            let context = Arc::clone(context);
            until_drained(&self.back, info_span!("filter"), async move {
                filter.run(&context).await;
            });
        }
        for filter in context.rpc.filters() {
            let context = Arc::clone(context);
            until_drained(&self.back, info_span!("rpc filter"), async move {
                filter.run(&context).await;
            });
        }
    }

    /// Calls what waits for all servers, once they have started.
    fn wait_for_all(
        &self,
        hooks: Vec<Hook>,
        cluster: Option<Vec<Arc<Instance>>>,
        started: Arc<Started>,
    ) {
        if hooks.is_empty() {
            return;
        }
        let context = Arc::clone(&self.context);
        let cluster = cluster.unwrap_or_else(|| context.cluster.instances().to_vec());
        let expected = within_reach(&context.instance, &cluster, dials);
        let run = async move {
            started.all(&expected).await;
            if let Err(error) = life_cycle::run(hooks, &context).await {
                warn!(reason = error.why(), "after_start_all failed");
            }
        };
        until_drained(&self.back, info_span!("after_start_all"), run);
    }

    /// What comes first when it is told to end: what the application does
    /// [before](crate::Blueprint::before_shutdown), while everything still works.
    pub async fn before_shutdown(&self, patience: Duration) {
        let hooks = self.before_shutdown.run(&self.context, patience);
        hooks.instrument(span(self.context.server_id())).await;
    }

    /// Says that it leaves: the registry no longer names it, and who is connected asks it nothing new.
    /// What they had asked before they heard of it is answered.
    pub fn announce(&self) {
        if self.callers.stop().is_draining() {
            return;
        }
        self.registry.deregister(self.context.server_id());
        self.callers.stop().drain();
        self.context.cluster.announce();
    }

    /// Closes the doors: clients' requests that run are answered, new ones refused, then their
    /// connections close; no job begins any more, and those that run end. Returns how many clients and
    /// jobs were cut off at the deadline.
    pub async fn close_doors(&self, patience: Duration) -> usize {
        if self.context.instance.frontend {
            self.registry.deregister(self.context.server_id());
        }
        self.context.drain();
        let (clients, jobs) = tokio::join!(
            self.front.close(patience),
            self.context.jobs().close(patience),
        );
        clients + jobs
    }

    /// Leaves: it says so, and what it took from other servers is answered, and jobs end; then its
    /// components stop, in the reverse order of their start; then everything ends. Returns how much was
    /// cut off at the deadline. Components have a second each, also when it is past.
    pub async fn leave(&self, patience: Duration) -> usize {
        let deadline = limits::after(patience);
        self.announce();
        let (callers, jobs) = tokio::join!(
            self.callers.close(patience),
            self.context.jobs().close(patience),
        );
        let components = self.context.components.stop(&self.context, deadline);
        let within = span(self.context.server_id());
        let components = components.instrument(within).await;
        let left = deadline.saturating_duration_since(Instant::now());
        let back = self.back.close(left).await;
        if let Some(roster) = &self.context.roster {
            roster.end().await;
        }
        callers + jobs + components + back
    }

    /// Ends, all of it in its order: [`before_shutdown`](Self::before_shutdown),
    /// [`announce`](Self::announce), [`close_doors`](Self::close_doors), [`leave`](Self::leave). Returns how
    /// much was cut off when `patience` was over.
    pub async fn shutdown(&self, patience: Duration) -> usize {
        let deadline = limits::after(patience);
        let left = || deadline.saturating_duration_since(Instant::now());
        self.before_shutdown(patience).await;
        self.announce();
        let cut_off = self.close_doors(left()).await;
        cut_off + self.leave(left()).await
    }
}

/// What an application offers other servers, and this one.
fn offered(
    services: Vec<MakeService>,
    remotes: remote::ByName,
    context: &Arc<Context>,
) -> Services {
    let remotes = RemoteOnServer {
        context: Arc::clone(context),
        remotes,
    };
    let make = |services, make: MakeService| make(context, services);
    let services = services.into_iter();
    services.fold(Services::new().with(remotes), make)
}

/// A service that refuses until the doors are open; the caller knows that it has not run.
struct BehindDoor {
    service: Arc<dyn Service>,
    open: Arc<AtomicBool>,
}

impl Service for BehindDoor {
    fn call(&self, request: Request) -> Answer {
        match self.open.load(Ordering::Acquire) {
            true => self.service.call(request),
            false => Box::pin(std::future::ready(Err(Code::NO_CONNECTION.into()))),
        }
    }
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
