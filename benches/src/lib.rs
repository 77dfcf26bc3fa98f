//! What the servers of the benchmark and its load generator have in common.

pub mod frame;
pub mod pipe;
pub mod websocket;
