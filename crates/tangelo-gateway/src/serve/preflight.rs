//! What a browser asks before it sends the request of a page from elsewhere.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header, request::Parts};

use super::{load::State, problem::allow_header};
use crate::{
    Body, Client, Exchange,
    route::{Found, Methods},
};

/// `OPTIONS`: what a browser may do, if a plugin of the url it is about has something to say, or what there is.
pub(super) fn options(
    state: Arc<State>,
    client: Client,
    head: Parts,
    host: Option<String>,
    allow: Methods,
) -> Response<Body> {
    preflight(state, client, head, host).unwrap_or_else(|| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers: &mut HeaderMap = response.headers_mut();
        headers.insert(header::ALLOW, allow_header(allow));
        response
    })
}

fn preflight(
    state: Arc<State>,
    client: Client,
    head: Parts,
    host: Option<String>,
) -> Option<Response<Body>> {
    if !head.headers.contains_key(header::ORIGIN) {
        return None;
    }
    let method = head.headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
    let method = Method::from_bytes(method.as_bytes()).ok()?;
    let uri = head.uri.clone();
    let found = state.router.find(host.as_deref(), uri.path(), &method);
    let Found::Url(url, _) = found else {
        return None;
    };
    let plan = state.plan(url).ok()?;
    let exchange = Exchange {
        state,
        plan,
        client,
        head,
        host,
        content: Bytes::new(),
        parts: None,
        variables: Vec::new(),
        parameters: None,
        own: None,
        session: None,
    };
    let mut plugins = exchange.plan.plugins.iter();
    plugins.find_map(|plugin| plugin.preflight(&exchange))
}
