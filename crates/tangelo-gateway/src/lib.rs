//! Services over HTTP, with no code.
//!
//! * [`route`] is what is reachable under which path: from `routes.xml`, from TOML, from code.
//! * [`mapping`] turns what came over HTTP into a service's message, and its answer into HTTP.
//! * [`Gateway`] serves both over HTTP, by the services of [`Backends`].
//! * [`OpenApi`] tells what is reachable, and how it is asked.
//! * [`session`] remembers who has logged in; [`plugin`] is how an application looks at requests and answers.

mod backend;
mod body;
mod exchange;
pub mod mapping;
mod openapi;
pub mod plugin;
pub mod route;
mod serve;
pub mod session;

pub use backend::Backends;
pub use body::Body;
pub use exchange::{Client, Exchange, Output};
pub use ipnet::IpNet;
pub use openapi::OpenApi;
pub use serve::{
    AccessLine, AccessLog, Bound, Code, Compression, Gateway, GatewayBuilder, Limits, LoadErrors,
    Loaded, StartError, TracingLog, UploadLimits,
};
