//! The requests of one session that run now.

mod held;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use tangelo_registry::Instance;
use tangelo_rpc::{Code, Reply, Sequence, Status};
use tangelo_runtime::guard::Guarded;
use tokio::time::Instant;

use self::held::Held;
use super::choices::Chosen;
use crate::{
    Limits, Request,
    pipeline::{self, Begun, Registered},
    route::Asking,
    session::Wake,
};

/// The requests of one session that run now: handlers, polled in place when they can go on,
/// requests a back end answers, and those that cannot begin yet. Bounded by a bit set.
pub(super) struct Running {
    wake: Arc<Wake>,
    places: Vec<Place>,
    /// A bit for each place that is free.
    free: u64,
    /// How many answers were waited for; makes tokens unique.
    uses: u64,
    /// Those that cannot begin yet; none in a session whose routes are known at once.
    held: Option<Box<Held>>,
}

struct Place {
    waker: Waker,
    entry: Option<Entry>,
}

/// One request that runs.
pub(super) struct Entry {
    pub(super) id: u32,
    deadline: Instant,
    work: Work,
}

enum Work {
    Handler {
        /// For the log. A copy: the request's own would keep the whole read buffer.
        route: Box<[u8]>,
        answer: Guarded<dyn Future<Output = Result<Reply, Status>> + Send>,
    },
    Forwarded {
        chosen: Arc<Chosen>,
        token: u64,
        sequence: Sequence,
    },
    /// Its route function is being asked.
    Routing {
        request: Box<Request>,
        asking: Guarded<dyn Future<Output = Found> + Send>,
    },
    /// One that came before it is being routed.
    Held { request: Box<Request> },
}

/// The server a route function has found.
pub(super) type Found = Result<Arc<Instance>, Status>;

/// A request that can begin, or go on, in this place.
pub(super) struct Next {
    pub(super) place: u32,
    pub(super) id: u32,
    pub(super) request: Request,
}

/// What a place was polled to.
pub(super) enum Polled {
    /// Its handler has answered.
    Answered(Entry, Result<Reply, Status>),
    /// It is known where it goes, or why that is not known.
    Routed(Next, Found),
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
    pub(super) fn add(
        &mut self,
        place: u32,
        id: u32,
        handler: &Registered,
        request: Request,
    ) -> Option<Result<Reply, Status>> {
        let waker = self.places.get(place as usize).map(|place| &place.waker);
        let mut task = Context::from_waker(waker.unwrap_or(Waker::noop()));
        let deadline = request.deadline();
        match pipeline::begin(&handler.handler, request, &mut task) {
            Begun::Answered(outcome) => Some(outcome),
            Begun::Runs(answer) => {
                let route = handler.route.clone();
                let work = Work::Handler { route, answer };
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
    pub(super) fn add_forwarded(
        &mut self,
        (id, token): (u32, u64),
        deadline: Instant,
        chosen: Arc<Chosen>,
        sequence: Sequence,
    ) {
        let work = Work::Forwarded {
            chosen,
            token,
            sequence,
        };
        self.occupy(place_of(token), Entry { id, deadline, work });
    }

    /// The request a back end has answered; none if it was given up.
    pub(super) fn forwarded(&mut self, token: u64) -> Option<Entry> {
        self.vacate(
            place_of(token),
            |entry| matches!(entry.work, Work::Forwarded { token: known, .. } if known == token),
        )
    }

    /// Polls what is in this place; `Some` when it has come to an end.
    pub(super) fn poll(&mut self, place: u32) -> Option<Polled> {
        let slot = self.places.get_mut(place as usize)?;
        let mut task = Context::from_waker(&slot.waker);
        match &mut slot.entry.as_mut()?.work {
            Work::Handler { answer, .. } => {
                let Poll::Ready(outcome) = Pin::new(answer).poll(&mut task) else {
                    return None;
                };
                let outcome = outcome.unwrap_or_else(|panicked| Err(pipeline::failed(panicked)));
                Some(Polled::Answered(self.vacate(place, |_| true)?, outcome))
            }
            Work::Routing { asking, .. } => {
                let Poll::Ready(found) = Pin::new(asking).poll(&mut task) else {
                    return None;
                };
                let found = found.unwrap_or_else(|panicked| Err(pipeline::failed(panicked)));
                Some(Polled::Routed(self.take_request(place)?, found))
            }
            Work::Forwarded { .. } | Work::Held { .. } => None,
        }
    }

    /// Gives up what should have been answered by now.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Entry> {
        self.give_up(|entry| entry.deadline <= now)
    }

    /// The client is gone: nobody waits for back ends any more, and what has not begun does not begin.
    /// Handlers run on.
    pub(super) fn forget_waiting(&mut self) {
        self.give_up(|entry| !matches!(entry.work, Work::Handler { .. }));
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let running = self.places.iter().filter_map(|place| place.entry.as_ref());
        running.map(|entry| entry.deadline).min()
    }

    fn give_up(&mut self, which: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let places = 0..self.places.len() as u32;
        let given_up = places.filter_map(|place| self.vacate(place, &which));
        given_up.inspect(Entry::forget).collect()
    }

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
        if let Work::Routing { .. } | Work::Held { .. } = entry.work {
            held::left(&mut self.held, place);
        }
        Some(entry)
    }
}

impl Entry {
    /// For the log.
    pub(super) fn route(&self) -> &[u8] {
        match &self.work {
            Work::Handler { route, .. } => route,
            Work::Forwarded { chosen, .. } => &chosen.route,
            Work::Routing { request, .. } | Work::Held { request } => request.route(),
        }
    }

    /// An answer that comes nevertheless finds nobody.
    fn forget(&self) {
        if let Work::Forwarded {
            chosen, sequence, ..
        } = &self.work
        {
            chosen.connection.forget(*sequence);
        }
    }
}

fn place_of(token: u64) -> u32 {
    (token & ((1 << PLACE_BITS) - 1)) as u32
}
