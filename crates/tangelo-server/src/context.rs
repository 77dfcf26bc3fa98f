//! What belongs to one server and is shared by all that runs on it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tangelo_registry::Instance;
use tangelo_rpc::{Cluster, Status};
use tangelo_runtime::{LogLines, Tasks};
use tokio::time::Instant;
use tracing::warn;

use crate::{
    BackendSessions, Channels, Connections, GlobalChannels, Jobs, Limits, Presence, Rpc, Servers,
    SessionId, Sessions, States,
    answer::{Shown, client_code},
    component::Components,
    encodings,
    greeting::Greeting,
    handler::Threads,
    pipeline::{Gone, Lines, Pipeline},
    push::Pushes,
    resume::Resumes,
    roster::Roster,
    route::Routes,
    session::SessionIds,
    store::Stores,
};

/// Lines about failed requests in a second; the rest is counted.
const LOG_LINES_PER_SECOND: u32 = 50;

/// What belongs to one server and is shared by all that runs on it.
pub struct Context {
    pub(crate) instance: Instance,
    pub(crate) limits: Limits,
    pub(crate) heartbeat: Option<Duration>,
    pub(crate) session_ids: SessionIds,
    pub(crate) sessions: Sessions,
    /// On a front end whose sessions can be resumed.
    pub(crate) resumes: Option<Resumes>,
    pub(crate) connections: Connections,
    pub(crate) encodings: encodings::Current,
    pub(crate) greeting: Greeting,
    pub(crate) channels: Channels,
    pub(crate) global_channels: GlobalChannels,
    pub(crate) presence: Presence,
    pub(crate) stores: Stores,
    /// On a front end, if there are stores.
    pub(crate) roster: Option<Arc<Roster>>,
    pub(crate) cluster: Cluster,
    pub(crate) routes: Routes,
    pub(crate) rpc: Rpc,
    pub(crate) pipeline: Pipeline,
    /// Requests that start in the order they came.
    pub(crate) turns: Arc<Lines>,
    pub(crate) gone: Gone,
    pub(crate) threads: Threads,
    /// What runs until the server has left.
    pub(crate) tasks: Tasks,
    pub(crate) pushes: Arc<Pushes>,
    pub(crate) states: States,
    pub(crate) jobs: Jobs,
    pub(crate) components: Components,
    pub(crate) failures: Mutex<LogLines>,
    /// Lines about clients that come and go, whose own count ends with them.
    pub(crate) farewells: Mutex<LogLines>,
    pub(crate) draining: AtomicBool,
}

impl Context {
    /// The server's name, such as `chat-server-1`.
    pub fn server_id(&self) -> &str {
        &self.instance.id
    }

    /// The server's type, such as `chat`.
    pub fn server_type(&self) -> &str {
        &self.instance.server_type
    }

    /// What the registry says of this server.
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// The clients connected to it.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// The clients connected to any front end it is connected with.
    pub fn backend_sessions(self: &Arc<Self>) -> BackendSessions {
        BackendSessions::new(Arc::clone(self))
    }

    /// The channels on it.
    pub fn channels(&self) -> &Channels {
        &self.channels
    }

    /// The channels whose members all servers know.
    pub fn global_channels(&self) -> &GlobalChannels {
        &self.global_channels
    }

    /// Who is online.
    pub fn presence(&self) -> &Presence {
        &self.presence
    }

    /// The servers it knows.
    pub fn servers(&self) -> Servers {
        Servers(self.cluster.clone())
    }

    /// Calls to them.
    pub fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    /// What the application shares among its handlers.
    pub fn states(&self) -> &States {
        &self.states
    }

    /// Its scheduled jobs.
    pub fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    pub(crate) fn pushes(&self) -> &Pushes {
        &self.pushes
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether a line about one of many clients may be written; if so, how many were left out.
    pub(crate) fn may_log(&self) -> Option<Option<u32>> {
        let mut lines = self.farewells.lock();
        lines.line(Instant::now(), LOG_LINES_PER_SECOND)
    }

    /// Whether this server closes its doors.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// This server closes its doors, and every client's task hears of it.
    pub(crate) fn drain(&self) {
        // Before anybody leaves who thinks that all has been said.
        self.pushes.stop();
        self.draining.store(true, Ordering::Release);
        for session in self.sessions.every() {
            session.wake().wake();
        }
    }

    /// A request that a front end forwarded has failed here.
    pub(crate) fn log_failure(&self, session: SessionId, route: &[u8], status: &Status) {
        let line = self
            .failures
            .lock()
            .line(Instant::now(), LOG_LINES_PER_SECOND);
        if let Some(left_out) = line {
            let (route, code, reason) = (Shown(route), client_code(status.code()), status.reason());
            let server = self.server_id();
            warn!(server, %session, %route, code, %reason, left_out, "request failed");
        }
    }

    /// What another server called by name has failed here.
    pub(crate) fn log_remote_failure(&self, from: &str, name: &str, status: &Status) {
        let line = self
            .failures
            .lock()
            .line(Instant::now(), LOG_LINES_PER_SECOND);
        if let Some(left_out) = line {
            let (route, code, reason) = (Shown(name.as_bytes()), status.code().0, status.reason());
            let server = self.server_id();
            warn!(server, from, %route, code, %reason, left_out, "a remote's method failed");
        }
    }

    pub(crate) fn session_ids(&self) -> &SessionIds {
        &self.session_ids
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Context")
            .field("server_id", &self.instance.id)
            .finish_non_exhaustive()
    }
}
