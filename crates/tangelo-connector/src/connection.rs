//! One client's connection, whatever it is made of.

use std::{
    io,
    net::SocketAddr,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use tangelo_wire::pomelo::{
    message::{self, Message},
    package,
    pitaya::Inflating,
};

use crate::{Agreement, BodyError, Limits, Push};

/// One client's connection, whatever it is made of.
///
/// It is driven from one task, by batches: [receive](Self::poll_receive) what is there,
/// [queue](Self::queue) what there is to say, [flush](Self::poll_flush) once.
pub trait Connection: Send {
    /// Appends what has arrived to `events`, up to `most` of them.
    ///
    /// `Ready(Ok(()))` when there is at least one, `Pending` when there is none; `context`'s task is
    /// then woken when something arrives.
    ///
    /// # Errors
    /// The connection has ended, or the client does not speak the protocol. Events that came before
    /// are in `events`.
    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        events: &mut Vec<Event>,
        most: usize,
    ) -> Poll<Result<(), Error>>;

    /// Adds something to what will be written.
    ///
    /// # Errors
    /// What is said cannot be told in this protocol, or the client does not read and too much waits.
    /// After [`Error::Body`] and [`Error::Package`] nothing was queued, and the connection is as good as before.
    fn queue(&mut self, outgoing: Outgoing<'_>) -> Result<(), Error>;

    /// Writes what was queued. `Pending` while some is left; `context`'s task is then woken when
    /// there is room for more.
    ///
    /// # Errors
    /// The connection has ended.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>>;

    /// Writes what was queued, says goodbye as the protocol has it, and closes.
    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<()>;

    /// The handshake was read, and this is what both sides agreed on. From here on the connection
    /// translates: its events have routes and JSON where the client writes something else, and what is
    /// queued goes out as the client reads it. Called once, before the answer is queued.
    fn agree(&mut self, agreement: &Agreement);

    /// The handshake is done: packages may be as long as configured.
    fn handshake_done(&mut self);

    /// A token that says who its client is, where one came with the connection rather than in the handshake: of
    /// HTTP the header `Authorization: Bearer`, or `token` in the query; of MQTT the password. It is asked for once.
    /// Default: none.
    fn take_token(&mut self) -> Option<String> {
        None
    }

    /// How long its client may be silent, where that is not said by heartbeats of Pomelo's. Default: none,
    /// they say it.
    fn patience(&self) -> Option<Duration> {
        None
    }

    /// The client's address; if a proxy speaks for it, what that says.
    fn peer(&self) -> SocketAddr;
}

/// What a client does.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// It opens the conversation; the body of its handshake.
    Hello(Bytes),
    /// It has seen the answer.
    Ack,
    /// It lives.
    Heartbeat,
    /// It lives, and its heartbeat has a body: how far it has come with what it was told.
    Receipt(Bytes),
    /// It says something.
    Message(Message),
    /// It says something that is not what its definition says. A request is to be answered.
    Unreadable {
        /// The request's id; 0: nobody waits for an answer.
        id: u32,
        /// Where it is for.
        route: Bytes,
        /// What is wrong with it.
        problem: String,
    },
}

/// What a client is told.
#[derive(Clone, Copy, Debug)]
pub enum Outgoing<'a> {
    /// The answer to its handshake.
    Hello(&'a [u8]),
    /// The server lives.
    Heartbeat,
    /// The server lives, and has taken so many of the client's messages.
    Receipt(u64),
    /// The answer to a request.
    Response {
        /// The request's id.
        id: u32,
        /// The answer's body.
        body: &'a [u8],
        /// It tells of a failure, which not every protocol says beside the body.
        failed: bool,
    },
    /// Something unasked.
    Push(&'a Push),
    /// It has to go; the body of the kick.
    Kick(&'a [u8]),
}

impl Outgoing<'_> {
    /// Bytes it takes, or a little less.
    pub fn size(&self) -> usize {
        package::HEADER
            + match self {
                Self::Hello(body) | Self::Kick(body) | Self::Response { body, .. } => body.len(),
                Self::Heartbeat | Self::Receipt(_) => 0,
                Self::Push(push) => push.size(),
            }
    }
}

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client closed it.
    #[error("closed by the client")]
    Closed,
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What came is no package.
    #[error("bad package: {0}")]
    Package(#[from] package::Error),
    /// A WebSocket message ended within a package.
    #[error("bad package: the WebSocket message ends within it")]
    PackageCutOff,
    /// A package of a kind that only servers send.
    #[error("bad package: {0:?} from a client")]
    Direction(package::Kind),
    /// What came is no message.
    #[error("bad message: {0}")]
    Message(#[from] message::Error),
    /// What is said does not fit the definition that the client has of it.
    #[error("not as its definition says: {0}")]
    Body(#[from] BodyError),
    /// What came is not compressed as it says, or is too long.
    #[error("bad message: compressed: {0}")]
    Compression(#[from] Inflating),
    /// The client waits for too many answers.
    #[error("the client waits for more than {} answers", Limits::AWAITED)]
    TooManyAwaited,
    /// What came is no WebSocket.
    #[error("WebSocket: {0}")]
    WebSocket(String),
    /// A datagram ended within a package.
    #[error("bad package: the datagram ends within it")]
    DatagramCutOff,
    /// The address may be forged, and what is to be sent there is longer than what came from it.
    #[error(
        "{length} bytes to an address that may be forged, of which {most} may be sent: let the client's handshake be longer"
    )]
    Amplifies {
        /// Bytes to send.
        length: usize,
        /// Bytes that may be sent.
        most: usize,
    },
    /// What was sent is not acknowledged, however often it is sent again.
    #[error("the client acknowledges nothing")]
    Unacknowledged,
    /// What came is not what a client of socket.io says, or not how.
    #[error("socket.io: {0}")]
    SocketIo(String),
    /// The protocol's own heartbeat is not answered.
    #[error("the client does not answer heartbeats")]
    Silent,
    /// The library that speaks the protocol has failed, mostly about what the client said.
    #[error("KCP: {0}")]
    Kcp(String),
    /// What came is no MQTT, or something of it that is not offered.
    #[error("MQTT: {0}")]
    Mqtt(String),
    /// Code of the application failed or panicked: it accepts, receives, sends or decodes.
    #[error("custom connector: {0}")]
    Custom(String),
    /// The application's `encode` failed or panicked: this one thing cannot be said.
    #[error("encode: {0}")]
    Encode(String),
    /// A proxy does not say whom it speaks for.
    #[error("PROXY protocol: {0}")]
    Proxy(&'static str),
    /// The connection cannot be made safe.
    #[error("TLS: {0}")]
    Tls(String),
    /// The client does not speak TLS, and has to.
    #[error("only TLS is spoken here")]
    NoTls,
    /// More waits for the client than may: it does not read, or too much was said at once.
    #[error("more waits for the client than may: {0} bytes")]
    TooSlow(usize),
}

impl Error {
    /// Whether only this one thing cannot be said, and the connection can go on.
    pub fn is_of_one_message(&self) -> bool {
        matches!(self, Self::Encode(_) | Self::Package(_) | Self::Body(_))
    }

    /// Whether the client simply left.
    pub fn is_goodbye(&self) -> bool {
        match self {
            Self::Closed => true,
            Self::Io(error) => matches!(
                error.kind(),
                io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::BrokenPipe
                    // Over TLS, it left without saying so.
                    | io::ErrorKind::UnexpectedEof
            ),
            _ => false,
        }
    }
}
