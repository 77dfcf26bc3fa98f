//! What all connections of a gateway share.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize},
    },
};

use arc_swap::ArcSwap;
use http::StatusCode;
use parking_lot::Mutex;
use tangelo_rpc::server::{ErrorTexts, Executor};
use tangelo_runtime::{LogLines, Tasks, guard};
use tokio::time::Instant;

use super::{
    AccessLog, Compression, Limits,
    access_log::Masks,
    content::Room,
    health::Health,
    load::{Loader, State},
    proxies::Proxies,
};
use crate::session::{SessionCookie, SessionStore};

/// What all connections of a gateway share.
pub(super) struct Shared {
    pub(super) id: String,
    pub(super) limits: Limits,
    pub(super) loader: Loader,
    pub(super) state: ArcSwap<State>,
    pub(super) sessions: Arc<dyn SessionStore>,
    pub(super) cookie: SessionCookie,
    pub(super) executor: Executor,
    pub(super) texts: Option<Arc<dyn ErrorTexts>>,
    pub(super) statuses: BTreeMap<i32, StatusCode>,
    pub(super) negative: Option<StatusCode>,
    pub(super) log: Option<Arc<dyn AccessLog>>,
    pub(super) masks: Masks,
    pub(super) compression: Compression,
    pub(super) health: Health,
    pub(super) proxies: Proxies,
    pub(super) sample_rate: u32,
    pub(super) room: Arc<Room>,
    /// Of files that have come.
    pub(super) disk: Arc<Room>,
    pub(super) open: AtomicUsize,
    pub(super) is_ready: AtomicBool,
    pub(super) lines: Mutex<LogLines>,
    pub(super) tasks: Tasks,
}

/// Lines of the log in a second that clients can bring about.
const LINES_PER_SECOND: u32 = 10;

impl Shared {
    /// The words for a code that an answer has none for.
    pub(super) fn text(&self, code: i32) -> Option<String> {
        let texts = self.texts.as_deref()?;
        let text = || texts.text(code).map(std::borrow::Cow::into_owned);
        guard::catch(text).ok().flatten()
    }

    /// Whether a line may be written now that clients can bring about; if so, how many were left out before it.
    pub(super) fn line(&self) -> Option<u32> {
        let line = self.lines.lock().line(Instant::now(), LINES_PER_SECOND);
        line.map(Option::unwrap_or_default)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Shared")
            .field("id", &self.id)
            .field("limits", &self.limits)
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}
