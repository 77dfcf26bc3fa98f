//! Which fields have been filled.

/// A set of small numbers; up to 128 of them without memory of its own.
#[derive(Clone, Debug)]
pub(super) enum Bits {
    Few(u128),
    Many(Vec<bool>),
}

impl Bits {
    pub(super) fn for_up_to(numbers: usize) -> Self {
        if numbers <= 128 {
            Self::Few(0)
        } else {
            Self::Many(vec![false; numbers])
        }
    }

    pub(super) fn has(&self, number: usize) -> bool {
        match self {
            Self::Few(bits) => bits >> number & 1 == 1,
            Self::Many(bits) => bits.get(number) == Some(&true),
        }
    }

    pub(super) fn add(&mut self, number: usize) {
        match self {
            Self::Few(bits) => *bits |= 1 << number,
            Self::Many(bits) => {
                if let Some(bit) = bits.get_mut(number) {
                    *bit = true;
                }
            }
        }
    }

    pub(super) fn add_all(&mut self, other: &Self) {
        match (self, other) {
            (Self::Few(bits), Self::Few(other)) => *bits |= other,
            (Self::Many(bits), Self::Many(other)) => {
                for (bit, other) in bits.iter_mut().zip(other) {
                    *bit |= other;
                }
            }
            // Sets of one type's fields have one size.
            _ => {}
        }
    }
}
