//! What the servers of a type say about their calls.

use std::sync::Arc;

use tangelo_rpc::{Reply, Status};

use super::{
    FailMode, RpcCall, RpcFilter,
    filter::{AfterFn, AnyRpcFilter, BeforeFn},
};
use crate::{Blueprint, Error, IntoReply, Result};

/// What the servers of a type say about the calls they make.
#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) fail_mode: FailMode,
    pub(crate) filters: Vec<Arc<dyn AnyRpcFilter>>,
    pub(crate) on_error: Option<OnError>,
}

impl Settings {
    /// Whether anybody wants to see calls.
    pub(super) fn has_watchers(&self) -> bool {
        !self.filters.is_empty() || self.on_error.is_some()
    }
}

type OnError = Arc<dyn Fn(Error, &RpcCall) -> Result<Reply, Status> + Send + Sync>;

impl Blueprint {
    /// A filter around the calls that servers of this type make: Pomelo's `app.rpcFilter`.
    #[must_use]
    pub fn rpc_filter(mut self, filter: impl RpcFilter) -> Self {
        self.rpc.filters.push(Arc::new(filter));
        self
    }

    /// A function that sees each call before it is made: Pomelo's `app.rpcBefore`. An error ends the call.
    #[must_use]
    pub fn rpc_before(
        self,
        before: impl Fn(&mut RpcCall) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.rpc_filter(BeforeFn(before))
    }

    /// A function that sees each call when it has ended: Pomelo's `app.rpcAfter`.
    #[must_use]
    pub fn rpc_after(
        self,
        after: impl Fn(&RpcCall, &Result<Reply, Status>) + Send + Sync + 'static,
    ) -> Self {
        self.rpc_filter(AfterFn(after))
    }

    /// Has the last word on each call that failed, before the filters hear of it: Pomelo's
    /// `rpcErrorHandler`. What it returns is what the caller is told: another error, or an answer in the
    /// server's place, for a remote such as `Json`. Default: the caller is told as it is.
    #[must_use]
    pub fn rpc_error_handler<R: IntoReply>(
        mut self,
        handler: impl Fn(Error, &RpcCall) -> R + Send + Sync + 'static,
    ) -> Self {
        let on_error = move |error, call: &_| handler(error, call).into_reply();
        self.rpc.on_error = Some(Arc::new(on_error));
        self
    }

    /// What becomes of calls that failed. Default [`FailMode::FAST`]: the caller is told.
    #[must_use]
    pub fn rpc_fail_mode(mut self, fail_mode: FailMode) -> Self {
        self.rpc.fail_mode = fail_mode;
        self
    }
}
