//! The road of a request: `road.rs` has it in its order, from the route to what is written.
//!
//! Before it lies `accept.rs`, which lets connections in, and `connection.rs`, which has hyper read requests off
//! them, within limits of size and time. `load.rs` makes routes and messages into plans, which are
//! exchanged as a whole when they are loaded again; a request keeps those that it has begun with.

mod accept;
mod access_log;
mod builder;
mod compress;
mod connection;
mod content;
mod files;
mod gateway;
mod health;
mod host;
mod limits;
mod load;
mod preflight;
mod problem;
mod proxies;
mod render;
mod road;
mod sessions;
mod shared;
mod watched;

pub use self::{
    access_log::{AccessLine, AccessLog, TracingLog},
    builder::{GatewayBuilder, StartError},
    compress::Compression,
    gateway::{Bound, Gateway, Loaded},
    limits::{Limits, UploadLimits},
    load::LoadErrors,
    problem::Code,
};
pub(crate) use self::{
    files::{Place, is_hidden, look, off_thread},
    load::{RoutePlan, State},
};
