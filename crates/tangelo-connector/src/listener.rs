//! Where connections come from.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
};

use serde_json::{Map, Value};

use crate::{Connection, Entrance, Error, Limits};

/// A future of a trait that is used through a pointer.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Something clients connect to.
pub trait Connector: fmt::Debug + Send + Sync + 'static {
    /// Listens where it is told, or, if its address is no host and port, where it likes.
    ///
    /// # Errors
    /// The address cannot be listened on.
    fn listen<'a>(&'a self, place: Place<'a>) -> Boxed<'a, io::Result<Box<dyn Listener>>>;

    /// Its limits, if it has these: a configuration may change them before it listens. Default: none.
    fn limits_mut(&mut self) -> Option<&mut Limits> {
        None
    }

    /// What lies before its connections, if it has that: a configuration may change it before it listens.
    /// Default: nothing.
    fn entrance_mut(&mut self) -> Option<&mut Entrance> {
        None
    }
}

/// What a server's configuration says beyond what Tangelo knows, untouched: free keys of servers.json,
/// `settings` in `tangelo.toml`.
pub type Options = Map<String, Value>;

/// Where a server's clients come in, as its configuration says.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// A name or an address.
    pub host: &'a str,
    /// The client port; 0 takes any that is free.
    pub port: u16,
    /// What else the configuration says of this server.
    pub options: &'a Options,
}

/// A connector that listens.
pub trait Listener: Send {
    /// Where it listens; none if that is no host and port.
    fn address(&self) -> Option<SocketAddr>;

    /// Whether peers at this address may speak for others: then [`Connection::peer`] is the client's
    /// address, and [`Opening::peer`] only the way it came. Default: nobody.
    fn is_proxy(&self, peer: IpAddr) -> bool {
        let _ = peer;
        false
    }

    /// Waits for the next client. Cancel safe.
    ///
    /// # Errors
    /// It cannot be accepted; the next one may be.
    fn accept(&mut self) -> Boxed<'_, io::Result<Opening>>;

    /// Stops listening; those who are connected stay. Called once, before it is dropped. Default: dropping it
    /// is enough.
    fn stop(&mut self) -> Boxed<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// A client that has been accepted, and what is left to do before it is a connection.
pub struct Opening {
    /// Its address, or that of a proxy in front of it.
    pub peer: SocketAddr,
    /// Resolves when the connection can be used. It waits for the client: give it a deadline.
    pub connection: Boxed<'static, Result<Box<dyn Connection>, Error>>,
}

impl fmt::Debug for Opening {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Opening")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
