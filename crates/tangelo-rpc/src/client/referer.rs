//! A service elsewhere, and how it is called.

use std::{collections::HashMap, fmt, net::IpAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tangelo_reflect::MethodInfo;
use tokio::time::Instant;

use super::{
    Balance, Client,
    breaker::BreakerConfig,
    calling::Calling,
    canned::Answers,
    reply_codes::ReplyCodes,
    retry::{RetryBudget, RetryLevel},
    route::RouteRules,
    targets::Targets,
};
use crate::{
    Answer, Codecs, Home, Method, Request, Service, Tracer, access_log::AccessLog, call::deadline,
    config::RefererConfig, connection::Zip,
};

/// A service elsewhere as something to call: balanced, retried, limited in time. Clones share it.
#[derive(Clone)]
pub struct Referer {
    shared: Arc<Shared>,
}

/// What a referer is made of beside its configuration.
#[derive(Debug)]
pub struct RefererSettings {
    /// Finds the value of the request field that the balancer hashes.
    pub key: Option<Arc<dyn KeyOf>>,
    /// Canned answers that are given instead of calling.
    pub mock: Option<Arc<dyn Answers>>,
    /// Canned answers for when no server can be reached.
    pub fallback: Option<Arc<dyn Answers>>,
    /// How requests can be compressed.
    pub codecs: Codecs,
    /// Where calls are logged.
    pub log: Option<AccessLog>,
    /// What is done to the trace of each call.
    pub tracer: Option<Arc<dyn Tracer>>,
    /// Calls out of a hundred that may be sampled.
    pub sample_rate: u32,
    /// What is known of the methods.
    pub methods: Vec<MethodInfo>,
    /// Name of the application, for routing rules.
    pub application: String,
    /// This machine's address, for routing rules.
    pub own_host: Option<IpAddr>,
}

impl RefererSettings {
    pub(super) fn own_host(&self) -> String {
        self.own_host
            .map(|host| host.to_string())
            .unwrap_or_default()
    }
}

/// Finds the value of a request's field.
pub trait KeyOf: fmt::Debug + Send + Sync + 'static {
    /// The value as text; none if the field is empty or cannot be read.
    fn key(&self, msg_id: i32, body: &[u8]) -> Option<Vec<u8>>;
}

/// What all its calls go by.
pub(super) struct Shared {
    pub(super) config: RefererConfig,
    pub(super) client: Client,
    pub(super) settings: RefererSettings,
    pub(super) balance: Arc<dyn Balance>,
    breaker: Option<BreakerConfig>,
    pub(super) zip: Option<Zip>,
    own: Policy,
    methods: HashMap<i32, Policy, foldhash::fast::RandomState>,
    pub(super) codes: ReplyCodes,
    pub(super) rules: Option<Rules>,
    pub(super) targets: ArcSwap<Targets>,
    /// Held while the targets are exchanged.
    changing: Mutex<()>,
    pub(super) budget: RetryBudget,
}

/// Which addresses a call may go to.
pub(super) struct Rules {
    pub(super) rules: RouteRules,
    /// Whether they give weights, which count in place of a registry's then.
    has_weights: bool,
}

/// How calls of one method are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    timeout: Duration,
    pub(super) level: RetryLevel,
    pub(super) retries: u32,
}

impl Referer {
    /// A referer whose calls go over the client's connections; it has no address yet.
    ///
    /// # Errors
    /// A setting that does not make sense.
    pub fn new(
        config: RefererConfig,
        client: Client,
        settings: RefererSettings,
    ) -> Result<Self, String> {
        let own = Policy {
            timeout: config.timeout,
            level: config.retry_level,
            retries: config.retry_count,
        };
        let policy = |method: &Method| {
            let fitting = config
                .methods
                .iter()
                .find(|settings| settings.fits(method))?;
            let policy = Policy {
                timeout: fitting.timeout.unwrap_or(own.timeout),
                level: fitting.retry_level.unwrap_or(own.level),
                retries: fitting.retry_count.unwrap_or(own.retries),
            };
            Some((method.msg_id, policy))
        };
        let described = config.described.as_ref();
        let methods = described.map_or(&[][..], |described| described.methods());
        let methods = methods.iter().filter_map(policy).collect();
        let rules = config.routes.as_ref().map(|routes| {
            let rules = RouteRules::new(routes, &settings.own_host());
            let has_weights = routes
                .weights
                .as_ref()
                .is_some_and(|weights| !weights.is_empty());
            rules.map(|rules| Rules { rules, has_weights })
        });
        let rules = rules.transpose().map_err(|error| error.to_string())?;
        let breaker = config.breaker()?;
        let zip = Zip::named(&settings.codecs, &config)?;
        let balance = config.load_balance.balance();
        let balance = Arc::clone(balance.map_err(ToString::to_string)?);
        Ok(Self {
            shared: Arc::new(Shared {
                balance,
                zip,
                own,
                methods,
                codes: ReplyCodes::new(&settings.methods),
                rules,
                targets: ArcSwap::default(),
                changing: Mutex::default(),
                budget: RetryBudget::new(Instant::now()),
                breaker,
                config,
                client,
                settings,
            }),
        })
    }

    /// Calls go to these addresses from now on, `host:port` and weight. Calls under way are answered
    /// where they are; a connection that nobody needs any more is closed after its last answer.
    pub fn set_addresses(&self, addresses: &[(String, u32)]) {
        let shared = &self.shared;
        let rules = &shared.rules;
        let weighted: Vec<_> = addresses
            .iter()
            .map(|(address, weight)| {
                let ruled = rules.as_ref().filter(|rules| rules.has_weights);
                let ruled = ruled.map(|rules| rules.rules.weight_of(address));
                (address.clone(), ruled.unwrap_or(*weight))
            })
            .collect();
        let _changing = shared.changing.lock();
        let before = shared.targets.load();
        let after = before.changed(&weighted, &shared.client, shared.breaker.as_ref());
        shared.targets.store(Arc::new(after));
    }

    /// Resolves when connecting to each address has been tried once, or takes longer than half a second.
    /// Cancel safe.
    pub async fn tried(&self) {
        if self.shared.client.config().lazy {
            return;
        }
        let targets = self.shared.targets.load_full();
        for address in targets.addresses() {
            address.tried().await;
        }
    }

    /// Its settings.
    pub fn config(&self) -> &RefererConfig {
        &self.shared.config
    }

    fn policy(&self, msg_id: i32) -> Policy {
        let special = self.shared.methods.get(&msg_id);
        special.copied().unwrap_or(self.shared.own)
    }
}

impl Service for Referer {
    fn call(&self, request: Request) -> Answer {
        let policy = self.policy(request.msg_id);
        let deadline = deadline(&request, policy.timeout);
        let shared = Arc::clone(&self.shared);
        Box::pin(Calling::new(shared, policy, deadline, request))
    }

    fn home(&self) -> Option<&Home> {
        Some(self.shared.client.home())
    }
}

impl fmt::Debug for Referer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Referer")
            .field("id", &self.shared.config.id)
            .field("service_id", &self.shared.config.service_id)
            .field("targets", &self.shared.targets.load())
            .finish_non_exhaustive()
    }
}
