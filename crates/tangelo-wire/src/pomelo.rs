//! Pomelo's client protocol: [packages](package) frame the bytes of a connection, [messages](message)
//! are what DATA packages carry.

pub mod handshake;
pub mod json;
pub mod message;
pub mod package;
pub mod resume;
