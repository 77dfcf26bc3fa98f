//! A client: events of socket.io as messages, and back.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use engineioxide::{DisconnectReason, ProtocolVersion, Socket, TransportType};
use serde_json::Value;
use tangelo_wire::{
    pomelo::message::{self, Message},
    socketio::{self, Kind, Packet, text},
};
use tokio::time::{Sleep, sleep};

use super::{
    backlog::{Backlog, Told},
    engine::{Begun, Data},
    hello,
    listening::Running,
    session::{Frame, Session, Stage as End},
};
use crate::{Agreement, BodyError, Connection, Error, Event, Limits, Outgoing};

/// An event with so many attachments is not waited for: one is a body, a few are a mistake that can be told.
const MOST_ATTACHMENTS: u32 = 16;
/// How long a client that polls has to hear its last words, and to go by itself; it may be on its way to a WebSocket,
/// where a session that is closed is one that nobody knows.
const LAST_WORDS: Duration = Duration::from_millis(800);
/// engine.io finds out itself whether its clients live; clocks cannot count much further from now.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

pub(super) struct Client {
    socket: Arc<Socket<Data>>,
    session: Arc<Session>,
    /// As long as there is a client, HTTP is listened to.
    _running: Arc<Running>,
    peer: SocketAddr,
    limits: Limits,
    stage: Stage,
    /// It has spoken Pomelo's form, and is told in it.
    is_pomelos: bool,
    backlog: Backlog,
    /// An event whose attachments have not come yet.
    attached: Option<Attached>,
    /// Its last words are told, and it polls.
    goes: Option<Pin<Box<Sleep>>>,
    has_closed: bool,
}

/// How far the handshake has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing was said.
    Greets,
    /// It has said who it is.
    Waits,
    /// It was let in.
    Welcome,
    /// Messages flow.
    Open,
}

struct Attached {
    id: Option<u32>,
    route: String,
    /// How many are still to come.
    left: u32,
    /// It is not the whole body.
    problem: Option<&'static str>,
}

/// The ids of acknowledgements begin with 0, those of Pomelo's form with 1, and a client may use both. So the
/// server has them apart: odd, and even.
mod ids {
    pub(super) fn of_acknowledgement(id: u32) -> Option<u32> {
        id.checked_mul(2)?.checked_add(1)
    }

    pub(super) fn of_pomelos(id: u32) -> Option<u32> {
        id.checked_mul(2)
    }

    pub(super) fn is_acknowledgement(id: u32) -> bool {
        id % 2 == 1
    }

    pub(super) fn as_client_has_it(id: u32) -> u32 {
        id / 2
    }
}

impl Client {
    pub(super) fn new(begun: Begun, running: Arc<Running>, limits: Limits) -> Self {
        Self {
            socket: begun.socket,
            session: begun.session,
            _running: running,
            peer: begun.peer,
            limits,
            stage: Stage::Greets,
            is_pomelos: false,
            backlog: Backlog::new(),
            attached: None,
            goes: None,
            has_closed: false,
        }
    }

    fn handshake(&mut self, auth: &str) -> Result<Event, Error> {
        let longest = self.limits.package.min(Limits::BEFORE_HANDSHAKE);
        let query = self.socket.req_parts.uri.query().unwrap_or_default();
        within(auth.len() + query.len(), longest)?;
        let hello = hello::handshake(self.socket.protocol, query, auth)
            .ok_or_else(|| wrong("`auth` is no object"))?;
        self.stage = Stage::Waits;
        Ok(Event::Hello(hello.into()))
    }

    /// What a frame says, if it says something to the server.
    fn event(&mut self, frame: Frame) -> Result<Option<Event>, Error> {
        let text = match (frame, self.attached.take()) {
            (Frame::Binary(bytes), Some(attached)) => return self.attach(attached, &bytes),
            (Frame::Binary(_), None) => return Err(wrong("an attachment of nothing")),
            (Frame::Text(_), Some(_)) => return Err(wrong("an attachment is missing")),
            (Frame::Text(text), None) => text,
        };
        let packet = socketio::decode(&text).map_err(|error| wrong(&error.to_string()))?;
        if packet.namespace != socketio::DEFAULT_NAMESPACE {
            return self.elsewhere(&packet);
        }
        match (self.stage, packet.kind) {
            (Stage::Greets, Kind::Connect) => self.handshake(packet.payload).map(Some),
            (_, Kind::Disconnect) => Err(Error::Closed),
            (Stage::Open, Kind::Event | Kind::BinaryEvent) => self.said(&packet),
            // Nothing is asked of clients, so one that answers means nobody.
            (Stage::Open, Kind::Ack) => Ok(None),
            _ => Err(wrong(&format!("{:?} where none may be", packet.kind))),
        }
    }

