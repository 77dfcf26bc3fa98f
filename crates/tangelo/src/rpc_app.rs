//! An application of krpc services while it runs.

mod blocking;
mod dynamic;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use tangelo_reflect::Pool;
use tangelo_registry::{Instance, Registry};
use tangelo_rpc::{
    Caller, Code, Definition, Status,
    access_log::AccessLog,
    client::{Client, Referer, ReverseReferer},
    server::Server,
};
use tangelo_runtime::Tasks;
use tokio::time::Instant;

use crate::bootstrap::WebServers;

pub use blocking::BlockingApp;
pub use dynamic::{CallError, DynamicReferer};

/// An application of krpc services while it runs. Clones speak of the same one.
#[derive(Clone)]
pub struct RpcApp {
    shared: Arc<Shared>,
}

struct Shared {
    servers: Vec<Server>,
    web: WebServers,
    clients: HashMap<String, Client>,
    called: HashMap<String, Called>,
    pool: Arc<Pool>,
    log: Option<AccessLog>,
    registered: Vec<Registered>,
    background: Tasks,
}

/// A service that is called.
pub(crate) enum Called {
    Forward(Referer),
    Reverse(ReverseReferer),
}

/// A server that was announced.
pub(crate) struct Registered {
    registry: Arc<dyn Registry>,
    id: String,
    is_taken_back: AtomicBool,
}

/// Why there is no such client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefererError {
    /// There is no referer of this id; those there are.
    #[error("there is no referer `{0}`; there are: {1}")]
    Unknown(String, String),
    /// The referer is for another service than the client.
    #[error("referer `{id}` is for service {service_id}, not for {wanted}")]
    Service {
        /// The referer.
        id: String,
        /// Its service.
        service_id: i32,
        /// The client's.
        wanted: i32,
    },
    /// The referer calls clients over their connections, through a generated client: [`RpcApp::push`].
    #[error(
        "referer `{0}` is reverse: its calls go through a generated client and need a connection (push)"
    )]
    Reverse(String),
    /// The referer does not call clients over their connections: [`RpcApp::referer`].
    #[error("referer `{0}` is not reverse: it calls servers (referer)")]
    Forward(String),
    /// Nothing is known of the referer's messages.
    #[error("nothing is known of the messages of referer `{0}`: load its descriptor set")]
    Unknowable(String),
}

impl From<RefererError> for Status {
    fn from(error: RefererError) -> Self {
        Self::new(Code::EXEC_EXCEPTION, error.to_string()).with_cause(error)
    }
}

