//! Who waits for an answer, found by index.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    sync::Arc,
};

use tokio::time::Instant;

use super::Waiter;

/// Names one request under way. It carries its place in the table and which use of that place it
/// is, so that a late answer never finds the wrong caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence(i32);

/// Requests that may wait for answers over one connection.
pub(super) const MAX_WAITING: usize = 1 << INDEX_BITS;

/// How many that have their answers may be watched beside as many as twice those who wait: to look them all
/// through costs each call little then.
const ANSWERED_KEPT: usize = 64;

const INDEX_BITS: u32 = 16;
const INDEX_MASK: i32 = (1 << INDEX_BITS) - 1;
/// Uses of a place run from 1 to this and around, which keeps every sequence a positive `int32`.
const LAST_USE: i32 = (1 << (31 - INDEX_BITS)) - 1;

#[derive(Default)]
pub(super) struct Waiting {
    places: Vec<Place>,
    free: Vec<u16>,
    /// How many places somebody waits at.
    waiting: usize,
    /// Who is to be told when, the earliest first, and some who have their answers by now.
    late: BinaryHeap<Reverse<(Instant, i32)>>,
    /// Whose answers are still to come though they have given up, the first first, and some whose have come by now.
    given_up: VecDeque<i32>,
    /// How many places such an answer is still to come to.
    owed: usize,
}

#[derive(Default)]
struct Place {
    usage: i32,
    holds: Holds,
}

#[derive(Default)]
enum Holds {
    #[default]
    Nothing,
    Waits(Waits),
    /// An answer may still come, which must find nobody else here.
    Owed,
}

/// Who waits, and how long.
pub(super) struct Waits {
    waiter: Arc<dyn Waiter>,
    token: u64,
    /// None where he looks at the clock himself.
    until: Option<Instant>,
}

impl Waits {
    /// He waits until he [gives up](super::Connection::forget).
    pub(super) fn new(waiter: Arc<dyn Waiter>, token: u64) -> Self {
        Self {
            waiter,
            token,
            until: None,
        }
    }

    /// He is to be told at this time that he has waited long enough.
    pub(super) fn until(self, deadline: Instant) -> Self {
        Self {
            until: Some(deadline),
            ..self
        }
    }

    /// Whether he has to be told earlier than anybody would look.
    pub(super) fn is_due_before(&self, look: Option<Instant>) -> bool {
        let is_before = |until: Instant| look.is_none_or(|look| until < look);
        self.until.is_some_and(is_before)
    }

    /// The waiter, and under which token he waits.
    pub(super) fn who(self) -> (Arc<dyn Waiter>, u64) {
        (self.waiter, self.token)
    }
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Finds a place; none when all are taken.
    pub(super) fn add(&mut self, waits: Waits) -> Option<Sequence> {
        let index = match self.free.pop() {
            Some(index) => usize::from(index),
            None if self.places.len() < MAX_WAITING => {
                self.places.push(Place::default());
                self.places.len() - 1
            }
            None => self.first_owed()?,
        };
        let place = self.places.get_mut(index)?;
        place.usage = if place.usage >= LAST_USE {
            1
        } else {
            place.usage + 1
        };
        let (sequence, until) = (place.usage << INDEX_BITS | index as i32, waits.until);
        place.holds = Holds::Waits(waits);
        self.waiting += 1;
        if let Some(until) = until {
            self.watch(until, sequence);
        }
        Some(Sequence(sequence))
    }

    /// The answer has come: takes whoever waits under this sequence, if it is still the one.
    pub(super) fn take(&mut self, sequence: i32) -> Option<(Arc<dyn Waiter>, u64)> {
        let place = self.place_mut(sequence)?;
        let waits = match std::mem::take(&mut place.holds) {
            Holds::Nothing => return None,
            Holds::Waits(waits) => Some(waits.who()),
            Holds::Owed => None,
        };
        match waits {
            Some(_) => self.waiting -= 1,
            None => self.owed -= 1,
        }
        self.free.push((sequence & INDEX_MASK) as u16);
        waits
    }

    /// Takes whoever waits under this sequence, whose answer may still come: his place is left alone until it
    /// does, as long as there are others.
    pub(super) fn give_up(&mut self, sequence: i32) -> Option<(Arc<dyn Waiter>, u64)> {
        let place = self.place_mut(sequence)?;
        let waits = match std::mem::replace(&mut place.holds, Holds::Owed) {
            Holds::Waits(waits) => waits.who(),
            other => {
                place.holds = other;
                return None;
            }
        };
        self.waiting -= 1;
        self.owed += 1;
        if self.given_up.len() > ANSWERED_KEPT + 2 * self.owed {
            let mut given_up = std::mem::take(&mut self.given_up);
            given_up.retain(|sequence| self.is_owed(*sequence));
            self.given_up = given_up;
        }
        self.given_up.push_back(sequence);
        Some(waits)
    }

