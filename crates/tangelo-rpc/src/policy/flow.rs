//! How many calls there may be in a time.

use std::{fmt, pin::Pin};

use tokio::time::Instant;

use crate::Code;

mod counter;
mod limits;
mod memory;
mod window;

pub use counter::FlowCounter;
pub use limits::{FlowLimits, FlowLimitsError};
pub use memory::MemoryFlowControl;

/// Says whether a call is within what is allowed, before it runs or waits.
///
/// [`MemoryFlowControl`] counts the calls of this process. One that counts for many processes asks
/// somebody else first, which is what [`Verdict::Pending`] is for.
pub trait FlowControl: fmt::Debug + Send + Sync + 'static {
    /// Judges one call, and counts it if it is admitted.
    ///
    /// It must not block: it is called on the connection's own task, for every call. `now` is when
    /// the call came.
    fn check(&self, service_id: i32, msg_id: i32, now: Instant) -> Verdict;
}

/// What [`FlowControl::check`] says.
pub enum Verdict {
    /// The call may go on.
    Admitted,
    /// The call is answered with this code; krpc's is [`Code::FLOW_LIMIT`].
    Refused(Code),
    /// It will be known when this resolves. It is dropped when the call is cancelled or its time
    /// is up, which refuses it.
    Pending(Pin<Box<dyn Future<Output = Result<(), Code>> + Send>>),
}

impl fmt::Debug for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admitted => formatter.write_str("Admitted"),
            Self::Refused(code) => formatter.debug_tuple("Refused").field(code).finish(),
            Self::Pending(_) => formatter.debug_tuple("Pending").finish_non_exhaustive(),
        }
    }
}
