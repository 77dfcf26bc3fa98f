//! What a request is for.

mod compile;
mod table;
mod variables;

use std::{borrow::Cow, collections::HashMap, path::Path, sync::Arc};

use http::Method;

use self::table::Table;
pub use self::variables::PathVariables;
use super::{
    BadPath, Dir, Known, Methods, PluginParams, RouteErrors, Routes, Url,
    methods::{self, slot},
    request_path,
};

/// Finds what a request is for.
///
/// Paths are compared segment for segment, decoded once, in the case they have; one `/` at the end of a request's path
/// does not count. A url that asks for exactly this path is before one that asks for the beginning of it
/// ([`Matching::Prefix`](super::Matching::Prefix)), then a segment as written is before a variable, from left to right, then a longer beginning is
/// before a shorter one. Only urls that are open for the method are looked at; if there is none, the others say with what method it would be found. `HEAD` is
/// found where `GET` is, unless a url for the same path asks for it.
///
/// Urls for the request's host are before those for every host. So a host with urls of its own answers for the others as well.
#[derive(Debug)]
pub struct Router {
    urls: Vec<Arc<Url>>,
    dirs: Vec<Arc<Dir>>,
    plugins: Vec<PluginParams>,
    /// What is there for every host.
    any: Table,
    hosts: HashMap<String, Table>,
}

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A service's message: which of [`Router::urls`], and what stands in the path for its variables.
    Url(usize, PathVariables<'a>),
    /// There is something for other methods.
    WrongMethod(Methods),
    /// Maybe a file.
    Dir {
        /// Which of [`Router::dirs`]; it has files to serve.
        dir: usize,
        /// The file's path below its folder, decoded: segments with one `/` between them, and at the end where the
        /// request has one. No segment is empty, `.` or `..`, none has a `\` or a control character. Empty for the folder itself.
        file: Cow<'a, str>,
        /// If the file is not there: the methods there is something for, as in [`Found::WrongMethod`]. Mostly empty.
        allow: Methods,
    },
    /// There is nothing.
    Nothing,
    /// What was asked for is no path.
    BadPath(BadPath),
}

impl Router {
    /// Holds routes to what there is.
    ///
    /// Blocks while it looks for the folders of dirs.
    ///
    /// # Errors
    /// All that is wrong, the mistakes of the files the routes come from among them.
    pub fn compile(routes: &Routes, known: &Known) -> Result<Self, RouteErrors> {
        compile::compile(routes, known)
    }

    /// What a request with this header `Host` (or `:authority`), raw path (without the query) and method is for.
    ///
    /// The port of a host, its case and a dot at its end do not count.
    pub fn find<'a>(&'a self, host: Option<&str>, path: &'a str, method: &Method) -> Found<'a> {
        match request_path::read(path) {
            Ok(Cow::Borrowed(path)) => self.search(host, path, method, Cow::Borrowed),
            Ok(Cow::Owned(path)) => self.search(host, &path, method, |value| {
                Cow::Owned(value.replace(request_path::ENCODED_SLASH, "/"))
            }),
            Err(bad) => Found::BadPath(bad),
        }
    }

    /// The urls, in the order of [`Routes::urls`].
    pub fn urls(&self) -> &[Arc<Url>] {
        &self.urls
    }

    /// The dirs, in the order of [`Routes::dirs`], with the folders that their bases stand for.
    pub fn dirs(&self) -> &[Arc<Dir>] {
        &self.dirs
    }

    /// What plugins are told.
    pub fn plugins(&self) -> &[PluginParams] {
        &self.plugins
    }

    /// Where uploads to this raw path go: the folder of the nearest dir that has one.
    pub fn upload_dir(&self, host: Option<&str>, path: &str) -> Option<&Path> {
        self.nearest(host, path, |dir| dir.upload_dir.as_deref())
    }

    /// Where templates for answers at this raw path are: the folder of the nearest dir that has one.
    pub fn template_dir(&self, host: Option<&str>, path: &str) -> Option<&Path> {
        self.nearest(host, path, |dir| dir.template_dir.as_deref())
    }

    /// Where the files are that answers at this raw path may send: the folder of the nearest dir that has one.
    pub fn download_dir(&self, host: Option<&str>, path: &str) -> Option<&Path> {
        self.nearest(host, path, |dir| dir.download_dir.as_deref())
    }

    fn search<'a, 'p>(
        &'a self,
        host: Option<&str>,
        path: &'p str,
        method: &Method,
        value: impl Fn(&'p str) -> Cow<'a, str>,
    ) -> Found<'a> {
        let whole = match path {
            "/" => path,
            _ => path.strip_suffix('/').unwrap_or(path),
        };
        if let Some(slot) = slot(method) {
            let mut found = self.tables(host).filter_map(|table| table.url(slot, whole));
            if let Some((url, params)) = found.next() {
                let variables = params.iter().map(|(name, text)| (name, value(text)));
                return Found::Url(url, variables.collect());
            }
        }
        let mut allow = Methods::NONE;
        for slot in 0..methods::COUNT {
            if self
                .tables(host)
                .any(|table| table.url(slot, whole).is_some())
            {
                allow.add(slot);
            }
        }
        if matches!(*method, Method::GET | Method::HEAD) {
            let found = self.tables(host).find_map(|table| {
                let mut dirs = table.dirs(path).filter(|(dir, _)| self.has_files(*dir));
                dirs.next()
            });
            if let Some((dir, file)) = found.filter(|(_, file)| is_file(file)) {
                let file = value(file);
                return Found::Dir { dir, file, allow };
            }
        }
        match allow.is_empty() {
            true => Found::Nothing,
            false => Found::WrongMethod(allow),
        }
    }

    fn has_files(&self, dir: usize) -> bool {
        let dir = self.dirs.get(dir);
        dir.is_some_and(|dir| dir.static_dir.is_some())
    }

    fn nearest<'a>(
        &'a self,
        host: Option<&str>,
        path: &str,
        folder: impl Fn(&'a Dir) -> Option<&'a Path>,
    ) -> Option<&'a Path> {
        let path = request_path::read(path).ok()?;
        self.tables(host).find_map(|table| {
            let mut dirs = table.dirs(&path).filter_map(|(dir, _)| self.dirs.get(dir));
            dirs.find_map(|dir| folder(dir))
        })
    }

    /// What is there for a host: its own, then what is there for all.
    fn tables(&self, host: Option<&str>) -> impl Iterator<Item = &Table> {
        let own = match host {
            // Mostly there is no need to look at it.
            Some(host) if !self.hosts.is_empty() => self.hosts.get(&*bare_host(host)),
            _ => None,
        };
        own.into_iter().chain([&self.any])
    }
}

/// A host in lower case, without its port and the dot of the root.
pub(crate) fn bare_host(host: &str) -> Cow<'_, str> {
    let name = match (host.starts_with('['), host.find(']')) {
        // An address of IPv6, in brackets.
        (true, Some(end)) => host.get(..=end).unwrap_or(host),
        _ => host.split(':').next().unwrap_or(host),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => Cow::Borrowed(name),
    }
}

/// Whether a path below a dir can be a file's or a folder's.
fn is_file(path: &str) -> bool {
    let whole = path.strip_suffix('/').unwrap_or(path);
    let is_name =
        |name: &str| !name.is_empty() && !name.contains(['\\', request_path::ENCODED_SLASH]);
    path.is_empty() || whole.split('/').all(is_name)
}
