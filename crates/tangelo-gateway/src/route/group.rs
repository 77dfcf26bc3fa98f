//! Urls that have something in common.

use std::sync::Arc;

use super::{
    Matching, RouteError, SessionMode, Url,
    attribute::Attribute,
    url::{Origin, rooted},
};

/// Urls that have something in common: what a url says for itself counts, or else what its group says.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Stands before the paths of the urls; without a `/` at its end.
    pub(super) prefix: String,
    /// What its urls have in common.
    pub(super) common: Url,
    pub(super) urls: Vec<Url>,
}

impl Group {
    /// A group whose urls are below this prefix; with an empty one they are where they say.
    pub fn new(prefix: impl AsRef<str>) -> Self {
        let mut group = Self::default();
        group.set(Attribute::Prefix, prefix.as_ref());
        group
    }

    /// The hosts: `www.example.com,example.com`, or `*` for every host.
    pub fn hosts(self, hosts: impl AsRef<str>) -> Self {
        self.with(|common| common.hosts(hosts))
    }

    /// The methods: `get,post`.
    pub fn methods(self, methods: impl AsRef<str>) -> Self {
        self.with(|common| common.methods(methods))
    }

    /// The service.
    pub fn service(self, service_id: i32) -> Self {
        self.with(|common| common.service(service_id))
    }

    /// The plugins: `signature,jsonp`.
    pub fn plugins(self, plugins: impl AsRef<str>) -> Self {
        self.with(|common| common.plugins(plugins))
    }

    /// How much of a session they need.
    pub fn session_mode(self, mode: SessionMode) -> Self {
        self.with(|common| common.session_mode(mode))
    }

    /// How their paths are compared.
    pub fn matching(self, matching: Matching) -> Self {
        self.with(|common| common.matching(matching))
    }

    /// Something for plugins to read.
    pub fn with_attribute(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.with(|common| common.with_attribute(name, value))
    }

    /// One of its urls.
    pub fn url(mut self, url: Url) -> Self {
        self.urls.push(url);
        self
    }

    fn with(mut self, change: impl FnOnce(Url) -> Url) -> Self {
        self.common = change(self.common);
        self
    }

    pub(super) fn set(&mut self, attribute: Attribute, text: &str) {
        match attribute {
            Attribute::Prefix => self.prefix = rooted(text.trim()),
            Attribute::Path | Attribute::MsgId => {
                let name = attribute.name();
                let problem = format!("{name}: belongs to a url; a group has none");
                let problem = RouteError::new(None, problem);
                self.common.mistakes.push(problem);
            }
            _ => self.common.set(attribute, text),
        }
    }

    /// Its urls, each with all it needs to know.
    pub(super) fn into_urls(self) -> impl Iterator<Item = Url> {
        let Self {
            prefix,
            common,
            urls,
        } = self;
        let prefix = if prefix == "/" { String::new() } else { prefix };
        let origin = Arc::new(Origin {
            prefix: prefix.clone(),
            place: common.place.clone(),
        });
        urls.into_iter().map(move |mut url| {
            url.join(&prefix, &common);
            url.group = Some(Arc::clone(&origin));
            url
        })
    }
}
