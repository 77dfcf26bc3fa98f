//! Which servers have started: each says so of itself and of those it has heard of.

use std::{
    collections::{BTreeSet, HashSet, VecDeque},
    sync::Arc,
};

use prost::Message as _;
use tangelo_registry::Instance;
use tangelo_rpc::{Answer, Code, Connection, Definition, Reply, Request, Service, Status};
use tokio::sync::watch;
use tracing::debug;

use super::Neighbours;
use crate::generated::lifecycle::StartedReq;

/// Service and message number; see lifecycle.proto.
const STARTED: (i32, i32) = (16, 1);
/// Servers remembered as started.
const MOST: usize = 65_536;

/// Which servers have started, as far as this one has heard.
#[derive(Debug, Default)]
pub(crate) struct Started {
    known: watch::Sender<BTreeSet<String>>,
    neighbours: Arc<Neighbours>,
}

impl Started {
    pub(crate) fn new(neighbours: Arc<Neighbours>) -> Self {
        Self {
            known: watch::Sender::default(),
            neighbours,
        }
    }

    /// A connection that this server dialed stands: who is new there hears what is known here, and is
    /// asked the same.
    pub(crate) fn arrived(&self, connection: &Connection) {
        // Known as a neighbour before what is known is read: what comes between reaches it too.
        if self.neighbours.arrived(connection) {
            let server_ids = self.known.borrow().iter().cloned().collect();
            let ask = true;
            tell(connection, &StartedReq { server_ids, ask });
        }
    }

    /// A neighbour says who has started.
    fn hear(&self, message: StartedReq, connection: Option<&Connection>) {
        if let Some(connection) = connection.filter(|_| message.ask) {
            let heard: HashSet<_> = message.server_ids.iter().collect();
            let known = self.known.borrow().clone();
            let others = known.into_iter().filter(|id| !heard.contains(id));
            tell_ids(connection, others.collect());
        }
        self.note(message.server_ids);
    }

    /// These have started; the neighbours hear of those that are new.
    pub(crate) fn note(&self, server_ids: impl IntoIterator<Item = String>) {
        let mut new = Vec::new();
        self.known.send_if_modified(|known| {
            for server_id in server_ids {
                if known.len() < MOST && known.insert(server_id.clone()) {
                    new.push(server_id);
                }
            }
            !new.is_empty()
        });
        if !new.is_empty() {
            for connection in self.neighbours.connections() {
                tell_ids(&connection, new.clone());
            }
        }
    }

    /// Resolves when all these have started. Cancel safe.
    pub(crate) async fn all(&self, expected: &BTreeSet<String>) {
        let mut known = self.known.subscribe();
        let all = known.wait_for(|known| known.is_superset(expected));
        // It is there as long as this waits.
        let _ = all.await;
    }
}

fn tell_ids(connection: &Connection, server_ids: Vec<String>) {
    if !server_ids.is_empty() {
        let ask = false;
        tell(connection, &StartedReq { server_ids, ask });
    }
}

fn tell(connection: &Connection, message: &StartedReq) {
    let told = connection.tell(STARTED, |out| prost::Message::encode_raw(message, out));
    if let Err(status) = told {
        // Whoever connects again hears all.
        debug!(%status, "a server was not told who has started");
    }
}

/// The servers among these that this one hears of, itself included: those it is connected with, and
/// those that they are.
pub(crate) fn within_reach(
    own: &Instance,
    all: &[Arc<Instance>],
    connected: impl Fn(&Instance, &Instance) -> bool,
) -> BTreeSet<String> {
    let mut reached = BTreeSet::from([own.id.clone()]);
    let mut from = VecDeque::from([own]);
    while let Some(server) = from.pop_front() {
        for other in all {
            let road = connected(server, other) || connected(other, server);
            if road && reached.insert(other.id.clone()) {
                from.push_back(other);
            }
        }
    }
    reached
}

/// Hears which servers have started.
#[derive(Debug)]
pub(crate) struct LifeCycle {
    pub(crate) started: Arc<Started>,
    /// Whether this server dialed who speaks. It may say that it has started before its answer to the hello
    /// was seen here, and says it once.
    pub(crate) dialed: bool,
}

impl Definition for LifeCycle {
    const SERVICE_ID: i32 = STARTED.0;
    const NAME: &'static str = "LifeCycle";
}

impl Service for LifeCycle {
    fn call(&self, request: Request) -> Answer {
        Box::pin(std::future::ready(self.answer(&request)))
    }
}

impl LifeCycle {
    fn answer(&self, request: &Request) -> Result<Reply, Status> {
        if (request.service_id, request.msg_id) != STARTED {
            return Err(Code::NOT_FOUND.into());
        }
        let from = request.connection.as_ref();
        if !self.dialed && from.and_then(Connection::hello).is_none() {
            return Err(Code::SERVICE_NOT_ALLOWED.into());
        }
        let message = StartedReq::decode(request.body.clone())
            .map_err(|error| Status::from(Code::DECODE_REQ_ERROR).with_cause(error))?;
        self.started.hear(message, from);
        Ok(Reply::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_within_reach_are_connected_or_know_somebody_who_is() {
        let server = |id: &str| {
            Arc::new(Instance {
                id: id.to_owned(),
                ..Instance::default()
            })
        };
        let all = ["a", "b", "c", "island"].map(server);
        let dials = |one: &Instance, other: &Instance| {
            [("a", "b"), ("c", "b")].contains(&(one.id.as_str(), other.id.as_str()))
        };
        for own in ["a", "b", "c"] {
            let reached = within_reach(&server(own), &all, dials);
            assert_eq!(
                reached.into_iter().collect::<Vec<_>>(),
                ["a", "b", "c"],
                "{own}"
            );
        }
        let alone = within_reach(&server("island"), &all, dials);
        assert_eq!(alone.into_iter().collect::<Vec<_>>(), ["island"]);
    }

    #[tokio::test]
    async fn so_many_servers_are_remembered_and_no_more() {
        let started = Started::new(Arc::default());
        started.note((0..=MOST).map(|number| number.to_string()));
        assert_eq!(started.known.borrow().len(), MOST);
        let expected = BTreeSet::from(["0".to_owned(), "1".to_owned()]);
        started.all(&expected).await;
    }
}
