//! Asking over a connection.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use tangelo_wire::krpc::meta::Meta;
use tokio::time::Instant;

use super::{Asked, Connection, Sequence, Waiter, Zip, waiting::Waits};
use crate::{Answer, Code, Reply, Request, Service, Status, link};

impl Connection {
    /// Sends a request whose body `write` appends. `waiter` is told the answer, or the end of the
    /// connection, under `token`, unless [`forget`](Self::forget) comes first.
    ///
    /// # Errors
    /// The request was surely not sent.
    pub fn request(
        &self,
        (service_id, msg_id): (i32, i32),
        timeout: Duration,
        write: impl FnOnce(&mut BytesMut),
        waiter: Arc<dyn Waiter>,
        token: u64,
    ) -> Result<Sequence, Status> {
        let meta = Meta {
            service_id,
            msg_id,
            timeout_ms: timeout_ms(timeout),
            ..Meta::default()
        };
        self.send(meta, write, Waits::new(waiter, token))
    }

    fn send(
        &self,
        mut meta: Meta,
        write: impl FnOnce(&mut BytesMut),
        waits: Waits,
    ) -> Result<Sequence, Status> {
        self.check_may_ask(meta.service_id)?;
        let shared = &self.shared;
        let mut state = shared.state.lock();
        shared.check_room(&state, shared.limits.outgoing)?;
        if waits.is_due_before(state.watched) {
            shared.due_sooner.notify_one();
        }
        let sequence = state.waiting.add(waits).ok_or(Code::QUEUE_FULL)?;
        meta.sequence = sequence.number();
        if let Err(error) = shared.encode(&meta, &mut state.out, write) {
            state.waiting.take(sequence.number());
            return Err(Status::from(Code::ENCODE_REQ_ERROR).with_cause(error));
        }
        shared.spoke(state);
        Ok(sequence)
    }

    /// A server that leaves is asked nothing new, but what it takes to finish what it has.
    fn check_may_ask(&self, service_id: i32) -> Result<(), Status> {
        if self.peer_leaves() && !link::is_system(service_id) {
            return Err(Code::SERVER_SHUTDOWN.into());
        }
        Ok(())
    }

    /// Nobody waits for the answer to this request any more.
    pub fn forget(&self, sequence: Sequence) {
        self.shared.state.lock().waiting.give_up(sequence.number());
    }

    /// Asks and waits. Dropping the future gives the answer up.
    ///
    /// # Errors
    /// The other side's code, [`Code::RPC_TIMEOUT`] at the deadline, or why it could not be sent.
    pub async fn call(
        &self,
        method: (i32, i32),
        deadline: Instant,
        body: Bytes,
    ) -> Result<Reply, Status> {
        self.call_with(&Request::new(method, body), deadline).await
    }

    /// Asks with all that belongs to a request, and waits unless it is one-way. Dropping the future gives
    /// the answer up.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn call_with(&self, request: &Request, deadline: Instant) -> Result<Reply, Status> {
        self.ask(request, deadline, None).await.1
    }

    /// Asks with all that belongs to a request; also tells under which sequence, 0 if it was not sent or
    /// has no answer.
    pub(crate) async fn ask(
        &self,
        request: &Request,
        deadline: Instant,
        zip: Option<&Zip>,
    ) -> (i32, Result<Reply, Status>) {
        let now = Instant::now();
        if request.one_way {
            let sent = self.ask_one_way(request, (now, deadline), zip);
            return (0, sent.map(|()| Reply::default()));
        }
        match self.clone().begin(request, (now, deadline), zip) {
            Ok(asked) => (asked.sequence(), asked.await),
            Err(status) => (0, Err(status)),
        }
    }

    /// Sends a request, whose answer comes by the deadline.
    ///
    /// # Errors
    /// The request was surely not sent.
    pub(crate) fn begin(
        self,
        request: &Request,
        (now, deadline): (Instant, Instant),
        zip: Option<&Zip>,
    ) -> Result<Asked, Status> {
        let timeout = time_left(now, deadline)?;
        let (meta, body) = self.shared.dialect.outgoing(request, timeout, zip)?;
        let write = |out: &mut BytesMut| out.extend_from_slice(&body);
        let slot = Arc::default();
        let waits = Waits::new(Arc::clone(&slot) as _, 0).until(deadline);
        let sequence = self.send(meta, write, waits)?;
        Ok(Asked::new(self, sequence, slot))
    }

    /// Sends a request whose answer nobody reads.
    fn ask_one_way(
        &self,
        request: &Request,
        (now, deadline): (Instant, Instant),
        zip: Option<&Zip>,
    ) -> Result<(), Status> {
        time_left(now, deadline)?;
        self.check_may_ask(request.service_id)?;
        let (meta, body) = self.shared.dialect.outgoing(request, Duration::ZERO, zip)?;
        let mut state = self.shared.state.lock();
        self.shared
            .check_room(&state, self.shared.limits.outgoing)?;
        let write = |out: &mut BytesMut| out.extend_from_slice(&body);
        self.shared
            .encode(&meta, &mut state.out, write)
            .map_err(|error| Status::from(Code::ENCODE_REQ_ERROR).with_cause(error))?;
        self.shared.spoke(state);
        Ok(())
    }

    /// The connection as something to call: the way to a client of a server, krpc's PUSH.
    pub fn service(&self) -> Arc<dyn Service> {
        Arc::new(OverConnection(self.clone()))
    }
}

pub(super) fn timeout_ms(timeout: Duration) -> i32 {
    i32::try_from(timeout.as_millis().max(1)).unwrap_or(i32::MAX)
}

fn time_left(now: Instant, deadline: Instant) -> Result<Duration, Status> {
    let left = deadline.saturating_duration_since(now);
    if left.is_zero() {
        return Err(Code::RPC_TIMEOUT.into());
    }
    Ok(left)
}

struct OverConnection(Connection);

impl Service for OverConnection {
    fn call(&self, request: Request) -> Answer {
        let connection = self.0.clone();
        let deadline = crate::call::deadline(&request, crate::call::DEFAULT_TIMEOUT);
        Box::pin(async move { connection.ask(&request, deadline, None).await.1 })
    }
}
