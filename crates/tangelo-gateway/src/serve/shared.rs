//! What all connections of a gateway share.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize},
    },
};

use arc_swap::ArcSwap;
use http::StatusCode;
use tangelo_rpc::server::{ErrorTexts, Executor};
use tangelo_runtime::{Tasks, guard};

use super::{
    AccessLog, Compression, Limits,
    access_log::shown,
    content::Room,
    health::Health,
    load::{Loader, RoutePlan, State},
    masks,
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
    pub(super) compression: Compression,
    pub(super) health: Health,
    pub(super) proxies: Proxies,
    pub(super) sample_rate: u32,
    pub(super) room: Arc<Room>,
    /// Of files that have come.
    pub(super) disk: Arc<Room>,
    /// Of what compresses.
    pub(super) encoders: Arc<Room>,
    pub(super) open: AtomicUsize,
    pub(super) is_ready: AtomicBool,
    pub(super) tasks: Tasks,
}

impl Shared {
    /// The words for a code that an answer has none for.
    pub(super) fn text(&self, code: i32) -> Option<String> {
        let texts = self.texts.as_deref()?;
        let text = || texts.text(code).map(Cow::into_owned);
        guard::catch(text).ok().flatten()
    }

    /// A path as a log may have it: of a url in which something is masked, as it is written there.
    pub(super) fn path<'a>(&self, plan: Option<&'a RoutePlan>, path: &'a str) -> Cow<'a, str> {
        match plan {
            Some(plan) if plan.has_masks => shown(&plan.url.path),
            Some(_) => shown(path),
            None => {
                let masked = masks::masked(&self.state.load().masked, path);
                masked.map_or_else(|| shown(path), Cow::Owned)
            }
        }
    }

    /// Whether a line may be written now that clients can bring about; if so, how many were left out before it.
    pub(super) fn line(&self) -> Option<u32> {
        self.loader.lines.line()
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
