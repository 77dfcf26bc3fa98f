//! The WebSocket door without packages, for `cargo xtask autobahn`: it says again what it is told.
//!
//! It says where it listens, and ends with its input.

use std::{
    error::Error,
    io::{self, Write},
    thread,
};

use tangelo_connector::{Limits, echo_websocket};
use tangelo_runtime::Tasks;
use tokio::net::TcpListener;
use tracing::{Span, debug};

/// The longest message of the cases has 16 MiB; some have twice as much under way.
const LIMITS: Limits = Limits {
    package: 16 << 20,
    outgoing: 64 << 20,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;
    let (ended, end) = tokio::sync::oneshot::channel();
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        let _ = ended.send(());
    });
    let tasks = Tasks::default();
    let serve = async {
        loop {
            let (stream, peer) = listener.accept().await?;
            tasks.spawn(Span::none(), async move {
                if let Err(error) = echo_websocket(stream, peer, LIMITS).await {
                    debug!(%error);
                }
            });
        }
    };
    tokio::select! {
        ended = serve => ended,
        _ = end => Ok(()),
    }
}
