//! What is reachable, and how it is asked: an OpenAPI 3.1 document, made of routes and messages when they are loaded,
//! and a page to try it.

mod document;
mod operation;
mod ordered;
mod parameters;
mod path;
mod published;
mod rules;
mod schema;

pub(crate) use self::published::Published;

/// Where a gateway tells what is reachable, and how it is asked.
///
/// Who may fetch it is told every address, the names of all fields and the comments of the .proto files. Nothing is told where
/// nobody asked for it.
///
/// ```
/// use tangelo_gateway::OpenApi;
///
/// let api = OpenApi::at("/openapi.json").page("/api").title("Shop").version("2.1.0");
/// ```
#[derive(Clone, Debug)]
pub struct OpenApi {
    pub(crate) path: String,
    pub(crate) page: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) version: String,
    pub(crate) description: String,
}

impl OpenApi {
    /// The document is at this path, for every host; it goes before routes. It tells of the urls for the host that is asked.
    pub fn at(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            page: None,
            title: None,
            version: "1".to_owned(),
            description: String::new(),
        }
    }

    /// At this path is a page to read it and to try calls, and what the page needs is below. It asks nobody but this
    /// gateway. Default: nowhere.
    #[must_use]
    pub fn page(mut self, path: impl Into<String>) -> Self {
        self.page = Some(path.into());
        self
    }

    /// What it is called. Default: the gateway's name.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// The version of what is reachable. Default: `1`.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// What is to be said of it all, in CommonMark. Default: nothing.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Whether it can be told there.
    ///
    /// # Errors
    /// It cannot: a path that is none, or is said twice.
    pub fn check(&self) -> Result<(), String> {
        for path in [Some(&self.path), self.page.as_ref()].into_iter().flatten() {
            let is_path = path.starts_with('/') && !path.contains(['?', '#', '%']);
            if !is_path || (path.len() > 1 && path.ends_with('/')) {
                return Err(format!("openapi: `{path}` is no path"));
            }
        }
        match self.page.as_ref() == Some(&self.path) {
            true => Err(format!("openapi: `{}` is said twice", self.path)),
            false => Ok(()),
        }
    }
}
