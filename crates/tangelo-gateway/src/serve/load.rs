//! Routes and messages become plans.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    fmt,
    sync::Arc,
};

use bytes::Bytes;
use http::StatusCode;
use prost_reflect::Kind;
use tangelo_reflect::{MessageDescriptor, MethodInfo, Pool, ServiceInfo};
use tangelo_rpc::Service;

use super::{
    UploadLimits,
    files::{Site, sweep},
    problem::Problem,
};
use crate::{
    Backends,
    mapping::{BadParameter, Input, JsonForm, RequestPlan, ResponsePlan},
    openapi::{OpenApi, Published},
    plugin::{Loaded, Plugin, Plugins, cors},
    route::{Group, Known, PathVariables, Place, Router, Routes, SessionMode, Url},
};

/// All that is wrong with what was to be loaded, one line each. What was there before stays.
#[derive(Clone, PartialEq, Eq)]
pub struct LoadErrors(Vec<String>);

/// What is there to be served: exchanged as a whole.
pub(crate) struct State {
    pub(crate) router: Router,
    /// As many as the router has urls, in their order.
    pub(super) plans: Vec<Arc<RoutePlan>>,
    /// As many as the router has dirs: those that have files to fetch.
    pub(super) sites: Vec<Option<Site>>,
    /// The plugins of all urls.
    pub(super) plugins: Loaded,
    /// What tells of all this.
    pub(super) published: Option<Published>,
}

/// What is to be done with the requests of a url.
pub(crate) struct RoutePlan {
    pub(crate) url: Arc<Url>,
    pub(crate) method: MethodInfo,
    pub(crate) request: Arc<RequestPlan>,
    pub(crate) response: Arc<ResponsePlan>,
    pub(crate) service: Arc<dyn Service>,
    pub(crate) plugins: Vec<Arc<dyn Plugin>>,
    /// The status of an answer that says nothing of it: `httpCode` of the url.
    pub(crate) status: Option<StatusCode>,
    pub(super) uploads: UploadLimits,
    /// Files that come stay where they are: `keepFiles` of the url.
    pub(super) keeps_files: bool,
    /// Its message says which files have come.
    pub(super) tells_files: bool,
}

impl State {
    pub(super) fn plan(&self, url: usize) -> Result<Arc<RoutePlan>, Problem> {
        let plan = self.plans.get(url).map(Arc::clone);
        plan.ok_or_else(Problem::internal)
    }
}

impl RoutePlan {
    /// Whether services see what is in the session.
    pub(crate) fn loads_session(&self) -> bool {
        self.url.session_mode >= SessionMode::Optional
    }

    /// What a path has for the variables of the url; `None`: it is none of the url's after all.
    pub(super) fn variables(&self, found: &PathVariables<'_>) -> Option<Vec<(String, String)>> {
        if let Some(template) = self.url.template() {
            return template.values(found);
        }
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Some(found.iter().map(owned).collect())
    }

    /// The message that a request is.
    pub(super) fn encode(&self, input: &Input<'_>) -> Result<Bytes, BadParameter> {
        match &self.url.annotation {
            None => self.request.encode(input),
            Some(annotation) => {
                let arranged = annotation.binding.arrange(input)?;
                self.request.encode(&arranged.input(input))
            }
        }
    }
}

/// Makes plans; it is what stays the same whatever is loaded.
pub(super) struct Loader {
    /// The gateway's name.
    pub(super) id: String,
    pub(super) backends: Backends,
    pub(super) plugins: Plugins,
    pub(super) json: JsonForm,
    pub(super) cookie: String,
    pub(super) uploads: UploadLimits,
    /// What is reachable by the names of services.
    pub(super) auto: Vec<Group>,
    /// What is reachable as the .proto files say.
    pub(super) annotated: Vec<Group>,
    /// Where is told what is reachable.
    pub(super) api: Option<OpenApi>,
}

