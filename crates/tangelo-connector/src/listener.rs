//! Where connections come from.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
};

use crate::{Connection, Entrance, Error, Limits};

/// A future of a trait that is used through a pointer.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Something clients connect to.
pub trait Connector: fmt::Debug + Send + Sync + 'static {
    /// Listens on this address; port 0 takes any that is free.
    ///
    /// # Errors
    /// The address cannot be listened on.
    fn listen<'a>(&'a self, host: &'a str, port: u16) -> Boxed<'a, io::Result<Box<dyn Listener>>>;

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

/// A connector that listens.
pub trait Listener: Send {
    /// Where it listens.
    fn address(&self) -> SocketAddr;

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
