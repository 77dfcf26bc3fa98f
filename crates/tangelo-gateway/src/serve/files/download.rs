//! A file in place of an answer's JSON.

use std::{
    io,
    path::{Component, Path, PathBuf},
};

use http::{HeaderMap, HeaderValue, Method, Response, header};

use super::{
    disposition::{base_name, disposition},
    folder::{Place, is_hidden, look, take},
    off_thread,
    send::{Sending, kind_of},
};
use crate::{
    Body,
    mapping::{Download, DownloadSource},
};

/// Why a file is not sent.
#[derive(Debug, thiserror::Error)]
pub(in crate::serve) enum NoDownload {
    /// There is no dir for it.
    #[error("no dir for this path has a downloadDir")]
    NoFolder,
    /// It is not below the folder.
    #[error("the file is not in the downloadDir")]
    Outside,
    /// It is not there.
    #[error("there is no such file")]
    Missing,
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(#[from] io::Error),
}

/// Who has it, and how it is to be.
pub(in crate::serve) struct Wanted<'a> {
    pub(in crate::serve) method: &'a Method,
    pub(in crate::serve) headers: &'a HeaderMap,
    /// What it is confined to.
    pub(in crate::serve) folder: Option<&'a Path>,
    /// The type that the service says.
    pub(in crate::serve) kind: Option<HeaderValue>,
}

/// The response for what a service has said. A file that is to be deleted is gone once it is open: it is sent from
/// what is still there of it, and nobody finds it again, whether its client stays or goes.
pub(in crate::serve) async fn download(
    download: Download,
    wanted: Wanted<'_>,
) -> Result<Response<Body>, NoDownload> {
    let Download {
        source,
        attachment,
        filename,
    } = download;
    let (mut response, name) = match source {
        DownloadSource::Bytes(bytes) => {
            let mut response = Response::new(Body::from(bytes));
            let kind = wanted
                .kind
                .unwrap_or_else(|| kind_of(filename.as_deref().unwrap_or("")));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, kind);
            let nosniff = HeaderValue::from_static("nosniff");
            headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
            (response, filename)
        }
        DownloadSource::File { path, auto_delete } => {
            let folder = wanted.folder.ok_or(NoDownload::NoFolder)?.to_owned();
            let own_name = base_name(&path);
            let place = off_thread(move || open(&folder, &path, auto_delete)).await?;
            let opened = match place {
                Some(Place::File(opened)) => opened,
                Some(_) => return Err(NoDownload::Missing),
                None => return Err(NoDownload::Outside),
            };
            let name = filename.unwrap_or(own_name);
            let sending = Sending {
                method: wanted.method,
                headers: wanted.headers,
                kind: wanted.kind.unwrap_or_else(|| kind_of(&name)),
                coding: None,
                is_lasting: !auto_delete,
            };
            (sending.respond(opened).await?, Some(name))
        }
    };
    if response.status().is_success() {
        let disposition = disposition(attachment, name.as_deref());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}

/// What is at a path that a service says: below the folder, whether it names the folder or not. None for one that
/// is elsewhere.
fn open(folder: &Path, path: &str, auto_delete: bool) -> io::Result<Option<Place>> {
    let Some(below) = below(folder, Path::new(path))? else {
        return Ok(None);
    };
    let Some(below) = below.to_str() else {
        return Ok(None);
    };
    if is_hidden(&below.replace('\\', "/")) {
        return Ok(None);
    }
    let place = match auto_delete {
        true => take(folder, below)?,
        false => look(folder, below)?,
    };
    Ok(Some(place))
}

fn below(folder: &Path, path: &Path) -> io::Result<Option<PathBuf>> {
    let relative = match path.is_absolute() {
        false => path.to_owned(),
        true => {
            let named = std::path::absolute(folder)?;
            let real = folder.canonicalize()?;
            let below = path
                .strip_prefix(named)
                .or_else(|_| path.strip_prefix(real));
            match below {
                Ok(below) => below.to_owned(),
                Err(_) => return Ok(None),
            }
        }
    };
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    let plain = relative.components().all(is_plain).then_some(relative);
    Ok(plain.map(|path| {
        path.components()
            .filter(|part| *part != Component::CurDir)
            .collect()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_below_the_folder_or_nowhere() {
        let folder = std::env::temp_dir();
        let named = |path: &str| folder.join(path).to_str().unwrap().to_owned();
        for (path, found) in [
            ("a.txt", Some("a.txt")),
            ("a/b.txt", Some("a/b.txt")),
            ("./a.txt", Some("a.txt")),
            (&named("a/b.txt"), Some("a/b.txt")),
            ("../a.txt", None),
            ("a/../../b.txt", None),
            ("a/../b.txt", None),
            ("/etc/passwd", None),
            (&named("../a.txt"), None),
            (
                &(folder.to_str().unwrap().trim_end_matches('/').to_owned() + "x/a.txt"),
                None,
            ),
        ] {
            let below = below(&folder, Path::new(path)).unwrap();
            assert_eq!(below.as_deref(), found.map(Path::new), "{path}");
        }
    }
}
