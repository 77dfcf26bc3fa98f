//! What came over HTTP becomes a message, and an answer becomes HTTP.
//!
//! Both ways are compiled once for each type of message, and go from bytes to bytes.

mod binding;
mod bits;
mod error;
mod form;
mod input;
mod rendered;
mod request;
mod response;
mod shape;
mod special;

pub use tangelo_reflect::MAX_DEPTH;

/// Names and values in a query or a form, at the most.
pub const MAX_PARAMETERS: usize = 1024;
/// Names in one object of JSON, at the most.
pub const MAX_KEYS: usize = 1024;

pub(crate) use self::{
    binding::{Binding, resolve},
    request::Asked,
    response::Answered,
    shape::is_well_known,
};
pub use self::{
    error::{BadParameter, RenderError},
    form::{Defaults, JsonForm},
    input::{Body, Http, Input, Session, SessionValues},
    rendered::{Download, DownloadSource, Refused, Rendered, SessionChange},
    request::RequestPlan,
    response::ResponsePlan,
};
