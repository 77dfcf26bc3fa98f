//! socket.io: its clients 3 and 4, and 1 and 2, over WebSocket and by polling.
//!
//! engine.io (sessions over HTTP, upgrades, heartbeats) is `engineioxide`'s; socket.io's packets are read and
//! written here, so that bodies stay the bytes they are and come in their order.
//!
//! ```text
//! TCP -> entrance -> stream -> HTTP (door) -> engine.io -> engine -> session's inbox -> client's task
//!                      ^  reads while there is room in the inbox            |
//!                      +-- counts what is written <-- engine.io <-- backlog +
//! ```

mod backlog;
mod client;
mod door;
mod engine;
mod hello;
mod listening;
mod payload;
mod session;
mod stream;

use std::{io, time::Duration};

use crate::{
    BadNetwork, BadOrigin, Connector, Entrance, ForwardHeader, Limits, Listener, Networks, Origins,
    Place, listener::Boxed,
};

/// Clients of socket.io: `socket.io-client` 1 to 4, over WebSocket and by polling, under the path `/socket.io`.
///
/// `emit(route, body, acknowledge)` is a request whose acknowledgement is the answer, `emit(route, body)` a
/// notify; a push is an event named by its route. A client that says a text under `message` instead, as Pomelo's
/// client does, is answered and told in Pomelo's form from there on.
///
/// What a client gives as `auth` and in the query of its address is `user` of its handshake.
#[derive(Clone, Debug)]
pub struct SocketIo {
    limits: Limits,
    entrance: Entrance,
    heartbeat: Heartbeat,
}

#[derive(Clone, Copy, Debug)]
struct Heartbeat {
    interval: Duration,
    timeout: Duration,
}

impl Default for SocketIo {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            entrance: Entrance::default(),
            heartbeat: Heartbeat {
                interval: Duration::from_secs(25),
                timeout: Duration::from_secs(60),
            },
        }
    }
}

impl SocketIo {
    /// Between two heartbeats at the most.
    pub const LONGEST_HEARTBEAT: Duration = Duration::from_secs(24 * 60 * 60);

    /// With the default [`Limits`] and heartbeats, without TLS, for any page, and with nobody who may speak for
    /// others.
    pub fn new() -> Self {
        Self::default()
    }

    /// With other limits. [`Limits::package`] counts the bytes of a body.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How often engine.io looks whether its clients live, and how long it then waits. Default 25 s and 60 s, as
    /// in Pomelo; each from 1 ms to [`LONGEST_HEARTBEAT`](Self::LONGEST_HEARTBEAT). The heartbeat of the
    /// blueprint does not count here.
    #[must_use]
    pub fn heartbeat(mut self, interval: Duration, timeout: Duration) -> Self {
        let within =
            |given: Duration| given.clamp(Duration::from_millis(1), Self::LONGEST_HEARTBEAT);
        self.heartbeat = Heartbeat {
            interval: within(interval),
            timeout: within(timeout),
        };
        self
    }

    /// TLS as well, with this certificate: the first byte tells whether a client speaks it.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, certificate: tangelo_tls::Certificate) -> Self {
        self.entrance.certificate = Some(certificate);
        self
    }

    /// Closes clients that do not speak TLS.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn only_tls(mut self) -> Self {
        self.entrance.only_tls = true;
        self
    }

    /// Peers in these networks are proxies that begin with a header of PROXY protocol, as
    /// [`Hybrid`](crate::Hybrid::proxy_protocol_from) has it.
    ///
    /// # Errors
    /// One of them is no network.
    pub fn proxy_protocol_from<N: ToString>(
        mut self,
        networks: impl IntoIterator<Item = N>,
    ) -> Result<Self, BadNetwork> {
        self.entrance.proxy_protocol_from = Networks::new(networks)?;
        Ok(self)
    }

    /// Peers in these networks are proxies whose header says who the client is, as
    /// [`Hybrid`](crate::Hybrid::forwarded_from) has it; that of the request counts that opens the session.
    ///
    /// # Errors
    /// One of them is no network.
    pub fn forwarded_from<N: ToString>(
        mut self,
        networks: impl IntoIterator<Item = N>,
        header: ForwardHeader,
    ) -> Result<Self, BadNetwork> {
        self.entrance.forwarded_from = Networks::new(networks)?;
        self.entrance.forward_header = header;
        Ok(self)
    }

    /// Pages of these origins may connect, `https://game.example`; those of others are answered 403. Who names no
    /// origin is no browser, and let in.
    ///
    /// # Errors
    /// One of them is no origin.
    pub fn origins<O: ToString>(
        mut self,
        origins: impl IntoIterator<Item = O>,
    ) -> Result<Self, BadOrigin> {
        self.entrance.origins = Origins::new(origins)?;
        Ok(self)
    }
}

impl Connector for SocketIo {
    fn listen<'a>(&'a self, place: Place<'a>) -> Boxed<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(listening::listen(place, self))
    }

    fn limits_mut(&mut self) -> Option<&mut Limits> {
        Some(&mut self.limits)
    }

    fn entrance_mut(&mut self) -> Option<&mut Entrance> {
        Some(&mut self.entrance)
    }
}

/// The body as a text, if it is JSON.
pub(crate) fn json(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok()?;
    let is_json = serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok();
    is_json.then_some(text)
}
