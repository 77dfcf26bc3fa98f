//! What happens to a request: a handler here, or a server elsewhere.

use std::{collections::HashMap, fmt, sync::Arc};

use tangelo_rpc::{Answer, Code, Remote, Service, Status};
use tangelo_runtime::guard;

use crate::{Context, Handlers, Request, Session, route::Route};

/// Who answers a request.
pub(crate) enum Target<'a> {
    /// A handler of this server.
    Here(&'a Arc<dyn Service<Request>>),
    /// Another server.
    There(Remote),
}

/// The handlers of one server, by their whole route.
#[derive(Default)]
pub(crate) struct Pipeline {
    handlers: HashMap<Box<[u8]>, Arc<dyn Service<Request>>, foldhash::fast::RandomState>,
}

impl Pipeline {
    pub(crate) fn add(&mut self, server_type: &str, name: &str, handlers: Handlers) {
        for (method, handler) in handlers.into_methods() {
            let route = format!("{server_type}.{name}.{method}");
            self.handlers.insert(route.into_bytes().into(), handler);
        }
    }

    /// On a front end: here or there.
    pub(crate) fn find(&self, request: &Request) -> Result<Target<'_>, Status> {
        if let Some(handler) = self.handlers.get(&*request.route) {
            return Ok(Target::Here(handler));
        }
        let context = request.session.context();
        let route = Route::parse(&request.route).ok_or_else(not_a_route)?;
        if route.server_type == context.server_type() {
            return Err(no_handler(route));
        }
        there(context, route, &request.session).map(Target::There)
    }

    /// On a back end: here.
    pub(crate) fn here(&self, request: Request) -> Result<Answer, Status> {
        match self.handlers.get(&*request.route) {
            Some(handler) => call(handler, request),
            None => Err(Route::parse(&request.route).map_or_else(not_a_route, no_handler)),
        }
    }
}

/// Calls a handler; a panic while it takes its arguments is its failure.
pub(crate) fn call(
    handler: &Arc<dyn Service<Request>>,
    request: Request,
) -> Result<Answer, Status> {
    guard::catch(|| handler.call(request))
        .map_err(|panicked| Status::from(Code::BUSINESS_ERROR).with_cause(panicked))
}

fn there(context: &Context, route: Route<'_>, session: &Session) -> Result<Remote, Status> {
    let known = |server_type| {
        context
            .cluster
            .instances()
            .iter()
            .any(|i| i.server_type == server_type)
    };
    let remote = context
        .routes
        .choose(route.server_type, session, &context.cluster);
    match remote {
        Err(status) if status.code() == Code::NO_CONNECTION && !known(route.server_type) => {
            let message = format!("no servers of type `{}`", route.server_type);
            Err(Status::new(Code::NOT_FOUND, message))
        }
        remote => remote,
    }
}

fn not_a_route() -> Status {
    Status::new(Code::NOT_FOUND, "a route is `serverType.handler.method`")
}

fn no_handler(route: Route<'_>) -> Status {
    Status::new(
        Code::NOT_FOUND,
        format!("no handler `{}.{}`", route.handler, route.method),
    )
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes = self
            .handlers
            .keys()
            .map(|route| route.escape_ascii().to_string());
        formatter.debug_set().entries(routes).finish()
    }
}