impl Loader {
    /// Makes plans of all routes, or says all that is wrong. Plugins that were there before may go on.
    ///
    /// Blocks while it looks for folders.
    pub(super) fn load(
        &self,
        routes: &Routes,
        pool: &Pool,
        before: Option<&State>,
    ) -> Result<State, LoadErrors> {
        let routes = &self.complete(routes, pool);
        let known = Known::from(pool).plugins(self.plugins.names());
        let mut mistakes = Vec::new();
        let router = Router::compile(routes, &known);
        if let Err(errors) = &router {
            mistakes.extend(errors.iter().map(ToString::to_string));
        }
        let before = before.map(|state| &state.plugins);
        let loaded = self.plugins(routes, before, &mut mistakes);
        self.check(routes, pool, &loaded, &mut mistakes);
        for dir in &routes.dirs {
            if let Err(problem) = Site::new(dir) {
                let words = format!("dir {}: {problem}", dir.path);
                mistakes.push(at(dir.place.as_ref(), &words));
            }
        }
        let (Ok(router), true) = (router, mistakes.is_empty()) else {
            return Err(LoadErrors(mistakes));
        };
        for folder in router
            .dirs()
            .iter()
            .filter_map(|dir| dir.upload_dir.as_deref())
        {
            sweep(folder);
        }
        let plans = self.plans(&router, pool, &loaded);
        let sites = router.dirs().iter();
        let api = self.api.as_ref();
        let published =
            api.map(|api| Published::new(api, &self.id, &plans, self.json, &self.cookie));
        Ok(State {
            plans,
            sites: sites.map(|dir| Site::new(dir).ok().flatten()).collect(),
            router,
            plugins: loaded,
            published,
        })
    }

    /// Adds the routes that no file has.
    fn complete<'r>(&self, routes: &'r Routes, pool: &Pool) -> Cow<'r, Routes> {
        if self.auto.is_empty() && self.annotated.is_empty() {
            return Cow::Borrowed(routes);
        }
        let mut routes = routes.clone();
        let is_there = |service: &ServiceInfo| self.backends.find(service.id).is_some();
        for group in &self.annotated {
            routes.add_annotated(pool, group, self.json, is_there);
        }
        for group in &self.auto {
            routes.add_auto(pool, group, is_there);
        }
        Cow::Owned(routes)
    }

    /// Every plugin that routes name, with its parameters.
    fn plugins(
        &self,
        routes: &Routes,
        before: Option<&Loaded>,
        mistakes: &mut Vec<String>,
    ) -> Loaded {
        let named: BTreeSet<&str> = routes
            .urls
            .iter()
            .flat_map(plugins_of)
            .filter(|name| self.plugins.names().any(|known| known == *name))
            .collect();
        let mut loaded = Loaded::new();
        for name in named {
            let said = routes.plugins.iter().find(|said| said.name == name);
            let params = said.map_or("", |said| said.params.as_str());
            match self.plugins.load(name, params, before) {
                Ok(plugin) => drop(loaded.insert(name.to_owned(), (params.to_owned(), plugin))),
                Err(problem) => {
                    let place = said.and_then(|said| said.place.as_ref());
                    mistakes.push(at(place, &format!("plugin {name}: {problem}")));
                }
            }
        }
        loaded
    }

    /// What is wrong with urls beside what the router knows.
    fn check(&self, routes: &Routes, pool: &Pool, loaded: &Loaded, mistakes: &mut Vec<String>) {
        for url in &routes.urls {
            let mut wrong = |problem: String| {
                let words = format!("url {}: {problem}", url.path);
                mistakes.push(at(url.place.as_ref(), &words));
            };
            let id = url.service_id;
            if pool.service(id).is_some() && self.backends.find(id).is_none() {
                wrong(format!(
                    "serviceId: there is neither a service {id} here nor a referer to it"
                ));
            }
            if let Err(problem) = status(url) {
                wrong(problem);
            }
            if let Err(problem) = self.uploads(url) {
                wrong(problem);
            }
            if let Err(problem) = keeps_files(url) {
                wrong(problem);
            }
            for (_, plugin) in plugins_of(url).filter_map(|name| loaded.get(name)) {
                let checked = tangelo_runtime::guard::catch(|| plugin.check(url));
                match checked {
                    Ok(Ok(())) => {}
                    Ok(Err(problem)) => wrong(problem),
                    Err(panicked) => wrong(panicked.to_string()),
                }
            }
        }
    }

    /// How much may come for a url: `maxUploadLength` among its attributes.
    fn uploads(&self, url: &Url) -> Result<UploadLimits, String> {
        let Some(text) = url.attributes.get("maxUploadLength") else {
            return Ok(self.uploads);
        };
        let bytes = text.trim().parse().ok();
        let bytes = bytes.filter(|bytes: &usize| *bytes > 0);
        let problem = || format!("maxUploadLength: expected bytes, but it is `{text}`");
        let bytes = bytes.ok_or_else(problem)?;
        Ok(UploadLimits {
            request_bytes: bytes,
            // For one file, mostly.
            file_bytes: bytes,
            ..self.uploads
        })
    }

    /// The plans of urls of which each is sound.
    pub(super) fn plans(
        &self,
        router: &Router,
        pool: &Pool,
        loaded: &Loaded,
    ) -> Vec<Arc<RoutePlan>> {
        let method = |url: &Url| pool.service(url.service_id)?.method(url.msg_id);
        let mut responses = HashMap::new();
        for method in router.urls().iter().filter_map(|url| method(url)) {
            let plan = || {
                let plan = ResponsePlan::compile(&method.output, self.json);
                Arc::new(plan.protect_cookie(&self.cookie))
            };
            let name = method.output.full_name().to_owned();
            responses.entry(name).or_insert_with(plan);
        }
        // Whatever any service puts into a session no client can say.
        let names: BTreeSet<&str> = responses
            .values()
            .flat_map(|plan| plan.session_names())
            .collect();
        let mut requests = HashMap::new();
        let plan = |url: &Arc<Url>| {
            let method = method(url)?;
            let response = responses.get(method.output.full_name())?;
            let request = requests
                .entry(method.input.full_name().to_owned())
                .or_insert_with(|| {
                    let plan = RequestPlan::compile(&method.input, self.json);
                    let plan = plan.session_only(names.iter().copied());
                    // Who could say where a file lies would be shown any.
                    let closed = tells_files(&method.input).then_some(FILES);
                    Arc::new(plan.closed_to_clients(closed))
                });
            let plugins = plugins_of(url).filter_map(|name| loaded.get(name));
            Some(Arc::new(RoutePlan {
                url: Arc::clone(url),
                method: method.clone(),
                request: Arc::clone(request),
                response: Arc::clone(response),
                service: Arc::clone(self.backends.find(url.service_id)?),
                plugins: plugins.map(|(_, plugin)| Arc::clone(plugin)).collect(),
                status: status(url).ok().flatten(),
                uploads: self.uploads(url).unwrap_or(self.uploads),
                keeps_files: keeps_files(url).unwrap_or_default(),
                tells_files: tells_files(&method.input),
            }))
        };
        router.urls().iter().filter_map(plan).collect()
    }
}

