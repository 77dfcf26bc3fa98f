//! A client that says exactly what a test wants, and hears everything in order.

use std::{net::SocketAddr, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tangelo_wire::pomelo::{
    message::{self, Kind as MessageKind, Route},
    package::{self, Kind},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message as Frame};

use crate::world::DEADLINE;

/// How a client connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Tcp,
    WebSocket,
}

/// Both doors of a front end.
pub(crate) const DOORS: [Door; 2] = [Door::Tcp, Door::WebSocket];

/// A client's side of a connection.
#[derive(Debug)]
pub(crate) struct Client {
    line: Line,
    reading: BytesMut,
    /// Id of the last request.
    last_id: u32,
    /// Its connection may be cut anywhere.
    pub(crate) may_be_cut: bool,
    /// How long it waits for what it expects.
    pub(crate) patience: Duration,
}

#[derive(Debug)]
enum Line {
    Tcp(Box<dyn Stream>),
    WebSocket(Box<WebSocketStream<Box<dyn Stream>>>),
}

/// What bytes go through.
pub(crate) trait Stream:
    AsyncRead + AsyncWrite + std::fmt::Debug + Send + Unpin + 'static
{
}

impl<S: AsyncRead + AsyncWrite + std::fmt::Debug + Send + Unpin + 'static> Stream for S {}

/// What a server said.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    Hello(Value),
    Heartbeat,
    /// A heartbeat that says how many messages it has taken.
    Receipt(u64),
    Reply(u32, Value),
    Push(String, Value),
    Kick(Value),
    /// It closed the connection.
    End,
}

impl Client {
    /// Connects and says nothing.
    pub(crate) async fn silent(door: Door, address: SocketAddr) -> Self {
        Self::over(door, connect(address).await).await
    }

    /// Says nothing over this connection, but for a WebSocket's opening.
    pub(crate) async fn over(door: Door, stream: impl Stream) -> Self {
        Self::try_over(door, stream).await.unwrap()
    }

    /// The same over a connection that may end before it stands.
    pub(crate) async fn try_over(door: Door, stream: impl Stream) -> Option<Self> {
        let stream: Box<dyn Stream> = Box::new(stream);
        let line = match door {
            Door::Tcp => Line::Tcp(stream),
            Door::WebSocket => {
                let opening = tokio_tungstenite::client_async("ws://suite/", stream);
                Line::WebSocket(Box::new(opening.await.ok()?.0))
            }
        };
        Some(Self {
            line,
            reading: BytesMut::new(),
            last_id: 0,
            may_be_cut: false,
            patience: DEADLINE,
        })
    }

    /// A WebSocket whose opening is done.
    pub(crate) async fn upgraded(stream: impl Stream) -> Self {
        let stream: Box<dyn Stream> = Box::new(stream);
        let role = tokio_tungstenite::tungstenite::protocol::Role::Client;
        let stream = WebSocketStream::from_raw_socket(stream, role, None).await;
        Self {
            line: Line::WebSocket(Box::new(stream)),
            reading: BytesMut::new(),
            last_id: 0,
            may_be_cut: false,
            patience: DEADLINE,
        }
    }

    /// Connects and shakes hands.
    pub(crate) async fn connect(door: Door, address: SocketAddr) -> Self {
        let mut client = Self::silent(door, address).await;
        client.shake_hands().await;
        client
    }

    /// Says hello, hears the answer, acknowledges it.
    pub(crate) async fn shake_hands(&mut self) -> Value {
        self.send(Kind::Handshake, hello().as_bytes()).await;
        let Said::Hello(answer) = self.hear().await else {
            panic!("no answer to the handshake");
        };
        assert_eq!(answer["code"], 200);
        self.send(Kind::HandshakeAck, b"").await;
        answer
    }

    /// Sends one package.
    pub(crate) async fn send(&mut self, kind: Kind, body: &[u8]) {
        self.send_bytes(&package(kind, body)).await;
    }

