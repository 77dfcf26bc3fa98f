//! A file becomes a response.

use std::io;

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use super::{
    body::FileBody,
    codings::Coding,
    conditions::{Verdict, Version},
    folder::Opened,
    range::{self, Asked},
};
use crate::{Body, serve::problem::Problem};

/// How a file is sent.
pub(super) struct Sending<'a> {
    pub(super) method: &'a Method,
    /// Of the request.
    pub(super) headers: &'a HeaderMap,
    pub(super) kind: HeaderValue,
    pub(super) coding: Option<Coding>,
    /// Whether the client may ask for a part, and whether it has it already.
    pub(super) is_lasting: bool,
}

/// The type of a file, by its name.
pub(super) fn kind_of(name: &str) -> HeaderValue {
    let kind = mime_guess::from_path(name).first_raw();
    match kind.unwrap_or("application/octet-stream") {
        text if text.starts_with("text/") => {
            HeaderValue::try_from(format!("{text}; charset=utf-8"))
                .unwrap_or(HeaderValue::from_static("text/plain"))
        }
        other => HeaderValue::from_static(other),
    }
}

impl Sending<'_> {
    /// The response; what is wrong with the request is one, too.
    pub(super) async fn respond(self, opened: Opened) -> io::Result<Response<Body>> {
        let length = opened.length;
        let coding = self.coding.map_or("", Coding::name);
        let version = Version::new(opened.modified, length, coding);
        let is_read = matches!(*self.method, Method::GET | Method::HEAD);
        let verdict = match self.is_lasting && is_read {
            true => version.check(self.headers),
            false => Verdict::SendWhole,
        };
        let mut response = match verdict {
            Verdict::Failed => {
                let words = "the file is another by now";
                return Ok(refused(StatusCode::PRECONDITION_FAILED, words));
            }
            Verdict::NotModified => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                response
            }
            Verdict::Send | Verdict::SendWhole => {
                let range = self.headers.get(header::RANGE);
                let range =
                    range.filter(|_| verdict == Verdict::Send && self.method == Method::GET);
                let range = range.and_then(|range| range.to_str().ok());
                let asked = range.map_or(Asked::Whole, |range| range::read(range, length));
                let mut response = part(opened, asked).await?;
                if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
                    return Ok(response);
                }
                let headers = response.headers_mut();
                headers.insert(header::CONTENT_TYPE, self.kind);
                if let Some(coding) = self.coding {
                    let coding = HeaderValue::from_static(coding.name());
                    headers.insert(header::CONTENT_ENCODING, coding);
                }
                response
            }
        };
        let headers = response.headers_mut();
        // What a browser makes of it is said by its type alone.
        let nosniff = HeaderValue::from_static("nosniff");
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
        if self.is_lasting && is_read {
            let bytes = HeaderValue::from_static("bytes");
            headers.insert(header::ACCEPT_RANGES, bytes);
            if let Ok(tag) = HeaderValue::try_from(version.tag) {
                headers.insert(header::ETAG, tag);
            }
            let modified = version.modified.map(httpdate::fmt_http_date);
            if let Some(Ok(modified)) = modified.map(HeaderValue::try_from) {
                headers.insert(header::LAST_MODIFIED, modified);
            }
        }
        Ok(response)
    }
}

async fn part(opened: Opened, asked: Asked) -> io::Result<Response<Body>> {
    let length = opened.length;
    let (status, first, many, range) = match asked {
        Asked::Whole => (StatusCode::OK, 0, length, None),
        Asked::Part { first, last } => {
            let range = format!("bytes {first}-{last}/{length}");
            let many = last - first + 1;
            (StatusCode::PARTIAL_CONTENT, first, many, Some(range))
        }
        Asked::Beyond => {
            let words = format!("the file has {length} bytes");
            let mut response = refused(StatusCode::RANGE_NOT_SATISFIABLE, words);
            if let Ok(range) = HeaderValue::try_from(format!("bytes */{length}")) {
                response.headers_mut().insert(header::CONTENT_RANGE, range);
            }
            return Ok(response);
        }
    };
    let body = FileBody::new(opened.file, first, many).await?;
    let mut response = Response::new(Body::stream(body));
    *response.status_mut() = status;
    if let Some(Ok(range)) = range.map(HeaderValue::try_from) {
        response.headers_mut().insert(header::CONTENT_RANGE, range);
    }
    Ok(response)
}

fn refused(status: StatusCode, words: impl Into<String>) -> Response<Body> {
    let code = tangelo_rpc::Code::DECODE_REQ_ERROR;
    Problem::new(status, code, words).response()
}
