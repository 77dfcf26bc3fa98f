//! Requests of a session that cannot begin yet: one that is on its way through filters or whose route
//! function is being asked, and those that came after it, which begin in their order when it has.

use std::collections::VecDeque;

use tangelo_runtime::guard::Guarded;
use tokio::time::Instant;

use super::{
    Came, Entry, Passage, Request, Running,
    entry::{Found, Work},
};
use crate::route::Asking;

/// The places of those that cannot begin yet.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// The one that is beginning.
    beginning: Option<u32>,
    /// Those that came after it, in their order.
    waiting: VecDeque<u32>,
}

impl Held {
    /// The one in this place is beginning.
    pub(super) fn begins_at(&mut self, place: u32) {
        self.beginning = Some(place);
    }
}

/// A place is no longer among them.
pub(super) fn left(held: &mut Option<Box<Held>>, place: u32) {
    let Some(those) = held else { return };
    those.beginning.take_if(|beginning| *beginning == place);
    those.waiting.retain(|waiting| *waiting != place);
    if those.beginning.is_none() && those.waiting.is_empty() {
        *held = None;
    }
}

/// A request that can begin in this place.
pub(in super::super) struct Next {
    pub(in super::super) place: u32,
    pub(in super::super) id: u32,
    pub(in super::super) request: Box<Request>,
}

impl Running {
    /// Whether what comes now has to wait.
    pub(in super::super) fn is_holding(&self) -> bool {
        self.held.is_some()
    }

    /// It waits for those before it.
    pub(in super::super) fn hold(
        &mut self,
        (id, place): (u32, u32),
        deadline: Instant,
        mut request: Box<Request>,
    ) {
        request.unpin();
        let work = Work::Held { request };
        self.held.get_or_insert_default().waiting.push_back(place);
        self.occupy(place, Entry { id, deadline, work });
    }

    /// Its route function is asked; it takes the place only if that is not known at once.
    pub(in super::super) fn ask(
        &mut self,
        (id, place): (u32, u32),
        passage: Box<Passage>,
        asking: Asking,
    ) -> Option<(Box<Passage>, Found)> {
        let deadline = passage.request().deadline();
        let work = Work::Routing {
            passage: Some(passage),
            asking: Guarded::new(asking),
        };
        self.held.get_or_insert_default().begins_at(place);
        self.occupy(place, Entry { id, deadline, work });
        match self.poll(place)? {
            (mut entry, Came::Routed(found)) => Some((entry.take_passage()?, found)),
            _ => None,
        }
    }

    /// The next that may begin, unless one before it is beginning.
    pub(in super::super) fn next_held(&mut self) -> Option<Next> {
        let held = self.held.as_ref()?;
        if held.beginning.is_some() {
            return None;
        }
        let place = *held.waiting.front()?;
        let Entry { id, work, .. } = self.vacate(place, |_| true)?;
        let Work::Held { request } = work else {
            return None;
        };
        Some(Next { place, id, request })
    }
}
