//! Filters: what happens to every request before its handler, and after it has been answered.

mod function;
mod registration;

use std::{pin::Pin, sync::Arc};

use tangelo_rpc::Reply;

pub use self::function::{FromAnswered, IntoAfter, IntoBefore, IntoDone, IntoPassed};
use crate::{Context, Error, Request, Result, Session};

/// What happens to every request before its handler, and after it has been answered: Pomelo's filter.
/// What is left out does nothing.
///
/// Before filters run in the order they were added; the requests of a session pass them one after the
/// other, in the order they came, up to their handlers. After filters run the other way round, once the
/// reply has been handed on, beside the requests that come next. Both have as long as a request may take
/// ([`Limits::deadline`](crate::Limits::deadline)), the before filters together with the handler.
///
/// Either may be dropped at an await. A panic in a before filter fails the request (500); one in an after
/// filter is logged.
///
/// ```
/// # use tangelo_server::{Answered, Error, Filter, Request, Result};
/// struct OnlyUsers;
///
/// impl Filter for OnlyUsers {
///     async fn before(&self, request: &mut Request) -> Result<()> {
///         request.session().uid()?;
///         Ok(())
///     }
///
///     async fn after(&self, answered: &Answered) -> Result<()> {
///         tracing::debug!(failed = answered.error().is_some(), "answered");
///         Ok(())
///     }
/// }
/// ```
pub trait Filter: Send + Sync + 'static {
    /// Before the handler: it may look at the request, replace its body, lay something beside it, and
    /// amend its session.
    ///
    /// # Errors
    /// The request is not for the handler, nor for the filters that follow: the error goes to the error
    /// handler, then to the client.
    fn before(&self, request: &mut Request) -> impl Future<Output = Result<()>> + Send {
        let _ = request;
        std::future::ready(Ok(()))
    }

    /// After the reply has been handed on: it changes nothing of it any more.
    ///
    /// It runs for every request that came as far as the before filters it was added with, however it
    /// ended.
    ///
    /// # Errors
    /// They go to the log, and the other after filters run all the same.
    fn after(&self, answered: &Answered) -> impl Future<Output = Result<()>> + Send {
        let _ = answered;
        std::future::ready(Ok(()))
    }

    /// What it does beside the requests, from before the doors of a server open until that stops.
    fn run(&self, server: &Arc<Context>) -> impl Future<Output = ()> + Send {
        let _ = server;
        std::future::ready(())
    }
}

/// A filter that is kept, for example to ask it how it fares.
impl<F: Filter> Filter for Arc<F> {
    fn before(&self, request: &mut Request) -> impl Future<Output = Result<()>> + Send {
        (**self).before(request)
    }

    fn after(&self, answered: &Answered) -> impl Future<Output = Result<()>> + Send {
        (**self).after(answered)
    }

    fn run(&self, server: &Arc<Context>) -> impl Future<Output = ()> + Send {
        (**self).run(server)
    }
}

/// A request that has been answered, or has failed: what after filters see.
#[derive(Clone, Debug)]
pub struct Answered {
    request: Request,
    error: Option<Error>,
    reply: Option<Reply>,
}

impl Answered {
    pub(crate) fn new(request: Request, error: Option<Error>, reply: Option<Reply>) -> Self {
        Self {
            request,
            error,
            reply,
        }
    }

    /// The request, as the before filters left it.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Whom it came from.
    pub fn session(&self) -> &Session {
        self.request.session()
    }

    /// Why it failed, also where an error handler made a reply of that.
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// The reply; none where the client was told no more than the error.
    pub fn reply(&self) -> Option<&Reply> {
        self.reply.as_ref()
    }
}

/// Something under way whose type nobody cares for.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A filter of any type, or one half of it.
pub(crate) trait AnyFilter: Send + Sync {
    fn before<'a>(&'a self, request: &'a mut Request) -> Boxed<'a, Result<()>>;
    fn after<'a>(&'a self, answered: &'a Answered) -> Boxed<'a, Result<()>>;
    fn run<'a>(&'a self, server: &'a Arc<Context>) -> Boxed<'a, ()>;
}

impl<F: Filter> AnyFilter for F {
    fn before<'a>(&'a self, request: &'a mut Request) -> Boxed<'a, Result<()>> {
        Box::pin(Filter::before(self, request))
    }

    fn after<'a>(&'a self, answered: &'a Answered) -> Boxed<'a, Result<()>> {
        Box::pin(Filter::after(self, answered))
    }

    fn run<'a>(&'a self, server: &'a Arc<Context>) -> Boxed<'a, ()> {
        Box::pin(Filter::run(self, server))
    }
}
