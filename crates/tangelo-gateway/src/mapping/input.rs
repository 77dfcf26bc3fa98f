//! What came over HTTP, each part where it lies.

use std::{borrow::Cow, collections::BTreeMap};

use http::{HeaderMap, Method, header};
use serde_json::{Map, Value};

/// All that a message can be filled from. Nothing is copied to make one.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The request as it came.
    pub http: Http<'a>,
    /// Variables of the path, decoded.
    pub variables: &'a [(&'a str, Cow<'a, str>)],
    /// Parameters in the body.
    pub body: Body<'a>,
    /// What plugins have set: goes before what the client said. A `null` hides a parameter of the client's.
    pub plugins: Option<&'a Map<String, Value>>,
    /// The web session.
    pub session: Session<'a>,
}

/// The request as it came.
#[derive(Clone, Copy, Debug)]
pub struct Http<'a> {
    /// The verb.
    pub method: &'a Method,
    /// Whether the client uses TLS, as far as can be known.
    pub secure: bool,
    /// The host that was asked for.
    pub host: Option<&'a str>,
    /// The path, not decoded.
    pub path: &'a str,
    /// What stands behind the `?`, not decoded.
    pub query: Option<&'a str>,
    /// The headers, cookies among them.
    pub headers: &'a HeaderMap,
    /// The body.
    pub content: &'a [u8],
}

/// Parameters in the body.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// None, or what only `httpContent` can have.
    None,
    /// `application/x-www-form-urlencoded`, not decoded.
    Form(&'a [u8]),
    /// `application/json`, not read.
    Json(&'a [u8]),
    /// The same where the query says nothing.
    Whole(&'a [u8]),
    /// The parts of `multipart/form-data`, or what a plugin has read.
    Parts(&'a Map<String, Value>),
}

/// What is known of the client's web session.
#[derive(Clone, Copy, Debug, Default)]
pub struct Session<'a> {
    /// Its id, as services see it. `None` in session mode 0.
    pub id: Option<&'a str>,
    /// What is in it. `None` in session modes 0 and 1.
    pub values: Option<&'a SessionValues>,
}

/// What is in a session.
pub type SessionValues = BTreeMap<String, String>;

impl<'a> Http<'a> {
    /// Type of the body without its parameters: `application/json`. Empty if it is not given.
    pub fn content_type(&self) -> &'a str {
        let value = self.headers.get(header::CONTENT_TYPE);
        let value = value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim()
    }
}

impl<'a> Body<'a> {
    /// What the type of a body says it is. An empty one is none.
    ///
    /// Multipart bodies are not read here.
    pub fn of(http: &Http<'a>) -> Self {
        let kind = http.content_type();
        if http.content.is_empty() {
            Self::None
        } else if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            Self::Form(http.content)
        } else if is_json(kind) {
            Self::Json(http.content)
        } else {
            Self::None
        }
    }
}

/// `application/json`, and the other names for it.
fn is_json(kind: &str) -> bool {
    let names = ["application/json", "text/json"];
    let has_suffix = || {
        let (before, suffix) = kind.rsplit_once('+')?;
        let is_application = before.get(..12)?.eq_ignore_ascii_case("application/");
        (is_application && suffix.eq_ignore_ascii_case("json")).then_some(())
    };
    names.iter().any(|name| kind.eq_ignore_ascii_case(name)) || has_suffix().is_some()
}

#[cfg(test)]
mod tests {
    use super::is_json;

    #[test]
    fn json_has_several_names() {
        for (kind, is) in [
            ("application/json", true),
            ("Text/JSON", true),
            ("application/problem+json", true),
            ("application/vnd.shop.v1+JSON", true),
            ("text/x+json", false),
            ("application/jsonp", false),
            ("application/xml", false),
            ("text/plain", false),
            ("", false),
            ("+json", false),
        ] {
            assert_eq!(is_json(kind), is, "{kind}");
        }
    }
}
