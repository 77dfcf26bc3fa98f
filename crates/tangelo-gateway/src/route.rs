//! What is reachable under which host, path and method.
//!
//! [`Routes`] is what was written, in `routes.xml`, in TOML or in code. [`Router::compile`] holds it to what there
//! is, tells all that is wrong, and finds what a request is for.

mod attribute;
mod choice;
mod derived;
mod dir;
mod element;
mod file;
mod group;
mod known;
mod methods;
mod pattern;
mod place;
mod request_path;
mod router;
mod routes;
mod template;
#[cfg(test)]
mod tests;
mod toml;
mod url;
mod xml;

pub use self::{
    choice::{Matching, SessionMode},
    dir::Dir,
    group::Group,
    known::Known,
    methods::Methods,
    place::{Place, RouteError, RouteErrors},
    request_path::BadPath,
    router::{Found, PathVariables, Router},
    routes::{PluginParams, Routes},
    url::Url,
};
pub(crate) use self::{derived::Annotation, router::bare_host, template::Step};
