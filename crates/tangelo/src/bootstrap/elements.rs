//! The elements of settings: what chapters there are, and what stands in each of them.

use std::fmt;

use serde_json::Value;
use tangelo_rpc::config::{
    ClientConfig, RefererConfig, RegistryConfig, ServerConfig, ServiceConfig, SettingError,
    WebServerConfig,
};

use super::Bootstrap;

/// A chapter of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Chapter {
    Application,
    Monitor,
    Registry,
    Client,
    Server,
    WebServer,
    Service,
    Referer,
}

/// Where an element stands: its chapter, and its position there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) chapter: Chapter,
    pub(super) position: usize,
}

/// What tells which element is meant.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Named<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) interface: Option<&'a str>,
    pub(super) service_id: Option<i32>,
}

impl Chapter {
    pub(crate) const ALL: [Self; 8] = [
        Self::Application,
        Self::Monitor,
        Self::Registry,
        Self::Client,
        Self::Server,
        Self::WebServer,
        Self::Service,
        Self::Referer,
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|chapter| chapter.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Monitor => "monitor",
            Self::Registry => "registry",
            Self::Client => "client",
            Self::Server => "server",
            Self::WebServer => "web_server",
            Self::Service => "service",
            Self::Referer => "referer",
        }
    }

    /// Whether there is one element in it, which has no id.
    pub(crate) fn is_one(self) -> bool {
        matches!(self, Self::Application | Self::Monitor)
    }

    pub(super) fn at(self, position: usize) -> Place {
        Place {
            chapter: self,
            position,
        }
    }
}

impl fmt::Display for Chapter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Bootstrap {
    /// The ids of a chapter's elements, in their order.
    pub(super) fn ids(&self, chapter: Chapter) -> Vec<&str> {
        fn of<T>(all: &[T], id: fn(&T) -> &String) -> Vec<&str> {
            all.iter().map(|one| id(one).as_str()).collect()
        }
        match chapter {
            Chapter::Application | Chapter::Monitor => Vec::new(),
            Chapter::Registry => of(&self.registries, |one| &one.id),
            Chapter::Client => of(&self.clients, |one| &one.id),
            Chapter::Server => of(&self.servers, |one| &one.id),
            Chapter::WebServer => of(&self.web_servers, |one| &one.id),
            Chapter::Service => of(&self.services, |one| &one.id),
            Chapter::Referer => of(&self.referers, |one| &one.id),
        }
    }

    /// What an element is called: `server.default`, `application`.
    pub(super) fn label(&self, place: Place) -> String {
        let Place { chapter, position } = place;
        match self.ids(chapter).get(position) {
            Some(id) if !id.is_empty() => format!("{chapter}.{id}"),
            _ => chapter.to_string(),
        }
    }

    /// The element that a file means: that of the same name, or a new one.
    ///
    /// A service is brought in code: a new one here answers nothing, which is found when all is checked.
    pub(super) fn declare(&mut self, chapter: Chapter, named: Named<'_>) -> Place {
        let (found, id) = match chapter {
            Chapter::Application | Chapter::Monitor => (Some(0), String::new()),
            Chapter::Registry => {
                let id = named.id.unwrap_or_default();
                (
                    self.position(chapter, id).filter(|_| !id.is_empty()),
                    id.to_owned(),
                )
            }
            Chapter::Client | Chapter::Server | Chapter::WebServer => {
                let id = named.id.map_or_else(|| default_id(chapter), str::to_owned);
                (self.position(chapter, &id), id)
            }
            Chapter::Service => {
                let id = named.id.or(named.interface).unwrap_or_default();
                let found = self.position(chapter, id);
                (
                    found.or_else(|| self.serving(named.interface?)),
                    id.to_owned(),
                )
            }
            Chapter::Referer => {
                let of_service = || Some(self.pool.service(named.service_id?)?.name.as_str());
                let id = named.id.or(named.interface).or_else(of_service);
                let id = id.unwrap_or_default().to_owned();
                (self.position(chapter, &id).filter(|_| !id.is_empty()), id)
            }
        };
        chapter.at(found.unwrap_or_else(|| self.add(chapter, id)))
    }

