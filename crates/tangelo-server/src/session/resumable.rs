//! Where the client of a session comes in again.

use std::{fmt, net::SocketAddr};

use tangelo_connector::Connection;
use tokio::sync::oneshot;

use super::FrontSession;
use crate::{
    connections::Admission,
    resume::{Given, Secret, Secrets},
};

/// What a session that can be resumed shares with the tasks of new connections.
#[derive(Debug)]
pub(super) struct Resumable {
    secrets: Secrets,
    arrival: Option<Arrival>,
    demand: Option<Demand>,
}

/// Another front end wants the session, as its client has come there.
#[derive(Debug)]
pub(crate) struct Demand {
    pub(crate) secret: Secret,
    /// How many messages of the session the client has.
    pub(crate) received: u64,
    pub(crate) give: oneshot::Sender<Given>,
}

/// A client's new connection, on its way to the task of the session it had.
pub(crate) struct Arrival {
    pub(crate) connection: Box<dyn Connection>,
    pub(crate) admission: Option<Admission>,
    pub(crate) peer: SocketAddr,
    /// What it came back with.
    pub(crate) secret: Secret,
    /// How many messages of the session it has.
    pub(crate) received: u64,
}

impl FrontSession {
    /// From here on a client with this secret may go on with it.
    pub(crate) fn resumed_by(&self, secrets: Secrets) {
        let resumable = Resumable {
            secrets,
            arrival: None,
            demand: None,
        };
        self.look(|state| state.resumable = Some(Box::new(resumable)));
    }

    /// Hands a new connection to the session's task, which takes it instead of what it has.
    ///
    /// # Errors
    /// It is not this session's client, or the session has closed: the connection comes back.
    pub(crate) fn arrive(&self, arrival: Arrival) -> Result<(), Arrival> {
        // Asked first, so that a stranger changes nothing.
        if !self.is_resumed_by(&arrival.secret) {
            return Err(arrival);
        }
        let given_up = self.change(|state| match &mut state.resumable {
            Some(resumable) => {
                // From here the session is found under its client's new address.
                state.peer = Some(arrival.peer);
                Ok(resumable.arrival.replace(arrival))
            }
            None => Err(arrival),
        })?;
        // Without the lock.
        drop(given_up);
        self.wake().wake();
        Ok(())
    }

    /// Whether a client with this secret may go on with it.
    pub(crate) fn is_resumed_by(&self, secret: &Secret) -> bool {
        self.look(|state| {
            let resumable = state.resumable.as_ref();
            resumable.is_some_and(|it| it.secrets.know(secret))
        })
    }

    /// Says to the session's task that another front end wants it. One that is not given is dropped.
    pub(crate) fn demand(&self, demand: Demand) {
        let given_up = self.look(|state| match &mut state.resumable {
            Some(resumable) => resumable.demand.replace(demand),
            None => Some(demand),
        });
        drop(given_up);
        self.wake().wake();
    }

    /// What another front end wants, if one does.
    pub(crate) fn take_demand(&self) -> Option<Demand> {
        let demand = self.look(|state| state.resumable.as_mut()?.demand.take())?;
        self.is_resumed_by(&demand.secret).then_some(demand)
    }

    /// The new connection, if there is one. `next` is what its client comes back with the next time.
    pub(crate) fn take_arrival(&self) -> Option<Arrival> {
        self.look(|state| state.resumable.as_mut()?.arrival.take())
    }

    /// The client that came with `used` is given `next`; `false` if `used` is not good any more.
    pub(crate) fn replace_secret(&self, used: Secret, next: Secret) -> bool {
        self.look(|state| match &mut state.resumable {
            Some(resumable) if resumable.secrets.know(&used) => {
                resumable.secrets.replace(used, next);
                true
            }
            _ => false,
        })
    }

    /// The client has shown that it has what it comes back with.
    pub(crate) fn settle_secret(&self) {
        self.look(|state| {
            if let Some(resumable) = &mut state.resumable {
                resumable.secrets.settle();
            }
        });
    }
}

impl fmt::Debug for Arrival {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Arrival")
            .field("peer", &self.peer)
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}