    /// There is one namespace.
    fn elsewhere(&mut self, packet: &Packet<'_>) -> Result<Option<Event>, Error> {
        if packet.kind != Kind::Connect {
            return Err(wrong("a namespace that was not opened"));
        }
        within(packet.namespace.len(), message::MAX_ROUTE)?;
        let refused = hello::no_namespace(self.socket.protocol, packet.namespace);
        self.tell(Told::Text(refused))?;
        Ok(None)
    }

    fn attach(&mut self, mut attached: Attached, bytes: &[u8]) -> Result<Option<Event>, Error> {
        attached.left -= 1;
        if attached.left > 0 {
            self.attached = Some(attached);
            return Ok(None);
        }
        match attached.problem {
            Some(problem) => unreadable(attached.id, &attached.route, problem).map(Some),
            None => self.message(attached.id, &attached.route, bytes).map(Some),
        }
    }

    fn said(&mut self, packet: &Packet<'_>) -> Result<Option<Event>, Error> {
        let event = socketio::event(packet.payload).map_err(|error| wrong(&error.to_string()))?;
        if event.name == text::EVENT
            && let [argument] = event.arguments[..]
            && let Some(text) = socketio::string(argument)
        {
            return self.said_as_pomelo(&text).map(Some);
        }
        let id = packet
            .id
            .map(|id| ids::of_acknowledgement(id).ok_or_else(|| wrong("an id beyond 30 bits")))
            .transpose()?;
        let problem = match event.arguments[..] {
            [] | [_] if packet.attachments == 0 => {
                let body = event.arguments.first().copied().unwrap_or_default();
                return self.message(id, &event.name, body.as_bytes()).map(Some);
            }
            [attached] if packet.attachments == 1 && socketio::is_first_attachment(attached) => {
                None
            }
            [_, _, ..] => Some("more than one body"),
            _ => Some("bytes that are not the whole body"),
        };
        match (problem, packet.attachments) {
            (Some(problem), 0) => unreadable(id, &event.name, problem).map(Some),
            (_, MOST_ATTACHMENTS..) => Err(wrong("too many attachments")),
            (problem, left) => {
                within(event.name.len(), message::MAX_ROUTE)?;
                let route = event.name.into_owned();
                self.attached = Some(Attached {
                    id,
                    route,
                    left,
                    problem,
                });
                Ok(None)
            }
        }
    }

    fn said_as_pomelo(&mut self, text: &str) -> Result<Event, Error> {
        let said = text::decode(text).ok_or_else(|| wrong("a text that Pomelo has not written"))?;
        self.is_pomelos = true;
        let id = ids::of_pomelos(said.id).ok_or_else(|| wrong("an id beyond 30 bits"))?;
        self.message((id != 0).then_some(id), said.route, said.body.as_bytes())
    }

    fn message(&self, id: Option<u32>, route: &str, body: &[u8]) -> Result<Event, Error> {
        within(body.len(), self.limits.package)?;
        Ok(Event::Message(Message::new(id, route, body)?))
    }

    fn tell(&mut self, told: Told) -> Result<(), Error> {
        let waiting = self.backlog.waiting(&self.session);
        if waiting > self.limits.outgoing {
            return Err(Error::TooSlow(waiting));
        }
        self.backlog.push(match (told, self.socket.protocol) {
            (Told::Text(text), ProtocolVersion::V3) => Told::Text(socketio::ascii(text)),
            (told, _) => told,
        });
        Ok(())
    }

    fn tell_attached(&mut self, text: String, body: &[u8]) -> Result<(), Error> {
        self.tell(Told::Text(text))?;
        self.backlog
            .push(Told::Binary(Bytes::copy_from_slice(body)));
        Ok(())
    }

    fn greeted(&mut self, answer: &[u8]) -> Result<(), Error> {
        let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
        if hello::welcomes(&answer) {
            self.stage = Stage::Welcome;
            self.session.task.wake();
            let welcome = hello::welcome(self.socket.protocol, self.socket.id.as_str());
            return self.tell(Told::Text(welcome));
        }
        for packet in hello::refusal(self.socket.protocol, &answer) {
            self.tell(Told::Text(packet))?;
        }
        Ok(())
    }

    fn respond(&mut self, id: u32, body: &[u8]) -> Result<(), Error> {
        let (own, json) = (ids::as_client_has_it(id), super::json(body));
        match (ids::is_acknowledgement(id), json) {
            (true, Some(json)) => self.tell(Told::Text(socketio::write_ack(own, json))),
            (true, None) => self.tell_attached(socketio::write_binary_ack(own), body),
            (false, Some(json)) => self.tell(Told::Pomelos(text::response(own, json))),
            (false, None) => Err(no_json()),
        }
    }

