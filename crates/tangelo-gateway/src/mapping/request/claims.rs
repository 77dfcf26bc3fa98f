//! Who has said which field: the first source that says one has it.

use crate::mapping::{
    bits::Bits,
    shape::{Field, Shape},
};

/// The fields of one message.
#[derive(Debug)]
pub(super) struct Claims {
    /// By sources that go before. With a member of a choice all of it is.
    before: Bits,
    now: Bits,
}

/// Whether a source may say a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    Free,
    /// It has said it already.
    Again,
    /// It has said another member of the same choice.
    Chosen,
    /// A source that goes before has said it.
    Taken,
}

impl Claims {
    pub(super) fn new(shape: &Shape) -> Self {
        // No type has more choices than fields.
        let none = Bits::for_up_to(shape.fields.len() * 2);
        Self {
            before: none.clone(),
            now: none,
        }
    }

    pub(super) fn look(&self, place: usize, field: &Field) -> Claim {
        let has = |bits: &Bits| bits.has(place);
        let chosen = |bits: &Bits| field.choice.is_some_and(|choice| bits.has(choice));
        if has(&self.before) || chosen(&self.before) {
            Claim::Taken
        } else if has(&self.now) {
            Claim::Again
        } else if chosen(&self.now) {
            Claim::Chosen
        } else {
            Claim::Free
        }
    }

    pub(super) fn add(&mut self, place: usize, field: &Field) {
        self.now.add(place);
        if let Some(choice) = field.choice {
            self.now.add(choice);
        }
    }

    /// For nobody: the rest of its choice is free.
    pub(super) fn reserve(&mut self, place: usize) {
        self.before.add(place);
    }

    /// What follows comes from a source that goes behind.
    pub(super) fn next_source(&mut self) {
        self.before.add_all(&self.now);
    }
}
