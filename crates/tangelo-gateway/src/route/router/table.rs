//! What is there for one host.

use matchit::{InsertError, Params};

use crate::route::methods::COUNT;

/// What is there for one host.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    methods: [Paths; COUNT],
    /// Paths of dirs, the longest first.
    dirs: Vec<(String, usize)>,
}

/// The urls for one method.
#[derive(Clone, Debug, Default)]
struct Paths {
    exact: matchit::Router<usize>,
    prefix: matchit::Router<usize>,
    /// Segments of the longest path in `prefix`, if there is any.
    deepest: Option<usize>,
}

impl Table {
    /// Adds the url for exactly this path.
    pub(super) fn add_exact(
        &mut self,
        slot: usize,
        path: &str,
        url: usize,
    ) -> Result<(), InsertError> {
        match self.methods.get_mut(slot) {
            Some(paths) => paths.exact.insert(path, url),
            None => Ok(()),
        }
    }

    /// Adds the url for what is below this path.
    pub(super) fn add_prefix(
        &mut self,
        slot: usize,
        path: &str,
        url: usize,
    ) -> Result<(), InsertError> {
        let Some(paths) = self.methods.get_mut(slot) else {
            return Ok(());
        };
        let segments = path.split('/').filter(|one| !one.is_empty()).count();
        paths.deepest = paths.deepest.max(Some(segments));
        paths.prefix.insert(path, url)
    }

    pub(super) fn add_dir(&mut self, path: &str, dir: usize) {
        let before = |(other, _): &(String, usize)| other.len() >= path.len();
        let at = self.dirs.partition_point(before);
        self.dirs.insert(at, (path.to_owned(), dir));
    }

    /// The url for a path without a `/` at its end.
    pub(super) fn url<'p>(&self, slot: usize, path: &'p str) -> Option<(usize, Params<'_, 'p>)> {
        let paths = self.methods.get(slot)?;
        if let Ok(found) = paths.exact.at(path) {
            return Some((*found.value, found.params));
        }
        paths.below(path)
    }

    /// The dirs that a path is below, the nearest first, and what is left of the path.
    pub(super) fn dirs<'p>(&self, path: &'p str) -> impl Iterator<Item = (usize, &'p str)> {
        self.dirs.iter().filter_map(move |(dir, number)| {
            let rest = path.strip_prefix(match dir.as_str() {
                "/" => "",
                dir => dir,
            })?;
            match rest.strip_prefix('/') {
                Some(rest) => Some((*number, rest)),
                // The folder itself.
                None => rest.is_empty().then_some((*number, rest)),
            }
        })
    }
}

impl Paths {
    /// The url for the longest beginning of a path.
    fn below<'p>(&self, path: &'p str) -> Option<(usize, Params<'_, 'p>)> {
        // A path of a thousand segments is looked for as often as the routes have segments.
        let end = path.match_indices('/').nth(self.deepest?);
        let mut rest = end.map_or(path, |(end, _)| path.get(..end).unwrap_or(path));
        loop {
            let asked = if rest.is_empty() { "/" } else { rest };
            if let Ok(found) = self.prefix.at(asked) {
                return Some((*found.value, found.params));
            }
            rest = rest.get(..rest.rfind('/')?)?;
        }
    }
}
