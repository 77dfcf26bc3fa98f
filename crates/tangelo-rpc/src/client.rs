//! The calling side: a client keeps connections, a referer says whom to call over them.
//!
//! The road of a call: [`Referer`] finds its policy and its deadline, leaves out the addresses that
//! were tried, are down or whose [breaker] is open, minds the [routing rules](route), lets the
//! [balancer](balance) pick one of the rest, and asks over one of its connections. What failed is
//! tried again elsewhere as far as the [retry] level, the count and the budget allow.

mod address;
mod calling;
mod canned;
mod referer;
mod reply_codes;
mod reverse;
mod targets;

use std::{
    collections::HashMap,
    fmt,
    net::SocketAddr,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tangelo_runtime::Stop;
use tangelo_wire::krpc::layout::Layout;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::{Instrument, debug_span};

pub use crate::policy::{
    balance::{self, Balance, RoundRobin},
    breaker, expression,
    fallback::{self, Fallback},
    node::{self, Node},
    retry::{self, RetryLevel},
    route::{self, RouteConfig, RouteRules},
};
pub use canned::Answers;
pub use referer::{KeyOf, Referer, RefererSettings};
pub use reverse::{ReverseReferer, ReverseSettings};

use crate::{
    Codecs, Connection, Home, Limits, Services,
    config::ClientConfig,
    connection::{Dialect, Driver, Quota, Role},
    listener::{ConnectionListener, Connections},
    tls::ClientTls,
};
use address::Address;

/// Keeps connections to the addresses its referers name. Clones share them.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    config: ClientConfig,
    layout: Layout,
    tls: Option<ClientTls>,
    codecs: Codecs,
    quota: Arc<Quota>,
    /// What servers may ask over its connections.
    services: Arc<Services>,
    home: Home,
    stop: Stop,
    addresses: Mutex<HashMap<Arc<str>, Weak<Address>>>,
    connections: Arc<Connections>,
}

impl Client {
    /// A client, with what it answers when servers ask. Its connections live in tasks of `home`.
    ///
    /// # Errors
    /// A layout that is none, or TLS files that cannot be used.
    pub fn new(
        config: ClientConfig,
        services: Services,
        codecs: Codecs,
        listeners: Vec<Arc<dyn ConnectionListener>>,
        home: Home,
    ) -> Result<Self, String> {
        let layout = crate::connection::layout(&config.layout)?;
        let tls = ClientTls::load(&config)?;
        Ok(Self {
            shared: Arc::new(Shared {
                layout,
                tls,
                codecs,
                quota: Quota::unlimited(),
                services: Arc::new(services),
                stop: home.stop().clone(),
                home,
                addresses: Mutex::default(),
                connections: Arc::new(Connections::new(listeners)),
                config,
            }),
        })
    }

    /// Its settings.
    pub fn config(&self) -> &ClientConfig {
        &self.shared.config
    }

    /// Its connections that stand.
    pub fn connections(&self) -> Vec<Connection> {
        self.shared.connections.all()
    }

    /// The connection of this name.
    pub fn connection(&self, name: &str) -> Option<Connection> {
        self.shared.connections.by_name(name)
    }

    /// The connections to an address, shared with whoever else names it.
    fn address(&self, name: &str) -> Arc<Address> {
        let mut addresses = self.shared.addresses.lock();
        addresses.retain(|_, address| address.strong_count() > 0);
        if let Some(known) = addresses.get(name).and_then(Weak::upgrade) {
            return known;
        }
        let name: Arc<str> = name.into();
        let address = Arc::new(Address::open(Arc::clone(&name), self));
        addresses.insert(name, Arc::downgrade(&address));
        address
    }

    fn home(&self) -> &Home {
        &self.shared.home
    }

    fn stop(&self) -> &Stop {
        &self.shared.stop
    }

    fn services(&self) -> Arc<Services> {
        Arc::clone(&self.shared.services)
    }

    fn tls(&self) -> Option<&ClientTls> {
        self.shared.tls.as_ref()
    }

    fn new_connection(&self, name: Arc<str>, peer: SocketAddr) -> Connection {
        let config = &self.shared.config;
        let limits = Limits {
            frame: config.max_package_size,
            ..Limits::default()
        };
        let dialect = Dialect::new(
            self.shared.layout,
            config.enable_encrypt,
            self.shared.codecs.clone(),
            limits.frame,
        );
        Connection::new(name, peer, (limits, &self.shared.quota), dialect)
    }

    /// Lets a connection live in tasks of this client.
    fn run<S>(&self, stream: S, connection: &Connection)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let ping = Duration::from_secs(self.config().ping_seconds.max(1).into());
        let role = Role::dialing(ping);
        let driver = Driver::new(
            stream,
            connection.clone(),
            self.services(),
            role,
            self.stop(),
        );
        let (connections, connection) = (Arc::clone(&self.shared.connections), connection.clone());
        connections.enter(&connection);
        let span = debug_span!("krpc", connection = %connection.name());
        self.home().spawn(span, async move {
            let watch = connections.watch(connection).in_current_span();
            tokio::join!(driver, watch);
        });
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Client")
            .field("id", &self.shared.config.id)
            .field("connections", &self.shared.connections)
            .finish_non_exhaustive()
    }
}
