//! An application's connector that listens.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tangelo_runtime::guard::{self, Guarded};

use super::{Codec, CustomConnector, connection::Custom};
use crate::{Connection, Limits, Listener, Opening, listener::Boxed};

/// The address of who has none.
const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

pub(super) struct Listening<C: CustomConnector> {
    connector: C,
    codec: Arc<Codec<C::Frame>>,
    limits: Limits,
    idle: Duration,
}

/// Starts to listen, if frames mean something.
pub(super) async fn start<C: CustomConnector>(
    mut connector: C,
    configured: Codec<C::Frame>,
    limits: Limits,
    idle: Duration,
) -> io::Result<Listening<C>> {
    let own = guard::catch(|| connector.codec()).map_err(io::Error::other)?;
    let codec = configured.or(own);
    if let Some(missing) = codec.missing() {
        let problem = format!(
            "the custom connector has no {missing}: let its `codec()` have it, or configure it with `Custom`"
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    within(connector.start()).await?;
    Ok(Listening {
        connector,
        codec: Arc::new(codec),
        limits,
        idle,
    })
}

impl<C: CustomConnector> Listener for Listening<C> {
    fn address(&self) -> Option<SocketAddr> {
        guard::catch(|| self.connector.address()).unwrap_or_default()
    }

    fn accept(&mut self) -> Boxed<'_, io::Result<Opening>> {
        Box::pin(async move {
            let socket = within(self.connector.accept()).await?;
            let peer = socket.peer.unwrap_or(LOCAL);
            let connection = Custom::new(
                socket,
                peer,
                Arc::clone(&self.codec),
                self.limits,
                self.idle,
            );
            let connection = Box::new(connection) as Box<dyn Connection>;
            Ok(Opening {
                peer,
                connection: Box::pin(std::future::ready(Ok(connection))),
            })
        })
    }

    fn stop(&mut self) -> Boxed<'_, ()> {
        // A panic in it has been printed, and there is nothing else to end.
        Box::pin(async { drop(Guarded::new(Box::pin(self.connector.stop())).await) })
    }
}

/// Runs the application's code; a panic is an error.
async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let outcome = Guarded::new(Box::pin(work)).await;
    outcome.unwrap_or_else(|panicked| Err(io::Error::other(panicked)))
}
