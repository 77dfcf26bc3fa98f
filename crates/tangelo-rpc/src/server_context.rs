//! What a method may know of the request it answers.

use std::{
    borrow::Cow,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{Connection, Headers, Request, Trace};

tokio::task_local! {
    static CURRENT: ServerContext;
}

/// What a method may know of the request it answers, beside its message. Clones speak of the same one.
///
/// Calls that a method makes find it by themselves: they end with the request's deadline, and belong
/// to its trace. A task of its own does not have it, unless it is given along with [`scope`](Self::scope).
#[derive(Clone)]
pub struct ServerContext(Arc<Inner>);

struct Inner {
    service_id: i32,
    msg_id: i32,
    sequence: i32,
    deadline: Option<Instant>,
    connection: Option<Connection>,
    headers: Headers,
    /// Read when somebody asks for it.
    trace: OnceLock<Trace>,
    /// The span of this request in a tracing system, for the calls it makes.
    traceparent: OnceLock<String>,
    /// Calls made so far for this request.
    calls: AtomicU32,
    variables: Mutex<Vec<(Cow<'static, str>, String)>>,
}

impl ServerContext {
    /// The most variables of one request that go to the access log.
    pub const MAX_LOG_VARIABLES: usize = 32;

    /// The context of the request that is being served here; none outside of a method.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// When the request that is being served here has to be answered.
    pub(crate) fn current_deadline() -> Option<Instant> {
        CURRENT.try_with(Self::deadline).ok().flatten()
    }

    /// The context of a request: the one it has, or a new one, which it has from now on. What travels
    /// beside the body goes into it.
    pub fn of(request: &mut Request) -> Self {
        if let Some(context) = &request.context {
            return context.clone();
        }
        let headers = request
            .headers
            .take()
            .map(|headers| *headers)
            .unwrap_or_default();
        let context = Self(Arc::new(Inner {
            service_id: request.service_id,
            msg_id: request.msg_id,
            sequence: request.sequence,
            deadline: request.deadline,
            connection: request.connection.clone(),
            headers,
            trace: OnceLock::new(),
            traceparent: OnceLock::new(),
            calls: AtomicU32::new(0),
            variables: Mutex::default(),
        }));
        request.context = Some(context.clone());
        context
    }

    /// The context of a request that came from outside of krpc, by HTTP for example: whom it came from,
    /// W3C's `traceparent` if it brought one, and otherwise whether its trace may be sampled. What is no
    /// `traceparent` counts as none.
    pub fn of_client(
        request: &mut Request,
        client: SocketAddr,
        traceparent: Option<&str>,
        may_be_sampled: bool,
    ) -> Self {
        let context = Self::of(request);
        let trace = Trace::of_client(client, traceparent, may_be_sampled);
        // What is there already was read by somebody.
        let _ = context.0.trace.set(trace);
        context
    }

    /// Runs a future in this context.
    pub fn scope<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        CURRENT.scope(self.clone(), future)
    }

    /// Does something in this context.
    pub fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self.clone(), work)
    }

    /// Service and message asked for.
    pub fn method(&self) -> (i32, i32) {
        (self.0.service_id, self.0.msg_id)
    }

    /// What ties the answer to the request on its connection; 0 where there is none.
    pub fn sequence(&self) -> i32 {
        self.0.sequence
    }

    /// When the caller stops waiting; none if it did not say.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline
    }

    /// The connection the request came over, for calls the other way; none if it was made in this
    /// process.
    pub fn connection(&self) -> Option<&Connection> {
        self.0.connection.as_ref()
    }

    /// Trace ids, tags, label, and the peers the request came through.
    pub fn trace(&self) -> &Trace {
        let peer = self.connection().map(Connection::peer);
        self.0
            .trace
            .get_or_init(|| Trace::received(&self.0.headers.trace, peer))
    }

    /// The calls made for this request are part of this span from now on: W3C's `traceparent`. The first
    /// one stays.
    pub fn set_traceparent(&self, traceparent: String) {
        let _ = self.0.traceparent.set(traceparent);
    }

    pub(crate) fn own_traceparent(&self) -> Option<&str> {
        self.0.traceparent.get().map(String::as_str)
    }

    /// The nodes the request came through, `ip:port` separated by commas, the first caller first.
    pub fn peers(&self) -> &str {
        &self.trace().peers
    }

    /// The first caller's address, as far as the peers are honest.
    pub fn client_ip(&self) -> Option<IpAddr> {
        let first = self.peers().split(',').next()?;
        let host = first.rsplit_once(':').map_or(first, |(host, _)| host);
        host.trim_matches(['[', ']']).parse().ok()
    }

    /// The text the caller sent beside the message; empty if it sent none, or no UTF-8.
    pub fn attachment(&self) -> &str {
        std::str::from_utf8(&self.0.headers.attachment).unwrap_or_default()
    }

    /// Adds `name:value` to the line of this request in the access log; at most
    /// [`MAX_LOG_VARIABLES`](Self::MAX_LOG_VARIABLES), the rest is left out.
    pub fn log_variable(&self, name: impl Into<Cow<'static, str>>, value: impl fmt::Display) {
        let mut variables = self.0.variables.lock();
        if variables.len() < Self::MAX_LOG_VARIABLES {
            variables.push((name.into(), value.to_string()));
        }
    }

    pub(crate) fn take_variables(&self) -> Vec<(Cow<'static, str>, String)> {
        std::mem::take(&mut *self.0.variables.lock())
    }

    /// Which call made for this request the next one is, from 1.
    pub(crate) fn next_call(&self) -> u32 {
        self.0.calls.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }
}

impl fmt::Debug for ServerContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        formatter
            .debug_struct("ServerContext")
            .field("service_id", &inner.service_id)
            .field("msg_id", &inner.msg_id)
            .field("deadline", &inner.deadline)
            .field("headers", &inner.headers)
            .finish_non_exhaustive()
    }
}
