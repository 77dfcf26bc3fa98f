//! MQTT 3.1.1 and 5, over TCP and WebSocket on one port, in the open and over TLS.
//!
//! What a client publishes is a request or a notify, what the server pushes is published to those who have
//! subscribed to it. Between a topic and a route lies one letter: `chat/main/send` is `chat.main.send`.

mod asking;
mod awaited;
mod connection;
mod entering;
mod greeting;
mod incoming;
mod listening;
mod outgoing;
mod pipe;
mod publication;
mod subscriptions;
mod telling;
mod topics;
mod window;

use std::{io, sync::Arc, time::Duration};

use crate::{
    Connector, Entrance, Limits, Listener, Place, entrance::entrance_methods, listener::Boxed,
};

/// The keep-alive of clients that name none.
const KEEP_ALIVE: Duration = Duration::from_secs(5 * 60);
/// The longest that the protocol can tell.
const LONGEST_KEEP_ALIVE: Duration = Duration::from_secs(u16::MAX as u64);

/// MQTT 3.1.1 and 5, over TCP and WebSocket on one port; with a certificate also both over TLS, on the same
/// port.
///
/// * CONNECT is the handshake. Its `user` is `{"clientId", "username", "password"}`, as far as they were given; `sys`
///   is `{"type": "mqtt", "version": "3.1.1"}` or `"5"`. A refusal is told in CONNACK.
/// * A topic is a route with slashes in place of dots: `chat/main/send` reaches `chat.main.send`, as
///   `chat.main.send` does.
/// * PUBLISH with QoS 0 is a notify, with QoS 1 a request whose PUBACK says that it was handled, in MQTT 5 also
///   how. MQTT 3.1.1 cannot be told that it was not: where it surely has not run, as too many run at once or its
///   server is not there, the connection ends without PUBACK, so that the client publishes it again. With a response topic (MQTT 5) it is answered there, with its correlation data; published to
///   `$request/7/chat/main/send` (both versions), it is answered under `$response/7`. An answer has the QoS of its
///   request, and needs no subscription.
/// * A push reaches its client if it has subscribed to its topic, with or without wildcards. Subscribing is
///   granted as asked for, or as [`subscribe_route`](Self::subscribe_route) says.
/// * QoS 2, retained messages, wills, and sessions that outlive their connection there are none; each version says
///   so as it can.
#[derive(Clone, Debug)]
pub struct Mqtt {
    limits: Limits,
    entrance: Entrance,
    settings: Settings,
}

/// What a client may make a front end hold, beyond [`Limits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MqttLimits {
    /// Bytes of a topic, a filter, a client's id, or the correlation data of a request. Default 256; past it the
    /// connection ends, a subscription alone is refused.
    pub topic: usize,
    /// Subscriptions of one client, which each push is compared with. Default 64; what comes on top is
    /// refused.
    pub subscriptions: usize,
    /// Messages of QoS 1 under way in each direction, 1 to 65,535. Default 32. What a client of MQTT 3.1.1
    /// publishes on top is not read before others were acknowledged; one of MQTT 5 is told, and its connection
    /// ends past it. What the server publishes on top waits, within [`Limits::outgoing`].
    pub in_flight: u16,
}

impl MqttLimits {
    /// Answers that a client may wait for; past it the connection ends.
    pub const AWAITED: usize = 1024;
    /// How long a client may take to acknowledge what was published with QoS 1. It is looked at when there is
    /// something to say to it, or something is heard.
    pub const ACKNOWLEDGED: Duration = Duration::from_secs(60);
}

impl Default for MqttLimits {
    fn default() -> Self {
        Self {
            topic: 256,
            subscriptions: 64,
            in_flight: 32,
        }
    }
}

/// What all connections share.
#[derive(Clone, Debug)]
struct Settings {
    limits: MqttLimits,
    keep_alive: Duration,
    publish_route: Option<Box<str>>,
    subscribe_route: Option<Box<str>>,
    unsubscribe_route: Option<Box<str>>,
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            entrance: Entrance::default(),
            settings: Settings {
                limits: MqttLimits::default(),
                keep_alive: KEEP_ALIVE,
                publish_route: None,
                subscribe_route: None,
                unsubscribe_route: None,
            },
        }
    }
}

impl Mqtt {
    /// With the default limits, without TLS, for any page, and with nobody who may speak for others.
    pub fn new() -> Self {
        Self::default()
    }

    /// With other limits. [`Limits::package`] counts the bytes of a packet behind its header.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// With other limits of topics, subscriptions and messages under way.
    #[must_use]
    pub fn mqtt_limits(mut self, limits: MqttLimits) -> Self {
        self.settings.limits = MqttLimits {
            in_flight: limits.in_flight.max(1),
            ..limits
        };
        self
    }

    /// The keep-alive of clients that name none, and the longest of MQTT 5, whose clients are told. Silent for
    /// half as long again, a client is taken for gone. Default 5 minutes, at most 65,535 seconds.
    #[must_use]
    pub fn keep_alive(mut self, keep_alive: Duration) -> Self {
        self.settings.keep_alive = keep_alive.clamp(Duration::from_secs(1), LONGEST_KEEP_ALIVE);
        self
    }

    /// All that clients publish goes to this route, whatever its topic, as in Pomelo:
    /// `{"topic", "payload", "qos", "retain", "dup", "messageId"}`, of which `payload` is text or, where it is none,
    /// `{"type": "Buffer", "data": [..]}`. QoS 1 makes it a request; if its answer is
    /// `{"topic", "payload", "qos"}`, that is published to the client. So is such a push, if the client has
    /// subscribed to the topic, rather than its body under its route. Default: the topic is the route.
    #[must_use]
    pub fn publish_route(mut self, route: impl Into<Box<str>>) -> Self {
        self.settings.publish_route = Some(route.into());
        self
    }

    /// Subscribing asks this route: a request `{"subscriptions": [{"topic", "qos"}]}`. Its answer is a list of what
    /// is granted, in this order: 0 or 1 the QoS, anything else a refusal, as whatever is missing; any other answer
    /// refuses all. What is pushed before the answer does not reach the new subscriptions. Default: all is granted.
    #[must_use]
    pub fn subscribe_route(mut self, route: impl Into<Box<str>>) -> Self {
        self.settings.subscribe_route = Some(route.into());
        self
    }

    /// Unsubscribing tells this route: a notify `{"unsubscriptions": [topic]}`. Default: nobody is told.
    #[must_use]
    pub fn unsubscribe_route(mut self, route: impl Into<Box<str>>) -> Self {
        self.settings.unsubscribe_route = Some(route.into());
        self
    }

    entrance_methods!();
}

impl Connector for Mqtt {
    fn listen<'a>(&'a self, place: Place<'a>) -> Boxed<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            self.entrance.prepare()?;
            let listener = crate::hybrid::bind_first(place).await?;
            let listening = listening::Listening::new(
                listener,
                self.limits,
                Arc::new(self.entrance.clone()),
                Arc::new(self.settings.clone()),
            );
            Ok(Box::new(listening?) as Box<dyn Listener>)
        })
    }

    fn limits_mut(&mut self) -> Option<&mut Limits> {
        Some(&mut self.limits)
    }

    fn entrance_mut(&mut self) -> Option<&mut Entrance> {
        Some(&mut self.entrance)
    }
}
