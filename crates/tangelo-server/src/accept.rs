//! How clients come in.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use tangelo_connector::{Connection, Error, Listener, Opening};
use tangelo_runtime::Tasks;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, info, info_span, warn};

use crate::{Context, Limits, connections::Admission, front::Front};

/// How long to wait when accepting fails, for example because descriptors are used up.
const PAUSE: Duration = Duration::from_millis(100);

/// Lets clients in until the server drains.
pub(crate) async fn run(mut listener: Box<dyn Listener>, context: Arc<Context>, tasks: Tasks) {
    let stop = tasks.stop().clone();
    let accept = async {
        loop {
            match listener.accept().await {
                Ok(opening) => open(opening, &context, &tasks),
                Err(error) => {
                    warn!(%error, "cannot accept a client");
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

/// Who is not let in is closed by what is dropped here.
fn open(opening: Opening, context: &Arc<Context>, tasks: &Tasks) {
    let Opening { peer, connection } = opening;
    let admission = match context.connections().admit(peer) {
        Ok(admission) => admission,
        Err(reason) => return log_refused(context, peer, reason),
    };
    let (context, stop) = (Arc::clone(context), tasks.stop().clone());
    tasks.spawn(
        info_span!(parent: None, "client", server = context.server_id()),
        async move {
            let front = tokio::select! {
                front = welcome(peer, connection, admission, context) => front,
                () = stop.draining() => None,
            };
            if let Some(front) = front {
                front.await;
            }
        },
    );
}

/// Waits for the connection to open, and makes a session of it.
async fn welcome(
    peer: SocketAddr,
    connection: impl Future<Output = Result<Box<dyn Connection>, Error>>,
    admission: Admission,
    context: Arc<Context>,
) -> Option<Front> {
    let opened = Instant::now();
    if let Err(reason) = admission.confirm().await {
        log_refused(&context, peer, reason);
        return None;
    }
    match timeout_at(opened + Limits::HANDSHAKE, connection).await {
        Ok(Ok(connection)) => {
            let front = Front::new(connection, opened, context);
            let session = Arc::clone(front.session());
            admission.opened(&session).await;
            return Some(front.admitted(admission));
        }
        Ok(Err(error)) if error.is_goodbye() => debug!(%peer, "client left"),
        Ok(Err(error)) => log_refused(&context, peer, error),
        Err(_) => log_refused(&context, peer, "said nothing"),
    }
    None
}

fn log_refused(context: &Context, peer: SocketAddr, reason: impl fmt::Display) {
    if let Some(left_out) = context.may_log() {
        info!(%peer, %reason, left_out, "client refused");
    }
}
