//! A gateway, before it listens.

use std::{collections::BTreeMap, fmt, io, sync::Arc};

use http::StatusCode;
use ipnet::IpNet;
use tangelo_reflect::Pool;
use tangelo_rpc::server::{ErrorTexts, Executor};
use tangelo_tls::{BadCertificate, Certificate};

use super::{
    AccessLog, Compression, Limits, LoadErrors, TracingLog,
    access_log::Masks,
    gateway::{Bound, Loaded},
    health::Health,
    load::Loader,
    proxies::Proxies,
};
use crate::{
    Backends,
    mapping::JsonForm,
    openapi::OpenApi,
    plugin::{Plugin, Plugins},
    route::{Group, Routes},
    session::{MemoryLimits, MemorySessions, SessionCookie, SessionStore},
};

/// Builds a [`Gateway`](crate::Gateway).
///
/// ```no_run
/// # async fn example(us: std::sync::Arc<dyn tangelo_rpc::Service>) -> Result<(), Box<dyn std::error::Error>> {
/// use tangelo_gateway::{Backends, Gateway, route::Routes};
/// use tangelo_reflect::Pool;
/// use tangelo_runtime::Tasks;
///
/// let mut pool = Pool::new();
/// pool.load_dir("proto")?;
/// let bound = Gateway::builder("web")
///     .listen("127.0.0.1", 8888)
///     .routes(Routes::from_xml("routes.xml"))
///     .pool(pool)
///     .backends(Backends::new().referer(100, us))
///     .bind()
///     .await?;
/// let gateway = bound.start(&Tasks::default());
/// gateway.close(std::time::Duration::from_secs(10)).await;
/// # Ok(())
/// # }
/// ```
pub struct GatewayBuilder {
    pub(super) id: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) backlog: u32,
    pub(super) routes: Routes,
    pub(super) pool: Pool,
    pub(super) backends: Backends,
    pub(super) plugins: Plugins,
    pub(super) json: JsonForm,
    pub(super) limits: Limits,
    pub(super) certificate: Option<Certificate>,
    pub(super) sessions: Option<Arc<dyn SessionStore>>,
    pub(super) cookie: SessionCookie,
    pub(super) texts: Option<Arc<dyn ErrorTexts>>,
    pub(super) statuses: BTreeMap<i32, StatusCode>,
    pub(super) negative: Option<StatusCode>,
    pub(super) log: Option<Arc<dyn AccessLog>>,
    pub(super) masks: Masks,
    pub(super) compression: Compression,
    pub(super) health: Health,
    pub(super) proxies: Proxies,
    pub(super) auto: Vec<Group>,
    pub(super) annotated: Vec<Group>,
    pub(super) api: Option<OpenApi>,
    pub(super) sample_rate: u32,
}