/// The field that says which files have come.
pub(super) const FILES: &str = "files";

/// Whether a message says which files have come: it has a list `files` of messages with `file`, where it lies, and
/// `filename`.
fn tells_files(input: &MessageDescriptor) -> bool {
    let field = input
        .get_field_by_name(FILES)
        .filter(|field| field.is_list());
    let Some(Kind::Message(file)) = field.map(|field| field.kind()) else {
        return false;
    };
    ["file", "filename"]
        .iter()
        .all(|name| file.get_field_by_name(name).is_some())
}

/// The plugins of a url. krpc's `origins` asks for `cors`, whether the url names it or not.
fn plugins_of(url: &Url) -> impl Iterator<Item = &str> {
    let has_origins = url.attributes.contains_key(cors::ORIGINS);
    let asks = has_origins && !url.plugins.iter().any(|name| name == cors::NAME);
    let named = url.plugins.iter().map(String::as_str);
    asks.then_some(cors::NAME).into_iter().chain(named)
}

/// `keepFiles` among a url's attributes.
fn keeps_files(url: &Url) -> Result<bool, String> {
    match url.attributes.get("keepFiles").map(|text| text.trim()) {
        None | Some("" | "false") => Ok(false),
        Some("true") => Ok(true),
        Some(text) => Err(format!(
            "keepFiles: expected true or false, but it is `{text}`"
        )),
    }
}

/// `httpCode` among a url's attributes.
fn status(url: &Url) -> Result<Option<StatusCode>, String> {
    let Some(text) = url.attributes.get("httpCode") else {
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

fn at(place: Option<&Place>, words: &str) -> String {
    match place {
        Some(place) => format!("{place}: {words}"),
        None => words.to_owned(),
    }
}

impl LoadErrors {
    /// One after the other; there is at least one.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for LoadErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("\n"))
    }
}

/// As it reads: `main` shows errors in this form.
impl fmt::Debug for LoadErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl std::error::Error for LoadErrors {}

impl fmt::Debug for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("State")
            .field("router", &self.router)
            .finish_non_exhaustive()
    }
}
