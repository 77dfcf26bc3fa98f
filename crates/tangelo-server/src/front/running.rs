//! The requests of one session that run now.

mod entry;
mod held;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use tangelo_rpc::{Code, Reply, Status};
use tokio::time::Instant;

use self::{entry::Work, held::Held};
pub(super) use self::{
    entry::{Came, Entry, Found, Passing, Sent},
    held::Next,
};
use crate::{
    Limits, Request,
    pipeline::{self, Begun, Passage, Registered, Step},
    session::Wake,
};

/// The requests of one session that run now: handlers and filters, polled in place when they can go on,
/// requests a back end answers, and those that cannot begin yet. Bounded by a bit set.
pub(super) struct Running {
    wake: Arc<Wake>,
    places: Vec<Place>,
    /// A bit for each place that is free.
    free: u64,
    /// How many answers were waited for; makes tokens unique.
    uses: u64,
    /// Those that cannot begin yet; none in a session whose requests begin at once.
    held: Option<Box<Held>>,
}

struct Place {
    waker: Waker,
    entry: Option<Entry>,
}

const PLACE_BITS: u32 = 6;

impl Running {
    pub(super) fn new(wake: Arc<Wake>, in_flight: u32) -> Self {
        let places = in_flight.clamp(1, Limits::MOST_IN_FLIGHT);
        Self {
            wake,
            places: Vec::new(),
            free: u64::MAX >> (u64::BITS - places),
            uses: 0,
            held: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.iter().all(|place| place.entry.is_none())
    }

    /// The requests that run and will be answered.
    pub(super) fn ids(&self) -> impl Iterator<Item = u32> {
        let running = self.places.iter().filter_map(|place| place.entry.as_ref());
        running.map(|entry| entry.id).filter(|id| *id != 0)
    }

    /// Nobody waits for an answer to what runs any more.
    pub(super) fn owe_nothing(&mut self) {
        let running = self
            .places
            .iter_mut()
            .filter_map(|place| place.entry.as_mut());
        running.for_each(|entry| entry.id = 0);
    }

    /// A free place. It stays free until something is added there.
    ///
    /// # Errors
    /// As many requests run as may.
    pub(super) fn place(&mut self) -> Result<u32, Status> {
        let place = self.free.trailing_zeros();
        if place == u64::BITS {
            let message = "too many requests of this session are running";
            return Err(Status::new(Code::FLOW_LIMIT, message));
        }
        while self.places.len() <= place as usize {
            let waker = self.wake.waker_of(self.places.len() as u32);
            self.places.push(Place { waker, entry: None });
        }
        Ok(place)
    }

    /// Begins a handler; it takes the place only if it is not ready. `Some` when it has answered.
    #[inline(always)]
    pub(super) fn add(
        &mut self,
        place: u32,
        id: u32,
        handler: &Registered,
        request: &mut Request,
    ) -> Option<Result<Reply, Status>> {
        let mut task = Context::from_waker(self.waker(place));
        let deadline = request.deadline();
        match pipeline::begin(&handler.handler, request, &mut task) {
            Begun::Answered(outcome) => Some(outcome),
            Begun::Runs(answer) => {
                let work = Work::Handler {
                    route: handler.route.clone(),
                    answer,
                    with_client: handler.manner.with_client,
                };
                self.occupy(place, Entry { id, deadline, work });
                None
            }
        }
    }

    /// Goes on with a request on its way through filters; it takes the place only if it is not ready.
    pub(super) fn add_passing(
        &mut self,
        (id, place): (u32, u32),
        (deadline, route): (Instant, &[u8]),
        mut passing: Passing,
    ) -> Option<Step> {
        let mut task = Context::from_waker(self.waker(place));
        match passing.poll(&mut task) {
            Poll::Ready(step) => Some(step),
            Poll::Pending => {
                if !passing.has_begun() {
                    self.held.get_or_insert_default().begins_at(place);
                }
                let route = route.into();
                let work = Work::Passing { route, passing };
                self.occupy(place, Entry { id, deadline, work });
                None
            }
        }
    }

    /// What the answer for this place will come under.
    pub(super) fn token(&mut self, place: u32) -> u64 {
        self.uses += 1;
        self.uses << PLACE_BITS | u64::from(place)
    }

    /// A back end answers this one.
    #[inline(always)]
    pub(super) fn add_forwarded(
        &mut self,
        (id, token): (u32, u64),
        deadline: Instant,
        sent: Sent,
        passage: Option<Box<Passage>>,
    ) {
        let work = Work::Forwarded {
            sent,
            token,
            passage,
        };
        self.occupy(place_of(token), Entry { id, deadline, work });
    }

    /// The id of the request a back end has answered, if that is all there is to know of it: it has passed no
    /// filters, and has its place no longer.
    #[inline]
    pub(super) fn plainly_forwarded(&mut self, token: u64) -> Option<u32> {
        let place = place_of(token);
        let slot = self.places.get_mut(place as usize)?;
        let id = match slot.entry.as_ref()? {
            Entry {
                id,
                work:
                    Work::Forwarded {
                        token: known,
                        passage: None,
                        ..
                    },
                ..
            } if *known == token && self.held.is_none() => *id,
            _ => return None,
        };
        // Where it lies: to move it out costs more than to end it.
        slot.entry = None;
        self.free |= 1 << place;
        Some(id)
    }

    /// The request a back end has answered, and its place; none if it was given up.
    pub(super) fn forwarded(&mut self, token: u64) -> Option<(u32, Entry)> {
        let place = place_of(token);
        let entry = self.vacate(
            place,
            |entry| matches!(entry.work, Work::Forwarded { token: known, .. } if known == token),
        )?;
        Some((place, entry))
    }

    /// The push scheduler has the answer to this request, whose id is returned; none if it was given up.
    /// Its place is free, unless its filters are to hear of the answer.
    pub(super) fn scheduled(&mut self, token: u64) -> Option<u32> {
        let slot = self.places.get_mut(place_of(token) as usize)?;
        match slot.entry.as_mut()? {
            Entry {
                id,
                work:
                    Work::Forwarded {
                        token: known,
                        passage: Some(_),
                        ..
                    },
                ..
            } if *known == token => Some(std::mem::take(id)),
            _ => self.forwarded(token).map(|(_, entry)| entry.id),
        }
    }

    /// Polls what is in this place; `Some` when it has come to something.
    pub(super) fn poll(&mut self, place: u32) -> Option<(Entry, Came)> {
        let slot = self.places.get_mut(place as usize)?;
        let mut task = Context::from_waker(&slot.waker);
        let came = match &mut slot.entry.as_mut()?.work {
            Work::Handler { answer, .. } => Pin::new(answer).poll(&mut task).map(|outcome| {
                let outcome = outcome.unwrap_or_else(|panicked| Err(pipeline::failed(panicked)));
                Came::answered(outcome)
            }),
            Work::Passing { passing, .. } => {
                let step = passing.poll(&mut task);
                if step.is_pending() && passing.has_begun() {
                    held::left(&mut self.held, place);
                }
                step.map(Came::Step)
            }
            Work::Routing { asking, .. } => Pin::new(asking).poll(&mut task).map(|found| {
                Came::Routed(found.unwrap_or_else(|panicked| Err(pipeline::failed(panicked))))
            }),
            Work::Forwarded { .. } | Work::Held { .. } => Poll::Pending,
        };
        match came {
            Poll::Pending => None,
            Poll::Ready(came) => Some((self.vacate(place, |_| true)?, came)),
        }
    }

    /// Gives up what should have been answered by now; with the place that each had.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<(u32, Entry, Came)> {
        let mut expired = Vec::new();
        for place in 0..self.places.len() as u32 {
            if !self.is_in(place, |entry| entry.deadline <= now) {
                continue;
            }
            // What passes filters sees for itself that its time is up.
            let passes = self.is_in(place, |entry| matches!(entry.work, Work::Passing { .. }));
            if let Some((entry, came)) = passes.then(|| self.poll(place)).flatten() {
                expired.push((place, entry, came));
            } else if let Some(mut entry) = self.vacate(place, |_| true) {
                entry.forget();
                let step = entry.failed(Code::RPC_TIMEOUT.into());
                expired.push((place, entry, Came::Step(step)));
            }
        }
        expired
    }

