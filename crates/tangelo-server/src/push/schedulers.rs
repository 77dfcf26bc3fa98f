//! Several schedulers, each for its messages.

use std::{fmt, sync::Arc};

use tangelo_runtime::guard;
use tracing::warn;

use super::{Outbound, PushScheduler, PushSender, slot::Slot};
use crate::SessionId;

/// Several schedulers, of which a selector names one for each message.
///
/// ```
/// # use tangelo_server::{Blueprint, Buffered, Direct, OutboundKind, PushSchedulers};
/// let schedulers = PushSchedulers::new()
///     .with("direct", Direct)
///     .with("buffer", Buffered::default())
///     .select(|message| match message.kind() {
///         OutboundKind::Response => "direct",
///         _ => "buffer",
///     });
/// let connector = Blueprint::new("connector").push_scheduler(schedulers);
/// ```
///
/// Without a selector the first scheduler has everything. If the selector names none of them, or
/// panics, the message is sent directly, and the log tells.
///
/// Each scheduler keeps its own order. Between two of them there is none: what leaves directly
/// overtakes what is buffered.
#[derive(Default)]
pub struct PushSchedulers {
    schedulers: Vec<Named>,
    select: Option<Select>,
}

type Named = (Box<str>, Arc<Slot>);
/// Finds the scheduler of a message; or what the selector said instead.
type Select = Box<dyn Fn(&Outbound, &[Named]) -> Result<Arc<Slot>, String> + Send + Sync>;

impl PushSchedulers {
    /// None yet: everything is sent directly.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a scheduler under an id. One of the same id is replaced.
    #[must_use]
    pub fn with(mut self, id: &str, scheduler: impl PushScheduler) -> Self {
        let slot = Slot::new(scheduler);
        match self.schedulers.iter_mut().find(|(known, _)| **known == *id) {
            Some((_, known)) => *known = slot,
            None => self.schedulers.push((id.into(), slot)),
        }
        self
    }

    /// Chooses the scheduler of each message by its id.
    #[must_use]
    pub fn select<Id: AsRef<str>>(
        mut self,
        select: impl Fn(&Outbound) -> Id + Send + Sync + 'static,
    ) -> Self {
        self.select = Some(Box::new(move |message, schedulers| {
            let id = select(message);
            let found = schedulers.iter().find(|(known, _)| **known == *id.as_ref());
            found
                .map(|(_, slot)| Arc::clone(slot))
                .ok_or_else(|| format!("there is no push scheduler `{}`", id.as_ref()))
        }));
        self
    }

    fn choose(&self, message: &Outbound) -> Result<Arc<Slot>, String> {
        let Some(select) = &self.select else {
            let first = self.schedulers.first();
            return first
                .map(|(_, slot)| Arc::clone(slot))
                .ok_or_else(|| "there are no push schedulers".to_owned());
        };
        guard::catch(|| select(message, &self.schedulers))
            .unwrap_or_else(|panicked| Err(format!("the selector {panicked}")))
    }
}

impl PushScheduler for PushSchedulers {
    fn schedule(&self, message: Outbound, sender: &PushSender) {
        match self.choose(&message) {
            Ok(slot) => slot.schedule(message, sender.ticks()),
            Err(reason) => {
                if let Some(left_out) = sender.ticks().may_log() {
                    let route = message.route();
                    warn!(%route, reason, left_out, "sent directly");
                }
                sender.send(message);
            }
        }
    }

    fn closing(&self, session: SessionId, sender: &PushSender) {
        for (_, slot) in &self.schedulers {
            slot.closing(session, sender.ticks());
        }
    }

    fn stop(&self, sender: &PushSender) {
        for (_, slot) in &self.schedulers {
            slot.stop(sender.ticks());
        }
    }
}

impl fmt::Debug for PushSchedulers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_set()
            .entries(self.schedulers.iter().map(|(id, _)| id))
            .finish()
    }
}