    /// Sends bytes, over WebSocket as one message. The server may have gone.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.try_send(bytes).await;
    }

    /// Sends bytes; `false` when the server has gone.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> bool {
        match &mut self.line {
            Line::Tcp(stream) => stream.write_all(bytes).await.is_ok(),
            Line::WebSocket(stream) => {
                let frame = Frame::Binary(Bytes::copy_from_slice(bytes));
                stream.send(frame).await.is_ok()
            }
        }
    }

    /// Says that nothing more comes, and goes on listening.
    pub(crate) async fn half_close(&mut self) {
        match &mut self.line {
            Line::Tcp(stream) => stream.shutdown().await.unwrap(),
            Line::WebSocket(stream) => stream.send(Frame::Close(None)).await.unwrap(),
        }
    }

    /// Sends a WebSocket text message.
    pub(crate) async fn send_text(&mut self, bytes: &[u8]) {
        let Line::WebSocket(stream) = &mut self.line else {
            panic!("text is for WebSockets");
        };
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        stream.send(Frame::Text(text.into())).await.unwrap();
    }

    /// Sends a request; returns its id.
    pub(crate) async fn request(&mut self, route: &str, body: &Value) -> u32 {
        self.last_id += 1;
        let request = request(self.last_id, route, body.to_string().as_bytes());
        self.send_bytes(&request).await;
        self.last_id
    }

    /// Sends a notify.
    pub(crate) async fn notify(&mut self, route: &str, body: &Value) {
        let mut out = BytesMut::new();
        message::encode_notify(route, body.to_string().as_bytes(), &mut out).unwrap();
        self.send(Kind::Data, &out).await;
    }

    /// Requests, and hears the answer as the next thing.
    pub(crate) async fn ask(&mut self, route: &str, body: &Value) -> Value {
        let id = self.request(route, body).await;
        match self.hear().await {
            Said::Reply(answered, answer) if answered == id => answer,
            other => panic!("expected the answer {id} of {route}, heard {other:?}"),
        }
    }

    /// Requests, and hears this code as the next thing.
    pub(crate) async fn is_refused(&mut self, route: &str, body: &Value, code: u16) {
        let answer = self.ask(route, body).await;
        assert_eq!(answer["code"], code, "{route}: {answer}");
    }

    /// The next thing the server says.
    pub(crate) async fn hear(&mut self) -> Said {
        match self.package().await {
            Some((kind, body)) => understand(kind, body),
            None => Said::End,
        }
    }

    /// The next thing the server says is the answer under this id.
    pub(crate) async fn reply(&mut self, id: u32) -> Value {
        match self.hear().await {
            Said::Reply(answered, answer) if answered == id => answer,
            other => panic!("expected the answer {id}, heard {other:?}"),
        }
    }

    /// The next thing the server says is a push under this route.
    pub(crate) async fn push(&mut self, route: &str) -> Value {
        match self.hear().await {
            Said::Push(heard, body) if heard == route => body,
            other => panic!("expected a push on {route}, heard {other:?}"),
        }
    }

    /// The server says nothing more, and closes.
    pub(crate) async fn is_closed(&mut self) {
        assert_eq!(self.hear().await, Said::End);
    }

    /// Nothing was said before the answer to this request: whatever came before it was ignored.
    pub(crate) async fn was_ignored(&mut self, echo: &str) {
        self.last_id += 1000;
        let word = json!({ "after": self.last_id });
        assert_eq!(self.ask(echo, &word).await, word);
    }

    /// The next package; none at the end.
    pub(crate) async fn package(&mut self) -> Option<(Kind, Bytes)> {
        let patience = self.patience;
        tokio::time::timeout(patience, self.next_package())
            .await
            .unwrap_or_else(|_| panic!("nothing heard for {patience:?}"))
    }

    async fn next_package(&mut self) -> Option<(Kind, Bytes)> {
        match &mut self.line {
            Line::Tcp(stream) => loop {
                if let Some(package) =
                    package::decode(&mut self.reading, package::MAX_BODY).unwrap()
                {
                    return Some((package.kind, package.body));
                }
                match stream.read_buf(&mut self.reading).await {
                    Ok(0) | Err(_) => {
                        let is_whole = self.reading.is_empty() || self.may_be_cut;
                        assert!(is_whole, "closed within a package");
                        return None;
                    }
                    Ok(_) => {}
                }
            },
            Line::WebSocket(stream) => loop {
                match stream.next().await {
                    Some(Ok(Frame::Binary(mut bytes))) => {
                        let (kind, length) =
                            package::header(&bytes, package::MAX_BODY).unwrap().unwrap();
                        bytes.advance(package::HEADER);
                        assert_eq!(bytes.len(), length, "one package a message");
                        return Some((kind, bytes));
                    }
                    Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => {}
                    // What a connection that is cut may leave.
                    Some(Ok(Frame::Frame(_))) if self.may_be_cut => return None,
                    Some(Ok(Frame::Close(_)) | Err(_)) | None => return None,
                    Some(Ok(other)) => panic!("{other:?}"),
                }
            },
        }
    }
}

pub(crate) fn understand(kind: Kind, body: Bytes) -> Said {
    let json = |body: &[u8]| serde_json::from_slice(body).unwrap();
    match kind {
        Kind::Handshake => Said::Hello(json(&body)),
        Kind::Heartbeat if body.is_empty() => Said::Heartbeat,
        Kind::Heartbeat => Said::Receipt(std::str::from_utf8(&body).unwrap().parse().unwrap()),
        Kind::Kick => Said::Kick(json(&body)),
        Kind::HandshakeAck => panic!("servers do not acknowledge"),
        Kind::Data => {
            let message = message::decode(body).unwrap();
            match (message.kind(), message.route()) {
                (MessageKind::Response, _) => Said::Reply(message.id(), json(message.body())),
                (MessageKind::Push, Route::Name(route)) => {
                    let route = String::from_utf8(route.to_vec()).unwrap();
                    Said::Push(route, json(message.body()))
                }
                other => panic!("a server said {other:?}"),
            }
        }
    }
}

pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// What a client says first.
pub(crate) fn hello() -> String {
    json!({ "sys": { "type": "suite", "version": "1" }, "user": {} }).to_string()
}

/// One package.
pub(crate) fn package(kind: Kind, body: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    package::encode(kind, body, &mut out).unwrap();
    out.freeze()
}

/// A request's package.
pub(crate) fn request(id: u32, route: &str, body: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    message::encode_request(id, route, body, &mut out).unwrap();
    package(Kind::Data, &out)
}
