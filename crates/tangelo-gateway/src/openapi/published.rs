//! What is fetched: the document and the page, as they are sent.

use std::{collections::HashMap, hash::BuildHasher, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use super::{OpenApi, document::document, ordered::Ordered};
use crate::{Body, mapping::JsonForm, route::bare_host, serve::RoutePlan};

const PAGE: &str = include_str!("page/index.html");
const SCRIPT: &str = include_str!("page/try.js");
const STYLE: &str = include_str!("page/try.css");

/// The page has nothing from elsewhere, and is in nobody's frame.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);

/// The document and the page, as they are sent.
#[derive(Debug)]
pub(crate) struct Published {
    /// By path; of each what is for every host, then for hosts of their own.
    files: HashMap<String, (File, HashMap<String, File>)>,
}

#[derive(Clone, Debug)]
struct File {
    kind: HeaderValue,
    text: Bytes,
    tag: HeaderValue,
}

impl Published {
    pub(crate) fn new(
        api: &OpenApi,
        gateway: &str,
        plans: &[Arc<RoutePlan>],
        form: JsonForm,
        cookie: &str,
    ) -> Self {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        let title = api.title.as_deref().unwrap_or(gateway);
        let of = |host: Option<&str>| {
            let document = document(api, title, plans, host, form, cookie);
            // Nothing in it cannot be written.
            File::new(
                JSON,
                serde_json::to_string(&Ordered(&document)).unwrap_or_default(),
            )
        };
        let hosts = plans.iter().flat_map(|plan| &plan.url.hosts);
        let mut own = HashMap::new();
        for host in hosts {
            own.entry(host.clone()).or_insert_with(|| of(Some(host)));
        }
        let mut files = HashMap::from([(api.path.clone(), (of(None), own))]);
        if let Some(page) = &api.page {
            let below = page.trim_end_matches('/');
            let text = PAGE
                .replace("{title}", &escaped(title))
                .replace("{document}", &escaped(&api.path))
                .replace("{page}", &escaped(below));
            let kind = |kind| HeaderValue::from_static(kind);
            let html = File::new(kind("text/html; charset=utf-8"), text);
            let script = File::new(kind("text/javascript; charset=utf-8"), SCRIPT.to_owned());
            let style = File::new(kind("text/css; charset=utf-8"), STYLE.to_owned());
            for (path, file) in [
                (page.clone(), html),
                (format!("{below}/try.js"), script),
                (format!("{below}/try.css"), style),
            ] {
                files.insert(path, (file, HashMap::new()));
            }
        }
        Self { files }
    }

    /// What is at this path, if it is one of those.
    pub(crate) fn find(
        &self,
        host: Option<&str>,
        path: &str,
        method: &Method,
        headers: &HeaderMap,
    ) -> Option<Response<Body>> {
        let (all, own) = self.files.get(path)?;
        if !matches!(*method, Method::GET | Method::HEAD) {
            return None;
        }
        let own = host.and_then(|host| own.get(&*bare_host(host)));
        Some(own.unwrap_or(all).response(headers))
    }
}

impl File {
    fn new(kind: HeaderValue, text: String) -> Self {
        let hash = foldhash::quality::FixedState::default().hash_one(&text);
        // It may be compressed: the same in words, not in bytes.
        let tag = HeaderValue::try_from(format!("W/\"{hash:016x}\""));
        Self {
            kind,
            tag: tag.unwrap_or(HeaderValue::from_static("W/\"\"")),
            text: text.into(),
        }
    }

    fn response(&self, asked: &HeaderMap) -> Response<Body> {
        let known = asked.get_all(header::IF_NONE_MATCH).into_iter();
        let mut known = known
            .filter_map(|tags| tags.to_str().ok())
            .flat_map(|tags| tags.split(','));
        let is_known = known.any(|tag| tag.trim().as_bytes() == self.tag.as_bytes());
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert(header::ETAG, self.tag.clone());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        headers.insert(
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        );
        // It may tell of other urls to another host.
        headers.insert(header::VARY, HeaderValue::from_static("host"));
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(header::CONTENT_TYPE, self.kind.clone());
        *response.body_mut() = self.text.clone().into();
        response
    }
}

/// Text within HTML.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
