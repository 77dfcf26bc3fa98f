//! Responses take fewer bytes.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body::{Frame, SizeHint};
use tower_http::compression::{Compression as Layer, predicate::Predicate};
use tower_service::Service;

use crate::Body;

/// Which responses are compressed, for clients that say they understand it: with zstd, br or gzip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// Whether any is. Default: yes.
    pub enabled: bool,
    /// Bytes of the smallest body that is. Default: 1,024.
    pub at_least: usize,
}

impl Default for Compression {
    fn default() -> Self {
        Self {
            enabled: true,
            at_least: 1024,
        }
    }
}

impl Compression {
    /// The response as its client takes it best. One that is left as it is costs nothing.
    pub(super) async fn apply(
        self,
        accept: Option<&HeaderValue>,
        mut response: Response<Body>,
    ) -> Response<Body> {
        if !self.enabled || !self.fits(&response) {
            return response;
        }
        // What another client gets from the same path may have other bytes.
        let vary = HeaderValue::from_static("accept-encoding");
        response.headers_mut().append(header::VARY, vary);
        let Some(accept) = accept else {
            return response;
        };
        let mut request = Request::new(());
        request
            .headers_mut()
            .insert(header::ACCEPT_ENCODING, accept.clone());
        let mut layer = Layer::new(Ready(Some(response))).compress_when(Always);
        let Ok(compressed) = layer.call(request).await;
        let is_compressed = compressed.headers().contains_key(header::CONTENT_ENCODING);
        let mut response = compressed.map(|body| Body::stream(Compressed(Box::pin(body))));
        // It has said so above.
        drop_doubles(response.headers_mut(), is_compressed);
        response
    }

    fn fits(self, response: &Response<Body>) -> bool {
        let headers = response.headers();
        let length = http_body::Body::size_hint(response.body()).exact();
        let is_long = length.is_none_or(|length| length >= self.at_least as u64);
        let has_all = !matches!(
            response.status(),
            StatusCode::PARTIAL_CONTENT | StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
        is_long
            && has_all
            && !headers.contains_key(header::CONTENT_ENCODING)
            && !headers.contains_key(header::CONTENT_RANGE)
            && is_text(headers)
    }
}

/// Whether it is something that becomes shorter.
fn is_text(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    // A client waits for each event of this one.
    (kind.starts_with("text/") && kind != "text/event-stream")
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
        || matches!(
            kind.as_str(),
            "application/json" | "application/javascript" | "application/xml" | "application/wasm"
        )
}

fn drop_doubles(headers: &mut HeaderMap, is_compressed: bool) {
    let vary = HeaderValue::from_static("accept-encoding");
    let others: Vec<_> = headers.get_all(header::VARY).iter().cloned().collect();
    headers.remove(header::VARY);
    for other in others.iter().filter(|other| **other != vary) {
        headers.append(header::VARY, other.clone());
    }
    headers.append(header::VARY, vary);
    if is_compressed {
        weaken(headers);
        headers.remove(header::CONTENT_LENGTH);
    }
}

/// The bytes are not those any more that a tag stands for.
fn weaken(headers: &mut HeaderMap) {
    let tag = headers.get(header::ETAG).map(HeaderValue::as_bytes);
    let weak = tag.filter(|tag| !tag.starts_with(b"W/"));
    let weak = weak.map(|tag| HeaderValue::try_from([b"W/", tag].concat()));
    if let Some(Ok(weak)) = weak {
        headers.insert(header::ETAG, weak);
    }
}

/// A response that is there.
#[derive(Clone)]
struct Always;

impl Predicate for Always {
    fn should_compress<B: http_body::Body>(&self, _: &Response<B>) -> bool {
        true
    }
}

/// Answers with the response that it has.
struct Ready(Option<Response<Body>>);

impl Service<Request<()>> for Ready {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        std::future::ready(Ok(self.0.take().unwrap_or_default()))
    }
}

/// A compressed body, with errors as ours has them.
struct Compressed<B>(Pin<Box<B>>);

impl<B> http_body::Body for Compressed<B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: ToString,
{
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = self.0.as_mut().poll_frame(context);
        frame.map_err(|error| io::Error::other(error.to_string()))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    /// One that is left as it is has its length.
    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