    /// All places are taken: the one whose answer has been missing for longest is used again.
    fn first_owed(&mut self) -> Option<usize> {
        while let Some(sequence) = self.given_up.pop_front() {
            if self.is_owed(sequence) {
                self.owed -= 1;
                return usize::try_from(sequence & INDEX_MASK).ok();
            }
        }
        None
    }

    fn watch(&mut self, until: Instant, sequence: i32) {
        if self.late.len() > ANSWERED_KEPT + 2 * self.waiting {
            let mut late = std::mem::take(&mut self.late);
            late.retain(|Reverse(watched)| self.waits(*watched));
            self.late = late;
        }
        // Later than what is there, mostly: so it stays where it is put.
        self.late.push(Reverse((until, sequence)));
    }

    /// When somebody will have waited long enough.
    pub(super) fn next_late(&mut self) -> Option<Instant> {
        while let Some(Reverse(watched)) = self.late.peek() {
            if self.waits(*watched) {
                return Some(watched.0);
            }
            self.late.pop();
        }
        None
    }

    /// Takes those who have waited long enough.
    pub(super) fn take_late(&mut self, now: Instant) -> Vec<(Arc<dyn Waiter>, u64)> {
        let mut late = Vec::new();
        while let Some(Reverse((until, sequence))) = self.late.peek().copied()
            && until <= now
        {
            self.late.pop();
            if self.waits((until, sequence)) {
                late.extend(self.give_up(sequence));
            }
        }
        late
    }

    /// Whether it is still he who waits here: a sequence comes again, when its place was used often enough.
    fn waits(&self, (until, sequence): (Instant, i32)) -> bool {
        let place = self.place(sequence);
        place.is_some_and(
            |place| matches!(&place.holds, Holds::Waits(waits) if waits.until == Some(until)),
        )
    }

    fn is_owed(&self, sequence: i32) -> bool {
        let place = self.place(sequence);
        place.is_some_and(|place| matches!(place.holds, Holds::Owed))
    }

    fn place(&self, sequence: i32) -> Option<&Place> {
        let index = usize::try_from(sequence & INDEX_MASK).ok()?;
        let place = self.places.get(index);
        place.filter(|place| place.usage == sequence >> INDEX_BITS)
    }

    fn place_mut(&mut self, sequence: i32) -> Option<&mut Place> {
        let index = usize::try_from(sequence & INDEX_MASK).ok()?;
        let place = self.places.get_mut(index);
        place.filter(|place| place.usage == sequence >> INDEX_BITS)
    }

    /// Takes everybody.
    pub(super) fn drain(&mut self) -> Vec<(Arc<dyn Waiter>, u64)> {
        let places = std::mem::take(self).places.into_iter();
        let waiting = places.filter_map(|place| match place.holds {
            Holds::Waits(waits) => Some(waits.who()),
            Holds::Nothing | Holds::Owed => None,
        });
        waiting.collect()
    }
}

