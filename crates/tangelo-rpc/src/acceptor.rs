//! Lets other servers in.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tangelo_runtime::{Stop, Tasks, accept};
use tokio::net::{TcpListener, TcpStream};
use tracing::{Instrument, debug, debug_span};

use crate::{
    Connection, Limits, Services,
    connection::{Dialect, Driver, Quota, Role},
    link::{Identity, Link, Peers},
};

/// Without a frame for so long the other side is taken for dead: three heartbeats of krpc's clients.
const IDLE: Duration = Duration::from_secs(180);

/// Listens for other servers and answers them.
#[derive(Debug)]
pub struct Acceptor {
    listener: TcpListener,
    limits: Limits,
    quota: Arc<Quota>,
}

impl Acceptor {
    /// Listens on this address; port 0 takes any that is free.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn bind(host: &str, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((host, port)).await?;
        Ok(Self {
            listener,
            limits: Limits::default(),
            quota: Quota::new(),
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The socket's own.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Lets servers in until `stop` drains, in tasks of `tasks`.
    pub async fn run(
        self,
        identity: Arc<Identity>,
        services: Services,
        peers: Arc<dyn Peers>,
        tasks: Tasks,
    ) {
        let stop = tasks.stop().clone();
        let services = Arc::new(services.with(Link {
            identity,
            peers: Arc::clone(&peers),
        }));
        let open = |stream, peer| self.open(stream, peer, &services, &peers, &tasks, &stop);
        accept(&self.listener, &stop, open).await;
    }

    fn open(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        services: &Arc<Services>,
        peers: &Arc<dyn Peers>,
        tasks: &Tasks,
        stop: &Stop,
    ) {
        let dialect = Dialect::ours(self.limits.frame);
        let connection = Connection::new(
            peer.to_string().into(),
            peer,
            (self.limits, &self.quota),
            dialect,
        );
        let (services, role) = (Arc::clone(services), Role::accepting(IDLE));
        let driver = Driver::new(stream, connection.clone(), services, role, stop);
        let peers = Arc::clone(peers);
        let span = debug_span!("rpc", %peer);
        let watch = async move {
            connection.closed().await;
            if connection.hello().is_some() {
                peers.left(&connection);
            }
            debug!("left");
        };
        tasks.spawn(span, async move {
            tokio::join!(driver, watch.in_current_span());
        });
    }
}
