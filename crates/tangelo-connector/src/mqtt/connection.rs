//! A client of MQTT, as the front loop wants it.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use mqtt_protocol_core::mqtt::result_code::MqttError;
use tokio::time::Instant;

use super::{
    Settings,
    awaited::Awaited,
    greeting,
    incoming::{self, Packet, Version, Violation},
    outgoing::{self, Welcome},
    pipe::Pipe,
    subscriptions::Subscriptions,
    window::Window,
};
use crate::{Agreement, Connection, Error, Event, Limits, Outgoing, hybrid::buffers};

/// Room made for what is said first in a turn, so that the rest finds some.
const WRITE_BUFFER: usize = 2 << 10;

/// A client of MQTT. It makes up the handshake that the front loop expects.
pub(super) struct Mqtt<P> {
    pipe: P,
    peer: SocketAddr,
    pub(super) limits: Limits,
    pub(super) settings: Arc<Settings>,
    pub(super) stage: Stage,
    pub(super) version: Version,
    /// Bytes of the longest packet that is taken now, and of the longest that the client takes.
    longest: usize,
    pub(super) longest_of_client: usize,
    reading: BytesMut,
    pub(super) writing: BytesMut,
    /// Whom to wake when the handshake is answered, or a request.
    pub(super) waits: Option<Waker>,
    pub(super) subscriptions: Subscriptions,
    /// What the server publishes with QoS 1.
    pub(super) window: Window,
    /// What the client has published with QoS 1 and was not acknowledged yet.
    pub(super) unacknowledged: HashSet<u16>,
    pub(super) awaited: Awaited,
    pub(super) patience: Duration,
    /// What it has shown to say who it is, until it is in.
    pub(super) password: Option<Bytes>,
    heard: Instant,
}

/// How far the conversation has come.
#[derive(Debug)]
pub(super) enum Stage {
    /// The client has to begin.
    Greets,
    /// It waits for the answer, in which it will be told this.
    Waits(Welcome),
    /// It may come in.
    Welcome,
    /// Packets flow.
    Open,
    /// It was told why it has to go.
    Over,
}

impl<P: Pipe> Mqtt<P> {
    pub(super) fn new(
        pipe: P,
        reading: BytesMut,
        peer: SocketAddr,
        limits: Limits,
        settings: Arc<Settings>,
    ) -> Self {
        Self {
            pipe,
            peer,
            limits,
            stage: Stage::Greets,
            version: Version::V3,
            longest: limits.package.min(Limits::BEFORE_HANDSHAKE),
            longest_of_client: usize::MAX,
            reading,
            writing: BytesMut::new(),
            waits: None,
            subscriptions: Subscriptions::default(),
            window: Window::new(settings.limits.in_flight),
            unacknowledged: HashSet::new(),
            awaited: Awaited::default(),
            patience: settings.keep_alive,
            password: None,
            heard: Instant::now(),
            settings,
        }
    }

    /// What is wrong ends the connection, and the client is told if its version can be.
    fn fail(&mut self, violation: Violation) -> Error {
        match self.stage {
            Stage::Greets if violation == Violation::UnsupportedProtocolVersion => {
                self.cannot_serve(violation)
            }
            _ => {
                self.say_goodbye(violation, "");
                violation.into()
            }
        }
    }

    fn say_goodbye(&mut self, why: Violation, reason: &str) {
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        if self.version == Version::V5 && matches!(stage, Stage::Open | Stage::Welcome) {
            // It ends either way.
            let _ = outgoing::disconnect(why, reason, &mut self.writing);
        }
    }

    /// Whether the client has to wait: MQTT 3.1.1 cannot tell it how much it may publish.
    fn is_full(&self) -> bool {
        let most = usize::from(self.settings.limits.in_flight);
        self.version == Version::V3 && self.unacknowledged.len() >= most
    }

    fn take(&mut self, packet: Packet, events: &mut Vec<Event>) -> Result<(), Error> {
        let event = match packet {
            Packet::Connect(_) => Err(Violation::ProtocolError),
            Packet::Publish(publish) => self.published(&publish),
            Packet::Acknowledged(id) => {
                self.window
                    .acknowledge(id, Instant::now(), &mut self.writing);
                Ok(Some(Event::Heartbeat))
            }
            Packet::Subscribe { id, filters } => self.subscribe(id, filters),
            Packet::Unsubscribe { id, filters } => self.unsubscribe(id, &filters),
            Packet::Ping => {
                outgoing::pong(&mut self.writing);
                Ok(Some(Event::Heartbeat))
            }
            Packet::Disconnect => {
                self.stage = Stage::Over;
                return Err(Error::Closed);
            }
        };
        match event {
            Ok(event) => {
                events.extend(event);
                Ok(())
            }
            Err(violation) => Err(self.fail(violation)),
        }
    }

