//! Calls to other servers: to typed services, and to remotes by name.
//!
//! The road of a call, in `road.rs`: its server is chosen, the filters see it, it goes over a connection
//! whichever side dialed that, or stays here; if it failed and may be made again, the fail mode says
//! so; the error handler and the filters see what became of it.

mod attempts;
mod blueprint;
mod call;
mod fail_mode;
mod filter;
mod invocation;
mod log;
mod reach;
mod road;
mod watched;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use futures_util::future::join_all;
use tangelo_rpc::{
    Cluster, Code, Definition, Service, Services, Status, client::retry::RetryBudget,
};
use tokio::{sync::Semaphore, time::Instant};

pub(crate) use self::blueprint::Settings;
pub use self::{
    call::RpcCall,
    fail_mode::{FailMode, UnknownFailMode},
    filter::RpcFilter,
    invocation::Invocation,
    log::RpcLog,
};
use self::{
    filter::AnyRpcFilter,
    road::{Asked, Road, To},
};
use crate::{
    Result,
    route::{By, Candidates, RouteParam, Routes},
};

/// How long a call waits for its answer unless told otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);
/// Calls to itself that nobody waits for and that may run at once: as many as over a connection.
const MOST_ONE_WAY: usize = 16_384;

/// Calls to other servers: Pomelo's `app.rpc`. A handler's or remote's argument, and
/// [`Context::rpc`](crate::Context::rpc). Clones share all but time-out and fail mode.
///
/// A call is a future; dropping it gives the answer up. It never runs twice, unless a [`FailMode`] was
/// allowed that.
#[derive(Clone)]
pub struct Rpc {
    shared: Arc<Shared>,
    timeout: Duration,
    fail_mode: FailMode,
}

/// What the calls of one server have in common.
struct Shared {
    cluster: Cluster,
    routes: Routes,
    settings: Settings,
    /// What this server answers itself. Whoever lets others ask keeps it.
    own: OnceLock<Weak<Services>>,
    budget: RetryBudget,
    one_way: Arc<Semaphore>,
}

impl Rpc {
    pub(crate) fn new(cluster: Cluster, routes: Routes, settings: Settings) -> Self {
        Self {
            timeout: DEFAULT_TIMEOUT,
            fail_mode: settings.fail_mode,
            shared: Arc::new(Shared {
                cluster,
                routes,
                settings,
                own: OnceLock::new(),
                budget: RetryBudget::new(Instant::now()),
                one_way: Arc::new(Semaphore::new(MOST_ONE_WAY)),
            }),
        }
    }

    /// The filters its calls pass, for what they do beside those.
    pub(crate) fn filters(&self) -> impl Iterator<Item = Arc<dyn AnyRpcFilter>> {
        self.shared.settings.filters.iter().cloned()
    }

    /// This server answers with these services when it calls itself.
    pub(crate) fn answers_itself(&self, own: &Arc<Services>) {
        let _ = self.shared.own.set(Arc::downgrade(own));
    }

    /// The same, but calls made with it take at most this long, attempts together. Default 3 s; a call
    /// made to answer another never takes longer than that one has.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The same, but what becomes of calls that failed says this. Default: what
    /// [`Blueprint::rpc_fail_mode`](crate::Blueprint::rpc_fail_mode) says.
    #[must_use]
    pub fn with_fail_mode(mut self, fail_mode: FailMode) -> Self {
        self.fail_mode = fail_mode;
        self
    }

    /// The client of a service on that server of a type that belongs to the session, or to the key. What
    /// is called for one session, or key, arrives in order, also among its forwarded requests.
    ///
    /// # Errors
    /// There is no server of this type, or the type's route fails. An async route is asked when the
    /// client is used, and fails then.
    pub fn by_route<C: From<Arc<dyn Service>> + Definition>(
        &self,
        server_type: &str,
        by: impl Into<RouteParam>,
    ) -> Result<C> {
        let to = To::by_route(self, server_type, by.into().0);
        Ok(self.client(to.map_err(Status::of_call)?))
    }

