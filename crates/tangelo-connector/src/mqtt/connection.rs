//! A client of MQTT, as the front loop wants it.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::BytesMut;
use mqtt_protocol_core::mqtt::result_code::{MqttError, PubackReasonCode};
use tangelo_wire::pomelo::package;
use tokio::time::Instant;

use super::{
    Settings,
    awaited::{self, Answer, Awaited, To},
    greeting,
    incoming::{self, Connect, Packet, Version, Violation},
    outgoing::{self, Welcome},
    pipe::Pipe,
    publication,
    subscriptions::Subscriptions,
    topics,
    window::Window,
};
use crate::{Agreement, Connection, Error, Event, Limits, Outgoing, Push, hybrid::buffers};

/// Room made for what is said first in a turn, so that the rest finds some.
const WRITE_BUFFER: usize = 2 << 10;

/// A client of MQTT. It makes up the handshake that the front loop expects.
pub(super) struct Mqtt<P> {
    pipe: P,
    peer: SocketAddr,
    limits: Limits,
    pub(super) settings: Arc<Settings>,
    stage: Stage,
    pub(super) version: Version,
    /// Bytes of the longest packet that is taken now, and of the longest that the client takes.
    longest: usize,
    longest_of_client: usize,
    reading: BytesMut,
    pub(super) writing: BytesMut,
    /// Whom to wake when the handshake is answered, or a request.
    waits: Option<Waker>,
    pub(super) subscriptions: Subscriptions,
    /// What the server publishes with QoS 1.
    window: Window,
    /// What the client has published with QoS 1 and was not acknowledged yet.
    pub(super) unacknowledged: HashSet<u16>,
    pub(super) awaited: Awaited,
    patience: Duration,
    heard: Instant,
}

