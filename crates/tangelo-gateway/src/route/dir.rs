//! Folders of files below a path.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    Place, RouteError,
    attribute::Attribute,
    url::{hosts, rooted},
};

/// Folders for what is below a path: files to serve, uploads, templates, downloads.
///
/// One of them, at the least. Each must be there when the routes are loaded.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Dir {
    /// The hosts it answers for, in lower case and without ports; none for every host.
    pub hosts: Vec<String>,
    /// The path it is below, whole segments of it.
    pub path: String,
    /// A folder whose folders `static`, `upload`, `template` and `download` are meant, those that are there and for
    /// which nothing else is said.
    pub base_dir: Option<PathBuf>,
    /// The files that can be fetched.
    pub static_dir: Option<PathBuf>,
    /// Where uploads go.
    pub upload_dir: Option<PathBuf>,
    /// The templates of answers.
    pub template_dir: Option<PathBuf>,
    /// The files that services may send in answers.
    pub download_dir: Option<PathBuf>,
    /// What else was said of it.
    pub attributes: BTreeMap<String, String>,
    /// Where it is written; none if in code.
    pub place: Option<Place>,
    pub(super) mistakes: Vec<RouteError>,
}

impl Dir {
    /// Folders for what is below this path.
    pub fn new(path: impl AsRef<str>) -> Self {
        let mut dir = Self::default();
        dir.set(Attribute::Path, path.as_ref(), Path::new(""));
        dir
    }

    /// The hosts it answers for: `www.example.com,example.com`, or `*` for every host.
    pub fn hosts(mut self, hosts: impl AsRef<str>) -> Self {
        self.set(Attribute::Hosts, hosts.as_ref(), Path::new(""));
        self
    }

    /// A folder with folders `static`, `upload`, `template` and `download`.
    pub fn base_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.base_dir = Some(dir.into());
        self
    }

    /// The files that can be fetched.
    pub fn static_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.static_dir = Some(dir.into());
        self
    }

    /// Where uploads go.
    pub fn upload_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.upload_dir = Some(dir.into());
        self
    }

    /// The templates of answers.
    pub fn template_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.template_dir = Some(dir.into());
        self
    }

    /// The files that services may send in answers.
    pub fn download_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.download_dir = Some(dir.into());
        self
    }

    /// Something for those who serve its files.
    pub fn with_attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// Takes what a file says; its paths are relative to `folder`.
    pub(super) fn set(&mut self, attribute: Attribute, text: &str, folder: &Path) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        let path = || Some(folder.join(text));
        match attribute {
            Attribute::Hosts => match hosts(text) {
                Ok(hosts) => self.hosts = hosts,
                Err(problem) => {
                    let words = format!("hosts: {problem}");
                    self.mistakes.push(RouteError::new(None, words));
                }
            },
            Attribute::Path => self.path = rooted(text),
            Attribute::BaseDir => self.base_dir = path(),
            Attribute::StaticDir => self.static_dir = path(),
            Attribute::UploadDir => self.upload_dir = path(),
            Attribute::TemplateDir => self.template_dir = path(),
            Attribute::DownloadDir => self.download_dir = path(),
            other => {
                let problem = format!("{}: belongs to a url", other.name());
                self.mistakes.push(RouteError::new(None, problem));
            }
        }
    }

    /// With the folders that its base stands for, and what is wrong with them.
    ///
    /// Blocks while it looks for them.
    pub(super) fn resolved(&self) -> (Self, Vec<String>) {
        let mut dir = self.clone();
        let mut mistakes = Vec::new();
        let mut folders = [
            ("staticDir", "static", &mut dir.static_dir),
            ("uploadDir", "upload", &mut dir.upload_dir),
            ("templateDir", "template", &mut dir.template_dir),
            ("downloadDir", "download", &mut dir.download_dir),
        ];
        for (name, _, path) in &folders {
            mistakes.extend(path.as_deref().and_then(|path| missing(name, path)));
        }
        match &self.base_dir {
            Some(base) if base.is_dir() => {
                for (_, name, path) in &mut folders {
                    let implied = base.join(name);
                    if path.is_none() && implied.is_dir() {
                        **path = Some(implied);
                    }
                }
                if folders.iter().all(|(_, _, path)| path.is_none()) {
                    mistakes.push(format!(
                        "baseDir: {} has no folder static, upload, template or download",
                        base.display()
                    ));
                }
            }
            Some(base) => mistakes.extend(missing("baseDir", base)),
            None if folders.iter().all(|(_, _, path)| path.is_none()) => {
                let problem =
                    "one of baseDir, staticDir, uploadDir, templateDir, downloadDir is missing";
                mistakes.push(problem.to_owned());
            }
            None => {}
        }
        (dir, mistakes)
    }
}

fn missing(name: &str, path: &Path) -> Option<String> {
    let looked = || std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    (!path.is_dir()).then(|| format!("{name}: there is no folder {}", looked().display()))
}
