//! The loop that lets connections in.

use std::{net::SocketAddr, time::Duration};

use tangelo_runtime::Stop;
use tokio::net::{TcpListener, TcpStream};
use tracing::warn;

/// How long to wait when accepting fails, for example because descriptors are used up.
const PAUSE: Duration = Duration::from_millis(100);

/// Hands every connection to `open`, until `stop` drains.
pub(crate) async fn accept(
    listener: &TcpListener,
    stop: &Stop,
    mut open: impl FnMut(TcpStream, SocketAddr),
) {
    let accept = async {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    // Without it small frames would wait for each other; if it cannot be set they do.
                    let _ = stream.set_nodelay(true);
                    open(stream, peer);
                }
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = accept => {}
        () = stop.draining() => {}
    }
}
