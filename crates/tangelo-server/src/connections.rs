//! Who is connected to a front end, and who may.

mod admission;
mod host_filter;
mod statistics;

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

pub(crate) use self::admission::{Admission, Refused};
pub use self::{
    host_filter::HostFilter,
    statistics::{ConnectionStatistics, Login},
};
use crate::{Blueprint, Context, Error, FromRequest, Incoming, Result, Sessions};

/// What a client is kicked with that the host filter no longer lets in.
const REFUSED: &str = "refused";

/// Who is connected to a front end, and who may: Pomelo's `connectionService`. Clones speak of the same
/// front end.
///
/// As a handler's argument it is refused on a back end, which has no clients.
#[derive(Clone)]
pub struct Connections {
    shared: Arc<Shared>,
}

struct Shared {
    server_id: String,
    /// How many there are now.
    open: AtomicUsize,
    /// How many there may be; the greatest number there is for no limit.
    most: AtomicUsize,
    total: AtomicU64,
    refused: AtomicU64,
    hosts: HostFilter,
    sessions: Sessions,
}

/// What a blueprint says about connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    most: Option<usize>,
    hosts: HostFilter,
}

impl Connections {
    pub(crate) fn new(plan: Plan, server_id: &str, sessions: Sessions) -> Self {
        Self {
            shared: Arc::new(Shared {
                server_id: server_id.to_owned(),
                open: AtomicUsize::new(0),
                most: AtomicUsize::new(plan.most.unwrap_or(usize::MAX)),
                total: AtomicU64::new(0),
                refused: AtomicU64::new(0),
                hosts: plan.hosts,
                sessions,
            }),
        }
    }

    /// How many clients are connected now, those included that have not shaken hands yet.
    pub fn count(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// How many have been let in since the server started.
    pub fn total(&self) -> u64 {
        self.shared.total.load(Ordering::Relaxed)
    }

    /// How many have been refused since the server started, by the host filter or because there were
    /// as many as there may be.
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// How many users are logged in: bound to at least one session.
    pub fn users(&self) -> usize {
        self.shared.sessions.users()
    }

    /// Who is logged in, the newest first, `most` at the most: one for each session that a user is bound
    /// to.
    pub fn logins(&self, most: usize) -> Vec<Login> {
        statistics::logins(&self.shared.sessions, most)
    }

    /// All of this as Pomelo's `getStatisticsInfo` has it; with 1,000 logins at the most, the newest.
    pub fn statistics(&self) -> ConnectionStatistics {
        ConnectionStatistics::of(self)
    }

    /// How many clients may be connected at once; none for no limit.
    pub fn max_connections(&self) -> Option<usize> {
        let most = self.shared.most.load(Ordering::Relaxed);
        (most < usize::MAX).then_some(most)
    }

    /// Changes how many may be connected at once. Those that are stay, however many.
    pub fn set_max_connections(&self, most: impl Into<Option<usize>>) {
        let most = most.into().unwrap_or(usize::MAX);
        self.shared.most.store(most, Ordering::Relaxed);
    }

    /// Which addresses may connect; what is changed in it holds for clients that come later.
    pub fn host_filter(&self) -> &HostFilter {
        &self.shared.hosts
    }

    /// Kicks those that are connected and would not be let in any more, with the reason `refused`.
    /// Returns how many.
    ///
    /// First those whom lists and [`deny_if`](HostFilter::deny_if) refuse, then those whom
    /// [`deny_if_async`](HostFilter::deny_if_async) does, which is asked for one after the other. When
    /// the future is dropped, the rest stays.
    pub async fn enforce_host_filter(&self) -> usize {
        let mut refused = 0;
        let mut left = Vec::new();
        for session in self.shared.sessions.every() {
            if self.shared.hosts.denies(session.peer().ip()) {
                session.kick(REFUSED);
                refused += 1;
            } else {
                left.push(session);
            }
        }
        for session in left {
            if self.shared.hosts.denies_later(session.peer().ip()).await {
                session.kick(REFUSED);
                refused += 1;
            }
        }
        refused
    }

    /// Lets a client in, or not. Nothing has been read from it.
    pub(crate) fn admit(&self, peer: SocketAddr) -> Result<Admission, Refused> {
        Admission::new(&self.shared, Some(peer))
    }

    /// Lets a client in, or not, before a proxy has said who it is.
    pub(crate) fn admit_somebody(&self) -> Result<Admission, Refused> {
        Admission::new(&self.shared, None)
    }
}

impl<R: Incoming> FromRequest<R> for Connections {
    fn from_request(request: &mut R) -> Result<Self> {
        let context = request.context();
        if !context.instance().frontend {
            return Err(Error::new(
                "this handler belongs on a front end: it takes Connections",
            ));
        }
        Ok(context.connections().clone())
    }
}

impl Context {
    /// Who is connected to it, and who may.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }
}

impl Blueprint {
    /// How many clients may be connected to a server at once; one too many is closed before anything is
    /// read from it. `None`, the default: as many as there are descriptors for.
    ///
    /// A server's `max-connections` in servers.json goes before this.
    #[must_use]
    pub fn max_connections(mut self, most: impl Into<Option<usize>>) -> Self {
        self.connections.most = most.into();
        self
    }

    /// Which addresses may connect. It can be changed while the server runs, by this filter's clones and
    /// by [`Connections::host_filter`]. Default: all.
    #[must_use]
    pub fn host_filter(mut self, hosts: HostFilter) -> Self {
        self.connections.hosts = hosts;
        self
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Connections")
            .field("count", &self.count())
            .field("max_connections", &self.max_connections())
            .finish_non_exhaustive()
    }
}
