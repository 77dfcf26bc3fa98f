//! What fields of special names are filled with, and nothing else.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, Method, header};

use crate::mapping::{
    Http, Input,
    shape::{Below, Field, Many},
    special,
};

/// Where a field comes from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// What the client or the session has under its name.
    Ordinary,
    Method,
    Schema,
    Path,
    Host,
    Query,
    ContentType,
    Content,
    SessionId,
    /// All of the session.
    Session,
    Header(HeaderName),
    Cookie(Box<str>),
}

impl Source {
    /// By its name. Headers and cookies fill no messages and maps, so those are ordinary.
    pub(super) fn of(field: &Field) -> Self {
        match &*field.name {
            "httpMethod" => Self::Method,
            "httpSchema" => Self::Schema,
            "httpPath" => Self::Path,
            "httpHost" => Self::Host,
            "httpQueryString" => Self::Query,
            "httpContentType" => Self::ContentType,
            "httpContent" => Self::Content,
            "sessionId" => Self::SessionId,
            "session" => Self::Session,
            _ if field.below != Below::Nothing || matches!(field.many, Many::Map(_)) => {
                Self::Ordinary
            }
            name => {
                let header = special::header(name).map(Self::Header);
                let cookie = || Some(Self::Cookie(special::cookie(name)?.into()));
                header.or_else(cookie).unwrap_or(Self::Ordinary)
            }
        }
    }

    /// The bytes for a field that takes one value. `None`: there are none.
    pub(super) fn value<'a>(&self, input: &Input<'a>) -> Option<Cow<'a, [u8]>> {
        let http = &input.http;
        let text = |text: &'a str| Some(text.as_bytes().into());
        match self {
            Self::Ordinary | Self::Session => None,
            Self::Method => Some(verb(http.method).into_owned().into_bytes().into()),
            Self::Schema => text(if http.secure { "https" } else { "http" }),
            Self::Path => text(http.path),
            Self::Host => http.host.and_then(text),
            Self::Query => http.query.and_then(text),
            Self::ContentType => text(http.content_type()),
            Self::Content => Some(http.content.into()),
            Self::SessionId => input.session.id.and_then(text),
            Self::Header(name) => joined(http, name),
            Self::Cookie(name) => cookie(http.headers, name).map(Cow::Borrowed),
        }
    }
}

/// In lower case. HEAD is a GET whose answer has no body, and routed so.
fn verb(method: &Method) -> Cow<'static, str> {
    match *method {
        Method::GET | Method::HEAD => "get".into(),
        Method::POST => "post".into(),
        Method::PUT => "put".into(),
        Method::DELETE => "delete".into(),
        ref other => other.as_str().to_ascii_lowercase().into(),
    }
}

/// A header that stands several times says the same as one with commas.
fn joined<'a>(http: &Http<'a>, name: &HeaderName) -> Option<Cow<'a, [u8]>> {
    let mut values = http.headers.get_all(name).iter();
    let first = values.next()?.as_bytes();
    let mut all = Cow::Borrowed(first);
    for more in values {
        let all = all.to_mut();
        all.extend_from_slice(b", ");
        all.extend_from_slice(more.as_bytes());
    }
    Some(all)
}

/// The first cookie of the name, without the quotes around it.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let lines = headers.get_all(header::COOKIE).iter();
    let mut pairs = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b';'));
    pairs.find_map(|pair| {
        let value = pair.trim_ascii().strip_prefix(name.as_bytes())?;
        let value = value.trim_ascii_start().strip_prefix(b"=")?.trim_ascii();
        let inside = value.strip_prefix(b"\"");
        Some(inside.and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value))
    })
}
