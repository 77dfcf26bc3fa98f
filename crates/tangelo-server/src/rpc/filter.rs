//! What an application does before and after each call.

use std::{future::ready, sync::Arc};

use tangelo_rpc::{Reply, Status};

use super::RpcCall;
use crate::{Context, Result, filter::Boxed};

/// Sees the calls a server makes, on their way out and when they have ended: Pomelo's `rpcFilter`.
///
/// Filters see calls to services and remotes, and not what the framework itself says to other servers,
/// such as forwarded requests. They stand in the order they were added; `after` runs in reverse. A call
/// that waits in a filter may be overtaken by a later one of the same session.
pub trait RpcFilter: Send + Sync + 'static {
    /// Before a call. It may change its arguments or [redirect](RpcCall::redirect) it; an error ends it.
    /// It has the call's own time.
    fn before(&self, call: &mut RpcCall) -> impl Future<Output = Result<()>> + Send {
        let _ = call;
        ready(Ok(()))
    }

    /// A call has ended, however it did; of one that its caller dropped, with
    /// [`Code::USER_CANCEL`](tangelo_rpc::Code::USER_CANCEL). All filters hear of it, also those a call
    /// did not reach on its way out. What it ended with is as the caller is told; of one-way calls,
    /// whether they were sent.
    fn after(&self, call: &RpcCall, outcome: &Result<Reply, Status>) {
        let _ = (call, outcome);
    }

    /// What it does beside the calls, from before the doors of a server open until that stops.
    fn run(&self, server: &Arc<Context>) -> impl Future<Output = ()> + Send {
        let _ = server;
        ready(())
    }
}

/// A filter that is kept, for example to ask it how it fares, or that is one of requests as well.
impl<F: RpcFilter> RpcFilter for Arc<F> {
    fn before(&self, call: &mut RpcCall) -> impl Future<Output = Result<()>> + Send {
        (**self).before(call)
    }

    fn after(&self, call: &RpcCall, outcome: &Result<Reply, Status>) {
        (**self).after(call, outcome);
    }

    fn run(&self, server: &Arc<Context>) -> impl Future<Output = ()> + Send {
        (**self).run(server)
    }
}

/// A filter whose type does not matter any more.
pub(crate) trait AnyRpcFilter: Send + Sync {
    fn before<'a>(&'a self, call: &'a mut RpcCall) -> Boxed<'a, Result<()>>;

    fn after(&self, call: &RpcCall, outcome: &Result<Reply, Status>);

    fn run<'a>(&'a self, server: &'a Arc<Context>) -> Boxed<'a, ()>;
}

impl<F: RpcFilter> AnyRpcFilter for F {
    fn before<'a>(&'a self, call: &'a mut RpcCall) -> Boxed<'a, Result<()>> {
        Box::pin(RpcFilter::before(self, call))
    }

    fn after(&self, call: &RpcCall, outcome: &Result<Reply, Status>) {
        RpcFilter::after(self, call, outcome);
    }

    fn run<'a>(&'a self, server: &'a Arc<Context>) -> Boxed<'a, ()> {
        Box::pin(RpcFilter::run(self, server))
    }
}

/// A function that is a filter's `before`.
pub(crate) struct BeforeFn<F>(pub(crate) F);

impl<F: Fn(&mut RpcCall) -> Result<()> + Send + Sync + 'static> RpcFilter for BeforeFn<F> {
    async fn before(&self, call: &mut RpcCall) -> Result<()> {
        self.0(call)
    }
}

/// A function that is a filter's `after`.
pub(crate) struct AfterFn<F>(pub(crate) F);

impl<F> RpcFilter for AfterFn<F>
where
    F: Fn(&RpcCall, &Result<Reply, Status>) + Send + Sync + 'static,
{
    fn after(&self, call: &RpcCall, outcome: &Result<Reply, Status>) {
        self.0(call, outcome);
    }
}
