//! What engine.io tells of its sessions.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, atomic::Ordering},
};

use bytes::Bytes;
use engineioxide::{
    DisconnectReason, ProtocolVersion, Socket, Str, TransportType, handler::EngineIoHandler,
    socket::Sid,
};
use tangelo_wire::socketio;
use tokio::sync::mpsc::Sender;

use super::{
    session::{Frame, Session},
    stream::Tie,
};
use crate::Error;

/// What a session's socket of engine.io keeps for us.
pub(super) type Data = OnceLock<Arc<Session>>;

/// Where a request comes from.
#[derive(Clone, Debug)]
pub(super) struct From {
    pub(super) peer: SocketAddr,
    pub(super) tie: Tie,
}

/// A session that has begun.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) socket: Arc<Socket<Data>>,
    pub(super) session: Arc<Session>,
    pub(super) peer: SocketAddr,
}

#[derive(Debug)]
pub(super) struct Engine {
    sessions: Mutex<HashMap<Sid, Arc<Session>>>,
    begin: Sender<Begun>,
}

impl Engine {
    pub(super) fn new(begin: Sender<Begun>) -> Self {
        Self {
            sessions: Mutex::default(),
            begin,
        }
    }

    /// Whether new sessions are taken.
    pub(super) fn takes_sessions(&self) -> bool {
        !self.begin.is_closed() && self.begin.capacity() > 0
    }

    pub(super) fn session(&self, sid: &str) -> Option<Arc<Session>> {
        let sid = sid.parse().ok()?;
        self.sessions().get(&sid).cloned()
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<Sid, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EngineIoHandler for Engine {
    type Data = Data;

    fn on_connect(self: Arc<Self>, socket: Arc<Socket<Data>>) {
        let session = Arc::<Session>::default();
        let _ = socket.data.set(Arc::clone(&session));
        let from = socket.req_parts.extensions.get::<From>().cloned();
        let (Some(from), Ok(permit)) = (from, self.begin.try_reserve()) else {
            return socket.close(DisconnectReason::ClosingServer);
        };
        if socket.transport_type() == TransportType::Websocket {
            from.tie.to(&session);
        }
        self.sessions().insert(socket.id, Arc::clone(&session));
        permit.send(Begun {
            socket,
            session,
            peer: from.peer,
        });
    }

    fn on_disconnect(&self, socket: Arc<Socket<Data>>, reason: DisconnectReason) {
        self.sessions().remove(&socket.id);
        if let Some(session) = socket.data.get() {
            session.end(why(&reason, session));
        }
    }

    fn on_message(self: &Arc<Self>, text: Str, socket: Arc<Socket<Data>>) {
        if let Some(session) = socket.data.get() {
            let polls = socket.transport_type() == TransportType::Polling;
            let mended = match socket.protocol {
                ProtocolVersion::V3 if polls => socketio::mend(&text),
                _ => None,
            };
            session.receive(Frame::Text(mended.map_or(text, Str::from)));
        }
    }

    fn on_binary(self: &Arc<Self>, bytes: Bytes, socket: Arc<Socket<Data>>) {
        if let Some(session) = socket.data.get() {
            session.receive(Frame::Binary(bytes));
        }
    }
}

fn why(reason: &DisconnectReason, session: &Session) -> Error {
    let wrong = |what: &str| Error::SocketIo(what.to_owned());
    match reason {
        DisconnectReason::TransportClose | DisconnectReason::ClosingServer => Error::Closed,
        // Without a farewell, but by itself.
        DisconnectReason::TransportError if session.is_cut_off.load(Ordering::Acquire) => {
            Error::Closed
        }
        DisconnectReason::TransportError => wrong("a message that is too long, or no WebSocket's"),
        DisconnectReason::HeartbeatTimeout => Error::Silent,
        DisconnectReason::MultipleHttpPollingError => wrong("two requests poll at once"),
        DisconnectReason::PacketParsingError => wrong("no packet of engine.io"),
    }
}
