//! Requests that wait for an earlier one of their session.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::SessionId;

/// A line for each session, whose places have their turn one after the other. There is none of a session
/// that nobody stands in line for.
pub(crate) struct Lines {
    /// In parts, as all sessions come here.
    parts: [Mutex<Part>; PARTS],
    /// How long a turn lasts at the most; then the next has its own, whether the place was left or not.
    patience: Option<Duration>,
    /// How many may wait in one line.
    most: usize,
}

const PARTS: usize = 16;

#[derive(Default)]
struct Part {
    /// The number of the last place; a line that is gone may still have places whose turn is over.
    last: u64,
    lines: HashMap<SessionId, Line, foldhash::fast::RandomState>,
}

#[derive(Default)]
struct Line {
    /// Who has the turn, and since when.
    current: Option<(u64, Instant)>,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    number: u64,
    waker: Option<Waker>,
}

impl Lines {
    pub(crate) fn new(patience: Option<Duration>, most: usize) -> Arc<Self> {
        Arc::new(Self {
            parts: Default::default(),
            patience,
            most,
        })
    }

    /// A place at the end of the session's line; none if as many wait there as may.
    pub(crate) fn join(self: &Arc<Self>, session: SessionId) -> Option<Place> {
        let mut guard = self.part(session);
        let part = &mut *guard;
        let number = part.last + 1;
        let line = part.lines.entry(session).or_default();
        if line.current.is_none() && line.waiting.is_empty() {
            line.current = Some((number, Instant::now()));
        } else if line.waiting.len() < self.most {
            let waker = None;
            line.waiting.push_back(Waiting { number, waker });
        } else {
            return None;
        }
        part.last = number;
        drop(guard);
        Some(Place {
            lines: Arc::clone(self),
            session,
            number,
        })
    }

    /// How many sessions there are lines of.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.lock().lines.len()).sum()
    }

    #[allow(clippy::indexing_slicing, reason = "by a remainder of the length")]
    fn part(&self, session: SessionId) -> MutexGuard<'_, Part> {
        self.parts[session.0 as usize % PARTS].lock()
    }
}

/// A place in the line of a session. Dropping it leaves the line.
pub(crate) struct Place {
    lines: Arc<Lines>,
    session: SessionId,
    number: u64,
}

impl Place {
    /// Resolves when it has its turn. Cancel safe.
    pub(crate) async fn turn(&self) {
        let mut alarm = None;
        poll_fn(|task| self.poll_turn(task, &mut alarm)).await;
    }

