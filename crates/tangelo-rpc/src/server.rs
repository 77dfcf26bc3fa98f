//! The answering side: a server lets krpc clients in, and answers them from its table of services.
//!
//! The road of a request, once its connection has read it: [`Served`] counts it ([`FlowControl`]), lets
//! it wait for its turn ([`Executor`], or [`Execute`] for those who run calls in a manner of their own),
//! validates it, calls the method, gives its answer the words it lacks ([`ErrorTexts`]), and has its
//! line written.

mod error_texts;
mod execute;
mod executor;
mod flow;
mod line;
mod listening;
mod served;

pub use error_texts::{ErrorTexts, Mistake, Properties, PropertiesError};
pub use execute::{Execute, Work};
pub use executor::{Entry, Executor, ExecutorConfig, InvalidThreads, Permit, Waiting};
pub use flow::{FlowControl, FlowLimits, FlowLimitsError, MemoryFlowControl, Verdict};
pub(crate) use line::log_refused;
pub use listening::{Bound, Server};
pub use served::{Run, Served, ServedSettings};
