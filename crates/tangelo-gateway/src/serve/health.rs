//! What those are told who watch over a gateway.

use std::sync::atomic::Ordering;

use http::{HeaderValue, Method, Response, StatusCode, header, request::Parts};

use super::{problem::JSON, shared::Shared};
use crate::Body;

/// Where is told how the gateway is.
#[derive(Clone, Debug, Default)]
pub(super) struct Health {
    pub(super) live: Option<String>,
    pub(super) ready: Option<String>,
}

/// How the gateway is, if it is that what somebody asks.
pub(super) fn health(shared: &Shared, head: &Parts) -> Option<Response<Body>> {
    let path = head.uri.path();
    let is = |known: &Option<String>| known.as_deref() == Some(path);
    let is_up = if is(&shared.health.live) {
        true
    } else if is(&shared.health.ready) {
        let is_draining = shared.tasks.stop().is_draining();
        shared.is_ready.load(Ordering::Relaxed) && !is_draining
    } else {
        return None;
    };
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return None;
    }
    let (status, text) = match is_up {
        true => (StatusCode::OK, r#"{"status":"up"}"#),
        false => (StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"down"}"#),
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(response)
}
