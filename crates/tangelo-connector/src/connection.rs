//! One client's connection, whatever it is made of.

use std::{
    io,
    net::SocketAddr,
    task::{Context, Poll},
};

use bytes::Bytes;
use tangelo_wire::pomelo::{
    handshake::Hello,
    message::{self, Message},
    package,
};

use crate::Push;

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
    fn queue(&mut self, outgoing: Outgoing<'_>) -> Result<(), Error>;

    /// Writes what was queued. `Pending` while some is left; `context`'s task is then woken when
    /// there is room for more.
    ///
    /// # Errors
    /// The connection has ended.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>>;

    /// Writes what was queued, says goodbye as the protocol has it, and closes.
    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<()>;

    /// The client has said who it is: some kinds are served in their own way.
    fn met(&mut self, client: &Hello);

    /// The handshake is done: packages may be as long as configured.
    fn handshake_done(&mut self);

    /// The client's address.
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
    /// What came is no WebSocket.
    #[error("WebSocket: {0}")]
    WebSocket(String),
    /// The client does not read, and too much waits for it.
    #[error("the client does not read: {0} bytes wait")]
    TooSlow(usize),
}

impl Error {
    /// Whether the client simply left.
    pub fn is_goodbye(&self) -> bool {
        match self {
            Self::Closed => true,
            Self::Io(error) => matches!(
                error.kind(),
                io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::BrokenPipe
            ),
            _ => false,
        }
    }
}
