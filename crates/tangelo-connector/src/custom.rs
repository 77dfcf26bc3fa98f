//! Connectors of the application's own: whatever whole frames can be read from and written to.
//!
//! A [`CustomConnector`] listens, its [`Socket`]s receive and send frames, its [`Codec`] says what a frame
//! means. [`Custom`] makes a [`Connector`] of it: it calls the application's code in the task of each client,
//! one call after the other in each direction, catches its panics, and knows the limits.

mod codec;
mod connection;
mod incoming;
mod listening;
mod outgoing;
mod socket;

use std::{fmt, io, sync::Mutex, sync::PoisonError, time::Duration};

pub use self::{
    codec::{BoxError, Codec, Decoded},
    socket::{CustomConnector, FrameReceiver, FrameSender, Socket},
};
use crate::{Connector, Limits, Listener, Options, Place, listener::Boxed};

/// How long a client may be silent, unless [`Custom::idle`] says otherwise.
const IDLE: Duration = Duration::from_secs(90);
/// What goes for "for ever": clocks cannot count further from now.
const LONGEST_IDLE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A [`Connector`] made of a [`CustomConnector`].
///
/// ```
/// use tangelo_connector::custom::{Codec, Custom, CustomConnector};
/// # use std::io;
/// # use tangelo_connector::custom::{Decoded, FrameReceiver, FrameSender, Socket};
/// # struct Lines;
/// # struct Half;
/// # impl FrameReceiver<String> for Half {
/// #     async fn receive(&mut self) -> io::Result<Option<String>> { Ok(None) }
/// # }
/// # impl FrameSender<String> for Half {
/// #     async fn send(&mut self, _: String) -> io::Result<()> { Ok(()) }
/// # }
/// # impl CustomConnector for Lines {
/// #     type Frame = String;
/// #     type Receiver = Half;
/// #     type Sender = Half;
/// #     async fn start(&mut self) -> io::Result<()> { Ok(()) }
/// #     async fn accept(&mut self) -> io::Result<Socket<Half, Half>> { std::future::pending().await }
/// # }
/// # impl Lines { fn new(_: &str) -> Self { Self } }
///
/// // Called for each server, with its host, its client port, and what else its configuration says.
/// let connector = Custom::new(|host, port, options| Ok(Lines::new(host)))
///     // Goes before what `Lines` has itself.
///     .decode(|line: String| match line.split_once(' ') {
///         Some((route, body)) => Ok(Decoded::notify(route, body.to_owned())),
///         None => Err("no route"),
///     });
/// ```
pub struct Custom<C: CustomConnector> {
    source: Source<C>,
    configured: Codec<C::Frame>,
    limits: Limits,
    idle: Duration,
}

/// Where the application's connector comes from.
enum Source<C> {
    Factory(Factory<C>),
    /// Used once.
    Instance(Mutex<Option<C>>),
}

type Factory<C> = Box<dyn Fn(&str, u16, &Options) -> io::Result<C> + Send + Sync>;

impl<C: CustomConnector> Custom<C> {
    /// Made for each server when it starts, of its host, its client port, and its [`Options`].
    ///
    /// An error or a panic keeps the server from starting.
    pub fn new(
        make: impl Fn(&str, u16, &Options) -> io::Result<C> + Send + Sync + 'static,
    ) -> Self {
        Self::of(Source::Factory(Box::new(make)))
    }

    /// One that is there already, for addresses that are no host and port. It serves one server.
    pub fn instance(connector: C) -> Self {
        Self::of(Source::Instance(Mutex::new(Some(connector))))
    }

    fn of(source: Source<C>) -> Self {
        Self {
            source,
            configured: Codec::new(),
            limits: Limits::default(),
            idle: IDLE,
        }
    }

    /// What a client is sent for a response (which has an id) or a push (which has none). It goes before
    /// the connector's own [`codec`](CustomConnector::codec).
    #[must_use]
    pub fn encode<E: Into<BoxError>>(
        mut self,
        encode: impl Fn(Option<u32>, &str, &[u8]) -> Result<C::Frame, E> + Send + Sync + 'static,
    ) -> Self {
        self.configured = self.configured.encode(encode);
        self
    }

    /// What a client's frame means. It goes before the connector's own
    /// [`codec`](CustomConnector::codec).
    #[must_use]
    pub fn decode<E: Into<BoxError>>(
        mut self,
        decode: impl Fn(C::Frame) -> Result<Decoded, E> + Send + Sync + 'static,
    ) -> Self {
        self.configured = self.configured.decode(decode);
        self
    }

    /// With other limits. [`Limits::package`] counts the bytes of a decoded body; how much is read for a frame
    /// is the [`FrameReceiver`]'s business. [`Limits::outgoing`] counts bodies and routes before `encode`.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How long a client may be silent; any frame is a sign of life. Default 90 s.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle.min(LONGEST_IDLE);
        self
    }
}

impl<C: CustomConnector> Connector for Custom<C> {
    fn listen<'a>(&'a self, place: Place<'a>) -> Boxed<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let connector = self.source.make(place)?;
            let listening =
                listening::start(connector, self.configured.clone(), self.limits, self.idle);
            Ok(Box::new(listening.await?) as Box<dyn Listener>)
        })
    }

    fn limits_mut(&mut self) -> Option<&mut Limits> {
        Some(&mut self.limits)
    }
}

impl<C> Source<C> {
    fn make(&self, place: Place<'_>) -> io::Result<C> {
        match self {
            Self::Factory(make) => {
                let made =
                    tangelo_runtime::guard::catch(|| make(place.host, place.port, place.options));
                made.unwrap_or_else(|panicked| Err(io::Error::other(panicked)))
            }
            Self::Instance(instance) => {
                let mut instance = instance.lock().unwrap_or_else(PoisonError::into_inner);
                instance.take().ok_or_else(|| {
                    io::Error::other("this instance of a custom connector serves a server already")
                })
            }
        }
    }
}

impl<C: CustomConnector> fmt::Debug for Custom<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Custom")
            .field("configured", &self.configured)
            .field("limits", &self.limits)
            .field("idle", &self.idle)
            .finish_non_exhaustive()
    }
}
