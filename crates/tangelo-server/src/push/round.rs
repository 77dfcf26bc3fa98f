//! A push on its way to one session after another.

use std::sync::Arc;

use serde_json::Value;
use tangelo_connector::Push;

use super::{Outbound, OutboundKind, Pushes, fan_out::Waking};
use crate::session::{FrontSession, Item};

/// A push on its way to one session after another. Where there is a push scheduler, it is told of all of
/// them at once, when the round is over: when this is dropped.
pub(crate) struct Round<'a> {
    pub(super) pushes: &'a Pushes,
    pub(super) kind: OutboundKind,
    pub(super) push: Arc<Push>,
    pub(super) key: Option<Arc<str>>,
    pub(super) options: Option<Arc<Value>>,
    /// For the scheduler.
    pub(super) receivers: Vec<Arc<FrontSession>>,
    pub(super) waking: Waking<'a>,
}

impl Round<'_> {
    pub(crate) fn push(&self) -> &Push {
        &self.push
    }

    /// Tells a session; `false` if it has closed, or its client is too far behind. What a scheduler does
    /// nobody knows.
    pub(crate) fn tell(&mut self, session: &Arc<FrontSession>) -> bool {
        if self.pushes.is_direct() {
            let item = Item::push(&self.push, self.key.as_ref());
            return self.waking.tell(session, item);
        }
        let is_open = !session.is_closed();
        if is_open {
            self.receivers.push(Arc::clone(session));
        }
        is_open
    }
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        let receivers = std::mem::take(&mut self.receivers);
        let Some((slot, ticks)) = &self.pushes.scheduler else {
            return;
        };
        if !receivers.is_empty() {
            let (push, key) = (Arc::clone(&self.push), self.key.take());
            let message = Outbound::push(self.kind, push, key, self.options.take(), receivers);
            slot.schedule(message, ticks);
        }
    }
}
