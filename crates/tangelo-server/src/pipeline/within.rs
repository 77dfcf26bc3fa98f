//! Work that ends when its time is up, or when its client has gone.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use tangelo_rpc::{Code, Status};
use tokio::time::{Instant, Sleep, sleep_until};

use super::Watch;
use crate::{
    Session,
    session::{FrontSession, Kind},
};

/// How long a piece of work may take, and what else ends it.
pub(crate) struct Bounds {
    deadline: Instant,
    /// Where nobody polls at the deadline.
    alarm: Option<Pin<Box<Sleep>>>,
    client: Client,
}

/// Whose going ends the work.
enum Client {
    Indifferent,
    Here(Arc<FrontSession>),
    Elsewhere(Watch),
}

impl Bounds {
    /// It ends at the deadline. Whoever drives it polls it then: a session's timer does, and a connection
    /// between servers.
    pub(crate) fn new(deadline: Instant) -> Self {
        Self {
            deadline,
            alarm: None,
            client: Client::Indifferent,
        }
    }

    /// It ends by this time as well, at which nobody polls it.
    pub(crate) fn alarmed(mut self, deadline: Instant) -> Self {
        if deadline < self.deadline {
            self.deadline = deadline;
            self.alarm = Some(Box::pin(sleep_until(deadline)));
        }
        self
    }

    /// It ends when the client goes.
    pub(crate) fn with_client(mut self, session: &Session) -> Self {
        self.client = match &session.0 {
            Kind::Front(session) => Client::Here(Arc::clone(session)),
            Kind::Back(session) => Client::Elsewhere(Watch::new(session)),
        };
        self
    }

    fn poll_over(&mut self, task: &mut Context<'_>) -> Poll<Status> {
        let gone = match &mut self.client {
            Client::Indifferent => false,
            // Its task polls what belongs to it when it closes.
            Client::Here(session) => session.is_closed(),
            Client::Elsewhere(watch) => watch.poll_gone(task).is_ready(),
        };
        if gone {
            return Poll::Ready(client_gone());
        }
        if let Some(alarm) = &mut self.alarm
            && alarm.as_mut().poll(task).is_pending()
        {
            return Poll::Pending;
        }
        if Instant::now() >= self.deadline {
            return Poll::Ready(Code::RPC_TIMEOUT.into());
        }
        Poll::Pending
    }
}

/// Why nobody waits for an answer any more.
pub(crate) fn client_gone() -> Status {
    Status::new(Code::CONNECTION_BROKEN, "the client has gone")
}

/// What `work` comes to within these bounds.
///
/// # Errors
/// It was dropped, for this reason.
pub(crate) async fn within<T>(
    mut bounds: Bounds,
    work: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let mut work = pin!(work);
    poll_fn(|task| match work.as_mut().poll(task) {
        Poll::Ready(outcome) => Poll::Ready(outcome),
        Poll::Pending => bounds.poll_over(task).map(Err),
    })
    .await
}
