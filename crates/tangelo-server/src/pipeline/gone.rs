//! Clients of other servers whose going ends what runs for them here.

use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use parking_lot::Mutex;
use tangelo_rpc::Connection;
use tangelo_runtime::Stop;

use crate::{SessionId, session::BackSession};

/// Clients for whom something runs here that is to end when they go. Their front ends tell.
#[derive(Debug, Default)]
pub(crate) struct Gone(Mutex<HashMap<Key, Watched>>);

/// A connection, and a session that is known over it.
type Key = (u64, SessionId);

#[derive(Debug, Default)]
struct Watched {
    stop: Stop,
    watches: usize,
}

impl Gone {
    /// The front end at the other side says that this session's client has gone.
    pub(crate) fn told(&self, connection: &Connection, session: SessionId) {
        let watched = self.0.lock();
        let known = watched.get(&(connection.id(), session));
        let stop = known.map(|watched| watched.stop.clone());
        drop(watched);
        if let Some(stop) = stop {
            stop.drain();
        }
    }

    /// Nobody who is known over this connection could be told an answer any more.
    pub(crate) fn lost(&self, connection: &Connection) {
        let watched = self.0.lock();
        let its = watched
            .iter()
            .filter(|((known, _), _)| *known == connection.id());
        let stops: Vec<Stop> = its.map(|(_, watched)| watched.stop.clone()).collect();
        drop(watched);
        stops.iter().for_each(Stop::drain);
    }
}

/// Watches for the going of one client.
pub(crate) struct Watch {
    session: Arc<BackSession>,
    gone: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Watch {
    pub(crate) fn new(session: &Arc<BackSession>) -> Self {
        let mut watched = session.context().gone.0.lock();
        let known = watched.entry(key(session)).or_default();
        known.watches += 1;
        Self {
            session: Arc::clone(session),
            gone: Box::pin(known.stop.draining()),
        }
    }

    /// Ready when it has gone.
    pub(crate) fn poll_gone(&mut self, task: &mut Context<'_>) -> Poll<()> {
        self.gone.as_mut().poll(task)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let key = key(&self.session);
        let mut watched = self.session.context().gone.0.lock();
        if let Some(known) = watched.get_mut(&key) {
            known.watches -= 1;
            if known.watches == 0 {
                watched.remove(&key);
            }
        }
    }
}

fn key(session: &BackSession) -> Key {
    (session.came_over().id(), session.id())
}

impl fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Watch")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}