    fn poll_turn(&self, task: &mut Context<'_>, alarm: &mut Option<Pin<Box<Sleep>>>) -> Poll<()> {
        let now = Instant::now();
        let mut part = self.lines.part(self.session);
        let Some(line) = part.lines.get_mut(&self.session) else {
            return Poll::Ready(());
        };
        let mut waiting = line.waiting.iter();
        let Some(index) = waiting.position(|place| place.number == self.number) else {
            return Poll::Ready(());
        };
        let over = match (line.current, self.lines.patience) {
            (None, _) => Some(now),
            (Some((_, since)), Some(patience)) => Some(since + patience),
            (Some(_), None) => None,
        };
        if index == 0 && over.is_some_and(|over| over <= now) {
            line.waiting.pop_front();
            line.current = Some((self.number, now));
            // The next one watches this turn now.
            let next = line.wake_first();
            drop(part);
            wake(next);
            return Poll::Ready(());
        }
        if let Some(place) = line.waiting.get_mut(index) {
            place.waker = Some(task.waker().clone());
        }
        drop(part);
        // Whoever is first watches the turn before his; the others are told when they are.
        if let Some(over) = over.filter(|_| index == 0) {
            let alarm = alarm.get_or_insert_with(|| Box::pin(sleep_until(over)));
            alarm.as_mut().reset(over);
            if alarm.as_mut().poll(task).is_ready() {
                task.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }

    /// Leaves the line, so that the next one has its turn.
    pub(crate) fn leave(&self) {
        let mut part = self.lines.part(self.session);
        let Some(line) = part.lines.get_mut(&self.session) else {
            return;
        };
        let mut next = None;
        if line
            .current
            .is_some_and(|(number, _)| number == self.number)
        {
            line.current = None;
            next = line.wake_first();
        } else if line
            .waiting
            .front()
            .is_some_and(|place| place.number == self.number)
        {
            line.waiting.pop_front();
            next = line.wake_first();
        } else {
            line.waiting.retain(|place| place.number != self.number);
        }
        if line.current.is_none() && line.waiting.is_empty() {
            part.lines.remove(&self.session);
        }
        drop(part);
        wake(next);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Line {
    fn wake_first(&mut self) -> Option<Waker> {
        self.waiting.front_mut()?.waker.take()
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Lines")
            .field("patience", &self.patience)
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Place")
            .field("session", &self.session)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::task;

    use super::*;

    const SESSION: SessionId = SessionId(7);
    const PATIENCE: Duration = Duration::from_secs(3);

    /// Who has the turn of these, in their order.
    async fn have_turn(places: &[&Place]) -> Vec<bool> {
        let mut turns = Vec::new();
        for place in places {
            let turn = tokio::time::timeout(Duration::ZERO, place.turn()).await;
            turns.push(turn.is_ok());
        }
        turns
    }

    #[tokio::test(start_paused = true)]
    async fn places_have_their_turn_one_after_the_other() {
        let lines = Lines::new(None, 9);
        let [first, second, third] = [1, 2, 3].map(|_| lines.join(SESSION).unwrap());
        assert_eq!(
            have_turn(&[&third, &second, &first]).await,
            [false, false, true]
        );
        first.leave();
        assert_eq!(have_turn(&[&third, &second]).await, [false, true]);
        drop(second);
        assert_eq!(have_turn(&[&third]).await, [true]);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_is_woken_by_him_who_leaves() {
        let lines = Lines::new(None, 9);
        let [first, second, third] = [1, 2, 3].map(|_| lines.join(SESSION).unwrap());
        let mut told = Vec::new();
        let (mut waits, mut waits_longer) = (pin_turn(&second), pin_turn(&third));
        let task = &mut Context::from_waker(task::Waker::noop());
        assert!(waits.as_mut().poll(task).is_pending());
        assert!(waits_longer.as_mut().poll(task).is_pending());
        tokio::join!(
            async {
                waits.await;
                told.push("second");
                second.leave();
                waits_longer.await;
                told.push("third");
            },
            async { first.leave() }
        );
        assert_eq!(told, ["second", "third"]);
    }

    fn pin_turn(place: &Place) -> Pin<Box<impl Future<Output = ()>>> {
        Box::pin(place.turn())
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_goes_while_he_waits_is_passed_over() {
        let lines = Lines::new(None, 9);
        let [first, second, third] = [1, 2, 3].map(|_| lines.join(SESSION).unwrap());
        drop(second);
        assert_eq!(have_turn(&[&third]).await, [false]);
        drop(first);
        assert_eq!(have_turn(&[&third]).await, [true]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_has_expired_is_the_next_ones_and_leaving_it_late_harms_nobody() {
        let lines = Lines::new(Some(PATIENCE), 9);
        let begun = Instant::now();
        let [first, second, third] = [1, 2, 3].map(|_| lines.join(SESSION).unwrap());
        tokio::join!(second.turn(), third.turn());
        assert_eq!(begun.elapsed(), 2 * PATIENCE, "each has a turn of its own");
        drop(second);
        drop(first);
        let fourth = lines.join(SESSION).unwrap();
        assert_eq!(have_turn(&[&fourth]).await, [false]);
        drop(third);
        // The line was gone in between, and is another one now.
        let fifth = lines.join(SESSION).unwrap();
        assert_eq!(have_turn(&[&fourth, &fifth]).await, [true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_whose_turn_is_long_over_leaves_nothing_in_the_line_that_came_after() {
        let lines = Lines::new(Some(PATIENCE), 9);
        let expired = lines.join(SESSION).unwrap();
        let next = lines.join(SESSION).unwrap();
        next.turn().await;
        drop(next);
        assert_eq!(lines.len(), 0);
        let (current, waits) = (lines.join(SESSION).unwrap(), lines.join(SESSION).unwrap());
        drop(expired);
        assert_eq!(have_turn(&[&waits, &current]).await, [false, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_wait_as_may_and_not_one_more() {
        let lines = Lines::new(None, 2);
        let mut places: Vec<Place> = (0..3).map(|_| lines.join(SESSION).unwrap()).collect();
        assert!(lines.join(SESSION).is_none());
        assert!(lines.join(SessionId(8)).is_some(), "another's line");
        places.pop();
        assert!(lines.join(SESSION).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_left_of_a_line_that_nobody_stands_in() {
        let lines = Lines::new(None, 9);
        let places: Vec<Place> = (0..100)
            .map(|id| lines.join(SessionId(id % 40)).unwrap())
            .collect();
        assert_eq!(lines.len(), 40);
        drop(places);
        assert_eq!(lines.len(), 0);
    }
}
