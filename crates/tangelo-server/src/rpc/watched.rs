//! A call that is watched by filters, or by an error handler.

use tangelo_rpc::{Code, Reply, Status};
use tangelo_runtime::guard;
use tracing::error;

use super::{Rpc, RpcCall};
use crate::{Result, pipeline::failed};

/// A call that is watched. Its filters hear of its end, also if nobody waits for that.
pub(super) struct Watched<'a> {
    rpc: &'a Rpc,
    pub(super) call: RpcCall,
    has_ended: bool,
}

impl<'a> Watched<'a> {
    pub(super) fn new(rpc: &'a Rpc, call: RpcCall) -> Self {
        Self {
            rpc,
            call,
            has_ended: false,
        }
    }

    /// It has ended: with what its caller will be told.
    pub(super) fn end(mut self, outcome: Result<Reply, Status>) -> Result<Reply, Status> {
        let outcome = match (outcome, &self.rpc.shared.settings.on_error) {
            (Err(status), Some(on_error)) => {
                let said = guard::catch(|| on_error(status.into(), &self.call));
                said.unwrap_or_else(|panicked| Err(failed(panicked)))
            }
            (outcome, _) => outcome,
        };
        self.has_ended = true;
        self.tell(&outcome);
        outcome
    }

    fn tell(&self, outcome: &Result<Reply, Status>) {
        for filter in self.rpc.shared.settings.filters.iter().rev() {
            if let Err(panicked) = guard::catch(|| filter.after(&self.call, outcome)) {
                let route = self.call.name();
                error!(%route, %panicked, "a filter failed after a call");
            }
        }
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.tell(&Err(Code::USER_CANCEL.into()));
        }
    }
}
