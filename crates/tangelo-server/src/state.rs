//! What an application shares among its handlers.

use std::{
    any::{Any, TypeId, type_name},
    collections::HashMap,
    fmt,
    sync::Arc,
};

/// What an application shares among its handlers: one value of each type. Clones share them.
#[derive(Clone, Default)]
pub struct States(HashMap<TypeId, (&'static str, Arc<dyn Any + Send + Sync>)>);

impl States {
    /// Adds a value; one of the same type is replaced.
    pub fn insert<T: Any + Send + Sync>(&mut self, value: T) {
        self.0
            .insert(TypeId::of::<T>(), (type_name::<T>(), Arc::new(value)));
    }

    /// Adds the values of `others` whose types are not here yet.
    pub(crate) fn extend(&mut self, others: &Self) {
        for (key, value) in &others.0 {
            self.0.entry(*key).or_insert_with(|| value.clone());
        }
    }

    /// The value of this type.
    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.1.downcast_ref()
    }
}

impl fmt::Debug for States {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_set()
            .entries(self.0.values().map(|(name, _)| name))
            .finish()
    }
}
