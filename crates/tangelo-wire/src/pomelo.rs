//! Pomelo's client protocol: [packages](package) frame the bytes of a connection, [messages](message)
//! are what DATA packages carry. Both sides may agree on a [dictionary] of routes, and on
//! [definitions](protobuf) of bodies. Clients of [Pitaya](pitaya) speak a dialect of it.

pub mod dictionary;
pub mod handshake;
pub mod json;
pub mod message;
pub mod package;
pub mod pitaya;
pub mod protobuf;
pub mod resume;
pub mod signing;
mod version;
