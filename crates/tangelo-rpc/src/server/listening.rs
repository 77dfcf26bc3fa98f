//! A server that listens for krpc clients.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tangelo_runtime::{Tasks, accept, listen};
use tangelo_wire::krpc::layout::Layout;
use tokio::{
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tracing::{Instrument, debug, debug_span, info, info_span, warn};

use crate::{
    Codecs, Connection, Limits, Services,
    config::ServerConfig,
    connection::{Dialect, Driver, Quota, Role},
    listener::{ConnectionListener, Connections},
    tls::{ServerTls, TlsStream},
};

/// How long a client may take for the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A server that has its address, but lets nobody in yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    config: ServerConfig,
    layout: Layout,
    tls: Option<ServerTls>,
}

/// A server that listens for krpc clients. Clones speak of the same one.
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

struct Shared {
    config: ServerConfig,
    layout: Layout,
    tls: Option<ServerTls>,
    address: SocketAddr,
    services: Arc<Services>,
    codecs: Codecs,
    connections: Arc<Connections>,
    /// Connections let in, whether or not they have come as far as to be in `connections`.
    open: AtomicUsize,
    quota: Arc<Quota>,
    tasks: Tasks,
}

impl Bound {
    /// Takes the address that the settings name.
    ///
    /// # Errors
    /// The address cannot be listened on, or the settings do not make sense.
    pub async fn new(config: ServerConfig) -> Result<Self, String> {
        let layout = crate::connection::layout(&config.layout)?;
        let tls = ServerTls::load(&config)?;
        let bound = listen(&config.host, config.port, config.backlog).await;
        let bound = bound.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = bound.map_err(|error| {
            format!("cannot listen on {}:{}: {error}", config.host, config.port)
        })?;
        Ok(Self {
            listener,
            address,
            config,
            layout,
            tls,
        })
    }

    /// Where it will listen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets clients in, in tasks of `tasks`.
    pub fn start(
        self,
        services: Services,
        codecs: Codecs,
        listeners: Vec<Arc<dyn ConnectionListener>>,
        tasks: &Tasks,
    ) -> Server {
        let Self {
            listener,
            address,
            config,
            layout,
            tls,
        } = self;
        info!(server = config.id, %address, tls = tls.is_some(), "listening for krpc clients");
        let server = Server {
            shared: Arc::new(Shared {
                config,
                layout,
                tls,
                address,
                services: Arc::new(services),
                codecs,
                connections: Arc::new(Connections::new(listeners)),
                open: AtomicUsize::new(0),
                quota: Quota::new(),
                tasks: tasks.clone(),
            }),
        };
        let (accepting, stop) = (server.clone(), tasks.stop().clone());
        let span = info_span!("server", id = server.shared.config.id);
        tasks.spawn(span, async move {
            accept(&listener, &stop, |stream, peer| {
                accepting.open(stream, peer)
            })
            .await;
        });
        server
    }
}

impl Server {
    /// Its settings.
    pub fn config(&self) -> &ServerConfig {
        &self.shared.config
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Its clients' connections.
    pub fn connections(&self) -> Vec<Connection> {
        self.shared.connections.all()
    }

    /// The connection of this name; see [`Connection::name`].
    pub fn connection(&self, name: &str) -> Option<Connection> {
        self.shared.connections.by_name(name)
    }

    /// Takes nothing new, answers what was taken, then closes its connections; at most for `patience`.
    /// Returns how many had to be cut off.
    pub async fn close(&self, patience: Duration) -> usize {
        self.shared.tasks.close(patience).await
    }

    /// Begins to stop; nobody waits for it.
    pub fn stop(&self) {
        self.shared.tasks.stop().drain();
    }

    fn open(&self, stream: TcpStream, peer: SocketAddr) {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let shared = Arc::clone(&self.shared);
        let place = Place(Arc::clone(&shared));
        if shared.open.fetch_add(1, Ordering::Relaxed) >= shared.config.max_conns {
            if let Some(left_out) = shared.quota.line(Instant::now()) {
                let max_conns = shared.config.max_conns;
                warn!(%peer, max_conns, left_out, "too many connections: closed");
            }
            return;
        }
        let span = debug_span!(parent: None, "krpc", %peer);
        self.shared.tasks.spawn(span, async move {
            let _place = place;
            match &shared.tls {
                None => shared.serve(stream, peer).await,
                Some(tls) => {
                    if let Some(stream) = shared.make_safe(tls, stream, peer).await {
                        shared.serve(stream, peer).await;
                    }
                }
            }
        });
    }
}

/// A connection's place among those that may be open.
struct Place(Arc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// The TLS handshake; none if it fails, takes too long, or the server stops meanwhile.
    async fn make_safe(
        &self,
        tls: &ServerTls,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Option<TlsStream> {
        let handshake = tokio::time::timeout(HANDSHAKE, tls.accept(stream));
        let outcome = tokio::select! {
            () = self.tasks.stop().draining() => return None,
            outcome = handshake => outcome,
        };
        let problem = match outcome {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("not within {HANDSHAKE:?}"),
        };
        if let Some(left_out) = self.quota.line(Instant::now()) {
            info!(%peer, problem, left_out, "no TLS");
        }
        None
    }

    async fn serve<S>(&self, stream: S, peer: SocketAddr)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send,
    {
        let config = &self.config;
        let limits = Limits {
            frame: config.max_package_size,
            longest: config.max_timeout,
            ..Limits::default()
        };
        let dialect = Dialect::new(
            self.layout,
            config.enable_encrypt,
            self.codecs.clone(),
            limits.frame,
        );
        let name = format!("{peer}:{:08x}", fastrand::u32(..)).into();
        let connection = Connection::new(name, peer, (limits, &self.quota), dialect);
        let role = Role::accepting(Duration::from_secs(config.idle_seconds.max(1).into()));
        let services = Arc::clone(&self.services);
        let driver = Driver::new(
            stream,
            connection.clone(),
            services,
            role,
            self.tasks.stop(),
        );
        self.connections.enter(&connection);
        let watch = self.connections.watch(connection).in_current_span();
        tokio::join!(driver, watch);
        debug!("closed");
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Server")
            .field("id", &self.shared.config.id)
            .field("address", &self.shared.address)
            .field("connections", &self.shared.connections.len())
            .finish_non_exhaustive()
    }
}
