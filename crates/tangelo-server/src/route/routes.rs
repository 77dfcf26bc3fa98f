//! What an application says about where its sessions belong.

use std::{collections::HashMap, fmt, pin::Pin, sync::Arc};

use super::{Candidates, RouteRule};
use crate::{Result, Session};

/// Stands for every type without a route or a rule of its own.
const DEFAULT: &str = "default";

/// Which server of a type a session belongs to: Pomelo's `app.route`. Clones share it.
///
/// A route is asked again when the session or the list of servers has changed. `default` as a type
/// stands for every type that has none of its own.
#[derive(Clone, Default)]
pub struct Routes(Arc<ByType>);

#[derive(Clone, Default)]
struct ByType {
    routers: HashMap<String, Router>,
    rules: HashMap<String, RouteRule>,
}

/// What a route function found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteTo {
    /// What the server is chosen by: the same key, the same server.
    Key(String),
    /// The server's own name.
    Server(String),
}

/// Asks the application.
#[derive(Clone)]
pub(crate) enum Router {
    Key(Arc<KeyOf>),
    Server(Arc<ServerOf>),
    Async(Arc<Find>),
}

type KeyOf = dyn Fn(&Session) -> Result<String> + Send + Sync;
type ServerOf = dyn Fn(&Session, &Candidates) -> Result<String> + Send + Sync;
type Find = dyn Fn(Session, Candidates) -> Found + Send + Sync;

/// What an async route function will find out.
pub(crate) type Found = Pin<Box<dyn Future<Output = Result<RouteTo>> + Send>>;

impl Routes {
    /// Without a route of its own a type is chosen by the user, or by the session if none is bound.
    pub fn new() -> Self {
        Self::default()
    }

    /// Servers of this type are chosen by this key: sessions with the same key share a server.
    #[must_use]
    pub fn with(
        self,
        server_type: &str,
        key: impl Fn(&Session) -> Result<String> + Send + Sync + 'static,
    ) -> Self {
        self.router(server_type, Router::Key(Arc::new(key)))
    }

    /// Servers of this type are named by this function, as Pomelo's are. It is never given an empty
    /// list; what it names is taken whether up or not.
    #[must_use]
    pub fn with_server(
        self,
        server_type: &str,
        server: impl Fn(&Session, &Candidates) -> Result<String> + Send + Sync + 'static,
    ) -> Self {
        self.router(server_type, Router::Server(Arc::new(server)))
    }

    /// Servers of this type are found by this async function, which has 3 s. The session's later
    /// requests are held back until it is known where this one goes.
    #[must_use]
    pub fn with_async<F>(
        self,
        server_type: &str,
        find: impl Fn(Session, Candidates) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<RouteTo>> + Send + 'static,
    {
        let find = move |session, candidates| Box::pin(find(session, candidates)) as Found;
        self.router(server_type, Router::Async(Arc::new(find)))
    }

    /// How a key of this type becomes a server.
    #[must_use]
    pub fn rule(mut self, server_type: &str, rule: RouteRule) -> Self {
        let rules = &mut Arc::make_mut(&mut self.0).rules;
        rules.insert(server_type.to_owned(), rule);
        self
    }

    /// The types that have a route or a rule of their own.
    pub fn types(&self) -> impl Iterator<Item = &String> {
        let ByType { routers, rules } = &*self.0;
        let of_rules = rules.keys();
        let types = routers
            .keys()
            .chain(of_rules.filter(|server_type| !routers.contains_key(*server_type)));
        types.filter(|server_type| *server_type != DEFAULT)
    }

    fn router(mut self, server_type: &str, router: Router) -> Self {
        let routers = &mut Arc::make_mut(&mut self.0).routers;
        routers.insert(server_type.to_owned(), router);
        self
    }

    pub(crate) fn router_of(&self, server_type: &str) -> Option<&Router> {
        let routers = &self.0.routers;
        routers.get(server_type).or_else(|| routers.get(DEFAULT))
    }

    pub(crate) fn is_async(&self, server_type: &str) -> bool {
        matches!(self.router_of(server_type), Some(Router::Async(_)))
    }

    pub(crate) fn rule_of(&self, server_type: &str) -> RouteRule {
        let rules = &self.0.rules;
        let rule = rules.get(server_type).or_else(|| rules.get(DEFAULT));
        rule.copied().unwrap_or_default()
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Routes")
            .field("routers", &self.0.routers.keys())
            .field("rules", &self.0.rules)
            .finish()
    }
}
