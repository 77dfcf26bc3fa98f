//! What an application's own connector is.

use std::{fmt, io, net::SocketAddr};

use serde_json::Value;

use super::Codec;

/// A connector of the application's own. Its methods are called one after the other: [`start`](Self::start),
/// then [`accept`](Self::accept) again and again, then [`stop`](Self::stop).
pub trait CustomConnector: Send + 'static {
    /// What a client sends and is sent at once: a `String`, `Bytes`, anything. Always a whole one: where frames
    /// can come in pieces or joined, the [`FrameReceiver`] cuts them.
    type Frame: Send + 'static;
    /// What hears a client.
    type Receiver: FrameReceiver<Self::Frame>;
    /// What talks to it.
    type Sender: FrameSender<Self::Frame>;

    /// What its frames mean. Default: nothing; then [`Custom::encode`](super::Custom::encode) and
    /// [`Custom::decode`](super::Custom::decode) have to say it, or the server does not start.
    fn codec(&self) -> Codec<Self::Frame> {
        Codec::new()
    }

    /// Starts to listen. The server's first client is [accepted](Self::accept) when all else has started.
    ///
    /// # Errors
    /// It cannot listen; the server does not start.
    fn start(&mut self) -> impl Future<Output = io::Result<()>> + Send;

    /// Waits for the next client. What takes time with one client, do in [`FrameReceiver::hello`]: others wait
    /// meanwhile. The future is dropped when the server stops to listen, and not before.
    ///
    /// # Errors
    /// It cannot be accepted, which is logged; after a tenth of a second the next is waited for. A panic is an
    /// error too.
    fn accept(
        &mut self,
    ) -> impl Future<Output = io::Result<Socket<Self::Receiver, Self::Sender>>> + Send;

    /// Stops to listen; clients that are connected stay until the server lets them go. It may take a second.
    /// Default: what happens when it is dropped.
    fn stop(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Where it listens, once it does. Default: none, an address that is no host and port.
    fn address(&self) -> Option<SocketAddr> {
        None
    }
}

/// A client's connection, in two halves that are used at the same time.
pub struct Socket<R, S> {
    pub(super) receiver: R,
    pub(super) sender: S,
    pub(super) peer: Option<SocketAddr>,
}

impl<R, S> Socket<R, S> {
    /// What hears the client, and what talks to it.
    pub fn new(receiver: R, sender: S) -> Self {
        Self {
            receiver,
            sender,
            peer: None,
        }
    }

    /// The client's address, which host filters look at and sessions know. Default: this machine's own,
    /// `127.0.0.1:0`.
    #[must_use]
    pub fn peer(mut self, peer: SocketAddr) -> Self {
        self.peer = Some(peer);
        self
    }
}

impl<R, S> fmt::Debug for Socket<R, S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Socket")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// What hears a client. Its futures run to their end, or the connection is over: they need not be cancel
/// safe.
pub trait FrameReceiver<F>: Send + 'static {
    /// Waits for the next whole frame; none when the client has disconnected. The next one is received when
    /// this one's turn is over, so what a client says too fast waits where it is: bound what you read for
    /// one frame.
    ///
    /// # Errors
    /// The connection has failed, or the client does not speak the protocol; it ends. A panic is an error too.
    fn receive(&mut self) -> impl Future<Output = io::Result<Option<F>>> + Send;

    /// What the client says of itself before its first frame, as in the body of Pomelo's handshake:
    /// `{"sys": {"type": .., "version": ..}, "user": {..}}`. Both may be missing; without `sys`, the client's
    /// type is `custom`. It has ten seconds. Default: nothing, `{}`.
    ///
    /// # Errors
    /// As of [`receive`](Self::receive).
    fn hello(&mut self) -> impl Future<Output = io::Result<Value>> + Send {
        async { Ok(Value::Object(serde_json::Map::new())) }
    }
}

/// What talks to a client. Its futures run to their end, or the connection is over: they need not be cancel
/// safe. While one runs, what else is to be said waits; when [`Limits::outgoing`](crate::Limits::outgoing) bytes
/// do, the connection ends.
///
/// An error, or a panic, ends the connection. At its end the sender is dropped, after
/// [`disconnect`](Self::disconnect) if the server ended it.
pub trait FrameSender<F: Send>: Send + 'static {
    /// Sends a frame.
    ///
    /// # Errors
    /// The connection has failed.
    fn send(&mut self, frame: F) -> impl Future<Output = io::Result<()>> + Send;

    /// Sends several, with one call of the system if that can be. Default: one after the other.
    ///
    /// # Errors
    /// The connection has failed.
    fn send_batch(&mut self, frames: Vec<F>) -> impl Future<Output = io::Result<()>> + Send {
        async move {
            for frame in frames {
                self.send(frame).await?;
            }
            Ok(())
        }
    }

    /// Tells the client that it is let in: the answer to its handshake, `{"code": 200, "sys": {..}}`, or that it
    /// is not, with another code. Default: tells nothing.
    ///
    /// # Errors
    /// The connection has failed.
    fn welcome(&mut self, _answer: Value) -> impl Future<Output = io::Result<()>> + Send {
        async { Ok(()) }
    }

    /// Tells the client why it is kicked; [`disconnect`](Self::disconnect) follows. Default: tells nothing.
    ///
    /// # Errors
    /// The connection has failed.
    fn closing(&mut self, _reason: &str) -> impl Future<Output = io::Result<()>> + Send {
        async { Ok(()) }
    }

    /// The server ends the connection, and all that was to be sent has been. It may take a second, together with
    /// what had to be sent. Default: what happens when it is dropped.
    fn disconnect(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }
}
