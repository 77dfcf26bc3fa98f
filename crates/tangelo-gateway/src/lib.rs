//! Services over HTTP, with no code.
//!
//! * [`route`] is what is reachable under which path: from `routes.xml`, from TOML, from code.
//! * [`mapping`] turns what came over HTTP into a service's message, and its answer into HTTP.

pub mod mapping;
pub mod route;
