//! The files of a dir, for everybody.

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};

use super::{
    codings::{self, Coding},
    folder::{Opened, Place, is_hidden, look},
    off_thread,
    send::{Sending, kind_of},
};
use crate::{Body, route::Dir, serve::problem::Problem};

/// What stands for a folder.
const INDEX: &str = "index.html";

/// A dir's files, as they are sent.
#[derive(Clone, Debug)]
pub(in crate::serve) struct Site {
    folder: PathBuf,
    /// `Cache-Control`.
    cache: HeaderValue,
    /// For `Expires`.
    lasts: Option<Duration>,
}

/// Who asks for a file.
pub(in crate::serve) struct Fetch<'a> {
    pub(in crate::serve) method: &'a Method,
    pub(in crate::serve) uri: &'a Uri,
    pub(in crate::serve) headers: &'a HeaderMap,
}

/// What there is for a path.
enum Looked {
    File {
        opened: Opened,
        coding: Option<Coding>,
        /// Another client gets other bytes.
        varies: bool,
        name: String,
    },
    /// A folder with an index, and no `/` behind its name.
    FolderWithoutSlash,
    Nothing,
}

impl Site {
    /// The files of a dir, if it has any to send.
    ///
    /// # Errors
    /// What its attributes say is wrong.
    pub(in crate::serve) fn new(dir: &Dir) -> Result<Option<Self>, String> {
        let seconds = match dir.attributes.get("expireSeconds") {
            None => 0,
            Some(text) => text
                .trim()
                .parse::<u32>()
                .map_err(|_| format!("expireSeconds: expected seconds, but it is `{text}`"))?,
        };
        let cache = match (dir.attributes.get("cacheControl"), seconds) {
            (Some(text), _) => HeaderValue::try_from(text.trim())
                .map_err(|_| format!("cacheControl: `{text}` cannot be a header"))?,
            (None, 0) => HeaderValue::from_static("no-cache"),
            (None, seconds) => HeaderValue::try_from(format!("max-age={seconds}"))
                .unwrap_or(HeaderValue::from_static("no-cache")),
        };
        let folder = dir.static_dir.clone();
        Ok(folder.map(|folder| Self {
            folder,
            cache,
            lasts: (seconds > 0).then(|| Duration::from_secs(u64::from(seconds))),
        }))
    }

    /// A file by its path below the folder, as the router says it; none if there is none.
    pub(in crate::serve) async fn fetch(
        &self,
        file: &str,
        fetch: &Fetch<'_>,
    ) -> io::Result<Option<Response<Body>>> {
        if is_hidden(file) {
            return Ok(None);
        }
        let (folder, path) = (self.folder.clone(), file.to_owned());
        let codings = codings::accepted(fetch.headers);
        let has_slash = fetch.uri.path().ends_with('/');
        let looked = off_thread(move || search(&folder, &path, has_slash, &codings)).await?;
        match looked {
            Looked::Nothing => Ok(None),
            Looked::FolderWithoutSlash => Ok(Some(with_slash(fetch.uri))),
            Looked::File {
                opened,
                coding,
                varies,
                name,
            } => {
                let sending = Sending {
                    method: fetch.method,
                    headers: fetch.headers,
                    kind: kind_of(&name),
                    coding,
                    is_lasting: true,
                };
                let mut response = sending.respond(opened).await?;
                self.caching(&mut response, varies);
                Ok(Some(response))
            }
        }
    }

    fn caching(&self, response: &mut Response<Body>, varies: bool) {
        let is_file =
            response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED;
        let headers = response.headers_mut();
        if varies {
            let vary = HeaderValue::from_static("accept-encoding");
            headers.insert(header::VARY, vary);
        }
        if !is_file {
            return;
        }
        headers.insert(header::CACHE_CONTROL, self.cache.clone());
        let until = self.lasts.map(|lasts| SystemTime::now() + lasts);
        let until = until.map(|until| HeaderValue::try_from(httpdate::fmt_http_date(until)));
        if let Some(Ok(until)) = until {
            headers.insert(header::EXPIRES, until);
        }
    }
}

/// Blocks.
fn search(folder: &Path, path: &str, has_slash: bool, codings: &[Coding]) -> io::Result<Looked> {
    let bare = path.trim_end_matches('/');
    let (name, opened) = match look(folder, bare)? {
        Place::File(opened) if !path.ends_with('/') => (bare.to_owned(), opened),
        Place::Folder => {
            let index = match bare {
                "" => INDEX.to_owned(),
                bare => format!("{bare}/{INDEX}"),
            };
            match look(folder, &index)? {
                Place::File(_) if !has_slash => return Ok(Looked::FolderWithoutSlash),
                Place::File(opened) => (index, opened),
                _ => return Ok(Looked::Nothing),
            }
        }
        _ => return Ok(Looked::Nothing),
    };
    for &coding in codings {
        let beside = format!("{name}{}", coding.suffix());
        if let Place::File(compressed) = look(folder, &beside)?
            // One that is older is of what the file was before.
            && compressed.modified >= opened.modified
        {
            return Ok(Looked::File {
                opened: compressed,
                coding: Some(coding),
                varies: true,
                name,
            });
        }
    }
    Ok(Looked::File {
        opened,
        coding: None,
        varies: false,
        name,
    })
}

/// So that what the index names beside itself is found.
fn with_slash(uri: &Uri) -> Response<Body> {
    let path = uri.path();
    let query = uri.query().map(|query| format!("?{query}"));
    let to = format!("{path}/{}", query.unwrap_or_default());
    // With two it would be another host.
    let to = HeaderValue::try_from(to)
        .ok()
        .filter(|_| !path.starts_with("//"));
    let Some(to) = to else {
        return Problem::not_found().response();
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    response.headers_mut().insert(header::LOCATION, to);
    response
}
