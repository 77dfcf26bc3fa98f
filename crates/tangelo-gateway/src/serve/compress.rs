//! Responses take fewer bytes.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::{
    content::{Held, Room},
    encoder::{self, Compressed},
    files::{Coding, best_coding},
};
use crate::Body;

/// Which responses are compressed, for clients that say they understand it: with zstd, br or gzip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// Whether any is. Default: yes.
    pub enabled: bool,
    /// Bytes of the smallest body that is. Default: 1,024.
    pub at_least: usize,
    /// Bytes of memory for responses that are compressed as their clients read them, all together: those that are longer than 64
    /// KiB, or whose length is not known. Each takes a megabyte or two (gzip: half of one); what comes when it is used up is
    /// sent as it is. Default: 256 MiB.
    pub memory: usize,
}

impl Default for Compression {
    fn default() -> Self {
        Self {
            enabled: true,
            at_least: 1024,
            memory: 256 << 20,
        }
    }
}

/// Bytes of a body that is compressed at once, before it is sent: nothing is kept for a client that does not read.
const AT_ONCE: usize = 64 << 10;

impl Compression {
    /// The response as its client takes it best. One that is left as it is costs nothing.
    pub(super) fn apply(
        self,
        room: &Arc<Room>,
        accept: Option<&HeaderValue>,
        mut response: Response<Body>,
    ) -> Response<Body> {
        if !self.enabled || !self.fits(&response) {
            return response;
        }
        varies(response.headers_mut());
        let Some(coding) = accept.and_then(best_coding) else {
            return response;
        };
        let (mut head, body) = response.into_parts();
        let body = match body.bytes() {
            Some(whole) if whole.len() <= AT_ONCE => at_once(coding, whole).ok_or(body),
            _ => self.as_it_is_read(room, coding, body),
        };
        let body = match body {
            Ok(compressed) => {
                let name = HeaderValue::from_static(coding.name());
                head.headers.insert(header::CONTENT_ENCODING, name);
                head.headers.remove(header::CONTENT_LENGTH);
                // Its parts are not those of what is sent.
                head.headers.remove(header::ACCEPT_RANGES);
                weaken(&mut head.headers);
                compressed
            }
            Err(plain) => plain,
        };
        Response::from_parts(head, body)
    }

    /// Bit by bit, if there is memory left for it.
    fn as_it_is_read(self, room: &Arc<Room>, coding: Coding, body: Body) -> Result<Body, Body> {
        let mut held = Held::none(room);
        if !held.take(encoder::memory(coding), self.memory) {
            return Err(body);
        }
        Ok(Body::stream(Compressed::new(coding, body, held)))
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

/// Compressed, if it is shorter then.
fn at_once(coding: Coding, whole: &Bytes) -> Option<Body> {
    let compressed = encoder::whole(coding, whole).ok();
    let compressed = compressed.filter(|compressed| compressed.len() < whole.len());
    compressed.map(Body::from)
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

/// What another client gets from the same path may have other bytes.
fn varies(headers: &mut HeaderMap) {
    let vary = HeaderValue::from_static("accept-encoding");
    if !headers.get_all(header::VARY).iter().any(|it| *it == vary) {
        headers.append(header::VARY, vary);
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
