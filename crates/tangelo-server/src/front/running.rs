//! The requests of one session that run now.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use tangelo_rpc::{Answer, Code, Connection, Reply, Sequence, Status};
use tangelo_runtime::guard::{Guarded, Panicked};
use tokio::time::Instant;

use crate::{Limits, session::Wake};

/// The requests of one session that run now: handlers, polled in place when they can go on, and
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
    request: Option<Entry>,
}

struct Entry {
    id: u32,
    route: Bytes,
    deadline: Instant,
    work: Work,
}

enum Work {
    Handler(Guarded<dyn Future<Output = Result<Reply, Status>> + Send>),
    Forwarded(Forwarded),
}

struct Forwarded {
    token: u64,
    connection: Connection,
    sequence: Sequence,
}

/// What became of a handler that was added.
pub(super) enum Added {
    Answered(Result<Reply, Status>),
    Runs,
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
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.iter().all(|place| place.request.is_none())
    }

    /// A free place, if there is one. It stays free until something is added there.
    pub(super) fn place(&mut self) -> Option<u32> {
        let place = self.free.trailing_zeros();
        if place == u64::BITS {
            return None;
        }
        while self.places.len() <= place as usize {
            let waker = self.wake.waker_of(self.places.len() as u32);
            self.places.push(Place {
                waker,
                request: None,
            });
        }
        Some(place)
    }

    /// Polls a handler once; it takes the place only if it is not ready.
    pub(super) fn add(
        &mut self,
        place: u32,
        id: u32,
        route: Bytes,
        deadline: Instant,
        answer: Answer,
    ) -> Added {
        let mut answer = Guarded::new(answer);
        let Some(slot) = self.places.get_mut(place as usize) else {
            return Added::Answered(Err(Code::FLOW_LIMIT.into()));
        };
        match Pin::new(&mut answer).poll(&mut Context::from_waker(&slot.waker)) {
            Poll::Ready(outcome) => Added::Answered(settled(outcome)),
            Poll::Pending => {
                slot.request = Some(Entry {
                    id,
                    route,
                    deadline,
                    work: Work::Handler(answer),
                });
                self.free &= !(1 << place);
                Added::Runs
            }
        }
    }

    /// What the answer for this place will come under.
    pub(super) fn token(&mut self, place: u32) -> u64 {
        self.uses += 1;
        self.uses << PLACE_BITS | u64::from(place)
    }

    /// A back end answers this one, under the last [`token`](Self::token).
    pub(super) fn add_forwarded(
        &mut self,
        place: u32,
        id: u32,
        route: Bytes,
        deadline: Instant,
        connection: Connection,
        sequence: Sequence,
    ) {
        let token = self.uses << PLACE_BITS | u64::from(place);
        if let Some(slot) = self.places.get_mut(place as usize) {
            let work = Work::Forwarded(Forwarded {
                token,
                connection,
                sequence,
            });
            slot.request = Some(Entry {
                id,
                route,
                deadline,
                work,
            });
            self.free &= !(1 << place);
        }
    }

    /// The request a back end has answered; none if it was given up.
    pub(super) fn forwarded(&mut self, token: u64) -> Option<(u32, Bytes)> {
        let place = (token & ((1 << PLACE_BITS) - 1)) as u32;
        let entry = self.places.get_mut(place as usize)?.request.take_if(
            |entry| matches!(&entry.work, Work::Forwarded(known) if known.token == token),
        )?;
        self.free |= 1 << place;
        Some((entry.id, entry.route))
    }

    /// Polls the handler in this place; `Some` when it has answered.
    pub(super) fn poll(&mut self, place: u32) -> Option<(u32, Bytes, Result<Reply, Status>)> {
        let slot = self.places.get_mut(place as usize)?;
        let entry = slot.request.as_mut()?;
        let Work::Handler(answer) = &mut entry.work else {
            return None;
        };
        match Pin::new(answer).poll(&mut Context::from_waker(&slot.waker)) {
            Poll::Pending => None,
            Poll::Ready(outcome) => {
                let entry = slot.request.take()?;
                self.free |= 1 << place;
                Some((entry.id, entry.route, settled(outcome)))
            }
        }
    }

    /// Gives up what should have been answered by now.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<(u32, Bytes)> {
        let mut expired = Vec::new();
        for (place, slot) in self.places.iter_mut().enumerate() {
            if let Some(entry) = slot.request.take_if(|entry| entry.deadline <= now) {
                self.free |= 1 << place;
                expired.push((entry.id, entry.route.clone()));
            }
        }
        expired
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.places
            .iter()
            .filter_map(|place| Some(place.request.as_ref()?.deadline))
            .min()
    }

    /// The client is gone: nobody waits for back ends any more. Handlers run on.
    pub(super) fn forget_forwarded(&mut self) {
        for (place, slot) in self.places.iter_mut().enumerate() {
            let forwarded = |entry: &mut Entry| matches!(entry.work, Work::Forwarded(_));
            if slot.request.take_if(forwarded).is_some() {
                self.free |= 1 << place;
            }
        }
    }
}

fn settled(outcome: Result<Result<Reply, Status>, Panicked>) -> Result<Reply, Status> {
    outcome.unwrap_or_else(|panicked| Err(Status::from(Code::BUSINESS_ERROR).with_cause(panicked)))
}

impl Drop for Forwarded {
    fn drop(&mut self) {
        // An answer that comes nevertheless finds nobody.
        self.connection.forget(self.sequence);
    }
}