/// Why a gateway cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The routes, or what they name.
    #[error("{0}")]
    Load(#[from] LoadErrors),
    /// The certificate.
    #[error("{0}")]
    Certificate(#[from] BadCertificate),
    /// A setting that makes no sense.
    #[error("{0}")]
    Setting(String),
    /// The address.
    #[error("cannot listen on {host}:{port}: {error}")]
    Listen {
        /// Host asked for.
        host: String,
        /// Port asked for.
        port: u16,
        /// What is wrong.
        error: io::Error,
    },
}

impl GatewayBuilder {
    pub(super) fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            host: "*".to_owned(),
            port: 8600,
            backlog: 128,
            routes: Routes::new(),
            pool: Pool::new(),
            backends: Backends::new(),
            plugins: Plugins::shipped(),
            json: JsonForm::default(),
            limits: Limits::default(),
            certificate: None,
            sessions: None,
            cookie: SessionCookie::default(),
            texts: None,
            statuses: BTreeMap::new(),
            negative: None,
            log: Some(Arc::new(TracingLog)),
            masks: Masks::default(),
            compression: Compression::default(),
            health: Health::default(),
            proxies: Proxies::default(),
            auto: Vec::new(),
            annotated: Vec::new(),
            api: None,
            sample_rate: 100,
        }
    }

    /// Where it listens; `*` is every address of the machine, port 0 any that is free. Default: `*`, 8600.
    #[must_use]
    pub fn listen(mut self, host: impl Into<String>, port: u16) -> Self {
        self.host = host.into();
        self.port = port;
        self
    }

    /// Connections that may wait to be accepted. Default: 128.
    #[must_use]
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// What is reachable. Default: nothing.
    #[must_use]
    pub fn routes(mut self, routes: Routes) -> Self {
        self.routes = routes;
        self
    }

    /// What services and messages look like. Default: there are none.
    #[must_use]
    pub fn pool(mut self, pool: Pool) -> Self {
        self.pool = pool;
        self
    }

    /// Who answers. Default: nobody.
    #[must_use]
    pub fn backends(mut self, backends: Backends) -> Self {
        self.backends = backends;
        self
    }

    /// Adds a plugin that routes may name. `load` makes it of the parameters that the routes give it, when they are
    /// loaded; when they are loaded again with the same ones, the plugin stays.
    #[must_use]
    pub fn plugin(
        mut self,
        name: impl Into<String>,
        load: impl Fn(&str) -> Result<Arc<dyn Plugin>, String> + Send + Sync + 'static,
    ) -> Self {
        self.plugins.add(name.into(), load);
        self
    }

    /// What JSON looks like. Default: as krpc's.
    #[must_use]
    pub fn json(mut self, form: JsonForm) -> Self {
        self.json = form;
        self
    }

    /// How much, how long, how many.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// TLS with this certificate, and HTTP/2 for those who ask for it. When its files change, connections that come
    /// later have the new one. Default: none, HTTP/1, and HTTP/2 for those who begin with it.
    #[must_use]
    pub fn certificate(mut self, certificate: Certificate) -> Self {
        self.certificate = Some(certificate);
        self
    }

    /// Where sessions are. Default: in this process, with [`MemoryLimits`]' defaults.
    #[must_use]
    pub fn sessions(mut self, store: Arc<dyn SessionStore>) -> Self {
        self.sessions = Some(store);
        self
    }

    /// The cookie of sessions.
    #[must_use]
    pub fn session_cookie(mut self, cookie: SessionCookie) -> Self {
        self.cookie = cookie;
        self
    }

    /// Words for negative codes in answers that have none, before the codes' own. Default: none.
    #[must_use]
    pub fn error_texts(mut self, texts: Arc<dyn ErrorTexts>) -> Self {
        self.texts = Some(texts);
        self
    }

    /// The status of answers with this `retCode`, if they say nothing of it. Default: 200.
    #[must_use]
    pub fn status_for(mut self, ret_code: i32, status: StatusCode) -> Self {
        self.statuses.insert(ret_code, status);
        self
    }

    /// The status of all other answers with a negative `retCode`. Default: 200.
    #[must_use]
    pub fn status_for_negative(mut self, status: StatusCode) -> Self {
        self.negative = Some(status);
        self
    }

    /// Who is told of every request; none: nobody. Default: [`TracingLog`].
    #[must_use]
    pub fn access_log(mut self, log: Option<Arc<dyn AccessLog>>) -> Self {
        self.log = log;
        self
    }

    /// Parameters whose values do not stand in the access log. Default: none.
    #[must_use]
    pub fn mask_fields(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.masks.0.extend(names.into_iter().map(Into::into));
        self
    }

    /// Which responses are compressed.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// At the path `live` is told with 200 that the gateway runs; at `ready` that it is ready, or with 503 that it
    /// is not. They go before routes, and are not logged. An empty path is none. Default: none.
    #[must_use]
    pub fn health(mut self, live: impl Into<String>, ready: impl Into<String>) -> Self {
        self.health = Health {
            live: Some(live.into()).filter(|path| !path.is_empty()),
            ready: Some(ready.into()).filter(|path| !path.is_empty()),
        };
        self
    }

    /// Proxies that are believed when they say in `X-Forwarded-For` and `X-Forwarded-Proto` whom they speak for.
    /// Default: none.
    #[must_use]
    pub fn believe_proxies(mut self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        self.proxies.0.extend(networks);
        self
    }

    /// Makes every method of the services there are reachable at `/service/method`, in lower case, without their being in
    /// the routes; as the group says: its prefix, hosts, methods, plugins, session mode, and its service alone if it
    /// names one. What the routes have at such an address goes before it. Several groups add up. Default: nothing is.
    #[must_use]
    pub fn auto_routes(mut self, group: Group) -> Self {
        self.auto.push(group);
        self
    }

    /// Makes methods reachable where their .proto files say so, by `option (google.api.http)`; as the group says: its
    /// prefix, hosts, plugins, session mode, and its service alone if it names one. What the routes have at such an
    /// address goes before it. Default: nothing is.
    #[must_use]
    pub fn annotated_routes(mut self, group: Group) -> Self {
        self.annotated.push(group);
        self
    }

    /// Tells at a path what is reachable, and how it is asked. Default: nowhere.
    #[must_use]
    pub fn openapi(mut self, api: OpenApi) -> Self {
        self.api = Some(api);
        self
    }

    /// Requests out of a hundred whose trace says that it may be sampled, if they bring no `traceparent` that says
    /// it. Default: 100.
    #[must_use]
    pub fn sample_rate(mut self, requests: u32) -> Self {
        self.sample_rate = requests;
        self
    }

    /// Loads everything, and takes its address.
    ///
    /// # Errors
    /// Routes with mistakes, all at once; a certificate or an address that cannot be used.
    pub async fn bind(self) -> Result<Bound, StartError> {
        self.load()?.bind().await
    }

    /// Loads everything, and takes no address yet: so all mistakes can be told before anything begins. Back ends
    /// may be stand-ins, which [`Bound::backends`] replaces.
    ///
    /// Blocks while it looks for folders and certificates.
    ///
    /// # Errors
    /// Routes with mistakes, all at once; a certificate that cannot be used, settings that make no sense.
    pub fn load(self) -> Result<Loaded, StartError> {
        self.cookie.check().map_err(StartError::Setting)?;
        let executor = Executor::new(self.limits.requests);
        let executor = executor.map_err(|error| StartError::Setting(error.to_string()))?;
        if let Some(api) = &self.api {
            api.check().map_err(StartError::Setting)?;
        }
        for path in [&self.health.live, &self.health.ready]
            .into_iter()
            .flatten()
        {
            if !path.starts_with('/') {
                let problem = format!("health: `{path}` is no path");
                return Err(StartError::Setting(problem));
            }
        }
        Loaded::new(self, executor)
    }

    pub(super) fn loader(&mut self) -> Loader {
        Loader {
            id: self.id.clone(),
            backends: std::mem::take(&mut self.backends),
            plugins: std::mem::take(&mut self.plugins),
            json: self.json,
            cookie: self.cookie.name.clone(),
            uploads: self.limits.uploads,
            auto: std::mem::take(&mut self.auto),
            annotated: std::mem::take(&mut self.annotated),
            api: self.api.take(),
        }
    }

    pub(super) fn store(&mut self) -> Arc<dyn SessionStore> {
        let own = || Arc::new(MemorySessions::new(MemoryLimits::default())) as _;
        self.sessions.take().unwrap_or_else(own)
    }
}

impl fmt::Debug for GatewayBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("GatewayBuilder")
            .field("id", &self.id)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("backends", &self.backends)
            .field("plugins", &self.plugins)
            .finish_non_exhaustive()
    }
}
