//! Web servers: services over HTTP.

mod marks;
mod proto;
mod running;
mod settings;
mod sources;
mod watch;

use std::{collections::BTreeMap, fmt, sync::Arc};

use tangelo_gateway::{
    AccessLog, Backends, GatewayBuilder, Loaded, StartError,
    plugin::Plugin,
    route::Routes,
    session::{SessionCookie, SessionStore},
};
use tangelo_rpc::{
    Answer, Code, Request, Service,
    config::{Served, WebServerConfig},
    server::ErrorTexts,
};

pub(super) use self::proto::Proto;
pub(crate) use self::running::WebServers;
use self::{sources::Sources, watch::Watched};
use super::{
    Bootstrap,
    elements::{Chapter, Place, listed},
    settings::Origins,
};
use crate::Mistakes;

/// Makes a plugin of the parameters that routes give it.
type Load = Arc<dyn Fn(&str) -> Result<Arc<dyn Plugin>, String> + Send + Sync>;

/// What the application brings to its web servers.
#[derive(Default)]
pub(super) struct Brought {
    routes: Vec<(String, Routes)>,
    plugins: Vec<(String, Load)>,
    sessions: BTreeMap<String, Arc<dyn SessionStore>>,
    log: Option<Arc<dyn AccessLog>>,
}

/// The web servers that will be started.
#[derive(Default)]
pub(super) struct Planned(Vec<One>);

struct One {
    id: String,
    loaded: Loaded,
    watched: Watched,
    reload_interval: u32,
}

impl Bootstrap {
    /// Adds to what is reachable at a web server, by its id, which is `default_web` unless given. Its
    /// `routes_file` is read besides.
    #[must_use]
    pub fn routes(mut self, web_server: impl Into<String>, routes: Routes) -> Self {
        self.brought.web.routes.push((web_server.into(), routes));
        self
    }

    /// Adds a plugin that the routes of all web servers may name. `load` makes it of the parameters that routes give
    /// it, for each web server and whenever these change.
    #[must_use]
    pub fn web_plugin(
        mut self,
        name: impl Into<String>,
        load: impl Fn(&str) -> Result<Arc<dyn Plugin>, String> + Send + Sync + 'static,
    ) -> Self {
        let plugins = &mut self.brought.web.plugins;
        plugins.push((name.into(), Arc::new(load)));
        self
    }

    /// Adds a place where web sessions are kept, which web servers choose by its name (`session_service`).
    #[must_use]
    pub fn session_store(mut self, name: impl Into<String>, store: Arc<dyn SessionStore>) -> Self {
        self.brought.web.sessions.insert(name.into(), store);
        self
    }

    /// Writes what is asked of web servers to a place of the application's own. By default it goes to events of
    /// `tracing`, of the target `tangelo.http`.
    #[must_use]
    pub fn web_access_log(mut self, log: Arc<dyn AccessLog>) -> Self {
        self.brought.web.log = Some(log);
        self
    }

    /// Loads what web servers will serve; what is wrong with it is among the mistakes then.
    pub(super) fn plan_web(
        &self,
        proto: &Proto,
        texts: Option<&Arc<dyn ErrorTexts>>,
        origins: &Origins,
        mistakes: &mut Mistakes,
    ) -> Planned {
        for (id, _) in &self.brought.web.routes {
            if self.position(Chapter::WebServer, id).is_none() {
                let known = listed(&self.ids(Chapter::WebServer));
                let problem = format!("there is no web_server of this id; there are: {known}");
                mistakes.add(format!("routes `{id}`: {problem}"));
            }
        }
        let mut planned = Vec::new();
        for (position, config) in (0..).zip(&self.web_servers) {
            let mut telling = Telling {
                all: self,
                origins,
                mistakes,
                place: Chapter::WebServer.at(position),
            };
            planned.extend(self.one(config, proto, texts, &mut telling));
        }
        Planned(planned)
    }

    fn one(
        &self,
        config: &WebServerConfig,
        proto: &Proto,
        texts: Option<&Arc<dyn ErrorTexts>>,
        telling: &mut Telling<'_>,
    ) -> Option<One> {
        let brought = &self.brought.web;
        let own = brought.routes.iter().filter(|(id, _)| *id == config.id);
        let own: Vec<_> = own.map(|(_, routes)| routes.clone()).collect();
        let mut sources = Sources::new(config, own, proto.clone());
        let read = sources.routes().map(|routes| routes.files().to_vec());
        let marks = sources.first_marks(read.as_deref().unwrap_or_default());
        // Once more, as they may have changed before they were looked at.
        let builder = settings::builder(config, self, telling);
        let routes = match sources.routes() {
            Ok(routes) => routes,
            Err(problem) => {
                telling.wrong("routes_file", problem);
                return None;
            }
        };
        let builder = builder
            .routes(routes)
            .pool(self.pool.clone())
            .backends(self.stand_ins(&config.id));
        let builder = match texts {
            Some(texts) => builder.error_texts(Arc::clone(texts)),
            None => builder,
        };
        let loaded = builder.load();
        sources.settle();
        match loaded {
            Ok(loaded) => Some(One {
                id: config.id.clone(),
                loaded,
                watched: Watched::new(sources, marks),
                reload_interval: config.reload_interval,
            }),
            Err(error) => {
                telling.not_loaded(error);
                None
            }
        }
    }

    /// Whoever will answer at a web server, by number.
    fn stand_ins(&self, web_server: &str) -> Backends {
        let here = self.services.iter().filter(|service| {
            !service.reverse && service.transport.iter().any(|id| id == web_server)
        });
        let here = here.filter_map(|service| service.served.as_ref().map(Served::service_id));
        let elsewhere = self.referers.iter().filter(|referer| !referer.reverse);
        let elsewhere = elsewhere.map(|referer| referer.service_id);
        let nobody: Arc<dyn Service> = Arc::new(Nobody);
        here.chain(elsewhere).fold(Backends::new(), |all, id| {
            all.referer(id, Arc::clone(&nobody))
        })
    }
}

/// Stands in for a back end until there is one.
struct Nobody;

impl Service for Nobody {
    fn call(&self, _request: Request) -> Answer {
        Box::pin(async { Err(Code::NO_CONNECTION.into()) })
    }
}

/// Tells what is wrong with a web server.
struct Telling<'a> {
    all: &'a Bootstrap,
    origins: &'a Origins,
    mistakes: &'a mut Mistakes,
    place: Place,
}

impl Telling<'_> {
    fn wrong(&mut self, key: &str, problem: impl fmt::Display) {
        if self.origins.is_told(self.place, key) {
            return;
        }
        let at = self.origins.of(self.place, key);
        let label = self.all.label(self.place);
        self.mistakes
            .add_at(at, format!("{label}.{key}: {problem}"));
    }

    fn not_loaded(&mut self, error: StartError) {
        match error {
            // Each has its own file and line. Several web servers may have the same file.
            StartError::Load(errors) => errors
                .iter()
                .for_each(|error| self.mistakes.add_once(None, error)),
            StartError::Certificate(error) => self.wrong("tls_cert", error),
            StartError::Setting(problem) => {
                let label = self.all.label(self.place);
                self.mistakes.add(format!("{label}: {problem}"));
            }
            other => self.wrong("port", other),
        }
    }
}
