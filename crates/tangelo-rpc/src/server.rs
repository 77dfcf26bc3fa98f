//! The answering side: a server lets krpc clients in, and answers them from its table of services.
//!
//! The road of a request, once its connection has read it: [`Served`] counts it ([`FlowControl`]), lets
//! it wait for its turn ([`Executor`], or [`Execute`] for those who run calls in a manner of their own),
//! validates it, calls the method, gives its answer the words it lacks ([`ErrorTexts`]), and has its
//! line written.

mod line;
mod listening;
mod served;

pub use crate::policy::{
    error_texts::{ErrorTexts, Mistake, Properties, PropertiesError},
    execute::{Execute, Work},
    executor::{Entry, Executor, ExecutorConfig, InvalidThreads, Permit, Sender, Senders, Waiting},
    flow::{FlowControl, FlowCounter, FlowLimits, FlowLimitsError, MemoryFlowControl, Verdict},
};
pub(crate) use line::log_refused;
pub use listening::{Bound, Server};
pub use served::{Run, Served, ServedSettings};
