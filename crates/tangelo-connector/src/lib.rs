//! Sockets to connections.
//!
//! A [`Connector`] listens; what it accepts becomes a [`Connection`], which yields [`Event`]s and
//! takes [`Outgoing`]s, many at a time, so that one dynamic call serves many messages. What a session
//! is, nothing here knows.
//!
//! * [`Hybrid`]: TCP and WebSocket on one port, speaking Pomelo's packages.
//! * [`Udp`]: the same packages in datagrams.
//! * `Kcp`, with the feature `kcp`: the same packages in a reliable stream over datagrams.
//! * [`Custom`]: a connector of the application's own.

mod connection;
pub mod custom;
mod datagram;
mod hybrid;
#[cfg(feature = "kcp")]
mod kcp;
mod limits;
mod listener;
mod push;
mod udp;

pub use connection::{Connection, Error, Event, Outgoing};
pub use custom::Custom;
pub use hybrid::Hybrid;
#[cfg(feature = "kcp")]
pub use kcp::Kcp;
pub use limits::Limits;
pub use listener::{Connector, Listener, Opening, Options, Place};
pub use push::Push;
pub use udp::{SessionLimits, Udp};
