//! What happens to a request: filters, then a handler here or a server elsewhere, and what is left when it
//! has been answered. A server without filters goes straight to [`begin`].

mod filters;
mod gone;
mod lines;
mod passage;
mod within;

use std::{
    cell::Cell,
    collections::HashMap,
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use tangelo_rpc::{Answer, Code, Due, Reply, Service, Status};
use tangelo_runtime::guard::{self, Guarded, Panicked};

pub(crate) use self::{
    filters::Filters,
    gone::{Gone, Watch},
    lines::{Lines, Place},
    passage::{Passage, Step, To, Turn},
    within::{Bounds, client_gone, within},
};
use crate::{
    Handlers, Request,
    handler::{Handling, Manner},
    route::{By, Choice, Route},
};

thread_local! {
    /// The number of the handler that was found last by this thread: most requests are for the same one as those
    /// before them, and a route is sooner compared than hashed.
    static LATEST: Cell<usize> = const { Cell::new(0) };
}

/// The handlers of one server, by their whole route, and the filters around them.
#[derive(Default)]
pub(crate) struct Pipeline {
    handlers: Vec<Registered>,
    by_route: HashMap<Box<[u8]>, usize, foldhash::fast::RandomState>,
    /// What clients' requests pass first, whoever answers them.
    pub(crate) global: Filters,
    /// What requests pass that are for this server.
    pub(crate) local: Filters,
}

/// A handler and its route.
pub(crate) struct Registered {
    pub(crate) route: Box<[u8]>,
    pub(crate) handler: Handling<Request>,
    pub(crate) manner: Manner,
}

impl Pipeline {
    /// The routes of those that were there already, and are replaced.
    pub(crate) fn add(&mut self, server_type: &str, name: &str, handlers: Handlers) -> Vec<String> {
        let twice = handlers.twice();
        let mut twice: Vec<_> = twice
            .map(|method| format!("{server_type}.{name}.{method}"))
            .collect();
        for (method, handler, manner) in handlers.into_methods() {
            let named = format!("{server_type}.{name}.{method}");
            let route: Box<[u8]> = named.as_bytes().into();
            let before = self.by_route.insert(route.clone(), self.handlers.len());
            if before.is_some() {
                twice.push(named);
            }
            self.handlers.push(Registered {
                route,
                handler,
                manner,
            });
        }
        twice
    }

    /// Whether a client's request goes straight to who answers it.
    pub(crate) fn is_plain(&self) -> bool {
        self.global.is_empty() && self.local.is_empty()
    }

    /// Whether a request may have to wait before it starts, so that later ones of its session have to as
    /// well.
    pub(crate) fn may_wait(&self) -> bool {
        self.global.has_befores() || self.local.has_befores()
    }

    /// Who answers this route; `server_type` is this server's.
    pub(crate) fn destination(&self, route: &[u8], server_type: &str) -> To {
        let known = self.find(route);
        let own = |route: Route<'_>| route.server_type == server_type;
        if known.is_some() || Route::parse(route).is_some_and(own) {
            To::Here(known)
        } else {
            To::Elsewhere
        }
    }

    /// How who answers is run.
    pub(crate) fn manner(&self, to: To) -> Manner {
        match to {
            To::Here(Some(number)) => self
                .get(number)
                .map(|known| known.manner)
                .unwrap_or_default(),
            To::Here(None) | To::Elsewhere => Manner::default(),
        }
    }

    /// What handlers call has no more time than they have. It costs each request an allocation, so it is
    /// done only where there is somebody to call.
    pub(crate) fn hand_deadlines_on(&mut self) {
        for known in &mut self.handlers {
            known.handler = Arc::new(HandsDeadlineOn(Arc::clone(&known.handler)));
        }
    }

    /// The routes of all handlers.
    pub(crate) fn routes(&self) -> impl Iterator<Item = String> {
        let routes = self.handlers.iter().map(|known| &*known.route);
        routes.map(|route| String::from_utf8_lossy(route).into_owned())
    }

    /// The number of the handler that answers this route here.
    #[inline]
    pub(crate) fn find(&self, route: &[u8]) -> Option<usize> {
        let latest = LATEST.get();
        match self.handlers.get(latest) {
            Some(known) if *known.route == *route => Some(latest),
            _ => self.look_up(route),
        }
    }

    fn look_up(&self, route: &[u8]) -> Option<usize> {
        let found = self.by_route.get(route).copied()?;
        LATEST.set(found);
        Some(found)
    }

    /// The handler of this number.
    pub(crate) fn get(&self, number: usize) -> Option<&Registered> {
        self.handlers.get(number)
    }
}

/// A handler whose calls end when its answer is due.
struct HandsDeadlineOn(Handling<Request>);

impl Service<&mut Request> for HandsDeadlineOn {
    fn call(&self, request: &mut Request) -> Answer {
        let due = Due::by(request.deadline());
        let answer = due.enter(|| self.0.call(request));
        Box::pin(due.scope(answer))
    }
}

/// The server that answers a request which no handler of this one does, or the way to find out.
pub(crate) fn elsewhere(context: &crate::Context, request: &Request) -> Result<Choice, Status> {
    let route = Route::parse(request.route()).ok_or_else(|| not_found(request.route()))?;
    if route.server_type == context.server_type() {
        return Err(not_found(request.route()));
    }
    let by = By::Session(request.session().clone());
    context
        .routes
        .choose(route.server_type, &by, &context.cluster)
}

/// Why nothing here answers a route.
pub(crate) fn not_found(route: &[u8]) -> Status {
    match Route::parse(route) {
        Some(Route {
            handler, method, ..
        }) => Status::new(Code::NOT_FOUND, format!("no handler `{handler}.{method}`")),
        None => Status::new(Code::NOT_FOUND, "a route is `serverType.handler.method`"),
    }
}

/// Calls a handler and polls it once, in place. A panic in either, or when what is done is dropped,
/// is the handler's failure.
#[inline(always)]
pub(crate) fn begin(
    handler: &Handling<Request>,
    request: &mut Request,
    task: &mut Context<'_>,
) -> Begun {
    let mut answer = None;
    let polled = guard::catch(|| {
        let begun = answer.insert(handler.call(request));
        let polled = begun.as_mut().poll(task);
        if polled.is_ready() {
            answer = None;
        }
        polled
    });
    match (polled, answer) {
        (Ok(Poll::Ready(outcome)), _) => Begun::Answered(outcome),
        (Ok(Poll::Pending), Some(answer)) => Begun::Runs(Guarded::new(answer)),
        (Ok(Poll::Pending), None) => Begun::Answered(Err(Code::BUSINESS_ERROR.into())),
        (Err(panicked), answer) => {
            drop(answer.map(Guarded::new));
            Begun::Answered(Err(failed(panicked)))
        }
    }
}

/// What became of a handler that was begun.
pub(crate) enum Begun {
    /// It has answered.
    Answered(Result<Reply, Status>),
    /// It has not.
    Runs(Guarded<dyn Future<Output = Result<Reply, Status>> + Send>),
}

/// A handler's panic as its caller is told it.
pub(crate) fn failed(panicked: Panicked) -> Status {
    Status::from(Code::BUSINESS_ERROR).with_cause(panicked)
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes = self
            .handlers
            .iter()
            .map(|known| known.route.escape_ascii().to_string());
        formatter.debug_set().entries(routes).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipeline(routes: &[&str]) -> Pipeline {
        let mut pipeline = Pipeline::default();
        for route in routes {
            let (name, method) = route.split_once('.').unwrap();
            let handlers = Handlers::new().add(method, async || {});
            assert!(pipeline.add("chat", name, handlers).is_empty());
        }
        pipeline
    }

    #[test]
    fn a_route_is_found_whatever_was_found_before_it_on_this_thread() {
        let (one, other) = (pipeline(&["a.x", "a.y", "b.x"]), pipeline(&["b.x", "a.y"]));
        let routes = [
            "chat.a.x", "chat.a.y", "chat.b.x", "chat.b.y", "chat.a.", "",
        ];
        for first in routes {
            for second in routes {
                for (pipeline, route) in [(&one, first), (&other, second), (&one, second)] {
                    let found = pipeline.find(route.as_bytes());
                    let found = found.and_then(|number| pipeline.get(number));
                    let known = pipeline.routes().any(|known| known == route);
                    assert_eq!(
                        found.map(|found| &*found.route),
                        known.then_some(route.as_bytes())
                    );
                }
            }
        }
    }
}
