//! Who waits for an answer, found by index.

use std::sync::Arc;

use super::Waiter;

/// Names one request under way. It carries its place in the table and which use of that place it
/// is, so that a late answer never finds the wrong caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence(i32);

/// Requests that may wait for answers over one connection.
pub(super) const MAX_WAITING: usize = 1 << INDEX_BITS;

const INDEX_BITS: u32 = 16;
const INDEX_MASK: i32 = (1 << INDEX_BITS) - 1;
/// Uses of a place run from 1 to this and around, which keeps every sequence a positive `int32`.
const LAST_USE: i32 = (1 << (31 - INDEX_BITS)) - 1;

#[derive(Default)]
pub(super) struct Waiting {
    places: Vec<Place>,
    free: Vec<u16>,
}

struct Place {
    usage: i32,
    waiter: Option<(Arc<dyn Waiter>, u64)>,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.free.len() == self.places.len()
    }

    /// Finds a place; none when all are taken.
    pub(super) fn add(&mut self, waiter: Arc<dyn Waiter>, token: u64) -> Option<Sequence> {
        let index = match self.free.pop() {
            Some(index) => usize::from(index),
            None if self.places.len() < MAX_WAITING => {
                self.places.push(Place {
                    usage: 0,
                    waiter: None,
                });
                self.places.len() - 1
            }
            None => return None,
        };
        let place = self.places.get_mut(index)?;
        place.usage = if place.usage >= LAST_USE {
            1
        } else {
            place.usage + 1
        };
        place.waiter = Some((waiter, token));
        Some(Sequence(place.usage << INDEX_BITS | index as i32))
    }

    /// Takes whoever waits under this sequence, if it is still the one.
    pub(super) fn take(&mut self, sequence: i32) -> Option<(Arc<dyn Waiter>, u64)> {
        let index = usize::try_from(sequence & INDEX_MASK).ok()?;
        let place = self
            .places
            .get_mut(index)
            .filter(|place| place.usage == sequence >> INDEX_BITS)?;
        let waiter = place.waiter.take()?;
        self.free.push(index as u16);
        Some(waiter)
    }

    /// Takes everybody.
    pub(super) fn drain(&mut self) -> Vec<(Arc<dyn Waiter>, u64)> {
        self.free.clear();
        std::mem::take(&mut self.places)
            .into_iter()
            .filter_map(|place| place.waiter)
            .collect()
    }
}

impl Sequence {
    pub(super) fn number(self) -> i32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reply, Status};

    struct Nobody;

    impl Waiter for Nobody {
        fn answer(&self, _: u64, _: Result<Reply, Status>) {}
    }

    #[test]
    fn a_place_used_again_has_another_sequence() {
        let mut waiting = Waiting::default();
        let first = waiting.add(Arc::new(Nobody), 1).unwrap();
        assert_eq!(waiting.take(first.number()).unwrap().1, 1);
        let second = waiting.add(Arc::new(Nobody), 2).unwrap();
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
            let sequence = waiting.add(Arc::new(Nobody), 0).unwrap();
            assert!(sequence.number() > 0);
            waiting.take(sequence.number()).unwrap();
        }
    }

    #[test]
    fn there_are_as_many_places_as_the_limit_says() {
        let mut waiting = Waiting::default();
        let waiter: Arc<dyn Waiter> = Arc::new(Nobody);
        for _ in 0..MAX_WAITING {
            assert!(waiting.add(Arc::clone(&waiter), 0).is_some());
        }
        assert!(waiting.add(waiter, 0).is_none());
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
