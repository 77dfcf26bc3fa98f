//! Requests of a session that cannot begin yet: one whose route function is being asked, and those
//! that came after it, which begin in their order when that is known.

use std::collections::VecDeque;

use super::{Asking, Entry, Found, Guarded, Next, Polled, Request, Running, Work};

/// The places of those that cannot begin yet.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// The one that is being routed.
    routing: Option<u32>,
    /// Those that came after it, in their order.
    waiting: VecDeque<u32>,
}

/// A place is no longer among them.
pub(super) fn left(held: &mut Option<Box<Held>>, place: u32) {
    let Some(those) = held else { return };
    those.routing.take_if(|routing| *routing == place);
    those.waiting.retain(|waiting| *waiting != place);
    if those.routing.is_none() && those.waiting.is_empty() {
        *held = None;
    }
}

impl Running {
    /// Whether what comes now has to wait.
    pub(in super::super) fn is_holding(&self) -> bool {
        self.held.is_some()
    }

    /// It waits for those before it.
    pub(in super::super) fn hold(&mut self, place: u32, id: u32, request: Request) {
        let deadline = request.deadline();
        let request = Box::new(request.unpinned());
        let work = Work::Held { request };
        self.held.get_or_insert_default().waiting.push_back(place);
        self.occupy(place, Entry { id, deadline, work });
    }

    /// Its route function is asked; it takes the place only if that is not known at once.
    pub(in super::super) fn ask(
        &mut self,
        place: u32,
        id: u32,
        request: &Request,
        asking: Asking,
    ) -> Option<Found> {
        let deadline = request.deadline();
        let work = Work::Routing {
            request: Box::new(request.clone().unpinned()),
            asking: Guarded::new(asking),
        };
        self.held.get_or_insert_default().routing = Some(place);
        self.occupy(place, Entry { id, deadline, work });
        match self.poll(place)? {
            Polled::Routed(_, found) => Some(found),
            Polled::Answered(..) => None,
        }
    }

    /// The next that may begin, unless one is being routed.
    pub(in super::super) fn next_held(&mut self) -> Option<Next> {
        let held = self.held.as_ref()?;
        if held.routing.is_some() {
            return None;
        }
        let place = *held.waiting.front()?;
        self.take_request(place)
    }

    /// The request in this place, which is free then.
    pub(super) fn take_request(&mut self, place: u32) -> Option<Next> {
        let entry = self.vacate(place, |_| true)?;
        let (Work::Routing { request, .. } | Work::Held { request }) = entry.work else {
            return None;
        };
        Some(Next {
            place,
            id: entry.id,
            request: *request,
        })
    }
}
