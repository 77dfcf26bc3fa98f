//! What `values` lists.

use std::collections::HashSet;

use prost_reflect::EnumDescriptor;

use super::scalar::{Scalar, Texts};

/// The values a field may have: found in one step, however many there are.
#[derive(Clone, Debug)]
pub(super) struct Values {
    texts: HashSet<Box<str>, foldhash::fast::RandomState>,
    /// Whole numbers, and those of an enum's names, that have one of these texts. In their order.
    numbers: Box<[i128]>,
}

impl Values {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let values = text.split(',').map(str::trim);
        let texts: HashSet<_, _> = values
            .filter(|value| !value.is_empty())
            .map(Box::from)
            .collect();
        if texts.is_empty() {
            return Err(format!("`{text}` has no value in it; write `a,b,c`"));
        }
        let numbers = texts
            .iter()
            .map(<Box<str>>::as_ref)
            .filter_map(|text: &str| {
                let number = text.parse::<i128>().ok()?;
                (number.to_string() == text).then_some(number)
            });
        let mut numbers: Box<[_]> = numbers.collect();
        numbers.sort_unstable();
        Ok(Self { texts, numbers })
    }

    /// The same for an enum, whose text is its name, or its number if it has none.
    pub(super) fn named(mut self, names: &EnumDescriptor) -> Self {
        let numbers = self
            .numbers
            .iter()
            .filter_map(|&number| number.try_into().ok());
        let known = names.values().map(|value| value.number());
        let mut texts = Texts::default();
        let mut fits = |number: &i32| {
            let text = texts.of(Scalar::Enum(*number), Some(names));
            text.is_some_and(|text| self.texts.contains(&*text))
        };
        let numbers = numbers.chain(known).filter(|number| fits(number));
        let mut numbers: Vec<i128> = numbers.map(i128::from).collect();
        numbers.sort_unstable();
        self.numbers = numbers.into();
        self
    }

    pub(super) fn hold(&self, value: Scalar<'_>, texts: &mut Texts) -> bool {
        match value {
            Scalar::Integer(number) => self.numbers.binary_search(&number).is_ok(),
            Scalar::Enum(number) => self.numbers.binary_search(&number.into()).is_ok(),
            value => {
                let text = texts.of(value, None);
                text.is_some_and(|text| self.texts.contains(&*text))
            }
        }
    }
}
