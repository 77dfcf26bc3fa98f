//! A message of a service, and where it is reachable.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Annotation, Matching, Methods, Place, RouteError, SessionMode,
    attribute::{self, Attribute, Given},
    template::Template,
};

/// One message of a service, and where it is reachable.
///
/// What is not said is as in `routes.xml`: every host, `get,post`, no plugins, no session, exactly this path.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Url {
    /// The hosts it answers for, in lower case and without ports; none for every host.
    pub hosts: Vec<String>,
    /// Its path with the prefix of its group, as people read it: not percent-encoded. Begins with `/`, and
    /// ends with one only if that is all of it. A segment may be a variable: `/users/{userId}`.
    pub path: String,
    /// The methods it is open for.
    pub methods: Methods,
    /// The service, from 1. 0 if nothing was said, which is a mistake.
    pub service_id: i32,
    /// The message of the service, from 1. 0 if nothing was said, which is a mistake.
    pub msg_id: i32,
    /// The plugins its requests go through, in this order.
    pub plugins: Vec<String>,
    /// How much of a session it needs.
    pub session_mode: SessionMode,
    /// What else was said of it or its group, for plugins: see [`attribute`](Self::attribute).
    pub attributes: BTreeMap<String, String>,
    /// How its path is compared.
    pub matching: Matching,
    /// Where it is written; none if in code.
    pub place: Option<Place>,
    /// Where it is from `google.api.http`: its path is a template, prefixes aside.
    pub(crate) annotation: Option<Arc<Annotation>>,
    pub(super) given: Given,
    /// The group it is from, and what it has of it.
    pub(super) group: Option<Arc<Origin>>,
    pub(super) inherited: Given,
    /// Those of its attributes: with their places where a file has them.
    pub(super) mistakes: Vec<RouteError>,
}

/// A group, for mistakes that are its own.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) prefix: String,
    pub(super) place: Option<Place>,
}

impl Url {
    /// A message at this path, which is below its group's prefix if it is in one.
    pub fn new(path: impl AsRef<str>) -> Self {
        let mut url = Self::unsaid();
        url.set(Attribute::Path, path.as_ref());
        url
    }

    /// A url that says nothing yet.
    pub(super) fn unsaid() -> Self {
        Self {
            methods: Methods::GET_POST,
            ..Self::default()
        }
    }

    /// The hosts it answers for: `www.example.com,example.com`, or `*` for every host.
    pub fn hosts(self, hosts: impl AsRef<str>) -> Self {
        self.with(Attribute::Hosts, hosts.as_ref())
    }

    /// The methods it is open for: `get,post`.
    pub fn methods(self, methods: impl AsRef<str>) -> Self {
        self.with(Attribute::Methods, methods.as_ref())
    }

    /// The service.
    pub fn service(self, service_id: i32) -> Self {
        self.with(Attribute::ServiceId, &service_id.to_string())
    }

    /// The message of the service.
    pub fn message(self, msg_id: i32) -> Self {
        self.with(Attribute::MsgId, &msg_id.to_string())
    }

    /// The plugins: `signature,jsonp`. With an empty text there are none, whatever the group says.
    pub fn plugins(self, plugins: impl AsRef<str>) -> Self {
        self.with(Attribute::Plugins, plugins.as_ref())
    }

    /// How much of a session it needs.
    pub fn session_mode(mut self, mode: SessionMode) -> Self {
        self.session_mode = mode;
        self.given.add(Attribute::SessionMode);
        self
    }

    /// How its path is compared.
    pub fn matching(mut self, matching: Matching) -> Self {
        self.matching = matching;
        self.given.add(Attribute::Match);
        self
    }

