use std::sync::atomic::{AtomicU64, Ordering};

use super::{Balance, Choice};

/// One node after the other: krpc's `roundrobin`, `rr` and `roundrobinweight`.
///
/// Of `w` rounds, where `w` is the highest weight, each node takes part in as many as its own
/// weight says, evenly spread. So with equal weights it is every node in every round.
///
/// krpc's own way with weights gives the heaviest node all its surplus in one row.
#[derive(Debug, Default)]
pub struct RoundRobin {
    turns: AtomicU64,
}

impl Balance for RoundRobin {
    fn pick(&self, choice: &Choice<'_>) -> usize {
        let nodes = choice.nodes;
        let weights = nodes.iter().map(|node| u64::from(node.weight()));
        let heaviest = weights.enumerate().max_by_key(|(_, weight)| *weight);
        let (heaviest, highest) = heaviest.unwrap_or_default();
        let count = nodes.len() as u64;
        for _ in 0..count {
            let turn = self.turns.fetch_add(1, Ordering::Relaxed);
            let index = turn % count;
            let weight = nodes.get(index as usize).map_or(0, |node| node.weight());
            if takes_part(index, weight.into(), highest, turn / count) {
                return index as usize;
            }
        }
        // It takes part in every round, but other callers took its turns, or weights are changing.
        heaviest
    }
}

/// Whether a node of this weight takes part in this round: it does whenever the weights of its
/// rounds, added up, pass a multiple of the highest.
fn takes_part(index: u64, weight: u64, highest: u64, round: u64) -> bool {
    if weight >= highest {
        return true;
    }
    // Nodes start half a way apart, or those of the same weight would all take part in the same
    // rounds. Both factors are below 2^32.
    let start = index * (highest / 2) % highest;
    let passed = (weight * (round % highest) + start) % highest;
    passed >= highest - weight
}
