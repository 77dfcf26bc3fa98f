//! Pages from elsewhere.

use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use super::{Plugin, Step, params::Params};
use crate::{Body, Code, Exchange, route::Url};

/// Its name in routes.
pub(crate) const NAME: &str = "cors";

/// krpc's attribute of a url: who may send requests to it from a page.
pub(crate) const ORIGINS: &str = "origins";

/// Says to browsers which pages from elsewhere may send requests, and refuses those of others.
///
/// Pages of the host that the request is for always may. `origins` of the url, or else of the parameters, names more:
/// `*`, `https://a.example.com`, `a.example.com` over either scheme and at any port, `*.example.com`.
#[derive(Debug)]
pub(super) struct Cors {
    origins: String,
    /// Headers that such a page may send; none: whatever it asks for.
    headers: Option<HeaderValue>,
    /// Headers that it may read.
    expose: Option<HeaderValue>,
    /// Whether its requests have cookies.
    credentials: bool,
    /// Seconds for which a browser need not ask again.
    max_age: u32,
}

/// Whose page it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    /// Anybody's.
    Anywhere,
    /// One's that is named, or our own.
    Known,
    Stranger,
}

impl Cors {
    pub(super) fn new(params: &str) -> Result<Self, String> {
        let mut params = Params::read(params)?;
        let mut header = |name: &str| -> Result<Option<HeaderValue>, String> {
            let value = params.take(name).map(HeaderValue::try_from).transpose();
            value.map_err(|_| format!("{name}: cannot be a header"))
        };
        let (headers, expose) = (header("headers")?, header("expose")?);
        let cors = Self {
            origins: params.name(ORIGINS, ""),
            headers,
            expose,
            credentials: params.flag("credentials")?,
            max_age: params.number("maxAge", 600)?,
        };
        params.end()?;
        cors.check_origins(&cors.origins)?;
        Ok(cors)
    }

    fn check_origins(&self, origins: &str) -> Result<(), String> {
        for origin in names(origins) {
            if origin == "*" && self.credentials {
                let problem = "origins: with credentials=true every site could act for its visitors; name those that may";
                return Err(problem.to_owned());
            }
            let bare = origin.split_once("://").map_or(origin, |(_, host)| host);
            let bare = bare.strip_prefix("*.").unwrap_or(bare);
            if origin != "*" && (bare.is_empty() || bare.contains(['/', '*', '@', ' '])) {
                return Err(format!(
                    "origins: `{origin}` is none; write https://www.example.com, www.example.com, *.example.com or *"
                ));
            }
        }
        Ok(())
    }

    fn origins<'a>(&'a self, url: &'a Url) -> &'a str {
        url.attributes.get(ORIGINS).unwrap_or(&self.origins)
    }

    /// Whose page has sent it; none if it was none.
    fn page(&self, exchange: &Exchange) -> Option<Page> {
        let origin = exchange.headers().get(header::ORIGIN)?;
        let origins = self.origins(exchange.url());
        let from = |origin| judge(origins, origin, exchange.host());
        Some(origin.to_str().map_or(Page::Stranger, from))
    }

    /// What a browser is told with every response.
    fn tell(&self, exchange: &Exchange, response: &mut Response<Body>) {
        let from = self.page(exchange);
        let is_for_all = names(self.origins(exchange.url())).any(|name| name == "*");
        let headers = response.headers_mut();
        if !is_for_all {
            // A cache must not give it to another page.
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
        let origin = exchange.headers().get(header::ORIGIN);
        let allowed = match (from, origin) {
            (Some(Page::Anywhere), _) => HeaderValue::from_static("*"),
            (Some(Page::Known), Some(origin)) => origin.clone(),
            _ => return,
        };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        if self.credentials {
            let yes = HeaderValue::from_static("true");
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
    }
}

impl Plugin for Cors {
    fn check(&self, url: &Url) -> Result<(), String> {
        self.check_origins(self.origins(url))
    }

    fn preflight(&self, exchange: &Exchange) -> Option<Response<Body>> {
        let mut response = Response::new(Body::empty());
        self.tell(exchange, &mut response);
        if self.page(exchange) == Some(Page::Stranger) {
            *response.status_mut() = StatusCode::FORBIDDEN;
            return Some(response);
        }
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        let mut insert = |name: HeaderName, value: Option<HeaderValue>| {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        };
        let methods = exchange.url().methods.to_string();
        let methods = HeaderValue::try_from(methods).ok();
        insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        let asked = exchange
            .headers()
            .get(header::ACCESS_CONTROL_REQUEST_HEADERS);
        let may = self.headers.as_ref().or(asked).cloned();
        insert(header::ACCESS_CONTROL_ALLOW_HEADERS, may);
        let age = Some(self.max_age.into());
        insert(header::ACCESS_CONTROL_MAX_AGE, age);
        Some(response)
    }

    fn before_parse<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        match self.page(exchange) {
            Some(Page::Stranger) => Step::refuse(
                Code::FORBIDDEN.0,
                "pages of this origin are not allowed here",
            ),
            _ => Step::Next,
        }
    }

    fn after_render<'a>(
        &'a self,
        exchange: &'a Exchange,
        response: &'a mut Response<Body>,
    ) -> Step<'a> {
        self.tell(exchange, response);
        let headers = response.headers_mut();
        if let Some(expose) = &self.expose
            && headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN)
        {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
        Step::Next
    }
}