    /// Something for plugins to read.
    pub fn with_attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// What was said of it or its group under this name, as in `routes.xml`: `httpCode`, or one of the application's own. None
    /// if nothing was, or an empty text.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let text = self.attributes.get(name)?.trim();
        Some(text).filter(|text| !text.is_empty())
    }

    fn with(mut self, attribute: Attribute, text: &str) -> Self {
        self.set(attribute, text);
        self
    }

    /// Takes what a file says. A text that means nothing is kept as a mistake.
    pub(super) fn set(&mut self, attribute: Attribute, text: &str) {
        let text = text.trim();
        // As in krpc, an attribute that is there and empty is not there. But a list of no plugins is one.
        if text.is_empty() && attribute != Attribute::Plugins {
            return;
        }
        self.given.add(attribute);
        if let Err(problem) = self.read(attribute, text) {
            let words = format!("{}: {problem}", attribute.name());
            self.mistakes.push(RouteError::new(None, words));
        }
    }

    fn read(&mut self, attribute: Attribute, text: &str) -> Result<(), String> {
        match attribute {
            Attribute::Hosts => self.hosts = hosts(text)?,
            Attribute::Path => self.path = rooted(text),
            Attribute::Prefix => return Err("belongs to a group".to_owned()),
            Attribute::Methods => self.methods = text.parse()?,
            Attribute::ServiceId => self.service_id = number(text)?,
            Attribute::MsgId => self.msg_id = number(text)?,
            Attribute::Plugins => self.plugins = names(text)?,
            Attribute::SessionMode => self.session_mode = text.parse()?,
            Attribute::Match => self.matching = text.parse()?,
            Attribute::BaseDir
            | Attribute::StaticDir
            | Attribute::UploadDir
            | Attribute::TemplateDir
            | Attribute::DownloadDir => return Err("belongs to a dir".to_owned()),
        }
        Ok(())
    }

    /// What its path is, if it is from `google.api.http`.
    pub(crate) fn template(&self) -> Option<&Template> {
        self.annotation
            .as_ref()
            .map(|annotation| &annotation.template)
    }

    /// The paths to look for: its own, as a rule.
    pub(super) fn patterns(&self) -> Vec<String> {
        match self.template() {
            Some(template) => template.patterns(),
            None => vec![self.path.clone()],
        }
    }

    /// Takes from its group what it does not say itself.
    pub(super) fn join(&mut self, prefix: &str, common: &Self) {
        if self.given.has(Attribute::Path) {
            // `/` in a group is the prefix itself.
            let below = if self.path == "/" { "" } else { &self.path };
            self.path = rooted(&format!("{prefix}{below}"));
        }
        for attribute in attribute::OF_URLS.iter().copied() {
            if self.given.has(attribute) || !common.given.has(attribute) {
                continue;
            }
            match attribute {
                Attribute::Hosts => self.hosts.clone_from(&common.hosts),
                Attribute::Methods => self.methods = common.methods,
                Attribute::ServiceId => self.service_id = common.service_id,
                Attribute::Plugins => self.plugins.clone_from(&common.plugins),
                Attribute::SessionMode => self.session_mode = common.session_mode,
                Attribute::Match => self.matching = common.matching,
                // A group has none of these.
                _ => continue,
            }
            self.given.add(attribute);
            self.inherited.add(attribute);
        }
        for (name, value) in &common.attributes {
            let own = self.attributes.entry(name.clone());
            own.or_insert_with(|| value.clone());
        }
    }
}

/// The path with one `/` before it and none behind it.
pub(super) fn rooted(path: &str) -> String {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    format!("/{path}")
}

/// The hosts of a list; none if `*` is among them.
pub(super) fn hosts(text: &str) -> Result<Vec<String>, String> {
    let mut hosts: Vec<String> = names(text)?;
    for host in &mut hosts {
        host.make_ascii_lowercase();
        if host.ends_with('.') {
            host.pop();
        }
        if host != "*" && (host.is_empty() || host.contains(['*', '/', ' ', '@'])) {
            return Err(format!(
                "`{host}` is no host; write www.example.com, or * for every host"
            ));
        }
        let has_port = match host.strip_prefix('[') {
            Some(address) => !address.ends_with(']'),
            None => host.contains(':'),
        };
        if has_port {
            return Err(format!(
                "`{host}`: a host is written without its port, an address of IPv6 in brackets"
            ));
        }
    }
    if hosts.iter().any(|host| host == "*") {
        hosts.clear();
    }
    Ok(hosts)
}

/// The names of a list, each once.
fn names(text: &str) -> Result<Vec<String>, String> {
    let mut names: Vec<String> = Vec::new();
    if text.is_empty() {
        return Ok(names);
    }
    for name in text.split(',').map(str::trim) {
        if name.is_empty() {
            return Err(format!("`{text}` has an empty name"));
        }
        if names.iter().any(|other| other == name) {
            return Err(format!("names `{name}` twice"));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn number(text: &str) -> Result<i32, String> {
    let number = text.parse().ok().filter(|number| *number >= 1);
    number.ok_or_else(|| format!("expected a number from 1, but it is `{text}`"))
}