    /// The client is gone: nobody waits for back ends any more, what has not begun does not begin, and some
    /// handlers end with their client. The others run on, and so do filters.
    pub(super) fn give_up_waiting(&mut self) -> Vec<(u32, Entry)> {
        let mut given_up = Vec::new();
        for place in 0..self.places.len() as u32 {
            let entry = self.vacate(place, |entry| match entry.work {
                Work::Handler { with_client, .. } => with_client,
                Work::Passing { .. } => false,
                Work::Forwarded { .. } | Work::Routing { .. } | Work::Held { .. } => true,
            });
            if let Some(entry) = entry {
                entry.forget();
                given_up.push((place, entry));
            }
        }
        given_up
    }

    /// How many places there are, free ones included.
    pub(super) fn places(&self) -> u32 {
        self.places.len() as u32
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let running = self.places.iter().filter_map(|place| place.entry.as_ref());
        running.map(|entry| entry.deadline).min()
    }

    fn waker(&self, place: u32) -> &Waker {
        let place = self.places.get(place as usize);
        place.map_or(Waker::noop(), |place| &place.waker)
    }

    fn is_in(&self, place: u32, which: impl Fn(&Entry) -> bool) -> bool {
        let slot = self.places.get(place as usize);
        slot.and_then(|slot| slot.entry.as_ref()).is_some_and(which)
    }

    #[inline(always)]
    fn occupy(&mut self, place: u32, entry: Entry) {
        if let Some(slot) = self.places.get_mut(place as usize) {
            slot.entry = Some(entry);
            self.free &= !(1 << place);
        }
    }

    fn vacate(&mut self, place: u32, which: impl Fn(&Entry) -> bool) -> Option<Entry> {
        let slot = self.places.get_mut(place as usize)?;
        let entry = slot.entry.take_if(|entry| which(entry))?;
        self.free |= 1 << place;
        if self.held.is_some() {
            held::left(&mut self.held, place);
        }
        Some(entry)
    }
}

fn place_of(token: u64) -> u32 {
    (token & ((1 << PLACE_BITS) - 1)) as u32
}
