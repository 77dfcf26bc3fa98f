//! Sockets to connections.
//!
//! A [`Connector`] listens; what it accepts becomes a [`Connection`], which yields [`Event`]s and
//! takes [`Outgoing`]s, many at a time, so that one dynamic call serves many messages. What a session
//! is, nothing here knows.
//!
//! * [`Hybrid`]: TCP and WebSocket on one port, speaking Pomelo's packages.
//!
//! Both sides may [agree](Agreement) on codes for routes and on another form of bodies than JSON. A connection
//! translates by itself, so that the server sees routes and JSON whatever its client writes.

mod agreement;
mod connection;
mod hybrid;
mod limits;
mod listener;
mod protobuf;
mod push;
mod translation;

pub use agreement::{Agreement, BodyCodec, BodyError, Definition, Encoding};
pub use connection::{Connection, Error, Event, Outgoing};
pub use hybrid::Hybrid;
pub use limits::Limits;
pub use listener::{Connector, Listener, Opening};
pub use protobuf::Protobuf;
pub use push::Push;
