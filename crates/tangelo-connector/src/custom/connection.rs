//! A client of an application's own connector, as the front loop wants it.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use serde_json::{Value, json};
use tangelo_wire::pomelo::{
    message::Message,
    package::{self},
};

use super::{
    Codec, Decoded, FrameReceiver, FrameSender, Socket, incoming::Incoming, outgoing::Outgoing,
};
use crate::{Agreement, Connection, Error, Event, Limits, Outgoing as Told};

/// Requests whose routes are remembered for their responses. It is more than a session may have in flight.
const ROUTES: usize = 1024;
/// The code of an answer that lets a client in.
const WELCOME: u64 = 200;

/// A client of an application's own connector. It makes up the handshake that the front loop expects.
pub(super) struct Custom<F, R, S> {
    incoming: Incoming<F, R>,
    outgoing: Outgoing<F, S>,
    stage: Stage,
    /// Whom to wake when the handshake is answered.
    waits: Option<Waker>,
    /// The requests that were not answered yet, the oldest first.
    routes: VecDeque<(u32, Box<str>)>,
    codec: Arc<Codec<F>>,
    peer: SocketAddr,
    limits: Limits,
    idle: Duration,
}

/// How far the handshake has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The client says who it is.
    Greets,
    /// It waits for the answer.
    Waits,
    /// It may come in.
    Welcome,
    /// Frames flow.
    Open,
}

impl<F: Send + 'static, R: FrameReceiver<F>, S: FrameSender<F>> Custom<F, R, S> {
    pub(super) fn new(
        socket: Socket<R, S>,
        peer: SocketAddr,
        codec: Arc<Codec<F>>,
        limits: Limits,
        idle: Duration,
    ) -> Self {
        Self {
            incoming: Incoming::Idle(socket.receiver),
            outgoing: Outgoing::new(socket.sender),
            stage: Stage::Greets,
            waits: None,
            routes: VecDeque::new(),
            codec,
            peer,
            limits,
            idle,
        }
    }

    /// What a frame means to the front loop.
    fn event(&mut self, frame: F) -> Result<Event, Error> {
        let (id, route, body) = match self.codec.meaning(frame)? {
            Decoded::Request { id, route, body } => (Some(id), route, body),
            Decoded::Notify { route, body } => (None, route, body),
            Decoded::Alive => return Ok(Event::Heartbeat),
        };
        let (length, limit) = (body.len(), self.limits.package);
        if length > limit {
            return Err(package::Error::TooLong { length, limit }.into());
        }
        let message = Message::new(id, &route, &body)?;
        if message.id() != 0 {
            if self.routes.len() == ROUTES {
                self.routes.pop_front();
            }
            self.routes.push_back((message.id(), route.into()));
        }
        Ok(Event::Message(message))
    }

    /// The frame of a response, under the route of its request. A request that cannot be answered so is
    /// answered with another body.
    fn response(&mut self, id: u32, body: &[u8]) -> Result<F, Error> {
        let known = self.routes.iter().position(|(known, _)| *known == id);
        let route = known.and_then(|known| self.routes.get(known));
        let route = route.map_or("", |(_, route)| route);
        let frame = self.codec.frame(Some(id), route, body)?;
        known.and_then(|known| self.routes.remove(known));
        Ok(frame)
    }

    fn greeted(&mut self, answer: &[u8]) {
        let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
        if answer.get("code").and_then(Value::as_u64) == Some(WELCOME) {
            self.stage = Stage::Welcome;
        }
        self.outgoing.welcome(answer);
        if let Some(waits) = self.waits.take() {
            waits.wake();
        }
    }
}

impl<F: Send + 'static, R: FrameReceiver<F>, S: FrameSender<F>> Connection for Custom<F, R, S> {
    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        events: &mut Vec<Event>,
        most: usize,
    ) -> Poll<Result<(), Error>> {
        match self.stage {
            Stage::Greets => {
                let hello = ready!(self.incoming.poll_hello(context))?;
                self.stage = Stage::Waits;
                events.push(Event::Hello(handshake(hello).into()));
                return Poll::Ready(Ok(()));
            }
            Stage::Waits => {
                self.waits = Some(context.waker().clone());
                return Poll::Pending;
            }
            Stage::Welcome => {
                self.stage = Stage::Open;
                events.push(Event::Ack);
                return Poll::Ready(Ok(()));
            }
            Stage::Open => {}
        }
        while events.len() < most {
            match self.incoming.poll_frame(context) {
                Poll::Ready(frame) => {
                    let event = frame.and_then(|frame| self.event(frame))?;
                    events.push(event);
                }
                Poll::Pending if events.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn queue(&mut self, told: Told<'_>) -> Result<(), Error> {
        let waiting = self.outgoing.bytes();
        if waiting > self.limits.outgoing {
            return Err(Error::TooSlow(waiting));
        }
        let size = told.size();
        let frame = match told {
            Told::Hello(answer) => {
                self.greeted(answer);
                return Ok(());
            }
            Told::Heartbeat | Told::Receipt(_) => return Ok(()),
            Told::Kick(body) => {
                let body: Value = serde_json::from_slice(body).unwrap_or_default();
                let reason = body.get("reason").and_then(Value::as_str);
                self.outgoing.kick(reason.unwrap_or_default().to_owned());
                return Ok(());
            }
            Told::Response { id, body, .. } => self.response(id, body)?,
            Told::Push(push) => self.codec.frame(None, push.route(), push.body())?,
        };
        self.outgoing.push(frame, size);
        Ok(())
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.outgoing.poll_flush(context)
    }

    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.outgoing.poll_close(context)
    }

    /// A codec of the application's own says how routes and bodies are written.
    fn agree(&mut self, _: &Agreement) {}

    fn handshake_done(&mut self) {}

    fn patience(&self) -> Option<Duration> {
        Some(self.idle)
    }

    fn peer(&self) -> SocketAddr {
        self.peer
    }
}

/// The body of a handshake, with what it may not lack.
fn handshake(hello: Value) -> Vec<u8> {
    let mut hello = match hello {
        Value::Object(hello) => hello,
        _ => serde_json::Map::new(),
    };
    hello
        .entry("sys")
        .or_insert_with(|| json!({ "type": "custom" }));
    Value::Object(hello).to_string().into_bytes()
}
