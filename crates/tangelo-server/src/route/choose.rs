//! Chooses a server.

use std::{pin::Pin, sync::Arc, time::Duration};

use tangelo_registry::Instance;
use tangelo_rpc::{Cluster, Code, Status};
use tangelo_runtime::guard::{self, Guarded, Panicked};
use tokio::time::timeout;

use super::{
    By, Candidates, RouteTo, Routes,
    routes::{Found, Router},
};
use crate::{Error, Result, Session, pipeline::failed};

/// How long an async route function may take.
const ROUTE_TIMEOUT: Duration = Duration::from_secs(3);

/// The server something goes to, or the way to find out.
pub(crate) enum Choice {
    Server(Arc<Instance>),
    Asks(Asking),
}

/// Finds out; within [`ROUTE_TIMEOUT`].
pub(crate) type Asking = Pin<Box<dyn Future<Output = Result<Arc<Instance>, Status>> + Send>>;

impl Routes {
    /// The server of this type that something belongs to, whether up or not: what that one keeps for a
    /// session is nowhere else. One that leaves takes nothing any more, and another is chosen.
    pub(crate) fn choose(
        &self,
        server_type: &str,
        by: &By,
        cluster: &Cluster,
    ) -> Result<Choice, Status> {
        // Before the list is looked at: if it changes meanwhile, what is chosen does not hold.
        let cluster_version = cluster.version();
        let given = match by {
            By::Session(session) => session.home(server_type, cluster_version),
            By::Key(_) => None,
        };
        if let Some(server) = given.filter(|server| cluster.takes_new(&server.id)) {
            return Ok(Choice::Server(server));
        }
        let candidates = Candidates::new(server_type, self.rule_of(server_type), cluster);
        if candidates.is_empty() {
            return Err(none_of(server_type, cluster));
        }
        let session = match by {
            By::Key(key) => return server_of(&candidates, key).map(Choice::Server),
            By::Session(session) => session,
        };
        let settling = Settling {
            session: session.clone(),
            session_version: session.version(),
            cluster_version,
        };
        let server = match self.router_of(server_type) {
            None => server_of(&candidates, &default_key(session))?,
            Some(Router::Key(key)) => {
                let key = answered(guard::catch(|| key(session)))?;
                server_of(&candidates, &key)?
            }
            Some(Router::Server(server)) => {
                let server_id = answered(guard::catch(|| server(session, &candidates)))?;
                server_named(&candidates, &server_id)?
            }
            Some(Router::Async(find)) => {
                let found = guard::catch(|| find(session.clone(), candidates.clone()));
                let found = found.map_err(failed)?;
                let asking = ask(found, candidates, settling);
                return Ok(Choice::Asks(Box::pin(asking)));
            }
        };
        settling.settle(&server);
        Ok(Choice::Server(server))
    }

    /// The server of this type to try after those that were: another one that is up.
    pub(crate) fn choose_next(
        &self,
        server_type: &str,
        by: &By,
        tried: &[Arc<str>],
        cluster: &Cluster,
    ) -> Option<Arc<Instance>> {
        let candidates = Candidates::new(server_type, self.rule_of(server_type), cluster);
        let key = match by {
            By::Key(key) => Arc::clone(key),
            By::Session(session) => default_key(session),
        };
        candidates.next(&key, tried).cloned()
    }
}

/// What a session goes by where nobody says otherwise.
fn default_key(session: &Session) -> Arc<str> {
    let uid = session.bound_uid();
    uid.unwrap_or_else(|| session.id().to_string().into())
}

/// Remembers what a session was given, as it and the list of servers were when that was begun.
struct Settling {
    session: Session,
    session_version: u32,
    cluster_version: u64,
}

impl Settling {
    fn settle(&self, server: &Arc<Instance>) {
        let versions = (self.session_version, self.cluster_version);
        self.session.settle(server, versions);
    }
}

async fn ask(
    found: Found,
    candidates: Candidates,
    settling: Settling,
) -> Result<Arc<Instance>, Status> {
    let server = match in_time(found).await? {
        RouteTo::Key(key) => server_of(&candidates, &key)?,
        RouteTo::Server(server_id) => server_named(&candidates, &server_id)?,
    };
    settling.settle(&server);
    Ok(server)
}

/// What an async route function finds out within its time.
async fn in_time(found: Found) -> Result<RouteTo, Status> {
    match timeout(ROUTE_TIMEOUT, Guarded::new(found)).await {
        Ok(found) => answered(found),
        Err(_) => Err(Status::new(Code::RPC_TIMEOUT, "the route takes too long")),
    }
}

fn server_of(candidates: &Candidates, key: &str) -> Result<Arc<Instance>, Status> {
    let server = candidates.by_key(key).cloned();
    server.ok_or_else(|| Code::NO_CONNECTION.into())
}

fn server_named(candidates: &Candidates, server_id: &str) -> Result<Arc<Instance>, Status> {
    candidates.by_id(server_id).cloned().ok_or_else(|| {
        let server_type = candidates.server_type();
        let cause = format!("the route names `{server_id}`, which is no `{server_type}`");
        Status::from(Code::NO_CONNECTION).with_cause(cause)
    })
}

/// Why there is no server to choose.
fn none_of(server_type: &str, cluster: &Cluster) -> Status {
    if cluster.knows_type(server_type) {
        Code::NO_CONNECTION.into()
    } else {
        let message = format!("no servers of type `{server_type}`");
        Status::new(Code::NOT_FOUND, message)
    }
}

/// What a route function answered, be it a panic.
fn answered<T>(outcome: Result<Result<T>, Panicked>) -> Result<T, Status> {
    outcome.map_err(failed)?.map_err(Error::into_answer)
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_async_route_has_three_seconds() {
        let found = |after| {
            Box::pin(async move {
                sleep(after).await;
                Ok(RouteTo::Key("room".to_owned()))
            })
        };
        let in_time = in_time(found(ROUTE_TIMEOUT - Duration::from_millis(1))).await;
        assert_eq!(in_time.unwrap(), RouteTo::Key("room".to_owned()));

        let begun = Instant::now();
        let late = super::in_time(found(ROUTE_TIMEOUT + Duration::from_millis(1))).await;
        assert_eq!(late.unwrap_err().code(), Code::RPC_TIMEOUT);
        assert_eq!(begun.elapsed(), Duration::from_secs(3));
    }
}
