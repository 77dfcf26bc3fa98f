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
    Connector, Entrance, Limits, Listener, Place, entrance::entrance_methods, listener::Boxed,
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

    entrance_methods!();
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