    fn kick(&mut self, body: &[u8]) -> Result<(), Error> {
        let kick = super::json(body).unwrap_or("{}");
        self.tell(if self.is_pomelos {
            let kick: Value = serde_json::from_str(kick).unwrap_or_default();
            let reason = kick.get("reason").unwrap_or(&Value::Null);
            Told::Pomelos(text::kick(&reason.to_string()))
        } else {
            Told::Text(socketio::write_event("onKick", kick))
        })?;
        // With this its client does not come again by itself.
        self.tell(Told::Text("1".to_owned()))
    }

    fn close(&mut self, stage: End) {
        self.session.advance(stage);
        // Where the runtime goes, its tasks have gone before.
        if tokio::runtime::Handle::try_current().is_ok() {
            self.socket.close(DisconnectReason::ClosingServer);
        }
    }
}

impl Connection for Client {
    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        events: &mut Vec<Event>,
        most: usize,
    ) -> Poll<Result<(), Error>> {
        self.session.task.register(context.waker());
        match self.stage {
            // These clients send nothing first: what they say of themselves stands in the query.
            Stage::Greets if self.socket.protocol == ProtocolVersion::V3 => {
                events.push(self.handshake("")?);
                return Poll::Ready(Ok(()));
            }
            Stage::Waits if !self.session.has_ended() => return Poll::Pending,
            Stage::Welcome => {
                self.stage = Stage::Open;
                events.push(Event::Ack);
                return Poll::Ready(Ok(()));
            }
            Stage::Greets | Stage::Waits | Stage::Open => {}
        }
        while events.len() < most {
            match self.session.take() {
                Poll::Ready(frame) => match self.event(frame?)? {
                    Some(event @ Event::Hello(_)) => {
                        events.push(event);
                        break;
                    }
                    Some(event) => events.push(event),
                    None => {}
                },
                Poll::Pending if events.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn queue(&mut self, outgoing: Outgoing<'_>) -> Result<(), Error> {
        match outgoing {
            Outgoing::Hello(answer) => self.greeted(answer),
            Outgoing::Heartbeat | Outgoing::Receipt(_) => Ok(()),
            Outgoing::Response { id, body, .. } => self.respond(id, body),
            Outgoing::Push(push) => match (self.is_pomelos, push.json()) {
                (false, Some(json)) => {
                    self.tell(Told::Text(socketio::write_event(push.route(), json)))
                }
                (false, None) => {
                    self.tell_attached(socketio::write_binary_event(push.route()), push.body())
                }
                (true, Some(json)) => self.tell(Told::Pomelos(text::push(push.route(), json))),
                (true, None) => Err(no_json()),
            },
            Outgoing::Kick(body) => self.kick(body),
        }
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.session.task.register(context.waker());
        self.backlog.poll_flush(&self.session, &self.socket).map(Ok)
    }

    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.session.task.register(context.waker());
        if !self.session.has_ended() {
            ready!(self.backlog.poll_flush(&self.session, &self.socket));
            if self.socket.transport_type() == TransportType::Polling {
                let goes = self.goes.get_or_insert_with(|| Box::pin(sleep(LAST_WORDS)));
                ready!(goes.as_mut().poll(context));
            }
            self.has_closed = true;
            self.close(End::Closing);
        }
        Poll::Ready(())
    }

    /// Routes and bodies are written as socket.io does.
    fn agree(&mut self, _: &Agreement) {}

    fn handshake_done(&mut self) {}

    fn patience(&self) -> Option<Duration> {
        Some(FOR_EVER)
    }

    fn peer(&self) -> SocketAddr {
        self.peer
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if !self.has_closed {
            self.close(End::Cut);
        }
    }
}

fn unreadable(id: Option<u32>, route: &str, problem: &str) -> Result<Event, Error> {
    within(route.len(), message::MAX_ROUTE)?;
    Ok(Event::Unreadable {
        id: id.unwrap_or_default(),
        route: Bytes::copy_from_slice(route.as_bytes()),
        problem: problem.to_owned(),
    })
}

fn wrong(what: &str) -> Error {
    Error::SocketIo(what.to_owned())
}

fn no_json() -> Error {
    BodyError("bytes that are no JSON have no place in Pomelo's texts".to_owned()).into()
}

fn within(length: usize, limit: usize) -> Result<(), Error> {
    match length > limit {
        true => Err(tangelo_wire::pomelo::package::Error::TooLong { length, limit }.into()),
        false => Ok(()),
    }
}
