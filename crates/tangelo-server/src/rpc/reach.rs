//! The way to a server, whichever side dialed; and to this one.

use std::{sync::Weak, time::Duration};

use tangelo_rpc::{Code, Reply, Request, Service, Status};
use tangelo_runtime::guard::{self, Guarded};
use tokio::time::{Instant, timeout_at};
use tracing::debug_span;

use super::Shared;
use crate::pipeline::failed;

/// How long what nobody waits for may run: as over a connection.
const ONE_WAY_TIMEOUT: Duration = Duration::from_secs(30);

impl Shared {
    /// Asks a server, once. A failure is one of the way, or what the service itself said.
    pub(super) async fn ask(
        &self,
        server_id: &str,
        lane: u64,
        request: &Request,
        deadline: Instant,
    ) -> Result<Reply, Status> {
        if server_id == self.cluster.identity().server_id {
            return self.ask_itself(request, deadline).await;
        }
        let found = timeout_at(deadline, self.cluster.connection(server_id, lane)).await;
        let connection = found.map_err(|_| Status::from(Code::NO_CONNECTION))??;
        connection.call_with(request, deadline).await
    }

    async fn ask_itself(&self, request: &Request, deadline: Instant) -> Result<Reply, Status> {
        let own = self.own.get().and_then(Weak::upgrade);
        let own = own.ok_or(Code::SERVER_SHUTDOWN)?;
        let answer = |deadline| {
            let mut request = request.clone();
            request.deadline = Some(deadline);
            let called = guard::catch(|| own.call(request)).map(Guarded::new);
            async move {
                let answered = timeout_at(deadline, called.map_err(failed)?).await;
                answered
                    .map_err(|_| Status::from(Code::RPC_TIMEOUT))?
                    .map_err(failed)?
            }
        };
        if !request.one_way {
            return answer(deadline).await;
        }
        let room = std::sync::Arc::clone(&self.one_way).try_acquire_owned();
        let room = room.map_err(|_| Code::QUEUE_FULL)?;
        let home = self.cluster.home().ok_or(Code::SERVER_SHUTDOWN)?;
        let answer = answer(Instant::now() + ONE_WAY_TIMEOUT);
        home.spawn(debug_span!("notify"), async move {
            // Whoever answers has written why not.
            let _ = answer.await;
            drop(room);
        });
        Ok(Reply::default())
    }
}
