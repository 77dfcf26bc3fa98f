//! Sockets to connections.
//!
//! A [`Connector`] listens; what it accepts becomes a [`Connection`], which yields [`Event`]s and
//! takes [`Outgoing`]s, many at a time, so that one dynamic call serves many messages. What a session
//! is, nothing here knows.
//!
//! * [`Hybrid`]: TCP and WebSocket on one port, speaking Pomelo's packages.
//! * [`Entrance`]: what lies before them: TLS, proxies that speak for others, which pages may connect.

mod connection;
mod entrance;
mod hybrid;
mod limits;
mod listener;
mod networks;
mod push;

pub use connection::{Connection, Error, Event, Outgoing};
pub use entrance::{BadOrigin, Entrance, ForwardHeader, Origins};
pub use hybrid::Hybrid;
#[cfg(feature = "echo")]
pub use hybrid::echo::echo_websocket;
pub use limits::Limits;
pub use listener::{Connector, Listener, Opening};
pub use networks::{BadNetwork, Networks};
pub use push::Push;
#[cfg(feature = "tls")]
pub use tangelo_tls::{BadCertificate, Certificate};
