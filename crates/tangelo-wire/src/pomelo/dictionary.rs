//! The route dictionary: a code of two bytes in place of a route.
//!
//! Codes are counted from 1, first the routes of handlers in their order as text, then what the
//! application adds, as it stands. A route that is there twice is written as the later code, and both
//! are read.

use std::collections::HashMap;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{message::MAX_ROUTE, version};

/// The most routes a dictionary has: its codes have two bytes, and 0 is none.
pub const MAX_ROUTES: usize = u16::MAX as usize;

/// Routes and their codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dictionary {
    /// The route of code 1, and so on.
    routes: Vec<Box<str>>,
    codes: HashMap<Box<str>, u16, foldhash::fast::RandomState>,
    version: String,
}

/// Why routes are no dictionary.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More than [`MAX_ROUTES`].
    #[error("a dictionary of {0} routes, the limit is {MAX_ROUTES}")]
    TooMany(usize),
    /// A route longer than [`MAX_ROUTE`]; its first bytes.
    #[error("a route of more than {MAX_ROUTE} bytes: `{0}`...")]
    RouteTooLong(String),
    /// A route of no bytes.
    #[error("an empty route")]
    EmptyRoute,
}

impl Dictionary {
    /// The routes of handlers, in any order, then those that the application adds, in theirs.
    ///
    /// # Errors
    /// Too many routes, or one that no message can carry.
    pub fn new<H: Into<String>, A: Into<String>>(
        handlers: impl IntoIterator<Item = H>,
        added: impl IntoIterator<Item = A>,
    ) -> Result<Self, Error> {
        let mut all: Vec<String> = handlers.into_iter().map(Into::into).collect();
        // As JavaScript sorts: by the units of UTF-16.
        all.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
        all.dedup();
        all.extend(added.into_iter().map(Into::into));
        if all.len() > MAX_ROUTES {
            return Err(Error::TooMany(all.len()));
        }
        let mut codes = HashMap::with_capacity_and_hasher(all.len(), Default::default());
        let mut routes = Vec::with_capacity(all.len());
        for (code, route) in (1..=u16::MAX).zip(all) {
            if route.is_empty() {
                return Err(Error::EmptyRoute);
            }
            if route.len() > MAX_ROUTE {
                return Err(Error::RouteTooLong(route.chars().take(40).collect()));
            }
            let route = route.into_boxed_str();
            codes.insert(route.clone(), code);
            routes.push(route);
        }
        let mut dictionary = Self {
            routes,
            codes,
            version: String::new(),
        };
        dictionary.version = version::of(&[&text(&dictionary.route_to_code())]);
        Ok(dictionary)
    }

    /// The code of a route, if it has one.
    pub fn code(&self, route: &str) -> Option<u16> {
        self.codes.get(route).copied()
    }

    /// The route of a code, if there is one.
    pub fn route(&self, code: u16) -> Option<&str> {
        let place = usize::from(code).checked_sub(1)?;
        self.routes.get(place).map(|route| &**route)
    }

    /// How many codes it has.
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// Tells it from others; as Pomelo makes it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What a client is told in the handshake: members of `sys`, without braces.
    pub(super) fn members(&self) -> String {
        let to_code = text(&self.route_to_code());
        let to_route = text(&CodeToRoute(self));
        // Old clients read `dict`, newer ones the other three.
        format!(
            r#""dict":{to_code},"routeToCode":{to_code},"codeToRoute":{to_route},"dictVersion":"{}""#,
            self.version
        )
    }

    /// The codes alone, as a JSON object by route.
    pub(super) fn codes_by_route(&self) -> String {
        text(&self.route_to_code())
    }

    fn route_to_code(&self) -> RouteToCode<'_> {
        RouteToCode(self)
    }
}

/// Each route once, where it stands first, as an object of JavaScript keeps them.
struct RouteToCode<'a>(&'a Dictionary);

impl Serialize for RouteToCode<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut written = std::collections::HashSet::with_capacity(self.0.codes.len());
        let mut map = serializer.serialize_map(Some(self.0.codes.len()))?;
        for route in &self.0.routes {
            if written.insert(route) {
                map.serialize_entry(route, &self.0.code(route))?;
            }
        }
        map.end()
    }
}

struct CodeToRoute<'a>(&'a Dictionary);

impl Serialize for CodeToRoute<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map((1u32..).zip(&self.0.routes))
    }
}

/// JSON of maps whose keys are texts and numbers, which always succeeds.
fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