fn names(list: &str) -> impl Iterator<Item = &str> {
    let names = list.split(',').map(str::trim);
    names.filter(|name| !name.is_empty())
}

/// Whose page it is that says it is of this origin, where the request is for this host.
fn judge(origins: &str, origin: &str, host: Option<&str>) -> Page {
    let (scheme, authority) = origin.split_once("://").unwrap_or_default();
    let name = without_port(authority);
    let is_ours = !authority.is_empty()
        && host.is_some_and(|host| {
            let port = if scheme == "https" { ":443" } else { ":80" };
            let host = host.strip_suffix(port).unwrap_or(host);
            host.eq_ignore_ascii_case(authority)
        });
    if is_ours {
        return Page::Known;
    }
    let mut from = Page::Stranger;
    for known in names(origins) {
        let is_this = match known.strip_prefix("*.") {
            _ if known == "*" => return Page::Anywhere,
            Some(above) => {
                let below = name.len().checked_sub(above.len() + 1);
                let end = below
                    .filter(|below| *below > 0)
                    .and_then(|below| name.get(below..));
                end.and_then(|end| end.strip_prefix('.'))
                    .is_some_and(|end| end.eq_ignore_ascii_case(above))
            }
            None if known.contains("://") => known.eq_ignore_ascii_case(origin),
            None if origin == "null" => known == "null",
            None => !name.is_empty() && known.eq_ignore_ascii_case(name),
        };
        if is_this {
            from = Page::Known;
        }
    }
    from
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        // A `]` behind it: a part of an address of IPv6.
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::{Page::*, *};

    #[test]
    fn an_origin_is_our_own_or_named_or_a_stranger() {
        for (origins, origin, from) in [
            // Our own, whatever is named.
            ("", "http://us.com", Known),
            ("", "https://us.com", Known),
            ("", "http://US.com", Known),
            ("", "http://us.com:81", Stranger),
            ("", "http://them.com", Stranger),
            ("", "null", Stranger),
            // Named.
            ("*", "http://them.com", Anywhere),
            ("*", "null", Anywhere),
            ("null", "null", Known),
            ("them.com", "http://them.com", Known),
            ("them.com", "https://them.com:8443", Known),
            ("a.com, them.com", "https://them.com", Known),
            ("them.com", "https://evil-them.com", Stranger),
            ("them.com", "https://them.com.evil.com", Stranger),
            ("them.com", "https://www.them.com", Stranger),
            ("https://them.com", "https://them.com", Known),
            ("https://them.com", "http://them.com", Stranger),
            ("https://them.com", "https://them.com:8443", Stranger),
            ("*.them.com", "https://www.them.com", Known),
            ("*.them.com", "https://a.b.them.com:1", Known),
            ("*.them.com", "https://them.com", Stranger),
            ("*.them.com", "https://.them.com", Stranger),
            ("*.them.com", "https://evilthem.com", Stranger),
            ("[::1]", "http://[::1]:3000", Known),
            ("them.com", "them.com", Stranger),
            ("them.com", "", Stranger),
        ] {
            let judged = judge(origins, origin, Some("us.com"));
            assert_eq!(judged, from, "{origins} {origin}");
        }
        assert_eq!(judge("", "http://us.com", Some("us.com:80")), Known);
        assert_eq!(judge("", "https://us.com", Some("us.com:443")), Known);
        assert_eq!(judge("", "http://us.com:8888", Some("us.com:8888")), Known);
        assert_eq!(judge("", "http://us.com", None), Stranger);
    }

    #[test]
    fn what_makes_no_sense_is_a_mistake() {
        let mistake = |params| Cors::new(params).unwrap_err();
        assert!(mistake("origins=*;credentials=true").contains("every site"));
        assert!(mistake("origins=http://a.com/b").contains("`http://a.com/b` is none"));
        assert!(mistake("origins=a.*.com").contains("is none"));
        assert_eq!(mistake("origin=a.com"), "params: there is no `origin`");
        assert!(Cors::new("origins=a.com,*.b.com,https://c.com;credentials=true").is_ok());
    }
}
