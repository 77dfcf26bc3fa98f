//! What is reachable, as it was written.

use std::path::{Path, PathBuf};

use super::{
    Dir, Group, Place, RouteError, Url,
    file::{self, Format},
};

/// What is reachable under which host, path and method: from files, from code, or from both.
///
/// Nothing is refused here: what is wrong is kept, and told by [`Router::compile`](super::Router::compile)
/// with all that is wrong besides.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Routes {
    /// The messages, those of groups among them.
    pub urls: Vec<Url>,
    /// The folders of files.
    pub dirs: Vec<Dir>,
    /// What plugins are told.
    pub plugins: Vec<PluginParams>,
    /// The files, as they are called by everybody.
    pub(super) files: Vec<PathBuf>,
    /// How many files and texts were begun.
    pub(super) begun: usize,
    pub(super) mistakes: Vec<RouteError>,
}

/// What a plugin is told when it is loaded.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PluginParams {
    /// The plugin's name.
    pub name: String,
    /// What the plugin reads itself; those that come with Tangelo read `a=1;b=2`.
    pub params: String,
    /// Where it is written; none if in code.
    pub place: Option<Place>,
}

impl Routes {
    /// Nothing is reachable.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a `routes.xml` says, and the files it imports.
    ///
    /// Blocks while it reads.
    #[must_use]
    pub fn from_xml(path: impl AsRef<Path>) -> Self {
        let mut routes = Self::new();
        file::read(&mut routes, path.as_ref(), Format::Xml);
        routes
    }

    /// What a file of TOML says, and the files it imports.
    ///
    /// Blocks while it reads.
    #[must_use]
    pub fn from_toml(path: impl AsRef<Path>) -> Self {
        let mut routes = Self::new();
        file::read(&mut routes, path.as_ref(), Format::Toml);
        routes
    }

    /// What the text of a `routes.xml` says. Mistakes name `path`; imports and folders are looked for where it lies.
    #[must_use]
    pub fn from_xml_text(path: impl AsRef<Path>, text: &str) -> Self {
        let mut routes = Self::new();
        file::read_text(&mut routes, path.as_ref(), text, Format::Xml);
        routes
    }

    /// What a text of TOML says. Mistakes name `path`; imports and folders are looked for where it lies.
    #[must_use]
    pub fn from_toml_text(path: impl AsRef<Path>, text: &str) -> Self {
        let mut routes = Self::new();
        file::read_text(&mut routes, path.as_ref(), text, Format::Toml);
        routes
    }

    /// Adds what a file says: TOML if it is called so, XML otherwise. A file that was read before adds nothing.
    ///
    /// Blocks while it reads.
    #[must_use]
    pub fn import(mut self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        file::read(&mut self, path, Format::of(path));
        self
    }

    /// Adds what other routes say. A file that both have read counts twice.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.urls.extend(other.urls);
        self.dirs.extend(other.dirs);
        self.plugins.extend(other.plugins);
        self.mistakes.extend(other.mistakes);
        self.files.extend(other.files);
        self
    }

    /// Adds a message.
    #[must_use]
    pub fn url(mut self, url: Url) -> Self {
        self.urls.push(url);
        self
    }

    /// Adds messages that have something in common.
    #[must_use]
    pub fn group(mut self, group: Group) -> Self {
        self.add_group(group);
        self
    }

    /// Adds folders of files.
    #[must_use]
    pub fn dir(mut self, dir: Dir) -> Self {
        self.dirs.push(dir);
        self
    }

    /// Says what a plugin is told.
    #[must_use]
    pub fn plugin(mut self, name: impl Into<String>, params: impl Into<String>) -> Self {
        self.plugins.push(PluginParams {
            name: name.into(),
            params: params.into(),
            place: None,
        });
        self
    }

    /// The files that were read or looked for, for those who wait for a change.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    pub(super) fn add_group(&mut self, mut group: Group) {
        let place = group.common.place.clone();
        for mistake in std::mem::take(&mut group.common.mistakes) {
            let words = format!("group {}: {}", group.prefix, mistake.words);
            let place = mistake.place.as_ref().or(place.as_ref());
            self.mistakes.push(RouteError::new(place, words));
        }
        self.urls.extend(group.into_urls());
    }
}
