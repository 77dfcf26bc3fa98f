use super::{Balance, Choice, dice::Dice};

/// Any node, as likely as its weight says: krpc's `random` and `randomweight`.
#[derive(Debug, Default)]
pub struct Random {
    dice: Dice,
}

impl Random {
    /// One that makes the same choices whenever it is given the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self {
            dice: Dice::seeded(seed),
        }
    }
}

impl Balance for Random {
    fn pick(&self, choice: &Choice<'_>) -> usize {
        self.dice.draw(choice.nodes, |_, _| ())
    }
}