    /// Where the element of this id stands.
    pub(super) fn position(&self, chapter: Chapter, id: &str) -> Option<usize> {
        self.ids(chapter).iter().position(|known| *known == id)
    }

    /// Where the service of this interface stands, if there is one only.
    fn serving(&self, interface: &str) -> Option<usize> {
        let answers = |service: &ServiceConfig| {
            let served = service.served.as_ref();
            served.is_some_and(|served| {
                self.is_called((served.service_id(), served.name()), interface)
            })
        };
        let mut all = (0..)
            .zip(&self.services)
            .filter(|(_, service)| answers(service));
        let (first, _) = all.next()?;
        all.next().is_none().then_some(first)
    }

    /// Number and name of the service that code ties a service or referer to.
    pub(super) fn of_code(&self, place: Place) -> Option<(i32, &str)> {
        match place.chapter {
            Chapter::Service => {
                let served = self.services.get(place.position)?.served.as_ref()?;
                Some((served.service_id(), served.name()))
            }
            Chapter::Referer => {
                let referer = self.referers.get(place.position)?;
                Some((referer.service_id, referer.described.as_ref()?.name()))
            }
            _ => None,
        }
    }

    /// Whether a service has this name, with its package or without.
    pub(super) fn is_called(&self, (service_id, name): (i32, &str), interface: &str) -> bool {
        let known = self.pool.service(service_id);
        name == interface || known.is_some_and(|service| service.full_name == interface)
    }

    fn add(&mut self, chapter: Chapter, id: String) -> usize {
        fn push<T>(all: &mut Vec<T>, one: T) -> usize {
            all.push(one);
            all.len() - 1
        }
        match chapter {
            Chapter::Application | Chapter::Monitor => 0,
            Chapter::Registry => push(&mut self.registries, RegistryConfig::default().id(id)),
            Chapter::Client => push(&mut self.clients, ClientConfig::new(id)),
            Chapter::Server => push(&mut self.servers, ServerConfig::new(id)),
            Chapter::WebServer => push(&mut self.web_servers, WebServerConfig::new(id)),
            Chapter::Service => push(&mut self.services, ServiceConfig::default().id(id)),
            Chapter::Referer => push(&mut self.referers, RefererConfig::dynamic(id, 0)),
        }
    }

    /// Sets one key of an element.
    pub(super) fn set_key(
        &mut self,
        place: Place,
        key: &str,
        value: &Value,
    ) -> Result<(), SettingError> {
        let at = place.position;
        let set = match place.chapter {
            Chapter::Application => Some(self.application.set(key, value)),
            Chapter::Monitor => Some(self.monitor.set(key, value)),
            Chapter::Registry => self.registries.get_mut(at).map(|one| one.set(key, value)),
            Chapter::Client => self.clients.get_mut(at).map(|one| one.set(key, value)),
            Chapter::Server => self.servers.get_mut(at).map(|one| one.set(key, value)),
            Chapter::WebServer => self.web_servers.get_mut(at).map(|one| one.set(key, value)),
            Chapter::Service => self.services.get_mut(at).map(|one| one.set(key, value)),
            Chapter::Referer => self
                .referers
                .get_mut(at)
                .map(|one| set_referer(one, key, value)),
        };
        set.unwrap_or(Ok(()))
    }
}

/// A referer with a client of generated code is for that client's service.
fn set_referer(referer: &mut RefererConfig, key: &str, value: &Value) -> Result<(), SettingError> {
    let of_code = referer.described.as_ref().map(|_| referer.service_id);
    match of_code {
        Some(number) if key == "service_id" && *value != number => Err(SettingError::Value(
            format!("is {number} in the code that declares it"),
        )),
        _ => referer.set(key, value),
    }
}

/// The id of an element that was given none.
fn default_id(chapter: Chapter) -> String {
    match chapter {
        Chapter::Client => ClientConfig::default().id,
        Chapter::Server => ServerConfig::default().id,
        _ => WebServerConfig::default().id,
    }
}

/// Names as a list to choose from.
pub(super) fn listed(names: &[&str]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}
