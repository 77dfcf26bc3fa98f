//! What came over HTTP becomes a message, and an answer becomes HTTP.
//!
//! Both ways are compiled once for each type of message, and go from bytes to bytes.

mod error;
mod form;
mod input;
mod rendered;
mod request;
mod response;

pub use tangelo_reflect::MAX_DEPTH;

pub use self::{
    error::{BadParameter, RenderError},
    form::{Defaults, JsonForm},
    input::{Body, Http, Input, Session, SessionValues},
    rendered::{Download, DownloadSource, Refused, Rendered, SessionChange},
    request::RequestPlan,
    response::ResponsePlan,
};