impl RpcApp {
    pub(crate) fn new(
        (servers, web): (Vec<Server>, WebServers),
        clients: HashMap<String, Client>,
        called: HashMap<String, Called>,
        pool: Arc<Pool>,
        log: Option<AccessLog>,
        registered: Vec<Registered>,
        background: Tasks,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                servers,
                web,
                clients,
                called,
                pool,
                log,
                registered,
                background,
            }),
        }
    }

    /// A client of the service that this referer is for. It is cheap, and every one shares the
    /// referer's connections.
    ///
    /// # Errors
    /// There is no such referer, or it is for another service.
    pub fn referer<C: From<Caller> + Definition>(&self, id: &str) -> Result<C, RefererError> {
        match self.called::<C>(id)? {
            Called::Forward(referer) => Ok(Caller::new(Arc::new(referer.clone())).into()),
            Called::Reverse(_) => Err(RefererError::Reverse(id.to_owned())),
        }
    }

    /// A client of the service behind one connection of a server: krpc's PUSH. `connection` is the
    /// [name](tangelo_rpc::Connection::name) of one; if it is gone, calls end with
    /// [`Code::SEND_FAILED`](tangelo_rpc::Code::SEND_FAILED).
    ///
    /// # Errors
    /// There is no such reverse referer, or it is for another service.
    pub fn push<C: From<Caller> + Definition>(
        &self,
        id: &str,
        connection: &str,
    ) -> Result<C, RefererError> {
        let Called::Reverse(reverse) = self.called::<C>(id)? else {
            return Err(RefererError::Forward(id.to_owned()));
        };
        let server = self.server(&reverse.config().transport);
        let connection = server.and_then(|server| server.connection(connection));
        Ok(Caller::new(reverse.to(connection)).into())
    }

    /// The service that this referer is for, called with JSON.
    ///
    /// # Errors
    /// There is no such referer, or nothing is known of its messages.
    pub fn dynamic(&self, id: &str) -> Result<DynamicReferer, RefererError> {
        let referer = match self.find(id)? {
            Called::Forward(referer) => referer,
            Called::Reverse(_) => return Err(RefererError::Reverse(id.to_owned())),
        };
        let service = self.shared.pool.service(referer.config().service_id);
        let service = service.ok_or_else(|| RefererError::Unknowable(id.to_owned()))?;
        let caller = Caller::new(Arc::new(referer.clone()));
        Ok(DynamicReferer::new(service.clone(), caller))
    }

    /// The server of this id; the one there is by default is called `default`.
    pub fn server(&self, id: &str) -> Option<&Server> {
        self.servers()
            .iter()
            .find(|server| server.config().id == id)
    }

    /// The servers, in the order they were declared.
    pub fn servers(&self) -> &[Server] {
        &self.shared.servers
    }

    /// The web server of this id; the one there is by default is called `default_web`.
    #[cfg(feature = "gateway")]
    pub fn web_server(&self, id: &str) -> Option<&tangelo_gateway::Gateway> {
        self.web_servers().iter().find(|one| one.id() == id)
    }

    /// The web servers, in the order they were declared.
    #[cfg(feature = "gateway")]
    pub fn web_servers(&self) -> &[tangelo_gateway::Gateway] {
        self.shared.web.all()
    }

    /// The client of this id; the one there is by default is called `default`.
    pub fn client(&self, id: &str) -> Option<&Client> {
        self.shared.clients.get(id)
    }

    /// Stops: takes nothing new, answers what was taken, then closes all; at most for `patience`.
    /// Returns how many connections and tasks had to be cut off.
    pub async fn stop(&self, patience: Duration) -> usize {
        let shared = &self.shared;
        let deadline = Instant::now() + patience;
        let left = || deadline.saturating_duration_since(Instant::now());
        shared.registered.iter().for_each(Registered::take_back);
        // Servers first: what runs there may still have calls to make. A server that does not end in
        // time leaves the clients some.
        let for_clients = LAST_CALLS.min(patience / 4);
        let for_servers = left().saturating_sub(for_clients);
        let servers = shared.servers.iter();
        let servers = servers.map(|server| server.close(for_servers));
        let (servers, web) = tokio::join!(join_all(servers), shared.web.close(for_servers));
        let cut_off = servers.into_iter().sum::<usize>() + web;
        let cut_off = cut_off + shared.background.close(left()).await;
        if let Some(log) = &shared.log {
            log.close(left().max(LAST_LINES)).await;
        }
        cut_off
    }

    fn find(&self, id: &str) -> Result<&Called, RefererError> {
        self.shared.called.get(id).ok_or_else(|| {
            let mut known: Vec<_> = self.shared.called.keys().map(String::as_str).collect();
            known.sort_unstable();
            RefererError::Unknown(id.to_owned(), known.join(", "))
        })
    }

    fn called<C: Definition>(&self, id: &str) -> Result<&Called, RefererError> {
        let called = self.find(id)?;
        let service_id = match called {
            Called::Forward(referer) => referer.config().service_id,
            Called::Reverse(reverse) => reverse.config().service_id,
        };
        if service_id != C::SERVICE_ID {
            return Err(RefererError::Service {
                id: id.to_owned(),
                service_id,
                wanted: C::SERVICE_ID,
            });
        }
        Ok(called)
    }
}

/// How much of the time to stop is kept for clients.
const LAST_CALLS: Duration = Duration::from_secs(1);
/// How long the access log may take for what waits when all else has ended.
const LAST_LINES: Duration = Duration::from_millis(500);

impl Registered {
    pub(crate) fn new(registry: Arc<dyn Registry>, instance: Instance) -> Self {
        let id = instance.id.clone();
        registry.register(instance);
        Self {
            registry,
            id,
            is_taken_back: AtomicBool::new(false),
        }
    }

    fn take_back(&self) {
        if !self.is_taken_back.swap(true, Ordering::Relaxed) {
            self.registry.deregister(&self.id);
        }
    }
}

impl Drop for Shared {
    /// An application that was not stopped ends with its last handle.
    fn drop(&mut self) {
        self.registered.iter().for_each(Registered::take_back);
        self.background.stop().drain();
        for server in &self.servers {
            server.stop();
        }
        self.web.stop();
    }
}

impl fmt::Debug for RpcApp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = &self.shared;
        formatter
            .debug_struct("RpcApp")
            .field("servers", &shared.servers)
            .field("clients", &shared.clients)
            .field("referers", &shared.called.keys())
            .finish_non_exhaustive()
    }
}
