//! What a url's attributes say to the gateway itself.

use http::StatusCode;

use crate::{route::Url, serve::UploadLimits};

/// How much may come for a url, by its `maxUploadLength`, or else as everywhere.
pub(super) fn uploads(url: &Url, all: UploadLimits) -> Result<UploadLimits, String> {
    let Some(text) = url.attribute("maxUploadLength") else {
        return Ok(all);
    };
    let bytes = text.parse().ok().filter(|bytes: &usize| *bytes > 0);
    let problem = || format!("maxUploadLength: expected bytes, but it is `{text}`");
    let bytes = bytes.ok_or_else(problem)?;
    Ok(UploadLimits {
        request_bytes: bytes,
        // For one file, mostly.
        file_bytes: bytes,
        ..all
    })
}

/// Whether files that come stay: `keepFiles`.
pub(super) fn keeps_files(url: &Url) -> Result<bool, String> {
    match url.attribute("keepFiles") {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(text) => Err(format!(
            "keepFiles: expected true or false, but it is `{text}`"
        )),
    }
}

/// The status of answers that say none: `httpCode`.
pub(super) fn status(url: &Url) -> Result<Option<StatusCode>, String> {
    let Some(text) = url.attribute("httpCode") else {
        return Ok(None);
    };
    let status = text
        .parse()
        .ok()
        .and_then(|code: u16| StatusCode::from_u16(code).ok());
    let status = status.filter(|status| status.as_u16() >= 200);
    let problem = || format!("httpCode: expected a status from 200, but it is `{text}`");
    status.map(Some).ok_or_else(problem)
}
