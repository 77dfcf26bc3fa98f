//! The requests of one session that run now.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use tangelo_rpc::{Code, Connection, Reply, Sequence, Status};
use tangelo_runtime::guard::{Guarded, Panicked};
use tokio::time::Instant;

use super::choices::Chosen;
use crate::{
    Limits, Request,
    pipeline::{self, Begun, Passage, Registered, Step},
    session::Wake,
};

/// The requests of one session that run now: handlers and filters, polled in place when they can go on, and
/// requests a back end answers. Bounded by a bit set.
pub(super) struct Running {
    wake: Arc<Wake>,
    places: Vec<Place>,
    /// A bit for each place that is free.
    free: u64,
    /// How many answers were waited for; makes tokens unique.
    uses: u64,
}

struct Place {
    waker: Waker,
    entry: Option<Entry>,
}

/// One request that runs.
pub(super) struct Entry {
    pub(super) id: u32,
    pub(super) deadline: Instant,
    work: Work,
}

enum Work {
    Handler {
        /// For the log. A copy: the request's own would keep the whole read buffer.
        route: Box<[u8]>,
        answer: Guarded<dyn Future<Output = Result<Reply, Status>> + Send>,
        /// It ends when the client goes.
        with_client: bool,
    },
    Forwarded {
        sent: Sent,
        token: u64,
        passage: Option<Box<Passage>>,
    },
    /// On its way through filters.
    Passing { route: Box<[u8]>, step: Passing },
}

/// What became of a request that was sent to a back end.
pub(super) struct Sent {
    pub(super) chosen: Arc<Chosen>,
    pub(super) sequence: Sequence,
}

/// The next step of a request on its way through filters.
pub(super) type Passing = Guarded<dyn Future<Output = Step> + Send>;

const PLACE_BITS: u32 = 6;

impl Running {
    pub(super) fn new(wake: Arc<Wake>, in_flight: u32) -> Self {
        let places = in_flight.clamp(1, Limits::MOST_IN_FLIGHT);
        Self {
            wake,
            places: Vec::new(),
            free: u64::MAX >> (u64::BITS - places),
            uses: 0,
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

    /// Goes on with a request on its way through filters; it takes the place only if it is not ready.
    pub(super) fn add_passing(
        &mut self,
        (id, place): (u32, u32),
        deadline: Instant,
        route: &[u8],
        mut step: Passing,
    ) -> Option<Step> {
        let waker = self.places.get(place as usize).map(|place| &place.waker);
        let mut task = Context::from_waker(waker.unwrap_or(Waker::noop()));
        match Pin::new(&mut step).poll(&mut task) {
            Poll::Ready(step) => Some(step.unwrap_or_else(panicked)),
            Poll::Pending => {
                let route = route.into();
                let work = Work::Passing { route, step };
                self.occupy(place, Entry { id, deadline, work });
                None
            }
        }
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

    /// Goes on with what is in this place; `Some` when it has come to something.
    pub(super) fn poll(&mut self, place: u32) -> Option<(Entry, Step)> {
        let slot = self.places.get_mut(place as usize)?;
        let mut task = Context::from_waker(&slot.waker);
        let step = match &mut slot.entry.as_mut()?.work {
            Work::Handler { answer, .. } => Pin::new(answer).poll(&mut task).map(|outcome| {
                let outcome = outcome.unwrap_or_else(|panicked| Err(pipeline::failed(panicked)));
                let passage = None;
                Step::Answered { outcome, passage }
            }),
            Work::Passing { step, .. } => {
                let step = Pin::new(step).poll(&mut task);
                step.map(|step| step.unwrap_or_else(panicked))
            }
            Work::Forwarded { .. } => Poll::Pending,
        };
        match step {
            Poll::Pending => None,
            Poll::Ready(step) => Some((self.vacate(place, |_| true)?, step)),
        }
    }

    /// Gives up what should have been answered by now; with the place that each had.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<(u32, Entry, Step)> {
        let mut expired = Vec::new();
        for place in 0..self.places.len() as u32 {
            if !self.is_in(place, |entry| entry.deadline <= now) {
                continue;
            }
            // What passes filters sees for itself that its time is up.
            let passes = self.is_in(place, |entry| matches!(entry.work, Work::Passing { .. }));
            if let Some((entry, step)) = passes.then(|| self.poll(place)).flatten() {
                expired.push((place, entry, step));
            } else if let Some(mut entry) = self.vacate(place, |_| true) {
                entry.forget();
                let step = entry.failed(Code::RPC_TIMEOUT.into());
                expired.push((place, entry, step));
            }
        }
        expired
    }

    /// The client is gone: nobody waits for back ends any more, which are returned. Handlers run on, but for
    /// those that end with their client.
    pub(super) fn forget_forwarded(&mut self) -> Vec<(u32, Entry)> {
        let mut forgotten = Vec::new();
        for place in 0..self.places.len() as u32 {
            let entry = self.vacate(place, |entry| match entry.work {
                Work::Forwarded { .. } => true,
                Work::Handler { with_client, .. } => with_client,
                Work::Passing { .. } => false,
            });
            if let Some(entry) = entry {
                entry.forget();
                forgotten.push((place, entry));
            }
        }
        forgotten
    }

    /// The places of what passes filters.
    pub(super) fn passing(&self) -> Vec<u32> {
        let places = 0..self.places.len() as u32;
        let passes = |entry: &Entry| matches!(entry.work, Work::Passing { .. });
        places.filter(|place| self.is_in(*place, passes)).collect()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let running = self.places.iter().filter_map(|place| place.entry.as_ref());
        running.map(|entry| entry.deadline).min()
    }

    fn is_in(&self, place: u32, which: impl Fn(&Entry) -> bool) -> bool {
        let slot = self.places.get(place as usize);
        slot.and_then(|slot| slot.entry.as_ref()).is_some_and(which)
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
        Some(entry)
    }
}

impl Entry {
    /// For the log.
    pub(super) fn route(&self) -> &[u8] {
        match &self.work {
            Work::Handler { route, .. } | Work::Passing { route, .. } => route,
            Work::Forwarded { sent, .. } => &sent.chosen.route,
        }
    }

    /// The connection to the back end that was to answer it.
    pub(super) fn back_end(&self) -> Option<&Connection> {
        match &self.work {
            Work::Forwarded { sent, .. } => Some(&sent.chosen.connection),
            Work::Handler { .. } | Work::Passing { .. } => None,
        }
    }

    /// What the filters know of it, if there are any.
    pub(super) fn take_passage(&mut self) -> Option<Box<Passage>> {
        match &mut self.work {
            Work::Forwarded { passage, .. } => passage.take(),
            Work::Handler { .. } | Work::Passing { .. } => None,
        }
    }

    /// It has failed.
    fn failed(&mut self, status: Status) -> Step {
        let mut passage = self.take_passage();
        let outcome = match &mut passage {
            Some(passage) => passage.told(Err(status)),
            None => Err(status),
        };
        Step::Answered { outcome, passage }
    }

    /// An answer that comes nevertheless finds nobody.
    fn forget(&self) {
        if let Work::Forwarded { sent, .. } = &self.work {
            sent.chosen.connection.forget(sent.sequence);
        }
    }
}

/// All that is not the framework's own is guarded one by one, so that nothing is left that could.
fn panicked(panicked: Panicked) -> Step {
    Step::Answered {
        outcome: Err(pipeline::failed(panicked)),
        passage: None,
    }
}

fn place_of(token: u64) -> u32 {
    (token & ((1 << PLACE_BITS) - 1)) as u32
}