impl Sequence {
    pub(super) fn number(self) -> i32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Reply, Status};

    struct Nobody;

    impl Waiter for Nobody {
        fn answer(&self, _: u64, _: Result<Reply, Status>) {}
    }

    fn nobody(token: u64) -> Waits {
        Waits::new(Arc::new(Nobody), token)
    }

    #[test]
    fn whoever_has_waited_long_enough_is_taken_and_nobody_else() {
        let mut waiting = Waiting::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(waiting.next_late(), None);
        waiting.add(nobody(0)).unwrap();
        assert_eq!(waiting.next_late(), None, "he looks himself");
        for seconds in [3, 1, 2] {
            waiting.add(nobody(seconds).until(at(seconds))).unwrap();
        }
        assert_eq!(waiting.next_late(), Some(at(1)));
        let mut late = |now| -> Vec<u64> {
            let late = waiting.take_late(now).into_iter();
            late.map(|(_, token)| token).collect()
        };
        assert!(late(at(1) - Duration::from_nanos(1)).is_empty());
        assert_eq!(late(at(2)), [1, 2]);
        assert_eq!(waiting.next_late(), Some(at(3)));
        let again = waiting.add(nobody(9)).unwrap();
        assert_eq!(waiting.take(again.number()).unwrap().1, 9);
        assert_eq!(waiting.take_late(at(3)).len(), 1);
        assert_eq!(waiting.next_late(), None);
        let answered = waiting.add(nobody(0).until(at(4))).unwrap();
        waiting.take(answered.number());
        assert_eq!(waiting.next_late(), None, "he has his answer");
        assert_eq!(waiting.drain().len(), 1);
    }

    /// Uses a place so often that its next sequence is the one it had at first.
    fn all_round(waiting: &mut Waiting) {
        for _ in 0..LAST_USE - 1 {
            let quick = waiting.add(nobody(0)).unwrap();
            waiting.take(quick.number()).unwrap();
        }
    }

    #[test]
    fn the_answer_to_one_who_gave_up_finds_nobody_however_long_it_takes() {
        let mut waiting = Waiting::default();
        let gone = waiting.add(nobody(1)).unwrap();
        waiting.give_up(gone.number()).unwrap();
        assert!(waiting.give_up(gone.number()).is_none() && waiting.is_empty());
        all_round(&mut waiting);
        let other = waiting.add(nobody(2)).unwrap();
        assert!(waiting.take(gone.number()).is_none());
        assert_eq!(waiting.take(other.number()).unwrap().1, 2);
        // Now that it has come, the place is free again.
        let places = [0, 1].map(|_| waiting.add(nobody(0)).unwrap().number() & INDEX_MASK);
        assert!(places.contains(&0) && waiting.places.len() == 2);
    }

    #[test]
    fn where_answers_stay_away_places_are_used_again_the_oldest_first() {
        let mut waiting = Waiting::default();
        let all: Vec<_> = (0..MAX_WAITING)
            .map(|_| waiting.add(nobody(0)).unwrap().number())
            .collect();
        for sequence in [all[7], all[5], all[9]] {
            waiting.give_up(sequence).unwrap();
        }
        waiting.take(all[7]);
        let mut next = || Some(waiting.add(nobody(0))?.number() & INDEX_MASK);
        assert_eq!(
            [next(), next(), next(), next()],
            [Some(7), Some(5), Some(9), None]
        );
        for _ in 0..100_000 {
            let one = waiting.places[5].usage << INDEX_BITS | 5;
            waiting.give_up(one).unwrap();
            waiting.take(one);
            waiting.add(nobody(0)).unwrap();
            assert!(waiting.given_up.len() <= ANSWERED_KEPT + 3);
        }
    }

    #[test]
    fn nobody_is_late_because_one_before_him_would_be() {
        let mut waiting = Waiting::default();
        let start = Instant::now();
        let first = waiting.add(nobody(1).until(start)).unwrap();
        waiting.take(first.number()).unwrap();
        all_round(&mut waiting);
        let later = start + Duration::from_secs(9);
        let same = waiting.add(nobody(2).until(later)).unwrap();
        assert_eq!(same, first);
        assert!(waiting.take_late(start).is_empty());
        assert_eq!(waiting.next_late(), Some(later));
    }

    #[test]
    fn those_who_have_their_answers_are_not_watched_for_long() {
        let mut waiting = Waiting::default();
        let until = Instant::now() + Duration::from_secs(3);
        let kept = waiting.add(nobody(1).until(until)).unwrap();
        for _ in 0..100_000 {
            let quick = waiting.add(nobody(0).until(until)).unwrap();
            waiting.take(quick.number()).unwrap();
            assert!(waiting.late.len() <= ANSWERED_KEPT + 2 * 2 + 1);
        }
        let late = waiting.take_late(until);
        assert_eq!(
            late.iter().map(|(_, token)| *token).collect::<Vec<_>>(),
            [1]
        );
        assert!(waiting.take(kept.number()).is_none());
    }

    #[test]
    fn a_place_used_again_has_another_sequence() {
        let mut waiting = Waiting::default();
        let first = waiting.add(nobody(1)).unwrap();
        assert_eq!(waiting.take(first.number()).unwrap().1, 1);
        let second = waiting.add(nobody(2)).unwrap();
        assert_ne!(first, second);
        assert!(
            waiting.take(first.number()).is_none(),
            "a late answer finds nobody"
        );
        assert!(waiting.take(second.number()).is_some());
        assert!(
            waiting.take(second.number()).is_none(),
            "nor does a second one"
        );
    }

    #[test]
    fn sequences_stay_positive_however_often_a_place_is_used() {
        let mut waiting = Waiting::default();
        for _ in 0..LAST_USE + 2 {
            let sequence = waiting.add(nobody(0)).unwrap();
            assert!(sequence.number() > 0);
            waiting.take(sequence.number()).unwrap();
        }
    }

    #[test]
    fn there_are_as_many_places_as_the_limit_says() {
        let mut waiting = Waiting::default();
        for token in 0..MAX_WAITING {
            assert!(waiting.add(nobody(token as u64)).is_some());
        }
        assert!(waiting.add(nobody(0)).is_none());
        assert_eq!(waiting.drain().len(), MAX_WAITING);
    }

    #[test]
    fn a_sequence_nobody_gave_out_finds_nobody() {
        let mut waiting = Waiting::default();
        for sequence in [0, -1, 1, i32::MAX, i32::MIN] {
            assert!(waiting.take(sequence).is_none());
        }
    }
}
