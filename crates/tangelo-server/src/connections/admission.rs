//! A client that has been let in, and is counted until it has gone.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
};

use super::{REFUSED, Shared};
use crate::session::FrontSession;

/// A client that has been let in. It counts as connected until this is dropped.
pub(crate) struct Admission {
    shared: Arc<Shared>,
    /// None until the proxy that speaks for the client has said it.
    peer: Option<SocketAddr>,
    /// The state of the host filter it was let in by.
    version: u64,
}

/// Why a client is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("as many clients are connected as may be")]
    Full,
    #[error("refused by the host filter")]
    Host,
}

impl Admission {
    pub(super) fn new(shared: &Arc<Shared>, peer: Option<SocketAddr>) -> Result<Self, Refused> {
        let version = shared.hosts.version();
        if peer.is_some_and(|peer| shared.hosts.denies(peer.ip())) {
            shared.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Refused::Host);
        }
        let most = shared.most.load(Ordering::Relaxed);
        let one_more = |open| (open < most).then_some(open + 1);
        let counted = shared
            .open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        if counted.is_err() {
            shared.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Refused::Full);
        }
        Ok(Self {
            shared: Arc::clone(shared),
            peer,
            version,
        })
    }

    /// Whether the host filter lets it in that takes its time. Nothing may be read before it has.
    pub(crate) async fn confirm(&self) -> Result<(), Refused> {
        let Some(peer) = self.peer else {
            return Ok(());
        };
        if self.shared.hosts.denies_later(peer.ip()).await {
            self.shared.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Refused::Host);
        }
        self.shared.total.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the host filter lets it in, where it was not known before who it is.
    pub(crate) async fn identify(&mut self, peer: SocketAddr) -> Result<(), Refused> {
        if self.peer.is_some() {
            return Ok(());
        }
        self.peer = Some(peer);
        self.version = self.shared.hosts.version();
        if self.shared.hosts.denies(peer.ip()) {
            self.shared.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Refused::Host);
        }
        self.confirm().await
    }

    /// The client has a session now, which [`enforce_host_filter`](super::Connections::enforce_host_filter)
    /// finds. If the filter has changed before, this has to look again.
    pub(crate) async fn opened(&self, session: &Arc<FrontSession>) {
        let (hosts, address) = (&self.shared.hosts, session.peer().ip());
        if hosts.version() != self.version
            && (hosts.denies(address) || hosts.denies_later(address).await)
        {
            session.kick(REFUSED);
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Admission")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
