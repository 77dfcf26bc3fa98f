//! Files that are sent and that come.
//!
//! Nobody leaves a folder: paths are opened beneath it, and a link that leads out of it is not followed.

mod body;
mod codings;
mod conditions;
mod disposition;
mod download;
mod fetch;
mod folder;
mod range;
mod send;
mod upload;
mod uploaded;

use std::io;

pub(in crate::serve) use self::{
    codings::{Coding, best_coding},
    download::{NoDownload, Wanted, download},
    fetch::{Fetch, Site},
    upload::{Receiving, Refused, boundary, receive},
    uploaded::{Uploaded, sweep},
};
pub(crate) use folder::{Place, is_hidden, look};

/// Work that blocks, where it may.
pub(crate) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other)?
}
