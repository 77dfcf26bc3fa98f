use twox_hash::XxHash3_64;

use super::{Balance, Choice, dice::Dice};

/// The same node for the same key, as long as it is there: krpc's `hash:hashField=x`.
///
/// Each node draws a number for the key and the best wins (rendezvous hashing). So a node that goes
/// gives away its own keys and no others, one that comes takes its share from all, and weights are
/// shares. Every process, today's or another, chooses alike. A call without the key goes anywhere.
///
/// krpc takes the hash modulo the number of nodes, which moves nearly all keys whenever one comes
/// or goes; so its clients and these do not choose the same node.
#[derive(Debug)]
pub struct ConsistentHash {
    field: String,
    dice: Dice,
}

impl ConsistentHash {
    /// By this field of the request.
    pub fn new(field: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            dice: Dice::default(),
        }
    }

    /// One that makes the same choices for calls without a key whenever it is given the same seed.
    pub fn seeded(field: impl Into<String>, seed: u64) -> Self {
        Self {
            field: field.into(),
            dice: Dice::seeded(seed),
        }
    }
}

impl Balance for ConsistentHash {
    fn pick(&self, choice: &Choice<'_>) -> usize {
        let Some(key) = choice.key.filter(|key| !key.is_empty()) else {
            return self.dice.draw(choice.nodes, |_, _| ());
        };
        let key = XxHash3_64::oneshot(key);
        let distances = choice.nodes.iter().enumerate().map(|(index, node)| {
            let drawn = XxHash3_64::oneshot_with_seed(key, &node.place().to_le_bytes());
            let weight = node.weight();
            let distance = distance(drawn, weight.max(1));
            (weight == 0, distance, node.address(), index)
        });
        let nearest = distances.min_by(|one, other| {
            let by_distance = one.1.total_cmp(&other.1);
            (one.0.cmp(&other.0)).then(by_distance.then_with(|| one.2.cmp(other.2)))
        });
        nearest.map_or(0, |(.., index)| index)
    }

    fn key_field(&self) -> Option<&str> {
        Some(&self.field)
    }
}

/// How far a node is from a key: exponentially distributed, so that among several nodes each is the
/// nearest as often as its weight says.
fn distance(drawn: u64, weight: u32) -> f64 {
    // 53 bits, all that a float holds, in the middle of their step: neither 0 nor 1.
    let uniform = ((drawn >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    -uniform.ln() / f64::from(weight)
}