    fn watch_window(&self) -> Result<(), Error> {
        match !self.window.is_empty() && self.window.is_overdue(Instant::now()) {
            true => Err(Error::Unacknowledged),
            false => Ok(()),
        }
    }

    fn poll_packets(
        &mut self,
        context: &mut Context<'_>,
        events: &mut Vec<Event>,
        most: usize,
    ) -> Poll<Result<(), Error>> {
        loop {
            while events.len() < most {
                if self.is_full() {
                    if events.is_empty() {
                        self.waits = Some(context.waker().clone());
                        return Poll::Pending;
                    }
                    return Poll::Ready(Ok(()));
                }
                match self.next_packet() {
                    Ok(Some(packet)) => self.take(packet, events)?,
                    Ok(None) => break,
                    Err(violation) => return Poll::Ready(Err(self.fail(violation))),
                }
            }
            // What was said is handled before more is read: the next thing read may be the end.
            if !events.is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.watch_window()?;
            ready!(self.pipe.poll_read(context, &mut self.reading))?;
            self.heard = Instant::now();
        }
    }

    fn next_packet(&mut self) -> Result<Option<Packet>, Violation> {
        let Some((kind, body)) = incoming::next(&mut self.reading, self.longest)? else {
            return Ok(None);
        };
        match self.stage {
            Stage::Greets => {
                let connect = incoming::connect(kind, &body)?;
                Ok(Some(Packet::Connect(Box::new(connect))))
            }
            _ => incoming::packet(self.version, kind, &body).map(Some),
        }
    }
}

impl<P: Pipe> Connection for Mqtt<P> {
    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        events: &mut Vec<Event>,
        most: usize,
    ) -> Poll<Result<(), Error>> {
        match self.stage {
            Stage::Greets => loop {
                match self.next_packet() {
                    Ok(Some(Packet::Connect(connect))) => {
                        events.push(self.greet(*connect)?);
                        return Poll::Ready(Ok(()));
                    }
                    Ok(Some(_)) => return Poll::Ready(Err(self.fail(Violation::ProtocolError))),
                    Ok(None) => {}
                    Err(violation) => return Poll::Ready(Err(self.fail(violation))),
                }
                ready!(self.pipe.poll_read(context, &mut self.reading))?;
            },
            Stage::Waits(_) => {
                self.waits = Some(context.waker().clone());
                Poll::Pending
            }
            Stage::Welcome => {
                self.stage = Stage::Open;
                self.heard = Instant::now();
                events.push(Event::Ack);
                Poll::Ready(Ok(()))
            }
            Stage::Open => self.poll_packets(context, events, most),
            Stage::Over => Poll::Ready(Err(Error::Closed)),
        }
    }

    fn queue(&mut self, told: Outgoing<'_>) -> Result<(), Error> {
        let waiting = self.writing.len() + self.window.waiting();
        if waiting > self.limits.outgoing {
            return Err(Error::TooSlow(waiting));
        }
        self.watch_window()?;
        if self.writing.capacity() == 0 {
            buffers::reserve(&mut self.writing, WRITE_BUFFER);
        }
        match told {
            Outgoing::Hello(answer) => self.greeted(answer),
            // Its own pings are answered.
            Outgoing::Heartbeat | Outgoing::Receipt(_) => Ok(()),
            Outgoing::Response { id, body, .. } => self.respond(id, body),
            Outgoing::Push(push) => self.push(push),
            Outgoing::Kick(body) => {
                let (_, reason) = greeting::read_answer(body);
                self.say_goodbye(Violation::AdministrativeAction, &reason);
                Ok(())
            }
        }
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.pipe.poll_write(context, &mut self.writing)
    }

    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let why = match self.heard.elapsed() >= self.patience {
            true => Violation::KeepAliveTimeout,
            false => Violation::ServerShuttingDown,
        };
        self.say_goodbye(why, "");
        if ready!(self.poll_flush(context)).is_ok() {
            ready!(self.pipe.poll_close(context));
        }
        Poll::Ready(())
    }

    /// Topics are no codes, and payloads are as handlers read and write them.
    fn agree(&mut self, _: &Agreement) {}

    fn handshake_done(&mut self) {
        self.longest = self.limits.package;
        self.password = None;
    }

    fn take_token(&mut self) -> Option<String> {
        let password = self.password.take()?;
        String::from_utf8(password.into()).ok()
    }

    fn patience(&self) -> Option<Duration> {
        Some(self.patience)
    }

    fn peer(&self) -> SocketAddr {
        self.peer
    }
}

impl From<MqttError> for Error {
    fn from(error: MqttError) -> Self {
        Self::Mqtt(error.to_string())
    }
}
