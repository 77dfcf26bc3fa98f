use super::{Balance, Choice, dice::Dice};

/// The node with the fewest calls under way; among several any, as likely as its weight says:
/// krpc's `leastactive` and `leastactiveweight`.
#[derive(Debug, Default)]
pub struct LeastActive {
    dice: Dice,
}

impl LeastActive {
    /// One that makes the same choices whenever it is given the same seed and the same nodes.
    pub fn seeded(seed: u64) -> Self {
        Self {
            dice: Dice::seeded(seed),
        }
    }
}

impl Balance for LeastActive {
    fn pick(&self, choice: &Choice<'_>) -> usize {
        self.dice.draw(choice.nodes, |_, node| node.active())
    }
}
