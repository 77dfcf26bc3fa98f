//! A scheduler with what the server needs around it.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use tangelo_runtime::guard;
use tracing::error;

use super::{Outbound, PushScheduler, PushSender, sender::Ticks};
use crate::SessionId;

/// A scheduler of an application's own, or ours. Its panics end here.
pub(super) struct Slot {
    scheduler: Box<dyn PushScheduler>,
    sender: OnceLock<PushSender>,
    /// Whether a tick is under way.
    ticking: AtomicBool,
}

impl Slot {
    pub(super) fn new(scheduler: impl PushScheduler) -> Arc<Self> {
        Arc::new(Self {
            scheduler: Box::new(scheduler),
            sender: OnceLock::new(),
            ticking: AtomicBool::new(false),
        })
    }

    /// A panic drops the message, which goes on directly then.
    pub(super) fn schedule(self: &Arc<Self>, message: Outbound, ticks: &Arc<Ticks>) {
        self.guarded(ticks, |sender| self.scheduler.schedule(message, sender));
    }

    pub(super) fn closing(self: &Arc<Self>, session: SessionId, ticks: &Arc<Ticks>) {
        self.guarded(ticks, |sender| self.scheduler.closing(session, sender));
    }

    pub(super) fn stop(self: &Arc<Self>, ticks: &Arc<Ticks>) {
        self.guarded(ticks, |sender| self.scheduler.stop(sender));
    }

    pub(super) fn tick(self: &Arc<Self>, ticks: &Arc<Ticks>) {
        // Before the scheduler looks at what waits: what comes after may ask for the next one.
        self.ticking.store(false, Ordering::Release);
        self.guarded(ticks, |sender| self.scheduler.tick(sender));
    }

    /// Whether nobody else has asked for a tick that is still to come.
    pub(super) fn ask_for_tick(&self) -> bool {
        !self.ticking.swap(true, Ordering::AcqRel)
    }

    fn guarded(self: &Arc<Self>, ticks: &Arc<Ticks>, call: impl FnOnce(&PushSender)) {
        let sender = self
            .sender
            .get_or_init(|| PushSender::new(Arc::downgrade(self), Arc::clone(ticks)));
        if let Err(panicked) = guard::catch(|| call(sender))
            && let Some(left_out) = ticks.may_log()
        {
            error!(%panicked, left_out, "push scheduler");
        }
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Slot").finish_non_exhaustive()
    }
}
