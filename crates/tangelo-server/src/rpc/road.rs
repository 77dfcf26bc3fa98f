//! The road of one call, in the order of its steps.

use std::sync::Arc;

use bytes::Bytes;
use tangelo_registry::Instance;
use tangelo_rpc::{Answer, Code, Home, Method, Reply, Request, Service, Status};
use tangelo_runtime::guard::{self, Guarded};
use tokio::time::{Instant, timeout_at};

use super::{Rpc, RpcCall, watched::Watched};
use crate::{
    Error, Result,
    pipeline::failed,
    remote,
    route::{By, Choice},
};

/// The way calls of one client go.
#[derive(Clone)]
pub(super) struct Road {
    pub(super) rpc: Rpc,
    pub(super) to: To,
    asked: Asked,
}

/// What is called.
#[derive(Clone)]
pub(super) enum Asked {
    /// Generated.
    Service {
        name: &'static str,
        methods: &'static [Method],
    },
    /// By name, with JSON.
    Remote(Arc<str>),
}

/// Whom calls go to.
#[derive(Clone)]
pub(super) enum To {
    /// One of a type; its server where that is known already.
    Route {
        server_type: Arc<str>,
        by: By,
        server: Option<Arc<Instance>>,
    },
    /// The one of this name.
    Server { server_id: Arc<str>, by: Option<By> },
}

impl To {
    /// The server is chosen now, unless that takes time.
    pub(super) fn by_route(rpc: &Rpc, server_type: &str, by: By) -> Result<Self, Status> {
        let super::Shared {
            routes, cluster, ..
        } = &*rpc.shared;
        let mut server = None;
        if !(routes.is_async(server_type) && by.session().is_some())
            && let Choice::Server(chosen) = routes.choose(server_type, &by, cluster)?
        {
            server = Some(chosen);
        }
        Ok(Self::Route {
            server_type: server_type.into(),
            by,
            server,
        })
    }

    /// The server is chosen when it is called.
    pub(super) fn later(server_type: &str, by: By) -> Self {
        Self::Route {
            server_type: server_type.into(),
            by,
            server: None,
        }
    }

    pub(super) fn server(server_id: &str, by: Option<By>) -> Self {
        Self::Server {
            server_id: server_id.into(),
            by,
        }
    }

    pub(super) fn by(&self) -> Option<&By> {
        match self {
            Self::Route { by, .. } => Some(by),
            Self::Server { by, .. } => by.as_ref(),
        }
    }
}

impl Asked {
    /// The request's message with these arguments.
    fn message(&self, args: Bytes) -> Bytes {
        match self {
            Self::Service { .. } => args,
            Self::Remote(name) => remote::request(name, args),
        }
    }

    /// What the answer says.
    fn answer(&self, outcome: Result<Reply, Status>, one_way: bool) -> Result<Reply, Status> {
        match self {
            Self::Remote(_) if !one_way => remote::answer(outcome?),
            _ => outcome,
        }
    }
}

impl Road {
    pub(super) fn new(rpc: Rpc, to: To, asked: Asked) -> Self {
        Self { rpc, to, asked }
    }

    /// A call whose body is its arguments.
    async fn walk(self, mut request: Request, deadline: Instant) -> Result<Reply, Status> {
        if self.rpc.shared.settings.has_watchers() {
            return self.walk_watched(request, deadline).await;
        }
        let server_id = self.choose(deadline).await?;
        request.body = self.asked.message(request.body);
        let outcome = self.attempts(server_id, false, &request, deadline).await;
        self.asked.answer(outcome, request.one_way)
    }

    /// With filters, or an error handler.
    async fn walk_watched(self, mut request: Request, deadline: Instant) -> Result<Reply, Status> {
        let one_way = request.one_way;
        let mut watched = Watched::new(
            &self.rpc,
            RpcCall {
                asked: self.asked.clone(),
                msg_id: request.msg_id,
                server_id: Arc::from(""),
                redirected: false,
                by: self.to.by().cloned(),
                args: std::mem::take(&mut request.body),
                one_way,
                begun: Instant::now(),
                deadline,
            },
        );
        if let Err(status) = self.set_out(&mut watched.call).await {
            return watched.end(Err(status));
        }
        request.body = self.asked.message(watched.call.args.clone());
        let (server_id, redirected) =
            (Arc::clone(&watched.call.server_id), watched.call.redirected);
        let outcome = self
            .attempts(server_id, redirected, &request, deadline)
            .await;
        watched.end(self.asked.answer(outcome, one_way))
    }

    /// The server is chosen, and the filters see the call.
    async fn set_out(&self, call: &mut RpcCall) -> Result<(), Status> {
        let deadline = call.deadline;
        call.server_id = self.choose(deadline).await?;
        for filter in &self.rpc.shared.settings.filters {
            let before = guard::catch(|| filter.before(call)).map_err(failed)?;
            let passed = timeout_at(deadline, Guarded::new(before)).await;
            let passed = passed.map_err(|_| Status::from(Code::RPC_TIMEOUT))?;
            passed.map_err(failed)?.map_err(Error::into_answer)?;
        }
        Ok(())
    }

    /// The server it goes to.
    async fn choose(&self, deadline: Instant) -> Result<Arc<str>, Status> {
        let (server_type, by) = match &self.to {
            To::Server { server_id, .. } => return Ok(Arc::clone(server_id)),
            To::Route {
                server: Some(server),
                ..
            } => return Ok(server.id.as_str().into()),
            To::Route {
                server_type, by, ..
            } => (server_type, by),
        };
        let mut failures = 0;
        loop {
            match self.choose_anew(server_type, by, deadline).await {
                // There may be one soon.
                Err(status) if status.code() == Code::NO_CONNECTION => {
                    failures += 1;
                    if !self.pause(failures, deadline).await {
                        return Err(status);
                    }
                }
                chosen => return chosen,
            }
        }
    }

    pub(super) async fn choose_anew(
        &self,
        server_type: &str,
        by: &By,
        deadline: Instant,
    ) -> Result<Arc<str>, Status> {
        let shared = &self.rpc.shared;
        let server = match shared.routes.choose(server_type, by, &shared.cluster)? {
            Choice::Server(server) => server,
            Choice::Asks(asking) => timeout_at(deadline, asking)
                .await
                .map_err(|_| Status::from(Code::RPC_TIMEOUT))??,
        };
        Ok(server.id.as_str().into())
    }
}

impl Service for Road {
    fn call(&self, request: Request) -> Answer {
        let deadline = request.due(self.rpc.timeout);
        Box::pin(self.clone().walk(request, deadline))
    }

    fn home(&self) -> Option<&Home> {
        self.rpc.shared.cluster.home()
    }
}
