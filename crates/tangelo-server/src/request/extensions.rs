//! What filters lay beside a request.

use std::{
    any::{Any, TypeId},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Whose a value beside a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(u64);

impl Owner {
    /// Whoever knows the type.
    pub(super) const EVERYBODY: Self = Self(0);

    /// One that no other is.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Values by their type and owner. There are few, so they are looked for one by one; a request beside
/// which nothing is laid allocates nothing.
#[derive(Clone, Default)]
pub(super) struct Extensions(Vec<(TypeId, Owner, Arc<dyn Any + Send + Sync>)>);

impl Extensions {
    pub(super) fn insert<T: Send + Sync + 'static>(&mut self, owner: Owner, value: T) {
        let (kind, value) = (TypeId::of::<T>(), Arc::new(value));
        let known = |(known, by, _): &&mut (TypeId, Owner, _)| (*known, *by) == (kind, owner);
        match self.0.iter_mut().find(known) {
            Some((_, _, known)) => *known = value,
            None => self.0.push((kind, owner, value)),
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn get<T: Send + Sync + 'static>(&self, owner: Owner) -> Option<&T> {
        let kind = TypeId::of::<T>();
        let known = |(known, by, _): &&(TypeId, Owner, _)| (*known, *by) == (kind, owner);
        let (_, _, value) = self.0.iter().find(known)?;
        value.downcast_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_value_of_each_type_and_owner() {
        let (first, second) = (Owner::new(), Owner::new());
        let mut extensions = Extensions::default();
        extensions.insert(first, "one");
        extensions.insert(second, "two");
        extensions.insert(first, 1_u8);
        let earlier = extensions.clone();
        extensions.insert(first, "eins");
        assert_eq!(extensions.get(first), Some(&"eins"));
        assert_eq!(extensions.get(second), Some(&"two"));
        assert_eq!(extensions.get(first), Some(&1_u8));
        assert_eq!(extensions.get::<u8>(second), None);
        assert_eq!(earlier.get(first), Some(&"one"), "a clone is not changed");
    }
}
