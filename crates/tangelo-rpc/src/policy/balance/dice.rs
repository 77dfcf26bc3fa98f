//! Chance.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::policy::node::Node;

/// A source of random numbers that callers share.
#[derive(Debug)]
pub(super) struct Dice(Mutex<fastrand::Rng>);

impl Default for Dice {
    /// Seeded by the operating system, which is where the standard library's hashers have their
    /// keys from.
    fn default() -> Self {
        Self::seeded(RandomState::new().build_hasher().finish())
    }
}

impl Dice {
    /// The same seed gives the same numbers.
    pub(super) fn seeded(seed: u64) -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(seed)))
    }

    /// One of the nodes with the lowest rank, each as likely as its weight says.
    ///
    /// A node of weight 0 ranks behind all others; among such all are equally likely.
    pub(super) fn draw<R: Ord>(
        &self,
        nodes: &[Arc<Node>],
        rank: impl Fn(usize, &Node) -> R,
    ) -> usize {
        let mut random = self.0.lock();
        let (mut chosen, mut lowest, mut total) = (0, None, 0);
        // One pass: each weight is read once, though somebody may be changing them. The node at hand
        // takes the place of the one chosen before as often as its share of what was seen so far.
        for (index, node) in nodes.iter().enumerate() {
            let weight = node.weight();
            let rank = Some((weight == 0, rank(index, node)));
            let weight = u64::from(weight.max(1));
            if lowest.is_none() || rank < lowest {
                (lowest, total) = (rank, 0);
            } else if rank > lowest {
                continue;
            }
            total += weight;
            if random.u64(0..total) < weight {
                chosen = index;
            }
        }
        chosen
    }
}
