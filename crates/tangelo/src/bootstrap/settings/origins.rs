//! Where settings were said.

use std::collections::{HashMap, HashSet};

use crate::{bootstrap::elements::Place, mistakes::At};

/// Where settings were said.
#[derive(Debug, Default)]
pub(in crate::bootstrap) struct Origins {
    /// By element and key; the element itself under no key.
    said: HashMap<(Place, String), At>,
    /// Keys of which it is told already that they are wrong.
    told: HashSet<(Place, String)>,
}

impl Origins {
    pub(super) fn element(&mut self, place: Place, at: &At) {
        self.key(place, "", at);
    }

    pub(super) fn key(&mut self, place: Place, key: &str, at: &At) {
        let key = (place, key.to_owned());
        self.told.remove(&key);
        self.said.insert(key, at.clone());
    }

    pub(super) fn tell(&mut self, place: Place, key: &str) {
        self.told.insert((place, key.to_owned()));
    }

    /// Where a key was said, else its element; none if both stand in code.
    pub(in crate::bootstrap) fn of(&self, place: Place, key: &str) -> Option<&At> {
        let said = |key: &str| self.said.get(&(place, key.to_owned()));
        said(key).or_else(|| said(""))
    }

    /// Whether it is told already that this key is wrong.
    pub(in crate::bootstrap) fn is_told(&self, place: Place, key: &str) -> bool {
        self.told.contains(&(place, key.to_owned()))
    }
}