    /// The client of a service on the server of this name, which may be of this server's own type, or
    /// this server.
    pub fn to_server<C: From<Arc<dyn Service>> + Definition>(&self, server_id: &str) -> C {
        self.client(To::server(server_id, None))
    }

    /// Calls a service on all servers of a type at once: what each answered, by its name. A future that
    /// sends without an answer does as well.
    ///
    /// # Errors
    /// There is, and was, no server of this type. While there is none it is nobody who answers.
    ///
    pub async fn to_all<C, A, F>(
        &self,
        server_type: &str,
        call: impl Fn(C) -> F,
    ) -> Result<BTreeMap<String, Result<A, Status>>, Status>
    where
        C: From<Arc<dyn Service>> + Definition,
        F: Future<Output = Result<A, Status>>,
    {
        let answers = self.each(server_type, None, |to| call(self.client(to)));
        answers.await.map_err(Status::of_call)
    }

    /// Calls a method of a remote by its name, `serverType.remote.method`, on that server of the type
    /// that belongs to the session, or to the key. Arguments are JSON; a tuple is several.
    ///
    /// ```
    /// # use tangelo_server::{Result, Rpc, Session};
    /// # async fn show(rpc: Rpc, session: Session) -> Result<()> {
    /// let users: Vec<String> = rpc.invoke("chat.chatRemote.add", &session, &("ann", "room 1")).await?;
    /// let count: u32 = rpc.invoke("chat.chatRemote.count", "room 1", &()).to_server("chat-2").await?;
    /// let counts = rpc.invoke::<u32>("chat.chatRemote.count", "room 1", &()).to_all().await?;
    /// # Ok(()) }
    /// ```
    pub fn invoke<T>(
        &self,
        name: &str,
        by: impl Into<RouteParam>,
        args: &(impl serde::Serialize + ?Sized),
    ) -> Invocation<T> {
        Invocation::new(self.clone(), name, by.into().0, args)
    }

    /// The same without an answer: what it resolves to is whether a connection has taken it.
    pub fn notify(
        &self,
        name: &str,
        by: impl Into<RouteParam>,
        args: &(impl serde::Serialize + ?Sized),
    ) -> Invocation<()> {
        self.invoke(name, by, args).one_way()
    }

    /// A client whose calls go this way.
    fn client<C: From<Arc<dyn Service>> + Definition>(&self, to: To) -> C {
        let asked = Asked::Service {
            name: C::NAME,
            methods: C::METHODS,
        };
        let road: Arc<dyn Service> = Arc::new(Road::new(self.clone(), to, asked));
        road.into()
    }

    /// Does something for each server of a type at once.
    async fn each<A, F>(
        &self,
        server_type: &str,
        by: Option<&By>,
        call: impl Fn(To) -> F,
    ) -> Result<BTreeMap<String, Result<A, Status>>, Status>
    where
        F: Future<Output = Result<A, Status>>,
    {
        let Shared {
            cluster, routes, ..
        } = &*self.shared;
        let candidates = Candidates::new(server_type, routes.rule_of(server_type), cluster);
        if candidates.is_empty() && !cluster.knows_type(server_type) {
            let message = format!("no servers of type `{server_type}`");
            return Err(Status::new(Code::NOT_FOUND, message));
        }
        let calls = candidates.all().map(|server| {
            let answer = call(To::server(&server.id, by.cloned()));
            async { (server.id.clone(), answer.await) }
        });
        Ok(join_all(calls).await.into_iter().collect())
    }
}

impl fmt::Debug for Rpc {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Rpc")
            .field("timeout", &self.timeout)
            .field("fail_mode", &self.fail_mode)
            .field("routes", &self.shared.routes)
            .finish_non_exhaustive()
    }
}
