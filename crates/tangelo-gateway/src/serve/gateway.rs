//! A gateway that listens.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicBool, atomic::Ordering},
    time::Duration,
};

use arc_swap::ArcSwap;
use tangelo_reflect::Pool;
use tangelo_rpc::server::Executor;
use tangelo_runtime::{Tasks, listen};
use tangelo_tls::Certificate;
use tokio::net::TcpListener;
use tracing::{info, info_span};

use super::{
    GatewayBuilder, LoadErrors, StartError,
    accept::{self, Door},
    load::{Loader, State},
    shared::Shared,
};
use crate::{Backends, route::Routes};

/// Protocols that a client may choose from in its TLS handshake.
const PROTOCOLS: [&str; 2] = ["h2", "http/1.1"];

/// A gateway whose routes and files are found sound, and that has no address yet.
pub struct Loaded {
    builder: GatewayBuilder,
    loader: Loader,
    state: State,
    executor: Executor,
    certificate: Option<Certificate>,
}

/// A gateway that has its address, and lets nobody in yet. Dropping it gives the address back.
pub struct Bound {
    loaded: Loaded,
    listener: TcpListener,
    address: SocketAddr,
}

/// A gateway that serves. Clones speak of the same one; it ends with [`close`](Self::close), or with the tasks it was started in.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl Loaded {
    pub(super) fn new(mut builder: GatewayBuilder, executor: Executor) -> Result<Self, StartError> {
        let loader = builder.loader();
        let state = loader.load(&builder.routes, &builder.pool, None)?;
        let certificate = builder.certificate.take();
        let certificate = certificate.map(|it| it.speaking(&PROTOCOLS));
        if let Some(certificate) = &certificate {
            certificate.reload()?;
        }
        Ok(Self {
            builder,
            loader,
            state,
            executor,
            certificate,
        })
    }

    /// Takes its address.
    ///
    /// # Errors
    /// An address that cannot be used.
    pub async fn bind(self) -> Result<Bound, StartError> {
        let builder = &self.builder;
        let bound = listen(&builder.host, builder.port, builder.backlog).await;
        let bound = bound.and_then(|listener| Ok((listener.local_addr()?, listener)));
        match bound {
            Ok((address, listener)) => Ok(Bound {
                loaded: self,
                listener,
                address,
            }),
            Err(error) => Err(StartError::Listen {
                host: builder.host.clone(),
                port: builder.port,
                error,
            }),
        }
    }
}

impl Bound {
    /// Who answers, in place of those that were there when it was loaded. They are for the same services.
    #[must_use]
    pub fn backends(mut self, backends: Backends) -> Self {
        let Loaded {
            builder,
            loader,
            state,
            ..
        } = &mut self.loaded;
        loader.backends = backends;
        state.plans = loader.plans(&state.router, &builder.pool, &state.plugins);
        self
    }

    /// Where it will listen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets clients in, in tasks of its own that stop when those of `tasks` are to.
    pub fn start(self, tasks: &Tasks) -> Gateway {
        let Self {
            loaded,
            listener,
            address,
        } = self;
        let Loaded {
            mut builder,
            loader,
            state,
            executor,
            certificate,
        } = loaded;
        info!(gateway = builder.id, %address, tls = certificate.is_some(), "listening for HTTP");
        let sessions = builder.store();
        let shared = Arc::new(Shared {
            id: builder.id,
            limits: builder.limits,
            loader,
            state: ArcSwap::from_pointee(state),
            sessions,
            cookie: builder.cookie,
            executor,
            texts: builder.texts,
            statuses: builder.statuses,
            negative: builder.negative,
            log: builder.log,
            masks: builder.masks,
            compression: builder.compression,
            health: builder.health,
            proxies: builder.proxies,
            sample_rate: builder.sample_rate,
            room: Arc::default(),
            disk: Arc::default(),
            open: 0.into(),
            is_ready: AtomicBool::new(true),
            lines: parking_lot::Mutex::default(),
            tasks: tasks.clone(),
        });
        let span = info_span!("gateway", id = shared.id);
        let door = Door {
            shared: Arc::clone(&shared),
            certificate,
        };
        tasks.spawn(span, accept::run(listener, door));
        Gateway { shared, address }
    }
}

impl Gateway {
    /// Begins to build one of this name.
    pub fn builder(id: impl Into<String>) -> GatewayBuilder {
        GatewayBuilder::new(id)
    }

    /// Its name.
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves these routes and messages from now on, all at once. Requests under way end as they have begun. Of two
    /// who do so at once the last one counts.
    ///
    /// Blocks while it looks for folders.
    ///
    /// # Errors
    /// All that is wrong with them; nothing has changed then.
    pub fn reload(&self, routes: &Routes, pool: &Pool) -> Result<(), LoadErrors> {
        let shared = &self.shared;
        let before = shared.state.load_full();
        let state = shared.loader.load(routes, pool, Some(&before))?;
        shared.state.store(Arc::new(state));
        info!(
            gateway = shared.id,
            urls = routes.urls.len(),
            "routes were loaded again"
        );
        Ok(())
    }

    /// What is told where its readiness is asked for. Who is about to stop a gateway says so first, and waits until
    /// those who look have seen it; requests are served all the same.
    pub fn set_ready(&self, is_ready: bool) {
        self.shared.is_ready.store(is_ready, Ordering::Relaxed);
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// Lets nobody in any more; what has come is answered, and nobody waits for that.
    pub fn stop(&self) {
        self.shared.tasks.stop().drain();
    }

    /// Lets nobody in any more, answers what has come, and closes connections as they have nothing to answer; for
    /// up to `patience`. Returns how many tasks had to be cut off. All else that runs in the same tasks ends, too.
    pub async fn close(&self, patience: Duration) -> usize {
        self.shared.tasks.close(patience).await
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Loaded")
            .field("builder", &self.builder)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Bound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Bound")
            .field("loaded", &self.loaded)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Gateway")
            .field("shared", &self.shared)
            .field("address", &self.address)
            .finish()
    }
}
