//! Which server answers a route.

use std::{collections::HashMap, fmt, sync::Arc};

use tangelo_registry::Instance;
use tangelo_rpc::{Cluster, Code, Definition, Remote, Service, Status};

use crate::{Error, Result, Session};

/// The parts of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route<'a> {
    pub(crate) server_type: &'a str,
    pub(crate) handler: &'a str,
    pub(crate) method: &'a str,
}

impl<'a> Route<'a> {
    /// `serverType.handler.method`; nothing else is a route.
    pub(crate) fn parse(text: &'a [u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(text).ok()?.split('.');
        let route = Self {
            server_type: parts.next()?,
            handler: parts.next()?,
            method: parts.next()?,
        };
        parts.next().is_none().then_some(route)
    }
}

/// What a session's server of some type is chosen by: sessions with the same key share a server.
/// It is asked again when the session or the list of servers has changed.
pub(crate) type RouteKey = Arc<dyn Fn(&Session) -> Result<String> + Send + Sync>;

/// Chooses servers for sessions: Pomelo's `app.route`.
#[derive(Clone, Default)]
pub struct Routes {
    keys: HashMap<String, RouteKey>,
}

impl Routes {
    /// Without a key of its own a type is chosen by the user, or by the session if none is bound.
    pub fn new() -> Self {
        Self::default()
    }

    /// Servers of this type are chosen by this key.
    #[must_use]
    pub fn with(
        mut self,
        server_type: &str,
        key: impl Fn(&Session) -> Result<String> + Send + Sync + 'static,
    ) -> Self {
        self.keys.insert(server_type.to_owned(), Arc::new(key));
        self
    }

    /// The types that have a key of their own.
    pub fn types(&self) -> impl Iterator<Item = &String> {
        self.keys.keys()
    }

    /// The server of this type that belongs to the session, whether up or not: what it keeps for
    /// the session is nowhere else.
    pub(crate) fn choose(
        &self,
        server_type: &str,
        session: &Session,
        cluster: &Cluster,
    ) -> Result<Remote, Status> {
        let key = match self.keys.get(server_type) {
            Some(key) => key(session).map_err(Error::into_status)?,
            None => session
                .bound_uid()
                .map_or_else(|| session.id().to_string(), |uid| uid.to_string()),
        };
        let count = cluster.of_type(server_type).count();
        let index = (crc32(&key) as usize).checked_rem(count);
        index
            .and_then(|index| cluster.of_type(server_type).nth(index))
            .ok_or_else(|| match cluster.knows_type(server_type) {
                true => Code::NO_CONNECTION.into(),
                false => {
                    let message = format!("no servers of type `{server_type}`");
                    Status::new(Code::NOT_FOUND, message)
                }
            })
    }
}

/// The checksum Pomelo's applications choose servers by: over the low byte of each UTF-16 unit, and
/// the absolute value of the result as a signed number.
pub fn crc32(key: &str) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    if key.is_ascii() {
        hasher.update(key.as_bytes());
    } else {
        hasher.update(
            &key.encode_utf16()
                .map(|unit| unit as u8)
                .collect::<Vec<_>>(),
        );
    }
    (hasher.finalize() as i32).unsigned_abs()
}

/// The servers this one knows. As a handler's argument, what a gate chooses from.
#[derive(Clone, Debug)]
pub struct Servers(pub(crate) Cluster);

impl Servers {
    /// The servers of a type, in the registry's order, whether up or not.
    pub fn of_type<'a>(&self, server_type: &'a str) -> impl Iterator<Item = Remote> + use<'a> {
        self.0.of_type(server_type)
    }

    /// What the registry says of the servers of a type, also of those this one never calls.
    pub fn registered(&self, server_type: &str) -> Vec<Arc<Instance>> {
        let instances = self.0.instances();
        instances
            .iter()
            .filter(|instance| instance.server_type == server_type)
            .cloned()
            .collect()
    }
}

/// Calls to services on other servers, chosen by session. As a handler's argument: Pomelo's `app.rpc`.
#[derive(Clone, Debug)]
pub struct Rpc {
    pub(crate) cluster: Cluster,
    pub(crate) routes: Routes,
}

impl Rpc {
    /// The client of a service on that server of a type that belongs to the session. What is called
    /// for one session arrives in order, also among its forwarded requests.
    ///
    /// # Errors
    /// There is no server of this type, or the route's key cannot be had from the session.
    pub fn by_route<C: From<Arc<dyn Service>>>(
        &self,
        server_type: &str,
        session: &Session,
    ) -> Result<C> {
        let remote = self.routes.choose(server_type, session, &self.cluster)?;
        Ok(remote.service(session.id().0).into())
    }
}

/// Services an application's servers offer each other.
pub(crate) fn checked<S: Definition>() -> Result<i32, String> {
    let first = tangelo_rpc::Services::FIRST_APPLICATION_ID;
    if S::SERVICE_ID < first {
        return Err(format!(
            "service {} has number {}, but those below {first} are not for applications",
            S::NAME,
            S::SERVICE_ID
        ));
    }
    Ok(S::SERVICE_ID)
}

impl fmt::Debug for Routes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.keys.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_has_three_parts() {
        let route = Route {
            server_type: "chat",
            handler: "chatHandler",
            method: "send",
        };
        assert_eq!(Route::parse(b"chat.chatHandler.send"), Some(route));
        for other in ["", "chat", "chat.send", "chat.a.b.c"] {
            assert_eq!(Route::parse(other.as_bytes()), None, "{other}");
        }
        assert_eq!(Route::parse(b"chat.\xff.send"), None);
    }

    #[test]
    fn servers_are_chosen_by_the_numbers_pomelo_chooses_by() {
        let vectors = [
            ("", 0),
            ("u1", 1_112_514_422),
            ("10001", 12_275_155),
            ("玩家", 471_729_126),
        ];
        for (key, value) in vectors {
            assert_eq!(crc32(key), value, "{key}");
        }
    }
}
