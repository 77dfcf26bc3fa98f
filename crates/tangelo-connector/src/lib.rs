//! Sockets to connections.
//!
//! A [`Connector`] listens; what it accepts becomes a [`Connection`], which yields [`Event`]s and
//! takes [`Outgoing`]s, many at a time, so that one dynamic call serves many messages. What a session
//! is, nothing here knows.
//!
//! * [`Hybrid`]: TCP and WebSocket on one port, speaking Pomelo's packages.
//! * [`Custom`]: a connector of the application's own.

mod connection;
pub mod custom;
mod hybrid;
mod limits;
mod listener;
mod push;

pub use connection::{Connection, Error, Event, Outgoing};
pub use custom::Custom;
pub use hybrid::Hybrid;
pub use limits::Limits;
pub use listener::{Connector, Listener, Opening, Options, Place};
pub use push::Push;