/// How far the conversation has come.
#[derive(Debug)]
enum Stage {
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
            heard: Instant::now(),
            settings,
        }
    }

    /// The client's CONNECT, as a handshake.
    fn greet(&mut self, mut connect: Connect) -> Result<Event, Error> {
        self.version = connect.version;
        let (id, most) = (&connect.client_id, self.settings.limits.topic);
        let has_no_id = id.is_empty() && connect.version == Version::V3 && !connect.is_clean;
        if has_no_id || id.len() > most {
            connect.refusal = Some(Violation::ClientIdentifierNotValid);
        }
        if let Some(refusal) = connect.refusal {
            return Err(self.cannot_serve(refusal));
        }
        let keep_alive = self.agree_on_keep_alive(&connect);
        let made_up = connect.client_id.is_empty().then(greeting::made_up_id);
        if let Some(id) = &made_up {
            connect.client_id.clone_from(id);
        }
        self.window.narrow(connect.receive_maximum);
        self.longest_of_client = connect.longest;
        self.stage = Stage::Waits(Welcome {
            receive_maximum: self.settings.limits.in_flight,
            longest: u32::try_from(self.limits.package)
                .unwrap_or(u32::MAX)
                .max(1),
            keep_alive,
            client_id: made_up,
        });
        Ok(Event::Hello(greeting::hello(&connect)))
    }

    /// How long the client may be silent; what it is told if that is not what it has said.
    fn agree_on_keep_alive(&mut self, connect: &Connect) -> Option<u16> {
        let most = self.settings.keep_alive;
        let said = Duration::from_secs(connect.keep_alive.into());
        let is_ours = said.is_zero() || said > most && connect.version == Version::V5;
        let keep_alive = if is_ours { most } else { said };
        self.patience = keep_alive + keep_alive / 2;
        is_ours.then(|| u16::try_from(most.as_secs()).unwrap_or(u16::MAX))
    }

    fn cannot_serve(&mut self, why: Violation) -> Error {
        self.stage = Stage::Over;
        let told = greeting::cannot_serve(self.version, why, &mut self.writing);
        told.err().unwrap_or(why).into()
    }

    /// The server's answer to the handshake.
    fn greeted(&mut self, answer: &[u8]) -> Result<(), Error> {
        let (code, reason) = greeting::read_answer(answer);
        if let Some(waits) = self.waits.take() {
            waits.wake();
        }
        let welcome = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Waits(welcome) if code == greeting::WELCOME => welcome,
            _ => {
                let told = greeting::refuse(self.version, code, &reason, &mut self.writing);
                return told.map_err(Into::into);
            }
        };
        outgoing::welcome(self.version, welcome, &mut self.writing)?;
        self.stage = Stage::Welcome;
        Ok(())
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

    /// The answer to something the client has asked.
    fn respond(&mut self, id: u32, body: &[u8]) -> Result<(), Error> {
        match self.awaited.get(id) {
            Some(Answer::Published { to, qos, .. }) => {
                let published = match to {
                    Some(To::Topic { topic, correlation }) => {
                        let (topic, correlation) = (topic.clone(), correlation.clone());
                        self.publish(&topic, body, *qos, correlation.as_deref())?;
                        true
                    }
                    Some(To::AsItSays) => match publication::read(body) {
                        Some(said) => {
                            self.publish(&said.topic, &said.payload, said.qos, None)?;
                            true
                        }
                        None => false,
                    },
                    None => false,
                };
                let Some(Answer::Published { acknowledge, .. }) = self.awaited.take(id) else {
                    return Ok(());
                };
                let Some(packet) = acknowledge else {
                    return Ok(());
                };
                let reason = match self.version {
                    Version::V5 if !published => awaited::reason(body),
                    Version::V3 if !published && awaited::has_not_run(body) => {
                        // As the standard has it: its client comes back and publishes it again.
                        let problem = "what cannot be refused in MQTT 3.1.1 was refused";
                        return Err(Error::Mqtt(problem.to_owned()));
                    }
                    _ => PubackReasonCode::Success,
                };
                outgoing::acknowledge(self.version, packet, reason, &mut self.writing)?;
                self.unacknowledged.remove(&packet);
                if let Some(waits) = self.waits.take() {
                    waits.wake();
                }
                Ok(())
            }
            Some(Answer::Subscribed { .. }) => {
                if let Some(Answer::Subscribed { id, filters }) = self.awaited.take(id) {
                    self.grant(id, filters, Some(&awaited::granted(body)))?;
                }
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// A push reaches who has subscribed to it.
    fn push(&mut self, push: &Push) -> Result<(), Error> {
        let said = self.settings.publish_route.as_ref();
        if let Some(said) = said.and_then(|_| publication::read(push.body())) {
            return match self.subscriptions.qos(&said.topic) {
                Some(qos) => self.publish(&said.topic, &said.payload, said.qos.min(qos), None),
                None => Ok(()),
            };
        }
        let topic = topics::topic(push.route());
        match self.subscriptions.qos(&topic) {
            Some(qos) => self.publish(&topic, push.body(), qos, None),
            None => Ok(()),
        }
    }

    fn publish(
        &mut self,
        topic: &str,
        payload: &[u8],
        qos: u8,
        correlation: Option<&[u8]>,
    ) -> Result<(), Error> {
        if !topics::is_topic(topic) {
            return Err(Error::Encode(format!("nothing is published to {topic:?}")));
        }
        let publish = outgoing::Publish {
            version: self.version,
            topic,
            payload,
            qos,
            correlation,
        };
        let (length, limit) = (
            publish.size(),
            self.longest_of_client.min(outgoing::LONGEST),
        );
        if length > limit {
            return Err(package::Error::TooLong { length, limit }.into());
        }
        if qos == 0 {
            publish.write(&mut self.writing);
        } else {
            let mut packet = Vec::with_capacity(length);
            let id_at = publish.write(&mut packet);
            self.window
                .send(packet, id_at, Instant::now(), &mut self.writing);
        }
        Ok(())
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
            Outgoing::Response { id, body } => self.respond(id, body),
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
