//! From the start of a server to its end: hooks, other servers that come and go, and when all are up.

mod hooks;
mod neighbours;
mod servers;
mod started;

pub(crate) use self::{
    hooks::{BeforeShutdown, Hook, Hooks, run},
    neighbours::Neighbours,
    servers::ServerEvents,
    started::{LifeCycle, Started, within_reach},
};
