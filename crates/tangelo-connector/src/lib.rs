//! Sockets to connections.
//!
//! A [`Connector`] listens; what it accepts becomes a [`Connection`], which yields [`Event`]s and
//! takes [`Outgoing`]s, many at a time, so that one dynamic call serves many messages. What a session
//! is, nothing here knows.
//!
//! * [`Hybrid`]: TCP and WebSocket on one port, speaking Pomelo's packages.
//! * [`Udp`]: the same packages in datagrams.
//! * `Kcp`, with the feature `kcp`: the same packages in a reliable stream over datagrams.
//! * `Mqtt`, with the feature `mqtt`: MQTT 3.1.1 and 5 over TCP and WebSocket.
//! * `SocketIo`, with the feature `socketio`: socket.io's events, and Pomelo's texts in them.
//! * [`Custom`]: a connector of the application's own.
//! * [`Entrance`]: what lies before them: TLS, proxies that speak for others, which pages may connect.
//!
//! Both sides may [agree](Agreement) on codes for routes and on another form of bodies than JSON. A connection
//! translates by itself, so that the server sees routes and JSON whatever its client writes.

mod agreement;
mod connection;
pub mod custom;
mod datagram;
mod entrance;
mod hybrid;
#[cfg(feature = "kcp")]
mod kcp;
mod limits;
mod listener;
#[cfg(feature = "mqtt")]
mod mqtt;
mod networks;
mod pitaya;
mod protobuf;
mod push;
#[cfg(feature = "signing")]
mod signing;
#[cfg(feature = "socketio")]
mod socketio;
mod translation;
mod udp;

pub use agreement::{Agreement, BodyCodec, BodyError, Definition, Encoding, Pitaya};
pub use connection::{Connection, Error, Event, Outgoing};
pub use custom::Custom;
pub use entrance::{BadOrigin, Entrance, ForwardHeader, Origins};
pub use hybrid::Hybrid;
#[cfg(feature = "echo")]
pub use hybrid::echo::echo_websocket;
#[cfg(feature = "kcp")]
pub use kcp::Kcp;
pub use limits::Limits;
pub use listener::{Connector, Listener, Opening, Options, Place};
#[cfg(feature = "mqtt")]
pub use mqtt::{Mqtt, MqttLimits};
pub use networks::{BadNetwork, Networks};
pub use protobuf::Protobuf;
pub use push::Push;
#[cfg(feature = "socketio")]
pub use socketio::SocketIo;
#[cfg(feature = "tls")]
pub use tangelo_tls::{BadCertificate, Certificate};
pub use tangelo_wire::pomelo::pitaya::{Inflating, Serializer};
pub use udp::{SessionLimits, Udp};
