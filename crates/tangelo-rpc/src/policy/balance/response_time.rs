use super::{Balance, Choice, dice::Dice};
use crate::policy::node::Node;

/// The faster of two nodes: krpc's `responsetime`.
///
/// Two nodes are drawn, each as likely as its weight says, and the one is taken where the call
/// should be over first: its mean response time, once for each call under way there and once for
/// this one. A node that is idle and of which no time is known goes first, so that there is one.
///
/// The lowest mean alone, as krpc takes it, sends every caller to the same node until it is slow,
/// and then all of them to the next. Two nodes drawn at random keep callers apart, and counting what
/// is under way keeps them apart when there are only two.
#[derive(Debug, Default)]
pub struct ResponseTime {
    dice: Dice,
}

impl ResponseTime {
    /// One that makes the same choices whenever it is given the same seed and the same nodes.
    pub fn seeded(seed: u64) -> Self {
        Self {
            dice: Dice::seeded(seed),
        }
    }
}

impl Balance for ResponseTime {
    fn pick(&self, choice: &Choice<'_>) -> usize {
        let nodes = choice.nodes;
        let first = self.dice.draw(nodes, |_, _| ());
        let second = self.dice.draw(nodes, |index, _| index == first);
        let (Some(one), Some(other)) = (nodes.get(first), nodes.get(second)) else {
            return first;
        };
        let mean = |node: &Node| node.response_time(choice.now).map(|mean| mean.as_nanos());
        let means = (mean(one), mean(other));
        // What is busy and has not answered yet is taken to be as fast as the other.
        let first_cost = cost(one, means.0, means.1);
        let second_cost = cost(other, means.1, means.0);
        if second_cost < first_cost {
            second
        } else {
            first
        }
    }
}

fn cost(node: &Node, mean: Option<u128>, of_the_other: Option<u128>) -> u128 {
    let active = u128::from(node.active());
    if mean.is_none() && active == 0 {
        return 0;
    }
    // At least 1, so that what is under way counts even where calls take no time.
    let mean = mean.or(of_the_other).unwrap_or(1).max(1);
    mean * (active + 1)
}
