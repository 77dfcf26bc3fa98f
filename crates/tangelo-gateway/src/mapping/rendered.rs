//! What an answer becomes.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

use super::SessionValues;

/// An answer over HTTP. What it does not say is as always: status 200, `application/json; charset=utf-8`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rendered {
    /// Its field `retCode`; 0 if it has none.
    pub ret_code: i32,
    /// From `httpCode`, if that is more than 0.
    pub status: Option<StatusCode>,
    /// From `httpContentType`.
    pub content_type: Option<HeaderValue>,
    /// From `headerXxx`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// From `cookieXxx`: values of `Set-Cookie`.
    pub cookies: Vec<HeaderValue>,
    /// From `session`.
    pub session: Option<SessionChange>,
    /// From `downloadFile` or `downloadStream`: to be sent in place of the JSON.
    pub download: Option<Download>,
    /// What was left out, as it cannot stand in a header, and cookies that say more than is understood. For a log.
    pub refused: Vec<Refused>,
    /// All other fields.
    pub json: Bytes,
}

/// What becomes of the client's web session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionChange {
    /// It ends: `loginFlag` is 0.
    Remove,
    /// These values are added to it, in place of those that have the same names.
    Merge(SessionValues),
}

/// A file for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// Where it comes from.
    pub source: DownloadSource,
    /// Whether it is to be saved rather than shown.
    pub attachment: bool,
    /// Name it is to be saved under, if the service gives one. Any text: whoever writes the header has to quote it.
    pub filename: Option<String>,
}

/// Where a download comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DownloadSource {
    /// A path on this computer, as the service says it: whoever opens it has to confine it.
    File {
        /// The path.
        path: String,
        /// Whether the file is to be deleted when it has been sent.
        auto_delete: bool,
    },
    /// The bytes themselves.
    Bytes(Bytes),
}

/// A field of an answer that has been left out, or of which something has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its name.
    pub field: String,
    /// Why; its value is not repeated.
    pub why: &'static str,
}
