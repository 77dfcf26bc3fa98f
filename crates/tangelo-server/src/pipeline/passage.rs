//! A request's way through the filters of a server.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tangelo_rpc::{Reply, Status};
use tangelo_runtime::guard::{self, Guarded};
use tokio::time::Instant;
use tracing::warn;

use super::{Bounds, Pipeline, Place, client_gone, failed, not_found, within};
use crate::{Answered, Error, Request, SessionState, answer::Shown};

/// A request on its way through the filters of a server, and what is known of it when it has been answered.
#[derive(Debug)]
pub(crate) struct Passage {
    request: Request,
    /// Whether a client has made it; else a front end has forwarded it, and the global filters are there.
    of_client: bool,
    reached: Reached,
    error: Option<Error>,
    /// How often its route function was asked again.
    asked_again: u32,
}

/// How often a route function is asked again for one request, each time because the server it found has left
/// meanwhile.
const MOST_ASKED_AGAIN: u32 = 3;

/// The filters that a request has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reached {
    None,
    Global,
    /// Those of this server's handlers.
    Local,
}

/// Who answers a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum To {
    /// The handler of this number; with none, nobody does.
    Here(Option<usize>),
    Elsewhere,
}

/// What keeps a session's requests in the order they came, up to their handlers.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Nothing waits before a handler.
    Free,
    /// It has its turn after those before it in this line.
    After(Place),
    /// It has its turn now, and the next has his when this is true.
    Now(Arc<AtomicBool>),
}

impl Turn {
    async fn comes(&self) {
        if let Self::After(place) = self {
            place.turn().await;
        }
    }

    fn is_over(&self) {
        match self {
            Self::Free => {}
            Self::After(place) => place.leave(),
            Self::Now(over) => over.store(true, Ordering::Relaxed),
        }
    }
}

/// How far a request has come.
pub(crate) enum Step {
    /// To its end: what the client is told. What is left are after filters.
    Answered {
        outcome: Result<Reply, Status>,
        passage: Option<Box<Passage>>,
    },
    /// Through the filters, to another server.
    Elsewhere(Box<Passage>),
    /// To the end of its after filters.
    Done,
}

impl Passage {
    /// A client's request.
    pub(crate) fn of_client(mut request: Request) -> Box<Self> {
        // It is kept until it has been answered.
        request.unpin();
        Self::new(request, true)
    }

    /// A request that a front end has forwarded.
    pub(crate) fn of_front_end(request: Request) -> Box<Self> {
        Self::new(request, false)
    }

    fn new(request: Request, of_client: bool) -> Box<Self> {
        Box::new(Self {
            request,
            of_client,
            reached: Reached::None,
            error: None,
            asked_again: 0,
        })
    }

    pub(crate) fn request(&self) -> &Request {
        &self.request
    }

    /// Whether its route function may be asked once more.
    pub(crate) fn asks_again(&mut self) -> bool {
        self.asked_again += 1;
        self.asked_again <= MOST_ASKED_AGAIN
    }

    /// What the client is told: of a failure, what the error handler says.
    pub(crate) fn told(&mut self, outcome: Result<Reply, Status>) -> Result<Reply, Status> {
        outcome.or_else(|status| {
            let pipeline = &self.request.session().context().pipeline;
            let on_the_way = self.of_client && self.reached != Reached::Local;
            let filters = if on_the_way {
                &pipeline.global
            } else {
                &pipeline.local
            };
            let told = filters.told(status.clone(), &self.request);
            self.error = Some(Error::of(status));
            told
        })
    }

    /// It has failed, and nobody is there to be told.
    pub(crate) fn failed(&mut self, status: Status) {
        self.error = Some(Error::of(status));
    }

    /// Takes the request through the filters, and to its handler if that is here. Whoever drives it polls
    /// it at its deadline.
    pub(crate) async fn pass(mut self: Box<Self>, turn: Turn, to: To, bounds: Bounds) -> Step {
        let session = self.request.session().clone();
        let pipeline = &session.context().pipeline;
        let passed = within(bounds, async {
            turn.comes().await;
            if self.of_client {
                self.reached = Reached::Global;
                pipeline.global.before_all(&mut self.request).await?;
            }
            let To::Here(number) = to else {
                return Ok(None);
            };
            self.reached = Reached::Local;
            pipeline.local.before_all(&mut self.request).await?;
            if session.state() == SessionState::Closed {
                return Err(client_gone());
            }
            let answer = self.call(pipeline, number)?;
            turn.is_over();
            answer.await.map_err(failed)?.map(Some)
        });
        let outcome = match passed.await {
            Ok(None) => return Step::Elsewhere(self),
            Ok(Some(reply)) => Ok(reply),
            Err(status) => Err(status),
        };
        let outcome = self.told(outcome);
        Step::Answered {
            outcome,
            passage: Some(self),
        }
    }

    fn call(
        &self,
        pipeline: &Pipeline,
        number: Option<usize>,
    ) -> Result<Guarded<dyn Future<Output = Result<Reply, Status>> + Send>, Status> {
        let known = number.and_then(|number| pipeline.get(number));
        let known = known.ok_or_else(|| not_found(self.request.route()))?;
        // The request is kept for those who come after.
        let mut request = self.request.clone();
        let answer = guard::catch(|| known.handler.call(&mut request)).map_err(failed)?;
        Ok(Guarded::new(answer))
    }

    /// What is left when the reply has been handed on: the after filters, of handlers here and global ones,
    /// until `deadline`. None if there are none.
    pub(crate) fn afterwards(
        self: Box<Self>,
        outcome: &Result<Reply, Status>,
        deadline: Instant,
    ) -> Option<impl Future<Output = ()> + Send + use<>> {
        let session = self.request.session().clone();
        let pipeline = &session.context().pipeline;
        let local = self.reached == Reached::Local && pipeline.local.has_afters();
        let global =
            self.of_client && self.reached >= Reached::Global && pipeline.global.has_afters();
        if !local && !global {
            return None;
        }
        let answered = Answered::new(self.request, self.error, outcome.as_ref().ok().cloned());
        Some(async move {
            let pipeline = &session.context().pipeline;
            let work = within(Bounds::new(deadline), async {
                if local {
                    pipeline.local.after_all(&answered).await;
                }
                if global {
                    pipeline.global.after_all(&answered).await;
                }
                Ok(())
            });
            if work.await.is_err()
                && let Some(left_out) = session.context().may_log()
            {
                let route = Shown(answered.request().route());
                warn!(session = %session.id(), %route, left_out, "after filters took too long");
            }
        })
    }
}
