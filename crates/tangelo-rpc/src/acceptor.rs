//! Lets other servers in.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tangelo_runtime::{Stop, Tasks};
use tokio::net::{TcpListener, TcpStream};
use tracing::{Instrument, debug, debug_span, warn};

use crate::{
    Limits, Services,
    connection::{Driver, Role},
    link::{Identity, Link, Peers},
};

/// How long to wait when accepting fails, for example because descriptors are used up.
const PAUSE: Duration = Duration::from_millis(100);

/// Listens for other servers and answers them.
#[derive(Debug)]
pub struct Acceptor {
    listener: TcpListener,
    limits: Limits,
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
        let accept = async {
            loop {
                match self.listener.accept().await {
                    Ok((stream, peer)) => {
                        self.open(stream, peer, &services, &peers, &tasks, &stop);
                    }
                    Err(error) => {
                        warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        };
        tokio::select! {
            () = accept => {}
            () = stop.draining() => {}
        }
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
        // Without it small frames would wait for each other; if it cannot be set they do.
        let _ = stream.set_nodelay(true);
        let services = Arc::clone(services);
        let driver = Driver::new(stream, peer, self.limits, services, Role::Accepting, stop);
        let connection = driver.connection().clone();
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
