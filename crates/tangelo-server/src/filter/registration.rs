//! Where filters are added.

use super::{Filter, IntoAfter, IntoBefore};
use crate::{Blueprint, Error, IntoReply, Request};

impl Blueprint {
    /// A filter around what this server's handlers answer, both halves of it: Pomelo's `app.filter`.
    #[must_use]
    pub fn filter(mut self, filter: impl Filter) -> Self {
        self.pipeline.local.both(filter);
        self
    }

    /// Runs before this server's handlers, after those added earlier: Pomelo's `app.before`.
    #[must_use]
    pub fn before<A>(mut self, before: impl IntoBefore<A>) -> Self {
        self.pipeline.local.before(before.into_before());
        self
    }

    /// Runs when a request for this server's handlers has been answered, before those added earlier:
    /// Pomelo's `app.after`.
    #[must_use]
    pub fn after<A>(mut self, after: impl IntoAfter<A>) -> Self {
        self.pipeline.local.after(after.into_after());
        self
    }

    /// On a front end, a filter around all that its clients request, also what other servers answer:
    /// Pomelo's `app.globalFilter`. On a back end it does nothing.
    #[must_use]
    pub fn global_filter(mut self, filter: impl Filter) -> Self {
        self.pipeline.global.both(filter);
        self
    }

    /// As [`before`](Self::before), for all that a front end's clients request; it runs earlier.
    #[must_use]
    pub fn global_before<A>(mut self, before: impl IntoBefore<A>) -> Self {
        self.pipeline.global.before(before.into_before());
        self
    }

    /// As [`after`](Self::after), for all that a front end's clients request; it runs later.
    #[must_use]
    pub fn global_after<A>(mut self, after: impl IntoAfter<A>) -> Self {
        self.pipeline.global.after(after.into_after());
        self
    }

    /// Says what a client is told when a request fails that is for this server: in a before filter, or in
    /// its handler, or as there is none, or as its time is up. Pomelo's `errorHandler`.
    ///
    /// What it returns is the reply, also if that is an error: then the body which that carries, or code and
    /// words. Without an error handler the client is told the error as it is. It answers at once; what has
    /// to wait belongs in the handler or in an after filter. A failure it has made a reply of is not logged.
    ///
    /// ```
    /// # use serde_json::json;
    /// # use tangelo_server::{Blueprint, Error, Json, Request};
    /// Blueprint::new("chat").error_handler(|error: Error, _: &Request| {
    ///     Json(json!({ "code": error.code(), "reason": error.message() }))
    /// });
    /// ```
    #[must_use]
    pub fn error_handler<R: IntoReply>(
        mut self,
        handler: impl Fn(Error, &Request) -> R + Send + Sync + 'static,
    ) -> Self {
        self.pipeline.local.error_handler(handler);
        self
    }

    /// As [`error_handler`](Self::error_handler), on a front end, for what fails on the way to a handler: in
    /// a global before filter, or between front end and back end. What a back end has answered is not asked
    /// about again. Pomelo's `globalErrorHandler`.
    #[must_use]
    pub fn global_error_handler<R: IntoReply>(
        mut self,
        handler: impl Fn(Error, &Request) -> R + Send + Sync + 'static,
    ) -> Self {
        self.pipeline.global.error_handler(handler);
        self
    }
}
